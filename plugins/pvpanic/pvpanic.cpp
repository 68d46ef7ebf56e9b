// pvpanic: a guest says through a port that it has panicked. The port and its bits are those of QEMU's device
// of this name (docs/specs/pvpanic), by which Linux's driver knows it.
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <string>

namespace {

constexpr std::uint8_t panicked = 1u << 0;
constexpr std::uint8_t crash_loaded = 1u << 1; // it goes on in another kernel, which saves what is left

} // namespace

class PvPanic {
  public:
    static constexpr plugbay::Type type{.name = "pvpanic", .help = "Hears of it when the guest panics."};
    enum class OnPanic : std::uint8_t { log, exit, power_off };
    struct Options {
        std::uint16_t port = 0x505;
        OnPanic on_panic = OnPanic::log;
        std::uint8_t exit_status = 3;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "I/O port of one byte"),
                plugbay::property("on_panic", &Options::on_panic,
                                  "what to do when the guest has panicked, besides saying so in the log")
                    .choices("log", "exit", "power-off"),
                plugbay::property("exit_status", &Options::exit_status, "of the monitor, for \"exit\""));
        }
    };

    PvPanic(plugbay::Host host, const Options& options)
        : host_(host), on_panic_(options.on_panic), exit_status_(options.exit_status),
          region_(host.map_ports(options.port, 1)), timer_(host.timer(PLUGBAY_CLOCK_HOST)) {
        plugbay_acpi_legacy_device acpi{};
        acpi.size = sizeof acpi;
        acpi.line = UINT32_MAX;
        std::copy_n("QEMU0001", sizeof acpi.hardware_id, acpi.hardware_id);
        acpi.first_port = options.port;
        acpi.port_count = 1;
        plugbay::check(host.extension<plugbay_firmware_host>(PLUGBAY_FIRMWARE)
                           .add_acpi_legacy_device(host.raw(), &acpi));
    }

    static constexpr auto registers() {
        using plugbay::bit;
        return plugbay::registers(
            plugbay::reg<std::uint8_t>(0, "EVENTS", "Reads what may be written.")
                .fields(bit("PANICKED", 0), bit("CRASH_LOADED", 1, "Another kernel goes on."))
                .read(&PvPanic::known)
                .write(&PvPanic::say)
                .resets_to(panicked | crash_loaded));
    }
    void on_timer(std::uint64_t) { report(); }
    // Also at the end, which the request may have brought about before the timer went off.
    plugbay_status quiesce() {
        report();
        return PLUGBAY_OK;
    }
    void reset() { said_ = reported_ = 0; }

    void state(auto& fields) {
        fields("said", said_, std::uint8_t{0}, std::uint8_t{panicked | crash_loaded});
        fields("reported", reported_, std::uint8_t{0}, std::uint8_t{panicked | crash_loaded});
    }

  private:
    [[nodiscard]] std::uint8_t known() const { return panicked | crash_loaded; }
    // A guest that has panicked may reset the machine next, and the first request counts, so it is made here;
    // the log can wait for the I/O loop.
    void say(std::uint8_t value) {
        const auto events = static_cast<std::uint8_t>(value & ~said_);
        if (events == 0) return;
        said_ |= events;
        timer_.arm(0);
        if ((events & panicked) == 0) return;
        if (on_panic_ == OnPanic::exit) host_.request(PLUGBAY_REQUEST_EXIT, exit_status_);
        if (on_panic_ == OnPanic::power_off) host_.request(PLUGBAY_REQUEST_POWER_OFF);
    }
    // Once for each event, until the guest is reset.
    void report() {
        const auto fresh = static_cast<std::uint8_t>(said_ & ~reported_);
        reported_ = said_;
        if ((fresh & panicked) != 0) host_.warning("the guest has panicked");
        if ((fresh & crash_loaded) != 0)
            host_.warning("the guest has panicked, and goes on in its crash kernel");
    }

    plugbay::Host host_;
    OnPanic on_panic_;
    std::uint8_t exit_status_;
    plugbay::Region region_;
    plugbay::Timer timer_;
    std::uint8_t said_ = 0; // events since the last reset
    std::uint8_t reported_ = 0;
};

PLUGBAY_PLUGIN("pvpanic", "1.0.0", PvPanic)
