#include "core/boot/elf_executable.hpp"
#include "core/boot/guest_layout.hpp"
#include "core/boot/loaders.hpp"

#include <algorithm>
#include <array>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::uint32_t header_magic = 0x1bad'b002;
constexpr std::uint32_t entry_magic = 0x2bad'b002;
constexpr std::uint64_t search_limit = 8192; // bytes; specification 3.1
constexpr std::uint64_t last_address_32 = 0xffff'ffff;

// Header flags, specification 3.1.2.
constexpr std::uint32_t align_modules = 1 << 0; // the initrd is always page-aligned
constexpr std::uint32_t memory_information = 1 << 1;
constexpr std::uint32_t video_mode = 1 << 2;
constexpr std::uint32_t required_flags = 0xffff;
constexpr std::uint32_t address_fields = 1 << 16;

struct Header {
    std::uint32_t magic;
    std::uint32_t flags;
    std::uint32_t checksum;
};

struct AddressFields {
    std::uint32_t header;
    std::uint32_t load;
    std::uint32_t load_end; // 0: up to the end of the file
    std::uint32_t bss_end;  // 0: no bss
    std::uint32_t entry;
};

struct FoundHeader {
    std::uint64_t offset; // in the file
    std::uint32_t flags;
};

// Boot information format, specification 3.3, up to and with the framebuffer's colour information.
struct Information {
    std::uint32_t flags = 0;
    std::uint32_t lower_kib = 0;
    std::uint32_t upper_kib = 0;
    std::uint32_t boot_device = 0;
    std::uint32_t command_line = 0;
    std::uint32_t module_count = 0;
    std::uint32_t modules = 0;
    std::array<std::uint32_t, 4> symbols{};
    std::uint32_t map_length = 0; // bytes
    std::uint32_t map = 0;
    std::uint32_t drives_length = 0;
    std::uint32_t drives = 0;
    std::uint32_t configuration_table = 0;
    std::uint32_t loader_name = 0;
    std::array<std::uint32_t, 12> video{};
};
static_assert(sizeof(Information) == 116);
static_assert(layout::boot_information + sizeof(Information) <= layout::boot_modules);

constexpr std::uint32_t has_memory = 1 << 0;
constexpr std::uint32_t has_command_line = 1 << 2;
constexpr std::uint32_t has_modules = 1 << 3;
constexpr std::uint32_t has_memory_map = 1 << 6;
constexpr std::uint32_t has_loader_name = 1 << 9;

struct Module {
    std::uint32_t start;
    std::uint32_t end; // exclusive
    std::uint32_t text;
    std::uint32_t reserved;
};

struct MapEntry {
    std::uint32_t size; // of what follows
    std::uint32_t address_low;
    std::uint32_t address_high;
    std::uint32_t length_low;
    std::uint32_t length_high;
    std::uint32_t type;
};
static_assert(layout::boot_memory_map + layout::map_entry_limit * sizeof(MapEntry) <= layout::zero_page);

constexpr std::array<char, 8> loader_name{'P', 'l', 'u', 'g', 'b', 'a', 'y', '\0'};

std::uint32_t low_half(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
}

std::optional<FoundHeader> find_header(const ImageFile& file) {
    std::vector<std::byte> start(std::min(search_limit, file.size()));
    if (!file.read(0, start, "first 8192 bytes")) return std::nullopt;
    for (std::size_t offset = 0; start.size() - offset >= sizeof(Header); offset += 4) {
        Header header{};
        std::memcpy(&header, start.data() + offset, sizeof(header));
        if (header.magic == header_magic && header.magic + header.flags + header.checksum == 0) {
            return FoundHeader{.offset = offset, .flags = header.flags};
        }
        if (start.size() - offset < sizeof(Header) + 4) break;
    }
    return std::nullopt;
}

// The form without ELF (specification 3.1.3): one run of file bytes, then bss.
Result<std::uint64_t> load_by_addresses(BootContext& context, const FoundHeader& header) {
    const ImageFile& file = context.kernel;
    auto fields = file.read_value<AddressFields>(header.offset + sizeof(Header), "multiboot address fields");
    if (!fields) return std::move(fields).error();
    if (fields->load > fields->header || fields->header - fields->load > header.offset) {
        return file.refuse(
            fmt::format("the multiboot header at offset {:#x} cannot be at {:#x} when the image "
                        "is loaded at {:#x}",
                        header.offset, fields->header, fields->load));
    }
    const std::uint64_t start = header.offset - (fields->header - fields->load);
    std::uint64_t length = file.size() - start;
    if (fields->load_end != 0) {
        if (fields->load_end <= fields->load || fields->load_end - fields->load > length) {
            return file.refuse(
                fmt::format("multiboot load addresses {:#x}-{:#x} do not fit the {:#x} bytes in "
                            "the file",
                            fields->load, fields->load_end, length));
        }
        length = fields->load_end - fields->load;
    }
    std::uint64_t memory = length;
    if (fields->bss_end != 0) {
        if (fields->bss_end < fields->load + length) {
            return file.refuse(
                fmt::format("the multiboot bss ends at {:#x}, before the loaded image at {:#x}",
                            fields->bss_end, fields->load + length));
        }
        memory = fields->bss_end - fields->load;
    }
    if (fields->entry < fields->load || fields->entry - fields->load >= memory) {
        return file.refuse(fmt::format("the multiboot entry {:#x} is outside the image", fields->entry));
    }
    auto target = context.space.claim(fields->load, memory, "the multiboot image");
    if (!target) return with_context(file.path(), std::move(target).error());
    auto done = file.read(start, target->first(length), "multiboot image");
    if (!done) return std::move(done).error();
    std::ranges::fill(target->subspan(length), std::byte{0});
    return std::uint64_t{fields->entry};
}

