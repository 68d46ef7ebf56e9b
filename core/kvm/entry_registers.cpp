// The first instruction's registers from a CpuEntry.
#include "core/kvm/kvm_vcpu.hpp"

namespace plugbay::core {

namespace {

constexpr std::uint16_t code_selector = 0x10;
constexpr std::uint16_t data_selector = 0x18;
constexpr std::uint8_t type_code = 0xB;     // execute, read, accessed
constexpr std::uint8_t type_data = 0x3;     // read, write, accessed
constexpr std::uint8_t type_busy_tss = 0xB; // 64-bit in long mode, 32-bit elsewhere
constexpr std::uint8_t type_ldt = 0x2;
constexpr std::uint32_t flat_limit = 0xFFFF'FFFF;

Segment flat(std::uint16_t selector, std::uint8_t type, bool long_mode) {
    Segment segment;
    segment.limit = flat_limit;
    segment.selector = selector;
    segment.type = type;
    segment.default_big = !long_mode;
    segment.long_mode = long_mode;
    segment.granularity = true;
    return segment;
}

Segment real(std::uint8_t type) {
    Segment segment;
    segment.type = type;
    return segment;
}

void set_data_segments(SpecialRegisters& special, const Segment& data) {
    special.ds = special.es = special.fs = special.gs = special.ss = data;
}

// Intel processors refuse to enter a guest without a busy TSS and a usable or absent LDT.
void set_system_segments(SpecialRegisters& special) {
    special.tr = Segment{};
    special.tr.limit = 0x67;
    special.tr.type = type_busy_tss;
    special.tr.code_or_data = false;
    special.ldt = Segment{};
    special.ldt.type = type_ldt;
    special.ldt.code_or_data = false;
}

} // namespace

Result<EntryRegisters> entry_registers(const CpuEntry& entry, const SpecialRegisters& reset) {
    EntryRegisters state{{}, reset};
    auto& [general, special] = state;
    general.rip = entry.rip;
    general.rsp = entry.rsp;
    general.rax = entry.rax;
    general.rbx = entry.rbx;
    general.rsi = entry.rsi;

    set_system_segments(special);
    special.gdt = {entry.gdt_address, entry.gdt_limit};
    special.idt = {0, 0};
    special.cr2 = 0;
    special.cr3 = 0;
    special.cr4 = 0;
    special.efer = 0;

    switch (entry.mode) {
    case CpuEntry::Mode::long_64:
        special.cs = flat(code_selector, type_code, true);
        set_data_segments(special, flat(data_selector, type_data, false));
        special.cr0 = cr0_protection | cr0_extension_type | cr0_numeric_error | cr0_paging;
        special.cr3 = entry.page_table;
        special.cr4 = cr4_physical_address_extension;
        special.efer = efer_long_mode_enable | efer_long_mode_active;
        break;
    case CpuEntry::Mode::protected_32:
        if (entry.rip > flat_limit || entry.rsp > flat_limit) {
            return Error{"a 32-bit entry above 4 GiB", "load the image below 4 GiB"};
        }
        special.cs = flat(code_selector, type_code, false);
        set_data_segments(special, flat(data_selector, type_data, false));
        special.cr0 = cr0_protection | cr0_extension_type;
        break;
    case CpuEntry::Mode::real_16:
        if (entry.rip > 0xFFFF || entry.rsp > 0xFFFF) {
            return Error{"a 16-bit entry above 64 KiB", "load the image below 64 KiB"};
        }
        special.cs = real(type_code);
        set_data_segments(special, real(type_data));
        special.gdt = {0, 0xFFFF};
        special.idt = {0, 0xFFFF}; // the real-mode vector table
        // Unlike after INIT the caches are on (CD and NW clear): nothing here turns them on later.
        special.cr0 = cr0_extension_type;
        break;
    }
    return state;
}

} // namespace plugbay::core
