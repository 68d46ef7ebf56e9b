// char-null: takes everything, says nothing.
#pragma once

#include <plugbay/plugin.hpp>

#include <array>
#include <cstdint>
#include <span>

class CharNull {
  public:
    static constexpr plugbay::Type type{.name = "char-null",
                                        .help = "A character backend that drops output."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    explicit CharNull(plugbay::Host) {}
    void on_connect(std::uint64_t, plugbay::Link) {}
    void on_disconnect(std::uint64_t) {}
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) {}
    void reset() {}
    void state(auto&) {}
};
