// What is counted of one virtual CPU.
#pragma once

#include "core/base/counter.hpp"
#include "core/kvm/vcpu_exit.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace plugbay::core {

// Why the guest was left. A string instruction's elements may come in one exit.
enum class ExitKind : std::uint8_t {
    port_in,
    port_out,
    mmio_read,
    mmio_write,
    msr_read,
    msr_write,
    hypercall,
    interrupted, // by the monitor or a signal, with nothing to do
    other,       // the guest has failed
};
inline constexpr std::array<std::string_view, 9> exit_kind_names{"port_in",    "port_out",    "mmio_read",
                                                                 "mmio_write", "msr_read",    "msr_write",
                                                                 "hypercall",  "interrupted", "other"};

// KVM does not know hypercalls from writes to their port.
[[nodiscard]] constexpr ExitKind exit_kind_of(VcpuExit::Kind kind) {
    switch (kind) {
    case VcpuExit::Kind::port_in:
        return ExitKind::port_in;
    case VcpuExit::Kind::port_out:
        return ExitKind::port_out;
    case VcpuExit::Kind::mmio_read:
        return ExitKind::mmio_read;
    case VcpuExit::Kind::mmio_write:
        return ExitKind::mmio_write;
    case VcpuExit::Kind::read_msr:
        return ExitKind::msr_read;
    case VcpuExit::Kind::write_msr:
        return ExitKind::msr_write;
    case VcpuExit::Kind::interrupted:
        return ExitKind::interrupted;
    default:
        return ExitKind::other;
    }
}

// Written by the vCPU's thread, on lines of its own; read by any.
struct alignas(64) VcpuCounts {
    std::array<Counter, exit_kind_names.size()> exits; // by ExitKind
    LatencyHistogram handling; // from one exit to the next entry, but for KVM's part; while measuring is on

    void count(ExitKind kind) { exits[static_cast<std::size_t>(kind)].add(); }
};

} // namespace plugbay::core
