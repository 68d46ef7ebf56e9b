#include "core/boot/zero_page.hpp"

#include "core/boot/guest_layout.hpp"

#include <cstddef>

namespace plugbay::core {

static_assert(sizeof(::boot_params) == layout::page_size);
static_assert(offsetof(::boot_params, hdr) == 0x1f1);
static_assert(E820_MAX_ENTRIES_ZEROPAGE == layout::map_entry_limit);

Result<CpuEntry> prepare_linux_entry(BootContext& context) {
    CpuEntry entry{.mode = CpuEntry::Mode::long_64, .rsi = layout::zero_page};
    auto zero_page = context.space.claim(layout::zero_page, layout::page_size, "the zero page");
    if (!zero_page) return std::move(zero_page).error();
    auto done = place_stack(context, entry);
    if (done) done = place_gdt(context, entry);
    if (done) done = place_page_tables(context, entry);
    if (!done) return std::move(done).error();
    return entry;
}

Result<void> write_zero_page(BootContext& context, const ::setup_header& header, const PlacedInitrd& initrd) {
    ::boot_params parameters{};
    parameters.hdr = header;
    parameters.hdr.type_of_loader = 0xff; // no number assigned
    parameters.hdr.cmd_line_ptr = static_cast<std::uint32_t>(layout::command_line);
    parameters.hdr.ramdisk_image = static_cast<std::uint32_t>(initrd.address);
    parameters.hdr.ramdisk_size = static_cast<std::uint32_t>(initrd.size);
    parameters.acpi_rsdp_addr = context.options.rsdp_address;
    std::size_t count = 0;
    for (const auto& entry : context.memory_map) {
        parameters.e820_table[count++] = {entry.address, entry.size, static_cast<std::uint32_t>(entry.type)};
    }
    parameters.e820_entries = static_cast<std::uint8_t>(count);
    if (!context.memory.write(layout::zero_page, std::as_bytes(std::span{&parameters, 1}))) {
        return Error{"the zero page is not in guest memory"};
    }
    return {};
}

} // namespace plugbay::core
