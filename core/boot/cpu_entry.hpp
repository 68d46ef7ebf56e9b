// The state in which the first vCPU enters the loaded image. Plain values: made by core/boot, applied by
// core/kvm, known to nobody else. Every boot protocol of docs/boot.md ends in one of these.
#pragma once

#include <cstdint>

namespace plugbay::core {

struct CpuEntry {
    enum class Mode {
        long_64,      // paging on with `page_table`, flat 64-bit segments from `gdt_address`
        protected_32, // paging off, flat 4 GiB segments from `gdt_address`
        real_16,      // as after INIT, but at rip: cs base 0
    };

    Mode mode = Mode::real_16;
    std::uint64_t rip = 0;
    std::uint64_t rsp = 0;
    std::uint64_t rax = 0;
    std::uint64_t rbx = 0;
    std::uint64_t rsi = 0;
    std::uint64_t page_table = 0;  // CR3; long_64 only
    std::uint64_t gdt_address = 0; // a GDT in guest memory: null, (unused), code at 0x10, data at 0x18
    std::uint16_t gdt_limit = 0;   // bytes - 1
};

} // namespace plugbay::core
