// The frames of a checkpoint that is sent; docs/checkpoint-format.md specifies them.
#pragma once

#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/config/json_reader.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace plugbay::core::stream {

inline constexpr std::array<char, 8> magic{'P', 'L', 'B', 'C', 'H', 'K', 'P', 'T'};
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t header_size = 16; // magic, version, purpose
inline constexpr std::size_t record_header_size =
    24; // kind, number, length, checksum of the payload, of the header

enum class Purpose : std::uint32_t {
    copy = 0, // the sender's machine runs on, and nobody answers
    move = 1, // it goes on at the receiver's, over a Unix socket
};

enum class Kind : std::uint32_t {
    opening = 1, // manifest, the first record
    pages = 2,   // offset, bytes
    zeros = 3,   // offset, length
    round = 4,   // nothing: all pages were sent once more, as far as they changed
    state = 5,   // bytes of the states, one after the other
    closing = 6, // manifest
    end = 7,     // nothing
    // Of a move only:
    descriptors =
        8, // a device's id and the names of what it leaves, each with a zero byte; then 1 byte that carries them
    ready = 9,    // by the receiver: the machine is made
    refused = 10, // by the receiver: why it is not
    go = 11,      // the machine is the receiver's
};

inline constexpr std::size_t most_descriptors = 64; // of a device

inline constexpr std::uint64_t largest_pages = 8 + pages_at_once * checkpoint_page_size;
inline constexpr std::uint64_t largest_state = 1 << 20;
inline constexpr std::uint64_t largest_names = 8192;
inline constexpr std::uint64_t largest_refusal = 65536;

// The bounds of a payload. Nothing may be longer than `most`.
struct Bounds {
    std::uint64_t least = 1;
    std::uint64_t most = 0;
};
[[nodiscard]] constexpr Bounds bounds_of(Kind kind) {
    switch (kind) {
    case Kind::opening:
    case Kind::closing:
        return {1, maximum_json_size};
    case Kind::pages:
        return {8 + checkpoint_page_size, largest_pages};
    case Kind::zeros:
        return {16, 16};
    case Kind::state:
        return {1, largest_state};
    case Kind::descriptors:
        return {2, largest_names};
    case Kind::refused:
        return {1, largest_refusal};
    case Kind::round:
    case Kind::end:
    case Kind::ready:
    case Kind::go:
        return {0, 0};
    }
    return {}; // no such kind
}

} // namespace plugbay::core::stream
