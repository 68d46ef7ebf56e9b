// A fake console/1 peer of either role: connected to a frontend (a display adapter, a keyboard controller) it
// is the screen and the keyboard, connected to a backend (a window, VNC) it is an adapter with a text screen.
#pragma once

#include <plugbay/abi/interface/console.h>
#include <plugbay/testkit/peer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::testkit {

class ConsolePeer : public Peer {
  public:
    ConsolePeer() = default;
    ~ConsolePeer() override; // ends the refresh that it holds

    // --- as a backend ---
    // Asks for what changed, or for everything (the first always does). refreshing() until the frontend has
    // said `shown`, which most do at once.
    void refresh(bool all = false);
    [[nodiscard]] bool refreshing() const { return refreshing_; }
    // The picture as it was shown last.
    [[nodiscard]] const plugbay_console_mode& mode() const { return mode_; }
    [[nodiscard]] const plugbay_console_cursor& cursor() const { return cursor_; }
    [[nodiscard]] const plugbay_console_cell& cell(std::uint32_t column, std::uint32_t row) const;
    // A row's characters, without the blanks at its end; others than ASCII are '?'.
    [[nodiscard]] std::string row(std::uint32_t row) const;
    [[nodiscard]] std::uint32_t pixel(std::uint32_t x, std::uint32_t y) const; // 0x00rrggbb
    // Cells or pixels that the last refresh showed.
    [[nodiscard]] std::uint64_t shown_area() const { return shown_area_; }
    // From now on set_mode says that it cannot show this kind.
    void refuse(std::uint32_t kind) { refused_kind_ = kind; }
    [[nodiscard]] plugbay_console_facts facts();
    // Returns how many of the events the frontend took.
    std::uint32_t input(std::span<const plugbay_input_event> events);
    // Presses and releases a key, each followed by PLUGBAY_INPUT_END.
    void press(std::uint32_t key);
    [[nodiscard]] std::uint64_t ready_calls() const { return ready_calls_; }

    // --- as a frontend ---
    // Text that the backend sees with its next refresh.
    void resize(std::uint32_t columns, std::uint32_t rows);
    void print(std::uint32_t row, std::string_view text);
    // While holding, a refresh is answered by release() only.
    void hold(bool holding);
    void release();
    [[nodiscard]] std::uint64_t refreshes() const { return refreshes_; }
    [[nodiscard]] std::vector<plugbay_input_event> take_input();
    // Back-pressure: we take at most so many more events; nullopt (the default): any number.
    void set_room(std::optional<std::size_t> events);

    [[nodiscard]] std::string_view interface() const override { return PLUGBAY_CONSOLE; }
    [[nodiscard]] const void* table(std::uint32_t role) const override;
    [[nodiscard]] void* instance() override { return this; }

  private:
    struct Tables;
    plugbay_status arrived_mode(const plugbay_console_mode* mode);
    void arrived_areas(const plugbay_console_area* areas, std::uint32_t count, std::uint32_t kind);
    void copy_cells(const plugbay_console_area& area);
    void copy_pixels(const plugbay_console_area& area);
    void arrived_refresh(bool all);
    std::uint32_t arrived_input(const plugbay_input_event* events, std::uint32_t count);

    plugbay_console_mode mode_{};
    plugbay_console_cursor cursor_{};
    std::vector<plugbay_console_cell> cells_;
    std::vector<std::uint32_t> pixels_;
    std::vector<std::byte> shared_; // what was in the mode's memfd at the last show_pixels
    int shared_fd_ = -1;
    bool refreshing_ = false;
    bool refreshed_ = false; // once, with `all`
    std::uint64_t shown_area_ = 0;
    std::uint32_t refused_kind_ = ~0u;
    std::uint64_t ready_calls_ = 0;

    bool all_ = true;
    std::vector<bool> dirty_; // rows
    bool holding_ = false;
    std::uint64_t refreshes_ = 0;
    std::vector<plugbay_input_event> input_;
    std::optional<std::size_t> room_;
    bool input_refused_ = false;
};

} // namespace plugbay::testkit
