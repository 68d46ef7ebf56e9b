// Probes of what devices hook of the guest's processor.
#pragma once

#include <plugbay/plugin.hpp>

#include <array>
#include <optional>

// MSRs `first` to `first` + 3, each a register that does not take 0xdead.
class ProbeMsr {
  public:
    static constexpr plugbay::Type type{.name = "probe-msr", .help = "Four registers."};
    struct Options {
        std::uint32_t first = 0x50420000;
        std::uint32_t flags = PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("first", &Options::first, "of four MSRs"),
                                       plugbay::property("flags", &Options::flags, "PLUGBAY_MSR_..."));
        }
    };
    static constexpr std::uint32_t count = 4;

    ProbeMsr(plugbay::Host host, const Options& options)
        : first_(options.first), hook_(host.hook_msrs(options.first, count, options.flags, 9)) {}

    std::optional<std::uint64_t> msr_read(plugbay::MsrAccess access) {
        if (access.token != 9) return std::nullopt;
        return values_[access.index - first_];
    }
    bool msr_write(plugbay::MsrAccess access, std::uint64_t value) {
        if (value == 0xdead) return false;
        values_[access.index - first_] = value;
        return true;
    }
    void reset() { values_ = {}; }
    void state(auto& fields) { fields("values", values_); }

  private:
    std::uint32_t first_;
    std::array<std::uint64_t, count> values_{};
    plugbay::MsrHook hook_;
};

// A leaf of four numbers, or bits of ecx of a leaf.
class ProbeCpuid {
  public:
    static constexpr plugbay::Type type{.name = "probe-cpuid", .help = "Changes CPUID."};
    struct Options {
        std::uint32_t leaf = 0x40000200;
        std::uint32_t mask = 0;
        std::uint32_t value = 0;
        std::int32_t subleaf = -1;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("leaf", &Options::leaf, "the leaf"),
                plugbay::property("mask", &Options::mask, "bits of ecx; 0: the whole leaf"),
                plugbay::property("value", &Options::value, "what they become"),
                plugbay::property("subleaf", &Options::subleaf, "-1: none").range(-1, 100));
        }
    };

    ProbeCpuid(plugbay::Host host, const Options& options) {
        std::optional<std::uint32_t> subleaf;
        if (options.subleaf >= 0) subleaf = static_cast<std::uint32_t>(options.subleaf);
        if (options.mask == 0) {
            bits_ =
                host.set_cpuid_leaf(options.leaf, {0x11111111, 0x22222222, 0x33333333, 0x44444444}, subleaf);
        } else {
            bits_ =
                host.set_cpuid_bits(options.leaf, subleaf, PLUGBAY_CPUID_ECX, options.mask, options.value);
        }
    }

  private:
    plugbay::CpuidBits bits_;
};

// Calls `first` to `first` + 3: the sum of four arguments; every register inverted; a throw; one's own
// memory.
class ProbeHypercall {
  public:
    static constexpr plugbay::Type type{.name = "probe-hypercall", .help = "Answers four hypercalls."};
    struct Options {
        std::uint32_t first = 0x100;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("first", &Options::first, "of four calls"));
        }
    };

    ProbeHypercall(plugbay::Host host, const Options& options)
        : memory_(host.memory()), calls_(host.claim_hypercalls(options.first, 4, options.first)) {}

    void hypercall(std::uint64_t token, plugbay_hypercall_registers& registers) {
        auto& r = registers;
        switch (r.number - token) {
        case 0:
            r.rax = r.rbx + r.rcx + r.rsi + r.rdi;
            break;
        case 1:
            for (std::uint64_t* each : {&r.rbx, &r.rcx, &r.rdx, &r.rsi, &r.rdi, &r.rbp, &r.r8, &r.r9, &r.r10,
                                        &r.r11, &r.r12, &r.r13, &r.r14, &r.r15, &r.rsp, &r.rip, &r.rflags})
                *each = ~*each;
            break;
        case 2:
            throw plugbay::Failure("not today");
        default:
            r.rax = memory_.write_object(r.rbx, r.rcx) ? 1 : 2;
            break;
        }
    }

  private:
    plugbay::Memory memory_;
    plugbay::Hypercalls calls_;
};
