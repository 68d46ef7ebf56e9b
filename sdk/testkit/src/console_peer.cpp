#include <plugbay/testkit/console_peer.hpp>
#include <plugbay/testkit/error.hpp>

#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <unistd.h>

namespace plugbay::testkit {
namespace {

const plugbay_console_backend& backend_of(const plugbay_link& link) {
    return *static_cast<const plugbay_console_backend*>(link.table);
}
const plugbay_console_frontend& frontend_of(const plugbay_link& link) {
    return *static_cast<const plugbay_console_frontend*>(link.table);
}

} // namespace

struct ConsolePeer::Tables {
    static ConsolePeer& self(void* instance) { return *static_cast<ConsolePeer*>(instance); }

    static plugbay_status set_mode(void* instance, std::uint64_t, const plugbay_console_mode* mode) noexcept {
        return self(instance).arrived_mode(mode);
    }
    static void show_cells(void* instance, std::uint64_t, const plugbay_console_area* areas,
                           std::uint32_t count) noexcept {
        self(instance).arrived_areas(areas, count, PLUGBAY_CONSOLE_CELLS);
    }
    static void show_pixels(void* instance, std::uint64_t, const plugbay_console_area* areas,
                            std::uint32_t count) noexcept {
        self(instance).arrived_areas(areas, count, PLUGBAY_CONSOLE_PIXELS);
    }
    static void set_cursor(void* instance, std::uint64_t, const plugbay_console_cursor* cursor) noexcept {
        ConsolePeer& peer = self(instance);
        if (!peer.refreshing_) peer.violation("moved the console/1 cursor without being asked");
        if (cursor == nullptr || cursor->size < sizeof *cursor)
            return peer.violation("set a console/1 cursor without its size");
        if (cursor->visible != 0 && (cursor->x >= peer.mode_.width || cursor->y >= peer.mode_.height))
            peer.violation("set a visible console/1 cursor outside the screen");
        peer.cursor_ = *cursor;
    }
    static void shown(void* instance, std::uint64_t) noexcept {
        ConsolePeer& peer = self(instance);
        peer.expect_awake("its console/1 backend");
        if (!std::exchange(peer.refreshing_, false))
            peer.violation("ended a console/1 refresh that nobody asked for");
    }
    static void input_ready(void* instance, std::uint64_t) noexcept { ++self(instance).ready_calls_; }

    static void facts(void* instance, std::uint64_t, plugbay_console_facts* target) noexcept {
        if (target == nullptr || target->size < sizeof(std::uint32_t))
            return self(instance).violation("asked for console/1 facts without setting their size");
        plugbay_console_facts all{};
        all.size = std::min<std::uint32_t>(target->size, sizeof all);
        all.flags = PLUGBAY_CONSOLE_HAS_SCREEN | PLUGBAY_CONSOLE_TAKES_KEYS | PLUGBAY_CONSOLE_TAKES_MOVES |
                    PLUGBAY_CONSOLE_TAKES_PLACES;
        std::memcpy(target, &all, all.size);
    }
    static void refresh(void* instance, std::uint64_t, std::uint32_t all) noexcept {
        self(instance).arrived_refresh(all != 0);
    }
    static std::uint32_t input(void* instance, std::uint64_t, const plugbay_input_event* events,
                               std::uint32_t count) noexcept {
        return self(instance).arrived_input(events, count);
    }

