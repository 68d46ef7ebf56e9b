#include "serial_16550.hpp"

#include <algorithm>

Serial16550::Serial16550(plugbay::Host host, const Options& options)
    : host_(host), region_(host.map_ports(options.port, register_count)),
      line_(host.interrupt_line(options.irq)), character_timer_(host.timer()) {
    plugbay_acpi_legacy_device acpi{};
    acpi.size = sizeof acpi;
    acpi.line = options.irq;
    std::copy_n("PNP0501", sizeof acpi.hardware_id, acpi.hardware_id);
    acpi.first_port = options.port;
    acpi.port_count = register_count;
    host.add_acpi_legacy_device(acpi);
}

void Serial16550::start() {
    resume();
}

// Both directions are tried again, once everything runs: a fresh peer does not know that the former one was
// refused.
void Serial16550::resume() {
    started_ = true;
    if (!transmit_fifo_.empty() || registers_.input_held) {
        character_timer_.arm(host_.now());
        character_timer_armed_ = true;
    }
}

void Serial16550::reset() {
    const bool input_held = registers_.input_held;
    registers_ = Registers{};
    registers_.input_held = input_held;
    receive_fifo_.clear();
    receive_errors_.clear();
    transmit_fifo_.clear();
    registers_.modem_status = modem_lines();
    character_timer_.disarm();
    character_timer_armed_ = false;
    update_interrupt();
}

void Serial16550::loaded() {
    registers_.fifo_control &= fifo_control::kept;
    registers_.line_errors &= line_status::errors;
    while (receive_errors_.count() < receive_fifo_.count())
        receive_errors_.push(0);
    receive_errors_.drop(static_cast<std::uint8_t>(receive_errors_.count() - receive_fifo_.count()));
    if (!backend_) far_end_open_ = false;
    update_modem_status();
    character_timer_armed_ = false;
    restart_character_timeout();
    update_interrupt();
    line_.set(line_level_); // also when it is what this object has had all along
}

// --- the far end ------------------------------------------------------------------------------------------

// A backend counts as open until it says otherwise.
void Serial16550::on_connect(std::uint64_t, plugbay::Link link) {
    backend_ = plugbay::CharBackend(link);
    far_end_open_ = true;
    if (started_) {
        update_modem_status();
        update_interrupt();
    } else {
        registers_.modem_status = modem_lines(); // there since before power-on: no change to report
    }
}

void Serial16550::on_disconnect(std::uint64_t) {
    backend_ = {};
    far_end_open_ = false;
    registers_.input_held = false;
    update_modem_status();
    drain_transmitter();
    update_interrupt();
}

std::uint32_t Serial16550::on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
    // In loopback the serial input is cut off (section 8.6); the bytes wait for the end of the test.
    const std::size_t room = loopback() ? 0 : std::max(fifo_depth() - receive_fifo_.count(), 0);
    const auto taken = static_cast<std::uint32_t>(std::min(bytes.size(), room));
    for (const std::uint8_t byte : bytes.first(taken))
        receive_character(byte, 0);
    bytes_received_ += taken;
    registers_.input_held = taken < bytes.size();
    update_interrupt();
    return taken;
}

void Serial16550::on_write_ready(std::uint64_t) {
    drain_transmitter();
}

void Serial16550::on_char_event(std::uint64_t, std::uint32_t event) {
    if (event == PLUGBAY_CHAR_BREAK) {
        if (!loopback()) receive_character(0, line_status::break_interrupt);
    } else if (event == PLUGBAY_CHAR_OPENED || event == PLUGBAY_CHAR_CLOSED) {
        far_end_open_ = event == PLUGBAY_CHAR_OPENED;
        update_modem_status();
    }
    update_interrupt();
}

// --- receiver ---------------------------------------------------------------------------------------------

// Section 8.3, bit 1: on overrun the FIFO keeps what it has, while the single buffer register is overwritten.
void Serial16550::receive_character(std::uint8_t byte, std::uint8_t errors) {
    if (receive_fifo_.count() >= fifo_depth()) {
        registers_.line_errors |= line_status::overrun;
        if (!fifos_enabled()) {
            receive_fifo_.back() = byte;
            receive_errors_.back() = errors;
        }
    } else {
        receive_fifo_.push(byte);
        receive_errors_.push(errors);
    }
    expose_front_errors();
    restart_character_timeout();
}

// A character's errors show in the line status register while it is the next to be read (section 8.3).
void Serial16550::expose_front_errors() {
    if (receive_fifo_.empty()) return;
    registers_.line_errors |= receive_errors_.front();
    receive_errors_.front() = 0;
}

void Serial16550::clear_receiver() {
    receive_fifo_.clear();
    receive_errors_.clear();
    registers_.character_timeout_pending = false;
}

std::uint8_t Serial16550::receive_trigger() const {
    static constexpr std::array<std::uint8_t, 4> levels{1, 4, 8, 14};
    return fifos_enabled() ? levels[registers_.fifo_control >> 6] : 1;
}

// Section 8.4, "FIFO interrupt mode operation": characters that stay below the trigger level are reported
// once nothing was received or read for four character times.
std::uint64_t Serial16550::four_characters() const {
    const std::uint8_t control = registers_.line_control;
    const std::uint64_t bits = 1 + 5 + (control & line_control::word_length) +
                               ((control & line_control::parity) != 0 ? 1 : 0) +
                               ((control & line_control::two_stop_bits) != 0 ? 2 : 1);
    constexpr std::uint64_t clock = 1843200 / 16;
    return 4 * bits * std::max<std::uint64_t>(registers_.divisor, 1) * 1000000000 / clock;
}

