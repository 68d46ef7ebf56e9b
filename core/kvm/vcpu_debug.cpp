#include "core/kvm/vcpu_debug.hpp"

namespace plugbay::core {

namespace {

// Intel SDM volume 3, 18.2.4: "exact" and a bit that is always set; for each slot an enabling bit, kind and length.
constexpr std::uint64_t dr7_base = 0x600;

std::uint64_t length_code(std::uint8_t length) {
    return length == 8 ? 2U : length - 1U;
}

} // namespace

std::uint64_t breakpoint_control(const BreakpointSlots& slots) {
    std::uint64_t control = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (!slots[i]) continue;
        const std::uint64_t condition =
            static_cast<std::uint64_t>(slots[i]->kind) | length_code(slots[i]->length) << 2;
        control |= dr7_base | std::uint64_t{2} << (2 * i) | condition << (16 + 4 * i);
    }
    return control;
}

} // namespace plugbay::core
