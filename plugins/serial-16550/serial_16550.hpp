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

    // The chip has eight data lines: the bus splits wider accesses into bytes, lowest port first. With DLAB set, the
    // divisor latch is in the place of the first two. Writing line or modem status is for factory tests (section 8.3).
    static constexpr auto registers() {
        using plugbay::bit, plugbay::bits, plugbay::reg;
        constexpr const char* transfer = "LCR.DLAB=0";
        return plugbay::registers(
                   &Serial16550::registers_,
                   reg<std::uint8_t>(0, "RBR", "The oldest character received.")
                       .read(&Serial16550::read_receive_buffer)
                       .when(0, transfer),
                   reg<std::uint8_t>(0, "THR", "The next character to send.")
                       .write(&Serial16550::write_transmit_holding)
                       .when(0, transfer),
                   reg(0, "DL", &Registers::divisor,
                       "Divisor latch: 115200 baud by this; its bytes are DLL and DLM.")
                       .when(1, "LCR.DLAB=1")
                       .state("divisor"),
                   reg(1, "IER", &Registers::interrupt_enable, "Interrupt enable.")
                       .fields(bit("ERBFI", 0, "Received data."), bit("ETBEI", 1, "Transmitter empty."),
                               bit("ELSI", 2, "Line status."), bit("EDSSI", 3, "Modem status."))
                       .wrote(&Serial16550::interrupt_enable_written)
                       .when(0, transfer)
                       .state("interrupt_enable"),
                   reg<std::uint8_t>(2, "IIR", "Interrupt identification.")
                       .fields(bits("ID", 0, 4)
                                   .value(interrupt_id::modem_status, "modem status")
                                   .value(interrupt_id::none, "none")
                                   .value(interrupt_id::transmitter_empty, "transmitter empty")
                                   .value(interrupt_id::received_data, "received data")
                                   .value(interrupt_id::line_status, "line status")
                                   .value(interrupt_id::character_timeout, "character timeout"),
                               bits("FIFOS", 6, 2).value(3, "enabled"))
                       .read(&Serial16550::read_interrupt_identification)
                       .resets_to(interrupt_id::none),
                   reg<std::uint8_t>(2, "FCR", "FIFO control.")
                       .fields(bit("FIFO_EN", 0), bit("RX_RESET", 1), bit("TX_RESET", 2), bit("DMA_MODE", 3),
                               bits("TRIGGER", 6, 2).values("1", "4", "8", "14"))
                       .write(&Serial16550::write_fifo_control)
                       .state("fifo_control"),
                   reg(3, "LCR", &Registers::line_control, "Line control.")
                       .fields(bits("WLS", 0, 2).values("5 bits", "6 bits", "7 bits", "8 bits"),
                               bit("STB", 2, "Two stop bits."), bit("PEN", 3, "Parity."),
                               bit("EPS", 4, "Even parity."), bit("STICK", 5, "Stick parity."),
                               bit("BREAK", 6), bit("DLAB", 7, "Divisor latch access."))
                       .wrote(&Serial16550::line_control_written)
                       .state("line_control"),
                   reg(4, "MCR", &Registers::modem_control, "Modem control.")
                       .fields(bit("DTR", 0), bit("RTS", 1), bit("OUT1", 2), bit("OUT2", 3), bit("LOOP", 4))
                       .wrote(&Serial16550::modem_control_written)
                       .state("modem_control"),
                   reg<std::uint8_t>(5, "LSR", "Line status.")
                       .fields(bit("DR", 0, "Data ready."), bit("OE", 1, "Overrun."), bit("PE", 2),
                               bit("FE", 3), bit("BI", 4, "Break."), bit("THRE", 5), bit("TEMT", 6),
                               bit("FIFO_ERROR", 7))
                       .read(&Serial16550::read_line_status)
                       .resets_to(line_status::transmitter_holding_empty | line_status::transmitter_empty),
                   reg(6, "MSR", &Registers::modem_status, "Modem status.")
                       .read_only()
                       .fields(bits("DELTAS", 0, 4, "CTS, DSR, RI and DCD have changed.").read_to_clear(),
                               bit("CTS", 4), bit("DSR", 5), bit("RI", 6), bit("DCD", 7))
                       .was_read(&Serial16550::update_interrupt)
                       .state("modem_status"),
                   reg(7, "SCR", &Registers::scratch, "Scratch.").state("scratch"))
            .bank(&Serial16550::divisor_latch_accessed);
    }

    void on_connect(std::uint64_t port, plugbay::Link link);
    void on_disconnect(std::uint64_t port);
    std::uint32_t on_receive(std::uint64_t port, std::span<const std::uint8_t> bytes);
    void on_write_ready(std::uint64_t port);
    void on_char_event(std::uint64_t port, std::uint32_t event);
    void on_timer(std::uint64_t token);

    void state(auto& fields) {
        plugbay::state_of_registers(fields, *this);
        fields("fifo_control", registers_.fifo_control);
        fields("line_errors", registers_.line_errors);
        fields("transmitter_empty_pending", registers_.transmitter_empty_pending);
        fields("character_timeout_pending", registers_.character_timeout_pending);
        fields("input_held", registers_.input_held);
        fields("receive_fifo", receive_fifo_);
        fields("receive_errors", receive_errors_);
        fields("transmit_fifo", transmit_fifo_);
        fields("far_end_open", far_end_open_);
        fields.optional("fifos_at_once", fifos_at_once_, most_fifos_at_once, std::uint8_t{0},
                        most_fifos_at_once);
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

    std::uint8_t read_receive_buffer();
    std::uint8_t read_interrupt_identification();
    std::uint8_t read_line_status();
    void write_transmit_holding(std::uint8_t byte);
    void interrupt_enable_written(std::uint8_t before);
    void write_fifo_control(std::uint8_t value);
    void line_control_written(std::uint8_t before);
    void modem_control_written();

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
    [[nodiscard]] bool empty_transmitter();
    [[nodiscard]] std::size_t send(std::span<const std::uint8_t> bytes);
    void drain_transmitter();
    [[nodiscard]] std::uint64_t pace(unsigned characters) const;
    void wait_for_line();
    void arm_line_timer(std::uint64_t deadline);
    [[nodiscard]] bool line_goes_on();
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
    static constexpr std::uint8_t most_fifos_at_once = 15;
    std::uint8_t fifos_at_once_ = most_fifos_at_once; // that are still sent as soon as the handler looks

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
