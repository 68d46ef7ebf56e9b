#include "serial_16550.hpp"

#include <algorithm>

namespace {

constexpr std::uint64_t character_token = 0;
constexpr std::uint64_t line_token = 1;

} // namespace

Serial16550::Serial16550(plugbay::Host host, const Options& options)
    : host_(host), region_(host.map_ports(options.port, register_count)),
      line_(host.interrupt_line(options.irq)),
      character_timer_(host.timer(PLUGBAY_CLOCK_GUEST, character_token)),
      line_timer_(host.timer(PLUGBAY_CLOCK_GUEST, line_token)) {
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

// What was written is out when the machine stops, as far as the backend takes it.
plugbay_status Serial16550::quiesce() {
    drain_transmitter();
    return PLUGBAY_OK;
}

// Both directions are tried again, once everything runs: a fresh peer does not know that the former one was
// refused.
void Serial16550::resume() {
    started_ = true;
    if (transmit_fifo_.empty() && !registers_.input_held) return;
    handler_done_ = true;
    arm_line_timer(host_.now());
}

void Serial16550::reset() {
    const bool input_held = registers_.input_held;
    registers_ = Registers{};
    registers_.input_held = input_held;
    receive_fifo_.clear();
    receive_errors_.clear();
    transmit_fifo_.clear();
    fifos_at_once_ = most_fifos_at_once;
    registers_.modem_status = modem_lines();
    character_timer_.disarm();
    character_timer_armed_ = false;
    line_timer_.disarm();
    line_timer_armed_ = false;
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
    line_timer_armed_ = false;
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

// Nanoseconds on the line.
std::uint64_t Serial16550::time_of(unsigned characters) const {
    const std::uint8_t control = registers_.line_control;
    const std::uint64_t bits = 1 + 5 + (control & line_control::word_length) +
                               ((control & line_control::parity) != 0 ? 1 : 0) +
                               ((control & line_control::two_stop_bits) != 0 ? 2 : 1);
    constexpr std::uint64_t clock = 1843200 / 16;
    return characters * bits * std::max<std::uint64_t>(registers_.divisor, 1) * 1000000000 / clock;
}

// Section 8.4, "FIFO interrupt mode operation": characters that stay below the trigger level are reported
// once nothing was received or read for four character times. The timer is not moved with each character: it looks at
// the receiver when it expires, and is then armed for the rest.
void Serial16550::restart_character_timeout() {
    if (receive_fifo_.empty() || receive_fifo_.count() >= receive_trigger()) return;
    if (!enabled(interrupt_enable::received_data)) return;
    receiver_idle_since_ = host_.now();
    if (character_timer_armed_) return;
    character_timer_.arm(receiver_idle_since_ + time_of(4));
    character_timer_armed_ = true;
}

void Serial16550::character_timeout() {
    character_timer_armed_ = false;
    if (receive_fifo_.empty() || receive_fifo_.count() >= receive_trigger()) return;
    const std::uint64_t due = receiver_idle_since_ + time_of(4);
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

// A backend that calls write_ready from inside write is served by the loop that called it. True when the FIFO became empty.
bool Serial16550::empty_transmitter() {
    if (transmit_fifo_.empty() || draining_) return false;
    draining_ = true;
    bool blocked = false;
    while (!transmit_fifo_.empty() && !blocked) {
        const auto bytes = transmit_fifo_.contiguous();
        const std::size_t taken = send(bytes);
        transmit_fifo_.drop(static_cast<std::uint8_t>(taken));
        blocked = taken < bytes.size();
    }
    draining_ = false;
    if (!blocked) registers_.transmitter_empty_pending = true;
    return !blocked;
}

void Serial16550::drain_transmitter() {
    if (empty_transmitter()) update_interrupt();
}

// --- the line's pace --------------------------------------------------------------------------------------
//
// Characters do not take their time on the line, but a guest that works by interrupts has to get out of its handler: were
// the receiver full and the transmitter empty again whenever the handler looks, it would never end while there is
// something to move, with all interrupts of its processor held off. So what follows comes a character time after the
// handler has found nothing more to do, or, if it does not look, after the time that the line would have taken. A guest
// that polls is not held up.
//
// Entering a handler costs much more than a pass of it. So when the handler looks for more to do, the FIFO that it has just
// filled is out already, some times in a row: one interrupt is for as many FIFOs.

// Nanoseconds; slow lines are not waited for.
std::uint64_t Serial16550::pace(unsigned characters) const {
    constexpr std::uint64_t slowest_character = 1000000;
    return std::min(time_of(characters), characters * slowest_character);
}

void Serial16550::wait_for_line() {
    if (line_timer_armed_) return;
    line_busy_since_ = host_.now();
    handler_done_ = false;
    arm_line_timer(line_busy_since_ + pace(1));
}

void Serial16550::arm_line_timer(std::uint64_t deadline) {
    line_timer_.arm(deadline);
    line_timer_armed_ = true;
}

// In place of "none" in IIR. The interrupt line stays as it is: the handler knows already.
bool Serial16550::line_goes_on() {
    if (!line_timer_armed_ || fifos_at_once_ == 0) return false;
    if (!empty_transmitter()) return false;
    --fifos_at_once_;
    line_busy_since_ = host_.now();
    return true;
}

void Serial16550::handler_is_done() {
    if (transmit_fifo_.empty()) fifos_at_once_ = most_fifos_at_once;
    if (!line_timer_armed_ || handler_done_) return;
    if (transmit_fifo_.empty() && !registers_.input_held) {
        line_timer_.disarm();
        line_timer_armed_ = false;
        return;
    }
    handler_done_ = true;
    arm_line_timer(host_.now() + pace(1));
}

void Serial16550::line_is_ready() {
    line_timer_armed_ = false;
    const unsigned characters = transmit_fifo_.empty() ? fifo_depth() : transmit_fifo_.count();
    const std::uint64_t due = line_busy_since_ + pace(characters);
    if (!handler_done_ && host_.now() < due) return arm_line_timer(due);
    if (handler_done_) fifos_at_once_ = most_fifos_at_once;
    drain_transmitter();
    offer_room();
}

void Serial16550::on_timer(std::uint64_t token) {
    if (token == line_token)
        line_is_ready();
    else
        character_timeout();
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
