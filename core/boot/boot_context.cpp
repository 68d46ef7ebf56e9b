#include "core/boot/boot_context.hpp"

#include "core/boot/guest_layout.hpp"

#include <array>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {
// Intel SDM volume 3, 3.4.5: flat, present, ring 0, accessed.
constexpr std::uint64_t code_64 = 0x00af'9b00'0000'ffff;
constexpr std::uint64_t code_32 = 0x00cf'9b00'0000'ffff;
constexpr std::uint64_t data_32 = 0x00cf'9300'0000'ffff;

constexpr std::uint64_t present_writable = 0x03;
constexpr std::uint64_t large_page = 0x80;
constexpr std::size_t entries_per_table = 512;
constexpr std::size_t directories = 4; // 1 GiB each
} // namespace

Result<void> place_command_line(BootContext& context, std::uint64_t limit) {
    const std::string& text = context.options.command_line;
    if (text.find('\0') != std::string::npos) {
        return Error{"the kernel command line contains a NUL character", "remove it"};
    }
    limit = std::min(limit, layout::command_line_room - 1);
    if (text.size() > limit) {
        return Error{fmt::format("the kernel command line has {} bytes, but {} takes at most {}", text.size(),
                                 context.kernel.path(), limit),
                     "shorten the command line"};
    }
    auto bytes = context.space.claim(layout::command_line, text.size() + 1, "the command line");
    if (!bytes) return std::move(bytes).error();
    std::memcpy(bytes->data(), text.c_str(), text.size() + 1);
    return {};
}

Result<PlacedInitrd> place_initrd(BootContext& context, std::uint64_t last_address) {
    if (context.options.initrd.empty()) return PlacedInitrd{};
    auto file = ImageFile::open(context.options.initrd, "initrd");
    if (!file) return std::move(file).error();
    const std::uint64_t limit = last_address == ~std::uint64_t{0} ? last_address : last_address + 1;
    const auto address =
        context.space.find_highest(file->size(), layout::page_size, layout::high_memory, limit);
    if (!address) {
        return file->refuse(
            fmt::format(
                "the initrd has {} bytes, more than any free run of guest memory between 1 MiB and {:#x}",
                file->size(), std::min(limit, context.space.end())),
            "give the VM more memory or use a smaller initrd");
    }
    auto bytes = context.space.claim(*address, file->size(), "the initrd");
    if (!bytes) return std::move(bytes).error();
    auto done = file->read(0, *bytes, "initrd");
    if (!done) return std::move(done).error();
    return PlacedInitrd{.address = *address, .size = file->size()};
}

Result<void> place_gdt(BootContext& context, CpuEntry& entry) {
    const std::array<std::uint64_t, 4> descriptors{
        0, 0, entry.mode == CpuEntry::Mode::long_64 ? code_64 : code_32, data_32};
    entry.gdt_address = layout::gdt;
    entry.gdt_limit = sizeof(descriptors) - 1;
    return place_structure(context, layout::gdt, descriptors, "the GDT");
}

Result<void> place_page_tables(BootContext& context, CpuEntry& entry) {
    using Table = std::array<std::uint64_t, entries_per_table>;
    struct Tables {
        Table top{};
        Table pointers{};
        std::array<Table, directories> directory{};
    };
    static_assert(sizeof(Tables) == (2 + directories) * layout::page_size);

    Tables tables;
    std::uint64_t table = layout::page_tables + layout::page_size;
    tables.top[0] = table | present_writable;
    std::uint64_t page = 0;
    for (std::size_t i = 0; i < directories; ++i) {
        table += layout::page_size;
        tables.pointers[i] = table | present_writable;
        for (auto& slot : tables.directory[i]) {
            slot = page | present_writable | large_page;
            page += 0x20'0000;
        }
    }
    entry.page_table = layout::page_tables;
    return place_structure(context, layout::page_tables, tables, "the page tables");
}

Result<void> place_stack(BootContext& context, CpuEntry& entry) {
    auto bytes = context.space.claim(layout::stack, layout::stack_top - layout::stack, "the boot stack");
    if (!bytes) return std::move(bytes).error();
    entry.rsp = layout::stack_top;
    return {};
}

} // namespace plugbay::core
