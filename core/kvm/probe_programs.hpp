// The probe's guests. Each feature guest writes one byte to probe_result_port: 1 when the feature worked.
#pragma once

#include "core/kvm/guest_program.hpp"

#include <cstdint>
#include <span>

namespace plugbay::core {

inline constexpr std::uint16_t probe_result_port = 0xF4;
inline constexpr std::uint16_t probe_count_port = 0xF0;
inline constexpr std::uint8_t probe_passed = 1;

struct FeatureProgram {
    const char* name;
    const char* purpose; // what of Linux needs it
    GuestProgram program;
    int vector; // of `handler`, or -1
    GuestProgram handler;
    bool irqchip;
};
[[nodiscard]] std::span<const FeatureProgram> feature_programs();

// Write to probe_result_port, or to TinyGuest::device_address, forever.
[[nodiscard]] GuestProgram port_exit_program();
[[nodiscard]] GuestProgram mmio_exit_program();

// Forever: read an iteration count (32 bits, not 0) from probe_count_port, run a loop of two instructions
// that often.
[[nodiscard]] GuestProgram kernel_speed_program();
[[nodiscard]] GuestProgram user_speed_program(); // the same in ring 3

} // namespace plugbay::core