    static constexpr plugbay_console_backend backend{sizeof(plugbay_console_backend),
                                                     0,
                                                     set_mode,
                                                     show_cells,
                                                     show_pixels,
                                                     set_cursor,
                                                     shown,
                                                     input_ready};
    static constexpr plugbay_console_frontend frontend{sizeof(plugbay_console_frontend), 0, facts, refresh,
                                                       input};
};

ConsolePeer::~ConsolePeer() {
    try {
        if (connected() && role() == PLUGBAY_PORT_FRONTEND) hold(false);
    } catch (...) { // the bench reports what the device did wrong
    }
    leave();
    if (shared_fd_ >= 0) close(shared_fd_);
}

const void* ConsolePeer::table(std::uint32_t role) const {
    if (role == PLUGBAY_PORT_BACKEND) return &Tables::backend;
    return &Tables::frontend;
}

// --- as a backend ---

void ConsolePeer::refresh(bool all) {
    if (refreshing_) throw Error("the console/1 frontend has not ended the last refresh");
    refreshing_ = true;
    shown_area_ = 0;
    all |= !std::exchange(refreshed_, true);
    const auto& to = link();
    call([&] { frontend_of(to).refresh(to.instance, to.port, all ? 1 : 0); });
}

plugbay_console_facts ConsolePeer::facts() {
    plugbay_console_facts result{};
    result.size = sizeof result;
    const auto& to = link();
    call([&] { frontend_of(to).facts(to.instance, to.port, &result); });
    return result;
}

std::uint32_t ConsolePeer::input(std::span<const plugbay_input_event> events) {
    std::uint32_t taken = 0;
    const auto count = static_cast<std::uint32_t>(events.size());
    const auto& to = link();
    call([&] {
        taken = frontend_of(to).input(to.instance, to.port, events.data(), count);
        if (taken > count) violation("took more console/1 events than it was offered");
    });
    return std::min(taken, count);
}

void ConsolePeer::press(std::uint32_t key) {
    const plugbay_input_event events[] = {{PLUGBAY_INPUT_KEY, key, 1},
                                          {PLUGBAY_INPUT_END, 0, 0},
                                          {PLUGBAY_INPUT_KEY, key, 0},
                                          {PLUGBAY_INPUT_END, 0, 0}};
    input(events);
}

// --- as a frontend ---

void ConsolePeer::resize(std::uint32_t columns, std::uint32_t rows) {
    mode_ = {};
    mode_.size = sizeof mode_;
    mode_.kind = PLUGBAY_CONSOLE_CELLS;
    mode_.width = columns;
    mode_.height = rows;
    cells_.assign(std::size_t{columns} * rows, plugbay_console_cell{});
    dirty_.assign(rows, true);
    all_ = true;
}

void ConsolePeer::print(std::uint32_t row, std::string_view text) {
    if (row >= mode_.height) throw Error("there is no such row; resize first");
    for (std::uint32_t column = 0; column < mode_.width; ++column) {
        const std::uint32_t character = column < text.size() ? static_cast<std::uint8_t>(text[column]) : 0;
        cells_[std::size_t{row} * mode_.width + column] = {character, 0xaaaaaa, 0, 0};
    }
    dirty_[row] = true;
}

void ConsolePeer::arrived_refresh(bool all) {
    expect_awake("its console/1 frontend");
    if (refreshing_) return violation("asked for a console/1 refresh before the last was ended");
    if (!refreshed_ && !all) violation("did not ask for everything in its first console/1 refresh");
    refreshed_ = true;
    refreshing_ = true;
    all_ |= all;
    ++refreshes_;
    if (!holding_) release();
}

void ConsolePeer::hold(bool holding) {
    holding_ = holding;
    if (!holding && refreshing_) release();
}

void ConsolePeer::release() {
    if (!refreshing_) throw Error("no console/1 refresh is under way");
    const auto& to = link();
    call([&] {
        const plugbay_console_backend& backend = backend_of(to);
        if (std::exchange(all_, false)) {
            mode_.size = sizeof mode_;
            mode_.fd = -1;
            backend.set_mode(to.instance, to.port, &mode_);
            dirty_.assign(mode_.height, mode_.kind == PLUGBAY_CONSOLE_CELLS);
            const plugbay_console_cursor cursor{sizeof cursor, 0, 0, 0, 0, 0, 16};
            backend.set_cursor(to.instance, to.port, &cursor);
        }
        for (std::uint32_t row = 0; row < dirty_.size(); ++row) {
            if (!dirty_[row]) continue;
            std::vector<plugbay_console_cell> copy(
                cells_.begin() + static_cast<std::ptrdiff_t>(row * mode_.width),
                cells_.begin() + static_cast<std::ptrdiff_t>((row + 1) * mode_.width));
            const plugbay_console_area area{0, row, mode_.width, 1, copy.data(), nullptr, 0, 0};
            backend.show_cells(to.instance, to.port, &area, 1);
            dirty_[row] = false;
        }
        refreshing_ = false;
        backend.shown(to.instance, to.port);
    });
}

std::uint32_t ConsolePeer::arrived_input(const plugbay_input_event* events, std::uint32_t count) {
    expect_awake("its console/1 frontend");
    if (events == nullptr || count == 0 || count > PLUGBAY_CONSOLE_MOST_EVENTS) {
        violation("sent " + std::to_string(count) + " console/1 events");
        return 0;
    }
    std::uint32_t taken = count;
    if (room_) {
        taken = static_cast<std::uint32_t>(std::min<std::size_t>(*room_, count));
        *room_ -= taken;
    }
    input_refused_ |= taken < count;
    for (const plugbay_input_event& event : std::span(events, taken)) {
        if (event.kind < PLUGBAY_INPUT_KEY || event.kind > PLUGBAY_INPUT_END)
            violation("sent an unknown console/1 event");
        input_.push_back(event);
    }
    return taken;
}

std::vector<plugbay_input_event> ConsolePeer::take_input() {
    return std::exchange(input_, {});
}

void ConsolePeer::set_room(std::optional<std::size_t> events) {
    room_ = events;
    if (!input_refused_ || (events && *events == 0)) return;
    input_refused_ = false;
    const auto& to = link();
    call([&] { backend_of(to).input_ready(to.instance, to.port); });
}

} // namespace plugbay::testkit
