// ACPI's fixed hardware: PM1 event and control, the power management timer, one general-purpose event block
// and the reset register. Comments cite the ACPI specification 6.5 by section.
#include <plugbay/plugin.hpp>

#include <linux/input-event-codes.h>
#include <utility>

namespace {

// Byte offsets from the `port` property.
constexpr std::uint64_t pm1_status = 0x00;
constexpr std::uint64_t pm1_enable = 0x02;
constexpr std::uint64_t pm1_control = 0x04;
constexpr std::uint64_t pm_timer = 0x08;
constexpr std::uint64_t reset_register = 0x0c;
constexpr std::uint64_t gpe0_status = 0x10;
constexpr std::uint64_t gpe0_enable = 0x12;
constexpr std::uint32_t port_count = 0x14;
constexpr std::uint16_t gpe0_length = 4;

constexpr std::uint8_t reset_value = 0x01;

// Section 4.8.3.1.1 and 4.8.3.2.1.
constexpr std::uint16_t timer_event = 1u << 0;
constexpr std::uint16_t power_button_event = 1u << 8;
constexpr std::uint16_t event_bits = 0x0721; // those that raise the SCI
constexpr std::uint16_t sci_enable = 1u << 0;
constexpr std::uint16_t bus_master_reload = 1u << 1;
constexpr std::uint16_t sleep_type = 7u << 10;
constexpr std::uint16_t sleep_enable = 1u << 13;
constexpr std::uint16_t soft_off = 5u << 10;

// Section 4.8.3.3.
constexpr std::uint64_t timer_frequency = 3579545;
constexpr std::uint64_t timer_mask = 0xffffff;
constexpr unsigned timer_event_bit = 23; // the event is set whenever this bit changes

constexpr std::uint64_t second = 1000000000;

// Seconds and the rest apart, so that nothing overflows.
std::uint64_t ticks_at(std::uint64_t nanoseconds) {
    return nanoseconds / second * timer_frequency + nanoseconds % second * timer_frequency / second;
}
// The first nanosecond at which ticks_at gives `ticks`.
std::uint64_t time_of(std::uint64_t ticks) {
    const std::uint64_t rest = ticks % timer_frequency * second;
    return ticks / timer_frequency * second + (rest + timer_frequency - 1) / timer_frequency;
}

} // namespace

