// The registers as GDB numbers them: by their place in the target description that it is given (GDB manual,
// appendices G.5.13 "x86 Features" and G.2 "Target Description Format").
#pragma once

#include "core/debug/debug_registers.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace plugbay::core {

[[nodiscard]] std::size_t gdb_register_count();
// Bytes; 0 for a number that no register has.
[[nodiscard]] std::size_t gdb_register_size(std::size_t number);
// The sizes of all.
[[nodiscard]] std::size_t gdb_registers_size();

// Little-endian, in hexadecimal digits. `number` is one that a register has.
void append_gdb_register(const DebugRegisters& registers, std::size_t number, std::string& text);

// `bytes` has the register's size. False: it cannot be changed: segment selectors, whose hidden parts GDB does not know.
[[nodiscard]] bool set_gdb_register(DebugRegisters& registers, std::size_t number, std::string_view bytes);

// XML for `qXfer:features:read:target.xml`.
[[nodiscard]] const std::string& gdb_target_description();

} // namespace plugbay::core
