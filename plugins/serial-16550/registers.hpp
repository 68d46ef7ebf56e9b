// Bits of the registers, by the PC16550D data sheet, section 8.0 ("Registers").
#pragma once

#include <cstdint>

inline constexpr std::uint32_t register_count = 8;

namespace interrupt_enable {
inline constexpr std::uint8_t received_data = 0x01;
inline constexpr std::uint8_t transmitter_empty = 0x02;
inline constexpr std::uint8_t line_status = 0x04;
inline constexpr std::uint8_t modem_status = 0x08;
inline constexpr std::uint8_t all = 0x0f;
} // namespace interrupt_enable

namespace interrupt_id {
inline constexpr std::uint8_t modem_status = 0x00;
inline constexpr std::uint8_t none = 0x01;
inline constexpr std::uint8_t transmitter_empty = 0x02;
inline constexpr std::uint8_t received_data = 0x04;
inline constexpr std::uint8_t line_status = 0x06;
inline constexpr std::uint8_t character_timeout = 0x0c;
inline constexpr std::uint8_t fifos_enabled = 0xc0;
} // namespace interrupt_id

namespace fifo_control {
inline constexpr std::uint8_t enable = 0x01;
inline constexpr std::uint8_t clear_receive = 0x02;
inline constexpr std::uint8_t clear_transmit = 0x04;
inline constexpr std::uint8_t kept = 0xc9; // enable, DMA mode, trigger level
} // namespace fifo_control

namespace line_control {
inline constexpr std::uint8_t word_length = 0x03;
inline constexpr std::uint8_t two_stop_bits = 0x04;
inline constexpr std::uint8_t parity = 0x08;
inline constexpr std::uint8_t set_break = 0x40;
inline constexpr std::uint8_t divisor_latch_access = 0x80;
} // namespace line_control

namespace modem_control {
inline constexpr std::uint8_t data_terminal_ready = 0x01;
inline constexpr std::uint8_t request_to_send = 0x02;
inline constexpr std::uint8_t out1 = 0x04;
inline constexpr std::uint8_t out2 = 0x08;
inline constexpr std::uint8_t loop = 0x10;
inline constexpr std::uint8_t all = 0x1f;
} // namespace modem_control

namespace line_status {
inline constexpr std::uint8_t data_ready = 0x01;
inline constexpr std::uint8_t overrun = 0x02;
inline constexpr std::uint8_t break_interrupt = 0x10;
inline constexpr std::uint8_t errors = 0x1e;
inline constexpr std::uint8_t transmitter_holding_empty = 0x20;
inline constexpr std::uint8_t transmitter_empty = 0x40;
inline constexpr std::uint8_t error_in_fifo = 0x80;
} // namespace line_status

namespace modem_status {
inline constexpr std::uint8_t deltas = 0x0f;
inline constexpr std::uint8_t trailing_edge_ring = 0x04;
inline constexpr std::uint8_t clear_to_send = 0x10;
inline constexpr std::uint8_t data_set_ready = 0x20;
inline constexpr std::uint8_t ring_indicator = 0x40;
inline constexpr std::uint8_t carrier_detect = 0x80;
inline constexpr std::uint8_t lines = 0xf0;
} // namespace modem_status
