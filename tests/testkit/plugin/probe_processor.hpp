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
