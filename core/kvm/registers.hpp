// A vCPU's registers as plain values of our own, for entry, dumps and tests.
#pragma once

#include <array>
#include <cstdint>

namespace plugbay::core {

struct GeneralRegisters {
    std::uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rsp = 0, rbp = 0;
    std::uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
    std::uint64_t rip = 0;
    std::uint64_t rflags = 2; // bit 1 is always set

    friend bool operator==(const GeneralRegisters&, const GeneralRegisters&) = default;
};

// A segment register with its hidden part. `limit` is in bytes, already scaled by `granularity`.
struct Segment {
    std::uint64_t base = 0;
    std::uint32_t limit = 0xFFFF;
    std::uint16_t selector = 0;
    std::uint8_t type = 0;
    std::uint8_t dpl = 0;
    bool present = true;
    bool default_big = false; // D/B
    bool code_or_data = true; // S
    bool long_mode = false;   // L
    bool granularity = false; // G
    bool available = false;   // AVL
    bool unusable = false;

    friend bool operator==(const Segment&, const Segment&) = default;
};

// x87 and SSE, as FXSAVE has them. The tag word is abridged: a bit a physical register, set where it is in use.
struct FloatingRegisters {
    std::array<std::array<std::uint8_t, 16>, 8> stack{}; // ST0 first; 10 bytes count of each
    std::array<std::array<std::uint8_t, 16>, 16> xmm{};
    std::uint16_t control = 0x37F;
    std::uint16_t status = 0;
    std::uint8_t tags = 0;
    std::uint16_t last_opcode = 0;
    std::uint64_t last_instruction = 0;
    std::uint64_t last_operand = 0;
    std::uint32_t mxcsr = 0x1F80;

    friend bool operator==(const FloatingRegisters&, const FloatingRegisters&) = default;
};

struct DescriptorTable {
    std::uint64_t base = 0;
    std::uint16_t limit = 0xFFFF;

    friend bool operator==(const DescriptorTable&, const DescriptorTable&) = default;
};

struct SpecialRegisters {
    Segment cs, ds, es, fs, gs, ss, tr, ldt;
    DescriptorTable gdt, idt;
    std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
    std::uint64_t efer = 0;
    std::uint64_t apic_base = 0;

    friend bool operator==(const SpecialRegisters&, const SpecialRegisters&) = default;
};

inline constexpr std::uint64_t cr0_protection = 1U << 0;
inline constexpr std::uint64_t cr0_extension_type = 1U << 4;
inline constexpr std::uint64_t cr0_numeric_error = 1U << 5;
inline constexpr std::uint64_t cr0_paging = 1U << 31;
inline constexpr std::uint64_t cr4_physical_address_extension = 1U << 5;
inline constexpr std::uint64_t efer_long_mode_enable = 1U << 8;
inline constexpr std::uint64_t efer_long_mode_active = 1U << 10;

} // namespace plugbay::core
