// Two devices that keep all rules, and, with FAULT, the second breaks one. They speak an interface of their own, each needs the
// other, and no fake speaks it: a driver with a register that fires, and the laser.
#include <plugbay/plugin.hpp>

#include <array>
#include <cstdlib>

enum Fault { none, crash_on_fire };

namespace {

constexpr const char* laser_interface = "com.example.laser/1";

struct LaserTable { // of the backend
    std::uint32_t size;
    std::uint32_t reserved;
    void (*fire)(void* instance, std::uint64_t port, std::uint32_t power);
};
struct DriverTable { // of the frontend
    std::uint32_t size;
    std::uint32_t reserved;
    void (*fired)(void* instance, std::uint64_t port, std::uint32_t power);
};

class Laser : public plugbay::Peer<LaserTable> {
  public:
    using Peer::Peer;
    void fire(std::uint32_t power) const {
        if (*this) table()->fire(link_->instance, link_->port, power);
    }
};
class Driver : public plugbay::Peer<DriverTable> {
  public:
    using Peer::Peer;
    void fired(std::uint32_t power) const {
        if (*this) table()->fired(link_->instance, link_->port, power);
    }
};

} // namespace

class DriverSpecimen {
  public:
    static constexpr plugbay::Type type{.name = "laser-driver", .help = "A device to try a validator on."};
    struct LinkOptions {
        std::uint32_t most = 0;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("most", &LinkOptions::most, "milliwatts").range(1, 500).required());
        }
    };
    static constexpr auto ports() {
        return std::array{plugbay::frontend(laser_interface).options<LinkOptions>()};
    }
    static const void* extension(std::string_view id) {
        return id == "com.example.laser/1.frontend" ? &table : nullptr;
    }

    explicit DriverSpecimen(plugbay::Host host) : region_(host.map_ports(0x5e0, 4)) {}

    void on_connect(std::uint64_t, plugbay::Link link) { laser_ = Laser(link); }
    void on_disconnect(std::uint64_t) { laser_ = {}; }
    std::uint64_t read(plugbay::Access) { return power_; }
    void write(plugbay::Access, std::uint64_t value) {
        laser_.fire(static_cast<std::uint32_t>(value & 0xff));
    }
    void reset() { power_ = 0; }
    void state(auto& fields) { fields("power", power_); }

  private:
    static void on_fired(void* instance, std::uint64_t, std::uint32_t power) noexcept {
        plugbay::enter<DriverSpecimen>(
            instance, [&](DriverSpecimen& self) { self.power_ = static_cast<std::uint8_t>(power); });
    }
    static constexpr DriverTable table{sizeof(DriverTable), 0, on_fired};

    plugbay::Region region_;
    Laser laser_;
    std::uint8_t power_ = 0; // of the last shot
};

class LaserSpecimen {
  public:
    static constexpr plugbay::Type type{.name = "laser", .help = "A device to try a validator on."};
    struct Options {
        std::uint32_t colour = 0;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("colour", &Options::colour, "nanometres").range(400, 700).required());
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(laser_interface)}; }
    static const void* extension(std::string_view id) {
        return id == "com.example.laser/1.backend" ? &table : nullptr;
    }

    LaserSpecimen(plugbay::Host, const Options& options) {
        if (options.colour == 404) throw plugbay::Failure("no such colour");
    }

    void on_connect(std::uint64_t, plugbay::Link link) { driver_ = Driver(link); }
    void on_disconnect(std::uint64_t) { driver_ = {}; }
    void reset() {}

  private:
    static void on_fire(void* instance, std::uint64_t, std::uint32_t power) noexcept {
        if (FAULT == crash_on_fire) std::abort();
        plugbay::enter<LaserSpecimen>(instance, [&](LaserSpecimen& self) { self.driver_.fired(power); });
    }
    static constexpr LaserTable table{sizeof(LaserTable), 0, on_fire};

    Driver driver_;
};

PLUGBAY_PLUGIN("laser-specimen", "1.0.0", DriverSpecimen, LaserSpecimen)
