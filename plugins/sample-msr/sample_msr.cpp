// sample-msr: a mailbox in model-specific registers, to be read by whoever writes a device that hooks the guest's
// processor. docs/processor-hooks.md explains what is used here.
//
//   first + 0  control  bit 0: count what is posted; the guest may not set any other
//   first + 1  mailbox  read and write
//   first + 2  count    how often the mailbox was written while bit 0 was set; read-only
#include <plugbay/plugin.hpp>

#include <optional>

class SampleMsr {
  public:
    static constexpr plugbay::Type type{.name = "sample-msr", .help = "A mailbox in three MSRs: a sample."};
    struct Options {
        std::uint32_t first = 0x504c5500;
        std::uint32_t leaf = 0x40000200;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("first", &Options::first, "number of the first of three MSRs")
                    .range(0, 0xfffffffd),
                plugbay::property("leaf", &Options::leaf,
                                  "first of two CPUID leaves that tell the guest of it, 0 for none")
                    .range(0, 0xfffffffe));
        }
    };

    // Three hooks, since what the guest may do is not the same everywhere: the host refuses writes to the count.
    // The token comes back in each access, so that `first` need not be kept.
    SampleMsr(plugbay::Host host, const Options& options)
        : control_hook_(host.hook_msrs(options.first, 1, read_write, control)),
          mailbox_hook_(host.hook_msrs(options.first + 1, 1, read_write, mailbox)),
          count_hook_(host.hook_msrs(options.first + 2, 1, PLUGBAY_MSR_READ | PLUGBAY_MSR_DENY, count)) {
        if (options.leaf == 0) return;
        // As hypervisors do it: the highest leaf and a name of twelve letters, "SampleMailbx".
        signature_ =
            host.set_cpuid_leaf(options.leaf, {options.leaf + 1, 0x706d6153, 0x614d656c, 0x78626c69});
        place_ = host.set_cpuid_leaf(options.leaf + 1, {version, options.first, 0, 0});
    }

    // Nothing, and false, give the guest a general-protection fault.
    std::optional<std::uint64_t> msr_read(plugbay::MsrAccess access) {
        switch (access.token) {
        case control:
            return control_;
        case mailbox:
            return mailbox_;
        case count:
            return count_;
        default:
            return std::nullopt;
        }
    }
    bool msr_write(plugbay::MsrAccess access, std::uint64_t value) {
        if (access.token == control) {
            if ((value & ~control_counts) != 0) return false;
            control_ = value;
            return true;
        }
        mailbox_ = value;
        count_ += control_ & control_counts;
        return true;
    }

    void reset() { control_ = mailbox_ = count_ = 0; }
    void state(auto& fields) {
        fields("control", control_, std::uint64_t{0}, control_counts);
        fields("mailbox", mailbox_);
        fields("count", count_);
    }

  private:
    enum Token : std::uint64_t { control, mailbox, count };
    static constexpr std::uint32_t read_write = PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE;
    static constexpr std::uint32_t version = 1;
    static constexpr std::uint64_t control_counts = 1;

    plugbay::MsrHook control_hook_;
    plugbay::MsrHook mailbox_hook_;
    plugbay::MsrHook count_hook_;
    plugbay::CpuidBits signature_;
    plugbay::CpuidBits place_;
    std::uint64_t control_ = 0;
    std::uint64_t mailbox_ = 0;
    std::uint64_t count_ = 0;
};

PLUGBAY_PLUGIN("sample-msr", "1.0.0", SampleMsr)
