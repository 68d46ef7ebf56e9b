// acme-sensor-controller, by a first vendor, in C++: what the guest sees of a sensor bus.
//
//   port + 0x0   CHANNEL   which channel is measured next
//   port + 0x4   COMMAND   write START to measure, ACKNOWLEDGE to have the interrupt go
//   port + 0x8   STATUS    BUSY until the sensor has answered, then READY or FAILED, which interrupt
//   port + 0xc   VALUE     the last measurement, signed, in thousandths
//   port + 0x10  CHANNELS  how many the sensor has; 0: there is no sensor
#include <example/sensor_bus.h>
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>

class Controller {
  public:
    static constexpr plugbay::Type type{.name = "acme-sensor-controller", .help = "Asks a sensor."};
    struct Options {
        std::uint16_t port = 0x620;
        std::uint8_t irq = 11;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "first of 20 I/O ports").range(0, 0xffec),
                plugbay::property("irq", &Options::irq, "interrupt line").range(0, 23));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(SENSOR_BUS).optional()}; }
    static const void* extension(std::string_view id) {
        return id == SENSOR_BUS ".frontend" ? &sensor_table : nullptr;
    }

    Controller(plugbay::Host host, const Options& options)
        : line_(host.interrupt_line(options.irq)), region_(host.map_ports(options.port, 0x14)) {}

    static constexpr auto registers() {
        using plugbay::bit, plugbay::reg;
        return plugbay::registers(&Controller::registers_, reg(0x0, "CHANNEL", &Registers::channel),
                                  reg<std::uint32_t>(0x4, "COMMAND")
                                      .write(&Controller::command)
                                      .fields(bit("START", 0), bit("ACKNOWLEDGE", 1)),
                                  reg(0x8, "STATUS", &Registers::status)
                                      .read_only()
                                      .fields(bit("BUSY", 0), bit("READY", 1), bit("FAILED", 2)),
                                  reg(0xc, "VALUE", &Registers::value).read_only(),
                                  reg<std::uint32_t>(0x10, "CHANNELS").read(&Controller::channels));
    }

    void on_connect(std::uint64_t, plugbay::Link link) { sensor_ = Sensor(link); }
    void on_disconnect(std::uint64_t) {
        sensor_ = {};
        if ((registers_.status & busy) != 0) finish(failed);
    }
    void reset() {
        registers_ = {};
        asked_ = 0;
        update();
    }
    void state(auto& fields) {
        plugbay::state_of_registers(fields, *this);
        fields("asked", asked_);
    }
    void loaded() { update(); }

  private:
    static constexpr std::uint32_t start = 1, acknowledge = 2;      // COMMAND
    static constexpr std::uint32_t busy = 1, ready = 2, failed = 4; // STATUS
    struct Registers {
        std::uint32_t channel = 0;
        std::uint32_t status = 0;
        std::uint32_t value = 0;
    };

    // The other end of the link.
    class Sensor : public plugbay::Peer<sensor_bus_backend> {
      public:
        using Peer::Peer;
        [[nodiscard]] std::uint32_t channels() const {
            return *this ? std::min(table()->channels(link_->instance, link_->port), SENSOR_BUS_MOST_CHANNELS)
                         : 0;
        }
        void measure(std::uint32_t channel) const { table()->measure(link_->instance, link_->port, channel); }
    };
    static void on_measured(void* instance, std::uint64_t, std::uint32_t channel, plugbay_status status,
                            std::int32_t value) noexcept {
        plugbay::enter<Controller>(instance,
                                   [&](Controller& self) { self.measured(channel, status, value); });
    }
    static constexpr sensor_bus_frontend sensor_table{
        .size = sizeof(sensor_bus_frontend), .reserved = 0, .measured = on_measured};

    [[nodiscard]] std::uint32_t channels() const { return sensor_.channels(); }
    void command(std::uint32_t value) {
        if ((value & acknowledge) != 0) registers_.status &= ~(ready | failed);
        if ((value & start) != 0) {
            registers_.status = busy;
            asked_ = registers_.channel;
            update();
            if (asked_ >= channels()) return finish(failed);
            return sensor_.measure(asked_); // which may answer at once, so this is the last thing
        }
        update();
    }
    void measured(std::uint32_t channel, plugbay_status status, std::int32_t value) {
        if ((registers_.status & busy) == 0 || channel != asked_) return;
        if (status == PLUGBAY_OK) registers_.value = static_cast<std::uint32_t>(value);
        finish(status == PLUGBAY_OK ? ready : failed);
    }
    void finish(std::uint32_t status) {
        registers_.status = status;
        update();
    }
    void update() { line_.set((registers_.status & (ready | failed)) != 0); }

    plugbay::InterruptLine line_;
    plugbay::Region region_;
    Sensor sensor_;
    Registers registers_;
    std::uint32_t asked_ = 0; // the channel that is measured while BUSY
};

PLUGBAY_PLUGIN("acme-sensor-controller", "1.0.0", Controller)
