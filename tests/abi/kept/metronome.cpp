// Devices on the C++ wrapper whose build of ABI 1.0 is kept: abi-1.0-cpp.so. Never change it; a later ABI gets a file of
// its own. kept-metronome uses much of what is not PCI:
//
//   port + 0, 4 bytes   TICKS, read: ticks so far, of which each interrupts and writes the text to the backend
//   port + 4, 4 bytes   CONTROL: 1 runs
//   port + 8, 4 bytes   a doorbell: sets the ticks to 0
//
// kept-function is a PCI function: what is written to BAR 0 is read from there doubled, and sends an MSI-X message.
#include <plugbay/pci/function.hpp>
#include <plugbay/plugin.hpp>

#include <array>
#include <string>

class KeptMetronome {
  public:
    enum class Mode { once, again };
    static constexpr plugbay::Type type{.name = "kept-metronome", .help = "Ticks."};
    struct Options {
        std::uint16_t port = 0x5e0;
        std::uint8_t irq = 10;
        std::uint32_t period = 1000;
        std::int32_t offset = 0;
        bool quiet = false;
        plugbay::Size size{65536};
        std::string_view text = "tick";
        Mode mode = Mode::again;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "first of 12 I/O ports").range(0, 0xfff0),
                plugbay::property("irq", &Options::irq, "interrupt line").range(0, 23),
                plugbay::property("period", &Options::period, "microseconds between ticks")
                    .range(1, 60'000'000)
                    .live(),
                plugbay::property("offset", &Options::offset, "added to the ticks that are read")
                    .range(-100, 100),
                plugbay::property("quiet", &Options::quiet, "write nothing to the backend"),
                plugbay::property("size", &Options::size, "bytes written at most").range(1, 1 << 20),
                plugbay::property("text", &Options::text, "what is written with each tick").range(1, 64),
                plugbay::property("mode", &Options::mode, "one tick, or tick after tick")
                    .choices("once", "again"));
        }
    };
    struct LinkOptions {
        bool loud = false;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("loud", &LinkOptions::loud, "writes a ! after the text"));
        }
    };
    static constexpr auto ports() {
        return std::array{plugbay::frontend(PLUGBAY_CHAR).optional().options<LinkOptions>()};
    }

    KeptMetronome(plugbay::Host host, const Options& options)
        : host_(host), options_(options), text_(options.text), line_(host.interrupt_line(options.irq)),
          timer_(host.timer()), region_(host.map_ports(options.port, 12)),
          bell_(host.doorbell(region_.handle(), 8, 4)) {
        if (text_ == "refuse") throw plugbay::Failure("the text \"refuse\" is refused; give another");
    }

    static constexpr auto registers() {
        using plugbay::bit, plugbay::reg;
        return plugbay::registers(
            &KeptMetronome::registers_, reg<std::uint32_t>(0, "TICKS").read(&KeptMetronome::ticks),
            reg(4, "CONTROL", &Registers::control).fields(bit("RUN", 0)).wrote(&KeptMetronome::arm),
            reg<std::uint32_t>(8, "CLEAR").write_only().write(&KeptMetronome::clear));
    }

    void on_timer(std::uint64_t) {
        ++registers_.ticks;
        if (options_.mode == Mode::once) registers_.control = 0;
        line_.pulse();
        if (!options_.quiet) {
            const std::string text = text_ + (loud_ ? "!" : "");
            written_ +=
                backend_.write(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
        }
        arm();
    }
    void on_doorbell(std::uint64_t) { registers_.ticks = 0; }
    void on_connect(std::uint64_t, plugbay::Link link) {
        backend_ = plugbay::CharBackend(link);
        loud_ = link.options<LinkOptions>().loud;
    }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}
    void on_change(const Options& options) { options_.period = options.period; }

    void reset() {
        registers_ = {};
        next_ = 0;
        timer_.disarm();
    }
    void state(auto& fields) {
        fields("ticks", registers_.ticks);
        fields("control", registers_.control, std::uint32_t{0}, std::uint32_t{1});
        fields("next", next_);
    }
    void loaded() {
        if (next_ != 0)
            timer_.arm(next_);
        else
            timer_.disarm();
    }
    void statistics(auto& numbers) { numbers("written", written_); }

  private:
    struct Registers {
        std::uint32_t ticks = 0;
        std::uint32_t control = 0;
    };

    std::uint32_t ticks() { return registers_.ticks + static_cast<std::uint32_t>(options_.offset); }
    void clear(std::uint32_t) { registers_.ticks = 0; } // by a host that cannot latch doorbells
    void arm() {
        next_ = registers_.control == 0 ? 0 : host_.now() + options_.period * std::uint64_t{1000};
        loaded();
    }

    plugbay::Host host_;
    Options options_;
    std::string text_;
    plugbay::InterruptLine line_;
    plugbay::Timer timer_;
    plugbay::Region region_;
    plugbay::Doorbell bell_;
    plugbay::CharBackend backend_;
    Registers registers_;
    std::uint64_t next_ = 0; // guest time; 0: does not run
    std::uint64_t written_ = 0;
    bool loud_ = false;
};

class KeptFunction {
  public:
    static constexpr plugbay::Type type{.name = "kept-function", .help = "Doubles a number, on PCI."};

    explicit KeptFunction(plugbay::Host host) : function_(host, description()) {}

    std::uint64_t read(plugbay::Access access) { return access.offset == 0 ? number_ * std::uint64_t{2} : 0; }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.offset != 0) return;
        number_ = static_cast<std::uint32_t>(value);
        static_cast<void>(function_.notify(0));
    }
    void reset() { number_ = 0; }
    void state(auto& fields) { fields("number", number_); }

  private:
    static plugbay::pci::Description description() {
        plugbay::pci::Description result(0x1234, 0x0001);
        result.class_code(0xff0000).bar(0, PLUGBAY_BAR_MEMORY32, 4096).msix(1, 2);
        return result;
    }

    plugbay::pci::Function function_;
    std::uint32_t number_ = 0;
};

PLUGBAY_PLUGIN("kept-cpp", "1.0.0", KeptMetronome, KeptFunction)
