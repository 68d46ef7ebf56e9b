#include "core/boot/elf_executable.hpp"
#include "core/boot/guest_layout.hpp"
#include "core/boot/loaders.hpp"

#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

// Xen public header arch-x86/hvm/start_info.h, version 1.
struct StartInfo {
    std::uint32_t magic = 0x336e'c578;
    std::uint32_t version = 1;
    std::uint32_t flags = 0;
    std::uint32_t module_count = 0;
    std::uint64_t modules = 0;
    std::uint64_t command_line = 0;
    std::uint64_t rsdp = 0;
    std::uint64_t memory_map = 0;
    std::uint32_t memory_map_entries = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(StartInfo) == 56);

struct Module {
    std::uint64_t address;
    std::uint64_t size;
    std::uint64_t command_line;
    std::uint64_t reserved;
};
static_assert(layout::boot_modules + sizeof(Module) <= layout::loader_name);

struct MapEntry {
    std::uint64_t address;
    std::uint64_t size;
    std::uint32_t type;
    std::uint32_t reserved;
};
static_assert(layout::boot_memory_map + layout::map_entry_limit * sizeof(MapEntry) <= layout::zero_page);

Result<void> place_memory_map(BootContext& context) {
    std::vector<MapEntry> map;
    for (const auto& entry : context.memory_map) {
        map.push_back({entry.address, entry.size, static_cast<std::uint32_t>(entry.type), 0});
    }
    const auto bytes = std::as_bytes(std::span{map});
    auto target = context.space.claim(layout::boot_memory_map, bytes.size(), "the PVH memory map");
    if (!target) return std::move(target).error();
    std::memcpy(target->data(), bytes.data(), bytes.size());
    return {};
}

Result<void> place_start_info(BootContext& context, const PlacedInitrd& initrd) {
    StartInfo info{};
    info.command_line = layout::command_line;
    info.rsdp = context.options.rsdp_address;
    info.memory_map = layout::boot_memory_map;
    info.memory_map_entries = static_cast<std::uint32_t>(context.memory_map.size());
    if (initrd.size != 0) {
        info.module_count = 1;
        info.modules = layout::boot_modules;
        const Module module{initrd.address, initrd.size, 0, 0};
        auto done = place_structure(context, layout::boot_modules, module, "the PVH module list");
        if (!done) return done;
    }
    return place_structure(context, layout::boot_information, info, "the PVH start info");
}

} // namespace

Result<LoadedKernel> load_pvh(BootContext& context) {
    auto image = parse_elf(context.kernel);
    if (!image) return std::move(image).error();
    auto start = find_pvh_entry(context.kernel, *image);
    if (!start) return std::move(start).error();
    if (!*start) {
        return context.kernel.refuse("has no PVH entry (ELF note \"Xen\", type 18)",
                                     "build Linux with CONFIG_PVH, or choose another protocol");
    }
    if (!in_segments(*image, **start)) {
        return context.kernel.refuse(fmt::format("the PVH entry {:#x} is in no loaded segment", **start));
    }

    CpuEntry entry{.mode = CpuEntry::Mode::protected_32, .rip = **start, .rbx = layout::boot_information};
    auto done = place_gdt(context, entry);
    if (done) done = place_stack(context, entry);
    if (done) done = place_memory_map(context);
    if (done) done = place_command_line(context, default_command_line_limit);
    if (done) done = load_segments(context, *image);
    if (!done) return std::move(done).error();
    auto initrd = place_initrd(context, default_initrd_limit);
    if (!initrd) return std::move(initrd).error();
    done = place_start_info(context, *initrd);
    if (!done) return std::move(done).error();
    return LoadedKernel{.entry = entry, .summary = fmt::format("ELF kernel, PVH entry at {:#x}", entry.rip)};
}

} // namespace plugbay::core
