// Building little-endian binary data.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace plugbay::core {

using Bytes = std::vector<std::byte>;

template <std::unsigned_integral T>
void append(Bytes& bytes, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xff));
    }
}

inline void append(Bytes& bytes, std::span<const std::byte> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

// Exactly `width` characters: cut or padded at the end.
inline void append_text(Bytes& bytes, std::string_view text, std::size_t width, char padding = ' ') {
    for (std::size_t i = 0; i < width; ++i) {
        bytes.push_back(static_cast<std::byte>(i < text.size() ? text[i] : padding));
    }
}

} // namespace plugbay::core
