// debug-exit: a test guest ends the monitor by writing its exit status to a port.
#include <plugbay/plugin.hpp>

class DebugExit {
  public:
    static constexpr plugbay::Type type{
        .name = "debug-exit", .help = "Ends the monitor with the status that the guest writes to a port."};
    struct Options {
        std::uint16_t port = 0xf4;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("port", &Options::port, "I/O port of one byte"));
        }
    };

    DebugExit(plugbay::Host host, const Options& options)
        : host_(host), region_(host.map_ports(options.port, 1)) {}

    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t value) {
        host_.request(PLUGBAY_REQUEST_EXIT, static_cast<std::uint32_t>(value));
    }
    void state(auto&) {}

  private:
    plugbay::Host host_;
    plugbay::Region region_;
};

PLUGBAY_PLUGIN("debug-exit", "1.0.0", DebugExit)
