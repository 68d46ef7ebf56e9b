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

    static constexpr auto registers() {
        return plugbay::registers(
            plugbay::reg<std::uint8_t>(0, "STATUS", "The exit status; reads as 0.").write(&DebugExit::exit));
    }
    void state(auto&) {}

  private:
    void exit(std::uint8_t status) { host_.request(PLUGBAY_REQUEST_EXIT, status); }

    plugbay::Host host_;
    plugbay::Region region_;
};

PLUGBAY_PLUGIN("debug-exit", "1.0.0", DebugExit)
