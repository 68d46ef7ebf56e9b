// The 16550A UART. Comments cite the PC16550D data sheet by section.
#pragma once

#include "fifo.hpp"
#include "registers.hpp"

#include <plugbay/plugin.hpp>

#include <array>

class Serial16550 {
  public:
    static constexpr plugbay::Type type{.name = "serial-16550", .help = "A 16550A serial port (COM1 ...)."};
    struct Options {
        std::uint16_t port = 0x3f8;
        std::uint8_t irq = 4;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "first of eight I/O ports").range(0, 0xfff8),
                plugbay::property("irq", &Options::irq, "interrupt line").range(0, 23));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }

    Serial16550(plugbay::Host host, const Options& options);

    void start();
    plugbay_status quiesce();
    void resume();
    void reset();

    std::uint64_t read(plugbay::Access access);
    void write(plugbay::Access access, std::uint64_t value);

    void on_connect(std::uint64_t port, plugbay::Link link);
    void on_disconnect(std::uint64_t port);
    std::uint32_t on_receive(std::uint64_t port, std::span<const std::uint8_t> bytes);
    void on_write_ready(std::uint64_t port);
    void on_char_event(std::uint64_t port, std::uint32_t event);
    void on_timer(std::uint64_t token);

    void state(auto& fields) {
        fields("interrupt_enable", registers_.interrupt_enable);
        fields("fifo_control", registers_.fifo_control);
        fields("line_control", registers_.line_control);
        fields("modem_control", registers_.modem_control);
        fields("modem_status", registers_.modem_status);
        fields("scratch", registers_.scratch);
        fields("divisor", registers_.divisor);
        fields("line_errors", registers_.line_errors);
        fields("transmitter_empty_pending", registers_.transmitter_empty_pending);
        fields("character_timeout_pending", registers_.character_timeout_pending);
        fields("input_held", registers_.input_held);
        fields("receive_fifo", receive_fifo_);
        fields("receive_errors", receive_errors_);
        fields("transmit_fifo", transmit_fifo_);
        fields("far_end_open", far_end_open_);
    }
    void loaded();
    void statistics(auto& numbers) {
        numbers("bytes sent", bytes_sent_);
        numbers("bytes received", bytes_received_);
        numbers.level("receive FIFO", receive_fifo_.count());
        numbers.level("transmit FIFO", transmit_fifo_.count());
    }

  private:
    // What master reset puts back (section 8.0, table "UART Reset Configuration").
    struct Registers {
        std::uint8_t interrupt_enable = 0;
        std::uint8_t fifo_control = 0;
        std::uint8_t line_control = 0;
        std::uint8_t modem_control = 0;
        std::uint8_t modem_status = 0;
        std::uint8_t scratch = 0;
        std::uint16_t divisor = 12;   // 9600 baud; undefined on the chip
        std::uint8_t line_errors = 0; // LSR bits 1 to 4, until read
        bool transmitter_empty_pending = false;
        bool character_timeout_pending = false;
        bool input_held = false; // the backend was refused and waits for receive_ready
    };

    std::uint8_t read_register(std::uint64_t offset);
    void write_register(std::uint64_t offset, std::uint8_t value);
    std::uint8_t read_receive_buffer();
    std::uint8_t read_interrupt_identification();
    std::uint8_t read_line_status();
    std::uint8_t read_modem_status();
    void write_transmit_holding(std::uint8_t byte);
    void write_interrupt_enable(std::uint8_t value);
    void write_fifo_control(std::uint8_t value);
    void write_line_control(std::uint8_t value);
    void write_modem_control(std::uint8_t value);

    [[nodiscard]] bool fifos_enabled() const { return (registers_.fifo_control & fifo_control::enable) != 0; }
    [[nodiscard]] bool loopback() const { return (registers_.modem_control & modem_control::loop) != 0; }
    [[nodiscard]] bool divisor_latch_accessed() const {
        return (registers_.line_control & line_control::divisor_latch_access) != 0;
    }
    [[nodiscard]] std::uint8_t fifo_depth() const { return fifos_enabled() ? Fifo::capacity : 1; }
    [[nodiscard]] std::uint8_t receive_trigger() const;
    [[nodiscard]] std::uint8_t highest_interrupt() const;
    [[nodiscard]] std::uint8_t modem_lines() const;
    [[nodiscard]] std::uint64_t time_of(unsigned characters) const;
    [[nodiscard]] bool enabled(std::uint8_t interrupt) const {
        return (registers_.interrupt_enable & interrupt) != 0;
    }

    void receive_character(std::uint8_t byte, std::uint8_t errors);
    void expose_front_errors();
    void clear_receiver();
    void restart_character_timeout();
    void character_timeout();
    void offer_room();
    [[nodiscard]] std::size_t send(std::span<const std::uint8_t> bytes);
    void drain_transmitter();
    [[nodiscard]] std::uint64_t pace(unsigned characters) const;
    void wait_for_line();
    void arm_line_timer(std::uint64_t deadline);
    void handler_is_done();
    void line_is_ready();
    void update_modem_status();
    void update_interrupt();

    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::InterruptLine line_;
    plugbay::Timer character_timer_;
    plugbay::Timer line_timer_;
    plugbay::CharBackend backend_;

    Registers registers_;
    Fifo receive_fifo_;
    Fifo receive_errors_; // line status bits of each character in receive_fifo_
    Fifo transmit_fifo_;

    std::uint64_t bytes_sent_ = 0;     // to the backend
    std::uint64_t bytes_received_ = 0; // from it

    bool started_ = false;
    bool draining_ = false;
    bool far_end_open_ = false;
    bool line_level_ = false;
    bool character_timer_armed_ = false;
    std::uint64_t receiver_idle_since_ = 0; // guest clock
    bool line_timer_armed_ = false;
    bool handler_done_ = false;         // since then
    std::uint64_t line_busy_since_ = 0; // guest clock
};
