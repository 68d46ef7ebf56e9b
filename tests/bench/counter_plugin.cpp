// The device at the end of the access benchmark: counts what reaches it, on a port and at an address.
#include <plugbay/plugin.hpp>

class Counter {
  public:
    static constexpr plugbay::Type type{.name = "bench-counter", .help = "Counts the guest's accesses."};
    struct Options {
        std::uint16_t port = 0xf4;
        std::uint64_t address = 0xd0000000;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "I/O port of four bytes"),
                plugbay::property("address", &Options::address, "address of one page"));
        }
    };

    Counter(plugbay::Host host, const Options& options)
        : ports_(host.map_ports(options.port, 4)), memory_(host.map_memory(options.address, 4096)) {}

    // Reading anything gives the number of writes so far.
    std::uint64_t read(plugbay::Access) { return writes_; }
    void write(plugbay::Access, std::uint64_t) { ++writes_; }
    void reset() { writes_ = 0; }

  private:
    plugbay::Region ports_;
    plugbay::Region memory_;
    std::uint64_t writes_ = 0;
};

PLUGBAY_PLUGIN("bench-counter", "1.0.0", Counter)
