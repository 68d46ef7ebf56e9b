// probe-screen: a console/1 frontend driven by ports.
//
//   0x630  write: what its screen is, see Mode, or 0xbad00000: shared memory without a seal; read: code of the
//          last key
//   0x634  write: changes one cell, or one pixel of a copied picture, to this character or colour
//   0x638  write: input events that it takes; or, at 0xbad00000, shows an area outside the screen next
#pragma once

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

class ProbeScreen {
  public:
    static constexpr plugbay::Type type{.name = "probe-screen", .help = "A display adapter of sorts."};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CONSOLE).optional()}; }
    enum Mode : std::uint32_t { cells, copied, guest, shared, off, modes, unsealed };

    explicit ProbeScreen(plugbay::Host host)
        : region_(host.map_ports(0x630, 12)),
          memory_(memfd_create("probe", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
        if (ftruncate(memory_, 4096) != 0 || pwrite(memory_, "\x00\xff\x00\x00", 4, 64) != 4)
            throw plugbay::Failure("no memory to share");
    }
    ProbeScreen(const ProbeScreen&) = delete;
    ProbeScreen& operator=(const ProbeScreen&) = delete;
    ~ProbeScreen() { close(memory_); }

    void on_connect(std::uint64_t, plugbay::Link link) { screen_ = plugbay::ConsoleBackend(link); }
    void on_disconnect(std::uint64_t) { screen_ = {}; }
    std::uint64_t read(plugbay::Access) { return key_; }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.offset == 0) {
            mode_ = value == 0xbad00000 ? unsealed : static_cast<std::uint32_t>(value) % modes;
            mode_changed_ = true;
        } else if (access.offset == 4) {
            colour_ = static_cast<std::uint32_t>(value);
            dirty_ = true;
        } else if (access.offset == 8) {
            outside_ = value == 0xbad00000;
            room_ = static_cast<std::uint32_t>(value);
            screen_.input_ready();
        }
    }

    plugbay_console_facts console_facts(std::uint64_t) { return {0, PLUGBAY_CONSOLE_HAS_SCREEN}; }
    void on_refresh(std::uint64_t, bool all) {
        bool shows = true;
        if (all || mode_changed_) shows = set_mode();
        if (shows && (all || mode_changed_ || dirty_)) show();
        mode_changed_ = dirty_ = false;
        screen_.shown();
    }
    std::uint32_t on_input(std::uint64_t, std::span<const plugbay_input_event> events) {
        const auto taken = std::min(room_, static_cast<std::uint32_t>(events.size()));
        room_ -= taken;
        for (const auto& event : events.first(taken)) {
            if (event.kind == PLUGBAY_INPUT_KEY) key_ = event.code;
        }
        return taken;
    }
    void reset() {}

  private:
    bool set_mode() {
        plugbay_console_mode mode{};
        mode.fd = -1;
        mode.width = 8;
        mode.height = 4;
        mode.kind = mode_ == cells ? PLUGBAY_CONSOLE_CELLS
                    : mode_ == off ? PLUGBAY_CONSOLE_OFF
                                   : PLUGBAY_CONSOLE_PIXELS;
        mode.format = mode_ == copied ? PLUGBAY_PIXEL_RGB565 : PLUGBAY_PIXEL_XRGB8888;
        mode.stride = 64;
        mode.location = mode_ == copied  ? PLUGBAY_PIXELS_COPIED
                        : mode_ == guest ? PLUGBAY_PIXELS_GUEST
                                         : PLUGBAY_PIXELS_SHARED;
        mode.place = mode_ == guest ? 0x10000 : 64;
        mode.fd = memory_;
        if (mode_ == shared) fcntl(memory_, F_ADD_SEALS, F_SEAL_SHRINK);
        if (screen_.set_mode(mode) != PLUGBAY_OK) return false;
        screen_.set_cursor({0, mode_ == cells, 1, 2, 14, 15, 16});
        return true;
    }
    void show() {
        plugbay_console_area area{0, 0, 1, 1, nullptr, nullptr, 0, 0};
        if (outside_) area.x = 8;
        if (mode_ == cells) {
            const plugbay_console_cell cell{colour_, 0xffffff, 0, PLUGBAY_CELL_BLINK};
            area.cells = &cell;
            screen_.show_cells(std::span(&area, 1));
        } else if (mode_ == copied) {
            const std::array pixel{static_cast<std::uint8_t>(colour_),
                                   static_cast<std::uint8_t>(colour_ >> 8)};
            area.pixels = pixel.data();
            area.stride = 2;
            screen_.show_pixels(std::span(&area, 1));
        } else if (mode_ != off) {
            area.width = 8;
            area.height = 4;
            screen_.show_pixels(std::span(&area, 1));
        }
    }

    plugbay::Region region_;
    int memory_;
    plugbay::ConsoleBackend screen_;
    std::uint32_t mode_ = cells;
    bool mode_changed_ = false;
    bool dirty_ = false;
    bool outside_ = false;
    std::uint32_t colour_ = 'A';
    std::uint32_t room_ = 8;
    std::uint32_t key_ = 0;
};
