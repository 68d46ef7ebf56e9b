// metronome: interrupts the guest at a fixed rate, and tells a character backend each time.
//
//   offset 0, 4 bytes   read: ticks so far; write: 1 starts, 0 stops
//   offset 4, 4 bytes   write: sets the count to 0, without waiting for it
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <string_view>

class Metronome {
  public:
    static constexpr plugbay::Type type{.name = "metronome", .help = "Ticks."};
    struct Options {
        std::uint16_t port = 0x5e0;
        std::uint8_t irq = 10;
        std::uint32_t period = 1000;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "first of eight I/O ports").range(0, 0xfff8),
                plugbay::property("irq", &Options::irq, "interrupt line").range(0, 23),
                plugbay::property("period", &Options::period, "milliseconds between ticks").range(1, 60000));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }

    Metronome(plugbay::Host host, const Options& options)
        : host_(host), period_(options.period * std::uint64_t{1'000'000}),
          line_(host.interrupt_line(options.irq)), timer_(host.timer()),
          region_(host.map_ports(options.port, 8)), clear_(host.doorbell(region_.handle(), 4, 4)) {}

    std::uint64_t read(plugbay::Access access) { return access.offset == 0 ? ticks_ : 0; }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.offset == 4) return on_doorbell(0); // a host that cannot latch doorbells
        next_ = (value & 1) != 0 ? host_.now() + period_ : 0;
        arm();
    }
    void on_doorbell(std::uint64_t) { ticks_ = 0; }
    void on_timer(std::uint64_t) {
        ++ticks_;
        next_ += period_;
        arm();
        line_.pulse();
        constexpr std::string_view text = "tick\n";
        std::array<std::uint8_t, text.size()> bytes{};
        std::copy(text.begin(), text.end(), bytes.begin());
        backend_.write(bytes); // what the backend has no room for is lost
    }

    void on_connect(std::uint64_t, plugbay::Link link) { backend_ = plugbay::CharBackend(link); }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size()); // a metronome does not listen
    }
    void on_write_ready(std::uint64_t) {}

    void reset() {
        ticks_ = 0;
        next_ = 0;
        arm();
    }
    void state(auto& fields) {
        fields("ticks", ticks_);
        fields("next", next_);
    }
    void loaded() { arm(); }

  private:
    void arm() {
        if (next_ != 0)
            timer_.arm(next_);
        else
            timer_.disarm();
    }

    plugbay::Host host_;
    std::uint64_t period_; // nanoseconds
    plugbay::InterruptLine line_;
    plugbay::Timer timer_;
    plugbay::Region region_;
    plugbay::Doorbell clear_;
    plugbay::CharBackend backend_;
    std::uint32_t ticks_ = 0;
    std::uint64_t next_ = 0; // guest time; 0: stopped
};

PLUGBAY_PLUGIN("metronome", "1.0.0", Metronome)
