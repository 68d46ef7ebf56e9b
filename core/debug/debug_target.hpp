// What a debugger's session needs of a machine. Thread: [control] throughout.
#pragma once

#include "core/base/result.hpp"
#include "core/debug/debug_registers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::core {

struct DebugBreakpoint {
    enum class Kind : std::uint8_t { software, hardware, write_watch, access_watch };
    Kind kind = Kind::software;
    std::uint64_t address = 0; // linear
    std::uint64_t length = 1;  // bytes; means something for what watches

    friend bool operator==(const DebugBreakpoint&, const DebugBreakpoint&) = default;
};

// Why the machine stands still.
struct DebugStop {
    enum class Reason : std::uint8_t { interrupted, step, breakpoint, reset };
    Reason reason = Reason::interrupted;
    std::uint32_t vcpu = 0;
    DebugBreakpoint breakpoint = {}; // breakpoint: what was hit; address and length as it was inserted
};

// For each vCPU. At most one steps, and then all others hold.
enum class ResumeAction : std::uint8_t { hold, run, step };

class DebugTarget {
  public:
    virtual ~DebugTarget() = default;

    [[nodiscard]] virtual std::uint32_t vcpu_count() const = 0;
    // Registers and memory can be seen.
    [[nodiscard]] virtual bool stopped() const = 0;
    // Afterwards nothing runs, and no event of the time before is reported. Repeating it does nothing.
    [[nodiscard]] virtual Result<void> stop() = 0;
    // The guest goes on until stop() or an event, of which the session is told, perhaps from inside. An instruction
    // with a breakpoint at which a vCPU was reported is executed, not hit again.
    [[nodiscard]] virtual Result<void> resume(const std::vector<ResumeAction>& actions) = 0;

    // --- while stopped
    [[nodiscard]] virtual Result<DebugRegisters> registers(std::uint32_t vcpu) = 0;
    [[nodiscard]] virtual Result<void> set_registers(std::uint32_t vcpu, const DebugRegisters& registers) = 0;
    // At linear addresses, under the vCPU's page tables. How many bytes from the front are RAM; breakpoints do not show.
    [[nodiscard]] virtual std::size_t read_memory(std::uint32_t vcpu, std::uint64_t address,
                                                  std::span<std::byte> bytes) = 0;
    // All bytes, or none and false.
    [[nodiscard]] virtual bool write_memory(std::uint32_t vcpu, std::uint64_t address,
                                            std::span<const std::byte> bytes) = 0;
    // Repeating either does nothing.
    [[nodiscard]] virtual Result<void> insert(std::uint32_t vcpu, const DebugBreakpoint& breakpoint) = 0;
    virtual void remove(const DebugBreakpoint& breakpoint) = 0;

    // Takes all breakpoints out and lets the guest run, whatever state it is in.
    virtual void detach() = 0;
    // Ends the machine, as if it were switched off.
    virtual void end_machine() = 0;
};

} // namespace plugbay::core