class AcpiPm {
  public:
    static constexpr plugbay::Type type{
        .name = "acpi-pm", .help = "ACPI power management: soft-off, reset, the PM timer and the SCI."};
    struct Options {
        std::uint16_t port = 0x600;
        std::uint8_t irq = 9;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "first of twenty I/O ports").range(0, 0xffec),
                plugbay::property("irq", &Options::irq, "interrupt line of the SCI").range(0, 23));
        }
    };

    AcpiPm(plugbay::Host host, const Options& options)
        : host_(host), region_(host.map_ports(options.port, port_count)),
          sci_(host.interrupt_line(options.irq, PLUGBAY_INTERRUPT_SHARED)), timer_(host.timer()),
          keys_(host.subscribe(PLUGBAY_EVENT_KEY)) {
        const auto at = [&](std::uint64_t offset) {
            return static_cast<std::uint16_t>(options.port + offset);
        };
        plugbay_acpi_fixed_hardware hardware{};
        hardware.size = sizeof hardware;
        hardware.pm1_event_port = at(pm1_status);
        hardware.pm1_control_port = at(pm1_control);
        hardware.pm_timer_port = at(pm_timer);
        hardware.gpe0_port = at(gpe0_status);
        hardware.gpe0_length = gpe0_length;
        hardware.sci_line = options.irq;
        hardware.reset_port = at(reset_register);
        hardware.reset_value = reset_value;
        host.set_acpi_fixed_hardware(hardware);
    }

    static constexpr auto registers() {
        using plugbay::bit, plugbay::bits, plugbay::reg;
        return plugbay::registers(
            &AcpiPm::registers_,
            reg(pm1_status, "PM1_STS", &Registers::status, "Events (4.8.3.1.1).")
                .write_1_to_clear()
                .fields(bit("TMR_STS", 0), bit("BM_STS", 4), bit("GBL_STS", 5), bit("PWRBTN_STS", 8),
                        bit("SLPBTN_STS", 9), bit("RTC_STS", 10), bit("PCIEXP_WAKE_STS", 14),
                        bit("WAK_STS", 15))
                .read(&AcpiPm::read_status)
                .state("pm1_status"),
            reg(pm1_enable, "PM1_EN", &Registers::enable, "Which of them interrupt (4.8.3.1.2).")
                .fields(bit("TMR_EN", 0), bit("GBL_EN", 5), bit("PWRBTN_EN", 8), bit("SLPBTN_EN", 9),
                        bit("RTC_EN", 10), bit("PCIEXP_WAKE_DIS", 14))
                .state("pm1_enable"),
            reg(pm1_control, "PM1_CNT", &Registers::control, "Sleep (4.8.3.2.1).")
                .fields(bit("SCI_EN", 0, "Always 1.").read_only(), bit("BM_RLD", 1),
                        bit("GBL_RLS", 2).write_only(), bits("SLP_TYP", 10, 3).value(5, "soft-off"),
                        bit("SLP_EN", 13).write_only())
                .read(&AcpiPm::read_control)
                .write(&AcpiPm::write_control)
                .state("pm1_control"),
            reg<std::uint32_t>(pm_timer, "PM_TMR", "Counts at 3.579545 MHz (4.8.3.3).")
                .fields(bits("TMR_VAL", 0, 24))
                .read(&AcpiPm::read_timer),
            reg<std::uint8_t>(reset_register, "RESET_REG", "1 resets the machine (4.8.3.6).")
                .write(&AcpiPm::write_reset),
            reg(gpe0_status, "GPE0_STS", &Registers::gpe_status, "General-purpose events (4.8.4.1).")
                .write_1_to_clear()
                .state("gpe0_status"),
            reg(gpe0_enable, "GPE0_EN", &Registers::gpe_enable, "Which of them interrupt.")
                .state("gpe0_enable"));
    }
    std::uint64_t read(plugbay::Access access) { return plugbay::read_register(*this, access); }
    void write(plugbay::Access access, std::uint64_t value) {
        collect_timer_event(now());
        plugbay::write_register(*this, access, value);
        update();
    }

    void on_timer(std::uint64_t) {
        armed_phase_ = 0;
        collect_timer_event(now());
        update();
    }
    void resume() { update(); }
    void on_acpi_event(std::uint32_t event) {
        if (event >= 4 * gpe0_length) return; // half of its bytes are status
        registers_.gpe_status |= static_cast<std::uint16_t>(1u << event);
        update();
    }

    // The power button is a key of the host's keyboard (section 4.8.2.2.1.1).
    void on_host_event(std::uint64_t, const plugbay_host_event& event) {
        if (event.code != KEY_POWER || event.x != 1) return;
        registers_.status |= power_button_event;
        update();
    }

    void reset() {
        registers_ = Registers{};
        registers_.timer_phase = timer_phase(now());
        update();
    }

    void state(auto& fields) {
        plugbay::state_of_registers(fields, *this);
        fields("timer_phase", registers_.timer_phase);
    }
    void loaded() { update(); }

  private:
    struct Registers {
        std::uint16_t status = 0;
        std::uint16_t enable = 0;
        std::uint16_t control = 0; // SLP_TYP and BM_RLD; the other bits are fixed or read as zero
        std::uint16_t gpe_status = 0;
        std::uint16_t gpe_enable = 0;
        std::uint64_t timer_phase = 0; // changes of the timer's top bit that TMR_STS has accounted for
    };

    [[nodiscard]] std::uint64_t now() const { return host_.now(); }
    static std::uint64_t timer_phase(std::uint64_t time) { return ticks_at(time) >> timer_event_bit; }

    // TMR_STS needs no host timer unless it interrupts: it is worked out when somebody looks.
    void collect_timer_event(std::uint64_t time) {
        const std::uint64_t phase = timer_phase(time);
        if (phase > registers_.timer_phase) registers_.status |= timer_event;
        registers_.timer_phase = phase;
    }

    std::uint16_t read_status() {
        collect_timer_event(now());
        return registers_.status;
    }
    [[nodiscard]] std::uint32_t read_timer() const {
        return static_cast<std::uint32_t>(ticks_at(now()) & timer_mask);
    }
    void write_reset(std::uint8_t value) {
        if (value == reset_value) host_.request(PLUGBAY_REQUEST_RESET);
    }

    // SCI_EN belongs to the firmware, which has handed over already. GBL_RLS would call a firmware that does
    // not exist here: it is ignored and reads as zero, like SLP_EN.
    [[nodiscard]] std::uint16_t read_control() const { return registers_.control | sci_enable; }
    void write_control(std::uint16_t value) {
        registers_.control = value & (sleep_type | bus_master_reload);
        if ((value & sleep_enable) != 0 && (value & sleep_type) == soft_off)
            host_.request(PLUGBAY_REQUEST_POWER_OFF);
    }

    void update() {
        sci_.set((registers_.status & registers_.enable & event_bits) != 0 ||
                 (registers_.gpe_status & registers_.gpe_enable) != 0);
        const bool waiting = (registers_.enable & timer_event) != 0 && (registers_.status & timer_event) == 0;
        const std::uint64_t wanted = waiting ? registers_.timer_phase + 1 : 0;
        if (wanted == armed_phase_) return;
        armed_phase_ = wanted;
        if (waiting)
            timer_.arm(time_of(wanted << timer_event_bit));
        else
            timer_.disarm();
    }

    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::InterruptLine sci_;
    plugbay::Timer timer_;
    plugbay::HostEventSubscription keys_;
    Registers registers_;
    std::uint64_t armed_phase_ = 0; // what timer_ waits for; 0: nothing
};

PLUGBAY_PLUGIN("acpi-pm", "1.0.0", AcpiPm)
