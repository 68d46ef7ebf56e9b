// Small guest programs written as assembly inside a C++ file, for the probe and the tests:
//
//   asm(PLUGBAY_GUEST_BEGIN(answer) R"(
//       mov $0xf4, %edx
//       out %al, %dx
//   )" PLUGBAY_GUEST_END(answer));
//   PLUGBAY_GUEST_DECLARE(answer)          // then: GuestProgram program = guest_program_answer();
//
// Code must not depend on its address; start with .code16 or .code32 for those modes.
#pragma once

#include <cstddef>
#include <span>

namespace plugbay::core {
using GuestProgram = std::span<const std::byte>;
} // namespace plugbay::core

#define PLUGBAY_GUEST_BEGIN(name)                                                                            \
    ".pushsection .rodata\n"                                                                                 \
    ".code64\n"                                                                                              \
    "plugbay_guest_" #name ":\n"
#define PLUGBAY_GUEST_END(name)                                                                              \
    "\nplugbay_guest_" #name "_end:\n"                                                                       \
    ".byte 0\n"                                                                                              \
    ".code64\n"                                                                                              \
    ".popsection\n"
#define PLUGBAY_GUEST_DECLARE(name)                                                                          \
    extern "C" {                                                                                             \
    __attribute__((visibility("hidden"))) extern const std::byte plugbay_guest_##name[];                     \
    __attribute__((visibility("hidden"))) extern const std::byte plugbay_guest_##name##_end[];               \
    }                                                                                                        \
    [[maybe_unused]] static ::plugbay::core::GuestProgram guest_program_##name() {                           \
        return {plugbay_guest_##name, plugbay_guest_##name##_end};                                           \
    }
