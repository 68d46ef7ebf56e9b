// debugcon: a write-only console of one port, as early firmware and test guests use it. Reading the port
// gives `readback`, by which a guest finds out that it is there.
#include <plugbay/plugin.hpp>

#include <array>

class Debugcon {
  public:
    static constexpr plugbay::Type type{.name = "debugcon",
                                        .help = "A write-only debug console of one I/O port."};
    struct Options {
        std::uint16_t port = 0x402;
        std::uint8_t readback = 0xe9;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "I/O port of one byte"),
                plugbay::property("readback", &Options::readback, "value that reads return"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }

    Debugcon(plugbay::Host host, const Options& options)
        : readback_(options.readback), region_(host.map_ports(options.port, 1)) {}

    void on_connect(std::uint64_t, plugbay::Link link) { backend_ = plugbay::CharBackend(link); }
    void on_disconnect(std::uint64_t) { backend_ = {}; }

    std::uint64_t read(plugbay::Access) { return readback_; }
    // The port cannot say "wait": what the backend has no room for is lost, as on the real thing.
    void write(plugbay::Access, std::uint64_t value) {
        const auto byte = static_cast<std::uint8_t>(value);
        backend_.write(std::span(&byte, 1));
    }

    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size()); // there is no way in: input is dropped
    }
    void on_write_ready(std::uint64_t) {}
    void state(auto&) {}

  private:
    std::uint8_t readback_;
    plugbay::Region region_;
    plugbay::CharBackend backend_;
};

PLUGBAY_PLUGIN("debugcon", "1.0.0", Debugcon)
