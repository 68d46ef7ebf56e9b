// A device with named registers, and another build that answers otherwise (BRIGHT), for shadows. At port 0x500.
#include <plugbay/plugin.hpp>

#include <cstdint>

#ifndef BUILD
#define BUILD "1.0.0"
#endif
#ifndef BRIGHT
#define BRIGHT 0x80
#endif

class Lantern {
  public:
    static constexpr plugbay::Type type{.name = "lantern", .help = "Is bright from a level on."};

    explicit Lantern(plugbay::Host host) : region_(host.map_ports(0x500, 2)) {}

    static constexpr auto registers() {
        using plugbay::bit, plugbay::reg;
        return plugbay::registers(
            &Lantern::registers_, reg(0x0, "LEVEL", &Registers::level),
            reg<std::uint8_t>(0x1, "STATUS").read(&Lantern::status).fields(bit("LIT", 0), bit("BRIGHT", 1)));
    }

  private:
    struct Registers {
        std::uint8_t level = 0;
    };
    [[nodiscard]] std::uint8_t status() const {
        return static_cast<std::uint8_t>((registers_.level != 0 ? 1 : 0) |
                                         (registers_.level >= BRIGHT ? 2 : 0));
    }

    plugbay::Region region_;
    Registers registers_;
};

PLUGBAY_PLUGIN("lantern", BUILD, Lantern)
