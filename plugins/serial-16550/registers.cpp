// The guest's view: what each register does when it is read or written.
#include "serial_16550.hpp"

std::uint8_t Serial16550::read_receive_buffer() {
    if (receive_fifo_.empty()) return 0;
    const std::uint8_t byte = receive_fifo_.front();
    receive_fifo_.drop(1);
    receive_errors_.drop(1);
    registers_.character_timeout_pending = false;
    expose_front_errors();
    restart_character_timeout();
    update_interrupt();
    if (!enabled(interrupt_enable::received_data))
        offer_room();
    else if (registers_.input_held && receive_fifo_.empty())
        wait_for_line();
    return byte;
}

// Reading clears the transmitter's interrupt when that is the one reported (section 8.5).
std::uint8_t Serial16550::read_interrupt_identification() {
    std::uint8_t id = highest_interrupt();
    if (id == interrupt_id::none && line_goes_on()) id = highest_interrupt();
    if (id == interrupt_id::none) handler_is_done();
    if (id == interrupt_id::transmitter_empty) {
        registers_.transmitter_empty_pending = false;
        update_interrupt();
    }
    return id | (fifos_enabled() ? interrupt_id::fifos_enabled : 0);
}

std::uint8_t Serial16550::read_line_status() {
    std::uint8_t value = registers_.line_errors;
    if (!receive_fifo_.empty()) value |= line_status::data_ready;
    if (transmit_fifo_.empty())
        value |= line_status::transmitter_holding_empty | line_status::transmitter_empty;
    constexpr std::uint8_t of_characters = line_status::errors & ~line_status::overrun;
    if (fifos_enabled() && ((value & of_characters) != 0 || receive_errors_.any_nonzero()))
        value |= line_status::error_in_fifo;
    registers_.line_errors = 0;
    update_interrupt();
    return value;
}

// The interrupt goes away and comes back for each byte: a guest with an edge-triggered interrupt controller waits for that
// edge. Only a guest that does not ask for the interrupt has its byte sent at once.
void Serial16550::write_transmit_holding(std::uint8_t byte) {
    const bool interrupts = enabled(interrupt_enable::transmitter_empty);
    if (interrupts && !loopback() && transmit_fifo_.count() >= fifo_depth()) drain_transmitter();
    registers_.transmitter_empty_pending = false;
    update_interrupt();
    if (loopback()) {
        receive_character(byte, 0);
    } else if (interrupts || !transmit_fifo_.empty() || send(std::span(&byte, 1)) == 0) {
        if (transmit_fifo_.count() < fifo_depth())
            transmit_fifo_.push(byte);
        else if (!fifos_enabled())
            transmit_fifo_.back() = byte; // the holding register is overwritten; a full FIFO takes no more
        if (interrupts) wait_for_line();
    }
    if (transmit_fifo_.empty()) registers_.transmitter_empty_pending = true;
    update_interrupt();
}

// Enabling the transmitter's interrupt while the transmitter is empty raises it at once.
void Serial16550::interrupt_enable_written(std::uint8_t before) {
    const auto newly = static_cast<std::uint8_t>(registers_.interrupt_enable & ~before);
    if ((newly & interrupt_enable::transmitter_empty) != 0 && transmit_fifo_.empty())
        registers_.transmitter_empty_pending = true;
    if ((newly & interrupt_enable::received_data) != 0) restart_character_timeout();
    update_interrupt();
}

// Section 8.4. Changing the enable bit empties both FIFOs; without it no other bit is programmed.
void Serial16550::write_fifo_control(std::uint8_t value) {
    const bool enable = (value & fifo_control::enable) != 0;
    const bool changed = enable != fifos_enabled();
    if (changed || (enable && (value & fifo_control::clear_receive) != 0)) clear_receiver();
    if ((changed || (enable && (value & fifo_control::clear_transmit) != 0)) && !transmit_fifo_.empty()) {
        transmit_fifo_.clear();
        registers_.transmitter_empty_pending = true;
    }
    registers_.fifo_control = enable ? value & fifo_control::kept : 0;
    restart_character_timeout();
    update_interrupt();
    offer_room();
}

// A break that the guest sends goes nowhere, except in loopback: char/1 carries breaks to the guest only.
void Serial16550::line_control_written(std::uint8_t before) {
    const auto newly = static_cast<std::uint8_t>(registers_.line_control & ~before);
    if ((newly & line_control::set_break) != 0 && loopback())
        receive_character(0, line_status::break_interrupt);
    update_interrupt();
}

void Serial16550::modem_control_written() {
    update_modem_status();
    update_interrupt();
    offer_room();
}
