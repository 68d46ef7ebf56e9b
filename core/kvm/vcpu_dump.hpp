// A stopped vCPU as lines of text, for internal errors, triple faults and the control socket.
#pragma once

#include "core/kvm/registers.hpp"
#include "core/kvm/vcpu_exit.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

class GuestMemory;
class KvmVcpu;

// One line for an exit, as "port out 0x3f8 size 1 count 1".
[[nodiscard]] std::string describe_exit(const VcpuExit& exit);

// Pure formatters, lines without newline.
[[nodiscard]] std::vector<std::string> format_registers(const GeneralRegisters& general,
                                                        const SpecialRegisters& special);
// "code at 0x...: 0f 0b <cc> 90", the byte at `marked` in angle brackets.
[[nodiscard]] std::string format_code(std::uint64_t address, std::span<const std::byte> bytes,
                                      std::size_t marked);

// Everything known of the vCPU, with the bytes around rip where they can be read. Never fails: what cannot be
// read is said in its line. Thread: the vCPU's own, outside run().
[[nodiscard]] std::vector<std::string> dump_vcpu(const KvmVcpu& vcpu, const GuestMemory& memory);

} // namespace plugbay::core