Result<std::uint64_t> load_by_elf(BootContext& context) {
    if (!is_elf(context.kernel)) {
        return context.kernel.refuse(
            "the multiboot image is no ELF file and its header has no address fields (flag 16)",
            "link the kernel as ELF or set flag 16");
    }
    auto image = parse_elf(context.kernel);
    if (!image) return std::move(image).error();
    auto start = physical_entry(context.kernel, *image);
    if (!start) return start;
    auto done = load_segments(context, *image);
    if (!done) return std::move(done).error();
    return start;
}

Result<void> place_memory_map(BootContext& context, Information& information) {
    std::vector<MapEntry> map;
    for (const auto& entry : context.memory_map) {
        map.push_back({sizeof(MapEntry) - sizeof(MapEntry::size), low_half(entry.address),
                       low_half(entry.address >> 32), low_half(entry.size), low_half(entry.size >> 32),
                       static_cast<std::uint32_t>(entry.type)});
        if (entry.type != MemoryType::usable) continue;
        if (entry.address == 0) information.lower_kib = low_half(entry.size / 1024);
        if (entry.address == layout::high_memory) information.upper_kib = low_half(entry.size / 1024);
    }
    const auto bytes = std::as_bytes(std::span{map});
    auto target = context.space.claim(layout::boot_memory_map, bytes.size(), "the multiboot memory map");
    if (!target) return std::move(target).error();
    std::memcpy(target->data(), bytes.data(), bytes.size());
    information.flags |= has_memory | has_memory_map;
    information.map = low_half(layout::boot_memory_map);
    information.map_length = low_half(bytes.size());
    return {};
}

// Everything but the initrd, whose place is known only after the kernel's.
Result<Information> place_information(BootContext& context) {
    Information information{};
    auto done = place_memory_map(context, information);
    if (done) done = place_command_line(context, layout::command_line_room - 1);
    if (done) done = place_structure(context, layout::loader_name, loader_name, "the boot loader's name");
    if (!done) return std::move(done).error();
    information.flags |= has_command_line | has_loader_name;
    information.command_line = low_half(layout::command_line);
    information.loader_name = low_half(layout::loader_name);
    return information;
}

} // namespace

bool has_multiboot_header(const ImageFile& file) {
    return find_header(file).has_value();
}

Result<LoadedKernel> load_multiboot(BootContext& context) {
    const auto header = find_header(context.kernel);
    if (!header) {
        return context.kernel.refuse(
            "has no multiboot header (aligned magic 0x1badb002 with a valid checksum) in its first 8192 "
            "bytes",
            "multiboot 2 is not supported; put a multiboot 1 header near the start of the file");
    }
    const std::uint32_t unknown = header->flags & required_flags & ~(align_modules | memory_information);
    if (unknown != 0) {
        return context.kernel.refuse(
            fmt::format("the multiboot header demands features {:#x}, of which {:#x} are not provided{}",
                        header->flags & required_flags, unknown,
                        (unknown & video_mode) != 0 ? " (flag 2 asks for a video mode)" : ""),
            "clear these flags in the kernel's multiboot header");
    }

    CpuEntry entry{.mode = CpuEntry::Mode::protected_32, .rax = entry_magic, .rbx = layout::boot_information};
    auto done = place_gdt(context, entry);
    if (done) done = place_stack(context, entry);
    if (!done) return std::move(done).error();
    auto information = place_information(context);
    if (!information) return std::move(information).error();
    auto start =
        (header->flags & address_fields) != 0 ? load_by_addresses(context, *header) : load_by_elf(context);
    if (!start) return std::move(start).error();
    entry.rip = *start;

    auto initrd = place_initrd(context, last_address_32);
    if (!initrd) return std::move(initrd).error();
    if (initrd->size != 0) {
        const Module module{low_half(initrd->address), low_half(initrd->address + initrd->size), 0, 0};
        done = place_structure(context, layout::boot_modules, module, "the multiboot module list");
        if (!done) return std::move(done).error();
        information->module_count = 1;
        information->modules = low_half(layout::boot_modules);
    }
    information->flags |= has_modules;
    done = place_structure(context, layout::boot_information, *information, "the multiboot information");
    if (!done) return std::move(done).error();
    return LoadedKernel{.entry = entry,
                        .summary =
                            fmt::format("multiboot {} kernel, entry at {:#x}",
                                        (header->flags & address_fields) != 0 ? "flat" : "ELF", entry.rip)};
}

} // namespace plugbay::core
