// What a debugger sees of a vCPU's registers.
#pragma once

#include "core/kvm/registers.hpp"

#include <cstdint>

namespace plugbay::core {

struct DebugRegisters {
    GeneralRegisters general;
    SpecialRegisters special;
    FloatingRegisters floating;
    std::uint64_t kernel_gs_base = 0;

    friend bool operator==(const DebugRegisters&, const DebugRegisters&) = default;
};

} // namespace plugbay::core
