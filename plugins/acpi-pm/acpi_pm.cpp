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

// Section 4.8.3.1.1 and 4.8.3.1.2. Timer, bus master, global, buttons, RTC, wake.
constexpr std::uint16_t timer_event = 1u << 0;
constexpr std::uint16_t power_button_event = 1u << 8;
constexpr std::uint16_t status_bits = 0xc731;
constexpr std::uint16_t enable_bits = 0x4721;
constexpr std::uint16_t event_bits = 0x0721; // those that raise the SCI

// Section 4.8.3.2.1.
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

// Puts `byte` in the place of the `index`-th byte of `word`.
std::uint16_t with_byte(std::uint16_t word, std::uint64_t index, std::uint8_t byte) {
    return static_cast<std::uint16_t>(index == 0 ? (word & 0xff00) | byte : (word & 0x00ff) | byte << 8);
}
std::uint8_t byte_of(std::uint64_t word, std::uint64_t index) {
    return static_cast<std::uint8_t>(word >> (8 * index));
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

    // Every register may be read by bytes; the timer is sampled once, so that its bytes belong together.
    std::uint64_t read(plugbay::Access access) {
        if (access.offset == pm_timer && access.width == 4) return ticks_at(now()) & timer_mask;
        const std::uint64_t time = now();
        collect_timer_event(time);
        std::uint64_t value = 0;
        for (std::uint32_t i = 0; i < access.width; ++i)
            value |= std::uint64_t{read_byte(access.offset + i, time)} << (8 * i);
        return value;
    }

    void write(plugbay::Access access, std::uint64_t value) {
        collect_timer_event(now());
        for (std::uint32_t i = 0; i < access.width; ++i)
            write_byte(access.offset + i, static_cast<std::uint8_t>(value >> (8 * i)));
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
        fields("pm1_status", registers_.status);
        fields("pm1_enable", registers_.enable);
        fields("pm1_control", registers_.control);
        fields("gpe0_status", registers_.gpe_status);
        fields("gpe0_enable", registers_.gpe_enable);
        fields("timer_phase", registers_.timer_phase);
    }
    void loaded() {
        registers_.status &= status_bits;
        registers_.enable &= enable_bits;
        registers_.control &= sleep_type | bus_master_reload;
        update();
    }

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

    [[nodiscard]] std::uint8_t read_byte(std::uint64_t offset, std::uint64_t time) const {
        if (offset < pm1_enable) return byte_of(registers_.status, offset - pm1_status);
        if (offset < pm1_control) return byte_of(registers_.enable, offset - pm1_enable);
        if (offset < pm1_control + 2) return byte_of(registers_.control | sci_enable, offset - pm1_control);
        if (offset >= pm_timer && offset < pm_timer + 4)
            return byte_of(ticks_at(time) & timer_mask, offset - pm_timer);
        if (offset >= gpe0_enable) return byte_of(registers_.gpe_enable, offset - gpe0_enable);
        if (offset >= gpe0_status) return byte_of(registers_.gpe_status, offset - gpe0_status);
        return 0;
    }

    // Status bits are cleared by writing ones (section 4.8.1).
    void write_byte(std::uint64_t offset, std::uint8_t value) {
        if (offset < pm1_enable) {
            registers_.status &= static_cast<std::uint16_t>(~with_byte(0, offset - pm1_status, value));
        } else if (offset < pm1_control) {
            registers_.enable = with_byte(registers_.enable, offset - pm1_enable, value) & enable_bits;
        } else if (offset < pm1_control + 2) {
            write_control(with_byte(registers_.control, offset - pm1_control, value),
                          offset - pm1_control == 1);
        } else if (offset == reset_register) {
            if (value == reset_value) host_.request(PLUGBAY_REQUEST_RESET);
        } else if (offset >= gpe0_enable) {
            registers_.gpe_enable = with_byte(registers_.gpe_enable, offset - gpe0_enable, value);
        } else if (offset >= gpe0_status) {
            registers_.gpe_status &= static_cast<std::uint16_t>(~with_byte(0, offset - gpe0_status, value));
        }
    }

    // SCI_EN belongs to the firmware, which has handed over already. GBL_RLS would call a firmware that does
    // not exist here: it is ignored and reads as zero, like SLP_EN.
    void write_control(std::uint16_t value, bool high_byte) {
        registers_.control = value & (sleep_type | bus_master_reload);
        if (high_byte && (value & sleep_enable) != 0 && (value & sleep_type) == soft_off)
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
