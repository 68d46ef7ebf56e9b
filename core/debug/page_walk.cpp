#include "core/debug/page_walk.hpp"

#include "core/memory/guest_memory.hpp"

#include <span>

namespace plugbay::core {

namespace {

constexpr std::uint64_t cr4_page_size_extension = 1U << 4;
constexpr std::uint64_t cr4_five_levels = 1U << 12;
constexpr std::uint64_t entry_present = 1U << 0;
constexpr std::uint64_t entry_large = 1U << 7;
constexpr std::uint64_t address_mask = 0x000F'FFFF'FFFF'F000;
constexpr std::uint64_t low_32_bits = 0xFFFF'FFFF;

template <typename Entry>
std::optional<std::uint64_t> present_entry(const GuestMemory& memory, std::uint64_t table,
                                           std::uint64_t index) {
    Entry entry = 0;
    if (!memory.read(table + index * sizeof entry, std::as_writable_bytes(std::span(&entry, 1))))
        return std::nullopt;
    if ((entry & entry_present) == 0) return std::nullopt;
    return entry;
}

// Tables of 512 entries of 8 bytes, from the one of `level` down.
std::optional<std::uint64_t> walk_wide(const GuestMemory& memory, std::uint64_t table, unsigned level,
                                       std::uint64_t linear) {
    for (;; --level) {
        const unsigned shift = 12 + 9 * (level - 1);
        const auto entry = present_entry<std::uint64_t>(memory, table, linear >> shift & 0x1FF);
        if (!entry) return std::nullopt;
        const bool large = (level == 2 || level == 3) && (*entry & entry_large) != 0;
        if (level == 1 || large) {
            const std::uint64_t offset = (std::uint64_t{1} << shift) - 1;
            return (*entry & address_mask & ~offset) | (linear & offset);
        }
        table = *entry & address_mask;
    }
}

std::optional<std::uint64_t> walk_narrow(const GuestMemory& memory, const SpecialRegisters& registers,
                                         std::uint64_t linear) {
    const auto directory = present_entry<std::uint32_t>(memory, registers.cr3 & 0xFFFF'F000, linear >> 22);
    if (!directory) return std::nullopt;
    if ((*directory & entry_large) != 0 && (registers.cr4 & cr4_page_size_extension) != 0)
        return (*directory & 0xFFC0'0000) | (*directory >> 13 & 0xFF) << 32 | (linear & 0x3F'FFFF);
    const auto entry = present_entry<std::uint32_t>(memory, *directory & 0xFFFF'F000, linear >> 12 & 0x3FF);
    if (!entry) return std::nullopt;
    return (*entry & 0xFFFF'F000) | (linear & 0xFFF);
}

} // namespace

std::optional<std::uint64_t> walk_page_tables(const GuestMemory& memory, const SpecialRegisters& registers,
                                              std::uint64_t linear) {
    if ((registers.cr0 & cr0_paging) == 0) return linear;
    if ((registers.efer & efer_long_mode_active) != 0) {
        const unsigned levels = (registers.cr4 & cr4_five_levels) != 0 ? 5 : 4;
        // The bits above the tables' repeat the highest of theirs.
        const unsigned unused = 64 - (12 + 9 * levels);
        if (static_cast<std::uint64_t>(static_cast<std::int64_t>(linear << unused) >> unused) != linear)
            return std::nullopt;
        return walk_wide(memory, registers.cr3 & address_mask, levels, linear);
    }
    if (linear > low_32_bits) return std::nullopt;
    if ((registers.cr4 & cr4_physical_address_extension) == 0) return walk_narrow(memory, registers, linear);
    // Four entries at the top, which need not begin a page.
    const auto top = present_entry<std::uint64_t>(memory, registers.cr3 & 0xFFFF'FFE0, linear >> 30);
    return top ? walk_wide(memory, *top & address_mask, 2, linear) : std::nullopt;
}

} // namespace plugbay::core
