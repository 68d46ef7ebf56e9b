#include "core/kvm/own_ranges.hpp"

#include <array>

namespace plugbay::core {

std::span<const OwnRange> own_ranges() {
    using enum OwnRange::Space;
    // Ports as in Intel's ICH9 data sheet, section 9.3; pages as in Intel SDM volume 3, 11.4.1, and the 82093AA's data
    // sheet, section 3.0.
    static constexpr std::array ranges{
        OwnRange{ports, 0x20, 0x21, "interrupt controllers"},
        OwnRange{ports, 0xa0, 0xa1, "interrupt controllers"},
        OwnRange{ports, 0x4d0, 0x4d1, "interrupt controllers"},
        OwnRange{ports, 0x40, 0x43, "interval timer"},
        OwnRange{ports, 0x61, 0x61, "speaker port"},
        OwnRange{memory, 0xfec0'0000, 0xfec0'0fff, "I/O APIC"},
        OwnRange{memory, 0xfee0'0000, 0xfee0'0fff, "local APICs"},
        OwnRange{memory, identity_map_address, tss_address + 0x2fff, "pages for real mode"},
        OwnRange{lines, 0, 0, "interval timer"},
        OwnRange{lines, 2, 2, "interrupt controllers"}, // the cascade: nothing is routed there
    };
    return ranges;
}

} // namespace plugbay::core