// The timer is not moved with each character: it looks at the receiver when it expires, and is then armed
// for the rest.
void Serial16550::restart_character_timeout() {
    if (receive_fifo_.empty() || receive_fifo_.count() >= receive_trigger()) return;
    if ((registers_.interrupt_enable & interrupt_enable::received_data) == 0) return;
    receiver_idle_since_ = host_.now();
    if (character_timer_armed_) return;
    character_timer_.arm(receiver_idle_since_ + four_characters());
    character_timer_armed_ = true;
}

void Serial16550::on_timer(std::uint64_t) {
    character_timer_armed_ = false;
    drain_transmitter();
    offer_room();
    if (receive_fifo_.empty() || receive_fifo_.count() >= receive_trigger()) return;
    const std::uint64_t due = receiver_idle_since_ + four_characters();
    if (host_.now() < due) {
        character_timer_.arm(due);
        character_timer_armed_ = true;
        return;
    }
    registers_.character_timeout_pending = true;
    update_interrupt();
}

// Once a FIFO's worth: the backend is asked again only when the guest has read everything.
void Serial16550::offer_room() {
    if (!registers_.input_held || loopback() || !receive_fifo_.empty()) return;
    registers_.input_held = false;
    backend_.receive_ready();
}

// --- transmitter ------------------------------------------------------------------------------------------

// To the backend, as many as it takes.
std::size_t Serial16550::send(std::span<const std::uint8_t> bytes) {
    const auto taken = std::min<std::size_t>(backend_.write(bytes), bytes.size());
    bytes_sent_ += taken;
    return taken;
}

// A backend that calls write_ready from inside write is served by the loop that called it.
void Serial16550::drain_transmitter() {
    if (transmit_fifo_.empty() || draining_) return;
    draining_ = true;
    bool blocked = false;
    while (!transmit_fifo_.empty() && !blocked) {
        const auto bytes = transmit_fifo_.contiguous();
        const std::size_t taken = send(bytes);
        transmit_fifo_.drop(static_cast<std::uint8_t>(taken));
        blocked = taken < bytes.size();
    }
    draining_ = false;
    if (blocked) return;
    registers_.transmitter_empty_pending = true;
    update_interrupt();
}

// --- modem lines and interrupts ---------------------------------------------------------------------------

std::uint8_t Serial16550::modem_lines() const {
    if (!loopback()) {
        return far_end_open_
                   ? modem_status::clear_to_send | modem_status::data_set_ready | modem_status::carrier_detect
                   : 0;
    }
    // Section 8.6, bit 4: the outputs drive the inputs.
    static constexpr std::array<std::pair<std::uint8_t, std::uint8_t>, 4> wires{{
        {modem_control::request_to_send, modem_status::clear_to_send},
        {modem_control::data_terminal_ready, modem_status::data_set_ready},
        {modem_control::out1, modem_status::ring_indicator},
        {modem_control::out2, modem_status::carrier_detect},
    }};
    std::uint8_t lines = 0;
    for (const auto& [output, input] : wires)
        if ((registers_.modem_control & output) != 0) lines |= input;
    return lines;
}

void Serial16550::update_modem_status() {
    const std::uint8_t lines = modem_lines();
    const std::uint8_t changed = (registers_.modem_status ^ lines) & modem_status::lines;
    auto deltas = static_cast<std::uint8_t>(changed >> 4);
    // Ring reports only its end (section 8.7, bit 2).
    if ((lines & modem_status::ring_indicator) != 0)
        deltas &= static_cast<std::uint8_t>(~modem_status::trailing_edge_ring);
    registers_.modem_status =
        static_cast<std::uint8_t>(lines | (registers_.modem_status & modem_status::deltas) | deltas);
}

// Section 8.5, table "Interrupt Control Functions".
std::uint8_t Serial16550::highest_interrupt() const {
    const std::uint8_t enabled = registers_.interrupt_enable;
    if ((enabled & interrupt_enable::line_status) != 0 && registers_.line_errors != 0)
        return interrupt_id::line_status;
    if ((enabled & interrupt_enable::received_data) != 0) {
        if (receive_fifo_.count() >= receive_trigger()) return interrupt_id::received_data;
        if (registers_.character_timeout_pending) return interrupt_id::character_timeout;
    }
    if ((enabled & interrupt_enable::transmitter_empty) != 0 && registers_.transmitter_empty_pending)
        return interrupt_id::transmitter_empty;
    if ((enabled & interrupt_enable::modem_status) != 0 &&
        (registers_.modem_status & modem_status::deltas) != 0)
        return interrupt_id::modem_status;
    return interrupt_id::none;
}

// A PC gates the interrupt with the OUT2 pin, which loopback forces inactive (section 8.6).
void Serial16550::update_interrupt() {
    const bool gate =
        (registers_.modem_control & (modem_control::out2 | modem_control::loop)) == modem_control::out2;
    const bool level = gate && highest_interrupt() != interrupt_id::none;
    if (level == line_level_) return;
    line_level_ = level;
    line_.set(level);
}

PLUGBAY_PLUGIN("serial-16550", "1.0.0", Serial16550)
