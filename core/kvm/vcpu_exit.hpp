// Why a vCPU came back to user space, decoded from struct kvm_run (KVM API section 5) into plain values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plugbay::core {

struct VcpuExit {
    enum class Kind : std::uint8_t {
        port_in,        // port: fill data before the next run
        port_out,       // port
        mmio_read,      // mmio: fill data before the next run
        mmio_write,     // mmio
        halt,           // HLT; only without an in-kernel irqchip
        shutdown,       // triple fault
        internal_error, // internal: KVM cannot go on with this guest
        entry_failure,  // entry: the processor refused the guest's state
        system_event,   // event
        debug,          // debug: a breakpoint, watchpoint or single step; only after KvmVcpu::set_debug()
        read_msr,       // msr: fill *value, or set *error to make the guest see #GP
        write_msr,      // msr: or set *error to make the guest see #GP
        interrupted,    // request_exit(), another signal, or an AP that has nothing to do yet: run again
        run_failed,     // code: the errno of KVM_RUN, nothing ran
        unknown,        // code: KVM's exit_reason, one that nobody here asked for, or malformed
    };

    // `count` elements of `size` (1, 2 or 4) bytes at `data`, inside the vCPU's shared page; more than one
    // for REP INS and REP OUTS. Every element goes to the same port.
    struct Port {
        std::byte* data;
        std::uint32_t count;
        std::uint16_t port;
        std::uint8_t size;
    };
    // `data` is 8 bytes in the shared page, of which `size` (1..8) count. An access across a page comes as
    // two.
    struct Mmio {
        std::uint64_t address;
        std::byte* data;
        std::uint8_t size;
    };
    struct Msr {
        std::uint64_t* value;
        std::uint8_t* error;
        std::uint32_t index;
    };
    struct Internal {
        const std::uint64_t* data; // `count` words, at most 16, meaning by suberror
        std::uint32_t count;
        std::uint32_t suberror; // see internal_error_name()
    };
    struct Entry {
        std::uint64_t hardware_reason;
        std::uint32_t cpu;
    };
    struct Event {
        enum class Type : std::uint8_t { shutdown, reset, crash, other };
        Type type;
        std::uint32_t number; // KVM_SYSTEM_EVENT_*
    };
    // Registers stand at the instruction of a breakpoint, or after the one that was stepped or touched what is watched.
    struct Debug {
        std::uint64_t address;   // linear, of the next instruction
        std::uint64_t status;    // DR6: bits 0 to 3 the slots that hit, single_step
        std::uint32_t exception; // 1 (#DB) or 3 (#BP, an int3)
        static constexpr std::uint64_t single_step = 1U << 14;
    };

    Kind kind = Kind::unknown;
    union {
        Port port;
        Mmio mmio;
        Msr msr;
        Internal internal;
        Entry entry;
        Event event;
        Debug debug;
        std::uint64_t code = 0;
    };
};

// All pointers in a VcpuExit are valid until the next run of the same vCPU, on its own thread.

[[nodiscard]] const char* exit_kind_name(VcpuExit::Kind kind);
// "instruction that KVM cannot emulate" and so on for KVM_INTERNAL_ERROR_*.
[[nodiscard]] const char* internal_error_name(std::uint32_t suberror);

// Decodes the page that KVM_RUN filled. `page_size` bounds the port data: a port exit that would reach past
// it is reported as `unknown`. Used by KvmVcpu::run(); apart for the tests.
[[nodiscard]] VcpuExit decode_exit(std::byte* run_page, std::size_t page_size);

} // namespace plugbay::core
