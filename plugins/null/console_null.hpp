// console-null: a screen that is switched off and a keyboard that nobody touches. It never asks for a picture,
// so the frontend makes none.
#pragma once

#include <plugbay/plugin.hpp>

#include <array>
#include <cstdint>
#include <span>

class ConsoleNull {
  public:
    static constexpr plugbay::Type type{.name = "console-null", .help = "A screen that nobody looks at."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CONSOLE)}; }

    explicit ConsoleNull(plugbay::Host) {}
    void on_connect(std::uint64_t, plugbay::Link) {}
    void on_disconnect(std::uint64_t) {}
    plugbay_status on_mode(std::uint64_t, const plugbay_console_mode&) { return PLUGBAY_OK; }
    void on_cells(std::uint64_t, std::span<const plugbay_console_area>) {}
    void on_pixels(std::uint64_t, std::span<const plugbay_console_area>) {}
    void on_cursor(std::uint64_t, const plugbay_console_cursor&) {}
    void on_shown(std::uint64_t) {}
    void on_input_ready(std::uint64_t) {}
    void reset() {}
    void state(auto&) {}
};
