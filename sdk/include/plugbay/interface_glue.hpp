// The interfaces' tables of a device class, made from the functions that it has; see device.hpp.
#pragma once

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/interface/char.h>
#include <plugbay/abi/interface/console.h>
#include <plugbay/abi/interface/net.h>
#include <plugbay/entry.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace plugbay::detail {

template <typename Device>
class InterfaceGlue : Entry<Device> {
    using Entry<Device>::self;
    using Entry<Device>::guarded;
    using Entry<Device>::contained;
    using Entry<Device>::copy_sized;

    static constexpr plugbay_char_backend make_char_backend() {
        plugbay_char_backend table{sizeof(plugbay_char_backend), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const std::uint8_t> b) {
                          d.on_write(std::uint64_t{}, b);
                      }) {
            table.write = [](void* i, std::uint64_t port, const std::uint8_t* bytes,
                             std::uint32_t length) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_write(port, std::span(bytes, length));
                });
            };
            table.receive_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_receive_ready(port); });
            };
        }
        return table;
    }
    static constexpr plugbay_char_frontend make_char_frontend() {
        plugbay_char_frontend table{sizeof(plugbay_char_frontend), 0, nullptr, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const std::uint8_t> b) {
                          d.on_receive(std::uint64_t{}, b);
                      }) {
            table.receive = [](void* i, std::uint64_t port, const std::uint8_t* bytes,
                               std::uint32_t length) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_receive(port, std::span(bytes, length));
                });
            };
            table.write_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_write_ready(port); });
            };
            table.event = [](void* i, std::uint64_t port, std::uint32_t event) noexcept {
                contained(i, [&] {
                    if constexpr (requires(Device & d) { d.on_char_event(port, event); }) {
                        self(i).device.on_char_event(port, event);
                    }
                });
            };
        }
        return table;
    }
    static void fail_requests(BlkFrontend frontend, std::span<const plugbay_blk_request> requests) noexcept {
        for (const plugbay_blk_request& request : requests) {
            const plugbay_blk_completion failed{request.tag, PLUGBAY_FAILED, 0};
            frontend.complete(std::span(&failed, 1));
        }
    }
    static constexpr plugbay_blk_backend make_blk_backend() {
        plugbay_blk_backend table{sizeof(plugbay_blk_backend), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const plugbay_blk_request> r) {
                          d.on_submit(std::uint64_t{}, r);
                      }) {
            table.facts = [](void* i, std::uint64_t port, plugbay_blk_facts* facts) noexcept {
                contained(i, [&] {
                    plugbay_blk_facts all = self(i).device.facts(port);
                    copy_sized(facts, all);
                });
            };
            table.submit = [](void* i, std::uint64_t port, const plugbay_blk_request* requests,
                              std::uint32_t count) noexcept {
                const bool taken = contained(i, false, [&] {
                    self(i).device.on_submit(port, std::span(requests, count));
                    return true;
                });
                if (!taken) fail_requests(self(i).blk_frontend, std::span(requests, count));
            };
        }
        return table;
    }
    static constexpr plugbay_blk_frontend make_blk_frontend() {
        plugbay_blk_frontend table{sizeof(plugbay_blk_frontend), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const plugbay_blk_completion> c) {
                          d.on_complete(std::uint64_t{}, c);
                      }) {
            table.complete = [](void* i, std::uint64_t port, const plugbay_blk_completion* completions,
                                std::uint32_t count) noexcept {
                contained(i, [&] { self(i).device.on_complete(port, std::span(completions, count)); });
            };
            table.changed = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] {
                    if constexpr (requires(Device & d) { d.on_changed(port); })
                        self(i).device.on_changed(port);
                });
            };
        }
        return table;
    }
    static constexpr plugbay_net_backend make_net_backend() {
        plugbay_net_backend table{sizeof(plugbay_net_backend), 0, nullptr, nullptr, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const plugbay_net_frame> f) {
                          d.on_transmit(std::uint64_t{}, f);
                      }) {
            table.facts = [](void* i, std::uint64_t port, plugbay_net_facts* facts) noexcept {
                contained(i, [&] {
                    plugbay_net_facts all = self(i).device.net_facts(port);
                    copy_sized(facts, all);
                });
            };
            table.configure = [](void* i, std::uint64_t port, const plugbay_net_receiver* receiver) noexcept {
                contained(i, [&] { self(i).device.on_configure(port, *receiver); });
            };
            table.transmit = [](void* i, std::uint64_t port, const plugbay_net_frame* frames,
                                std::uint32_t count) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_transmit(port, std::span(frames, count));
                });
            };
            table.receive_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_receive_ready(port); });
            };
        }
        return table;
    }
    static constexpr plugbay_net_frontend make_net_frontend() {
        plugbay_net_frontend table{sizeof(plugbay_net_frontend), 0, nullptr, nullptr, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const plugbay_net_frame> f) {
                          d.on_receive(std::uint64_t{}, f);
                      }) {
            table.transmitted = [](void* i, std::uint64_t port, const plugbay_net_completion* completions,
                                   std::uint32_t count) noexcept {
                contained(i, [&] { self(i).device.on_transmitted(port, std::span(completions, count)); });
            };
            table.transmit_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_transmit_ready(port); });
            };
            table.receive = [](void* i, std::uint64_t port, const plugbay_net_frame* frames,
                               std::uint32_t count) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_receive(port, std::span(frames, count));
                });
            };
            table.changed = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_changed(port); });
            };
        }
        return table;
    }
    static constexpr plugbay_console_backend make_console_backend() {
        plugbay_console_backend table{};
        table.size = sizeof table;
        if constexpr (requires(Device & d, const plugbay_console_mode& m) {
                          d.on_mode(std::uint64_t{}, m);
                      }) {
            table.set_mode = [](void* i, std::uint64_t port, const plugbay_console_mode* mode) noexcept {
                return guarded(self(i).host.raw(),
                               [&]() -> plugbay_status { return self(i).device.on_mode(port, *mode); });
            };
            table.show_cells = [](void* i, std::uint64_t port, const plugbay_console_area* areas,
                                  std::uint32_t count) noexcept {
                contained(i, [&] { self(i).device.on_cells(port, std::span(areas, count)); });
            };
            table.show_pixels = [](void* i, std::uint64_t port, const plugbay_console_area* areas,
                                   std::uint32_t count) noexcept {
                contained(i, [&] { self(i).device.on_pixels(port, std::span(areas, count)); });
            };
            table.set_cursor = [](void* i, std::uint64_t port,
                                  const plugbay_console_cursor* cursor) noexcept {
                contained(i, [&] { self(i).device.on_cursor(port, *cursor); });
            };
            table.shown = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_shown(port); });
            };
            table.input_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_input_ready(port); });
            };
        }
        return table;
    }
    static constexpr plugbay_console_frontend make_console_frontend() {
        plugbay_console_frontend table{sizeof(plugbay_console_frontend), 0, nullptr, nullptr, nullptr};
        if constexpr (requires(Device & d) { d.on_refresh(std::uint64_t{}, true); }) {
            table.facts = [](void* i, std::uint64_t port, plugbay_console_facts* facts) noexcept {
                contained(i, [&] {
                    plugbay_console_facts all = self(i).device.console_facts(port);
                    copy_sized(facts, all);
                });
            };
            table.refresh = [](void* i, std::uint64_t port, std::uint32_t all) noexcept {
                contained(i, [&] { self(i).device.on_refresh(port, all != 0); });
            };
            table.input = [](void* i, std::uint64_t port, const plugbay_input_event* events,
                             std::uint32_t count) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_input(port, std::span(events, count));
                });
            };
        }
        return table;
    }

    static constexpr auto char_backend = make_char_backend();
    static constexpr auto char_frontend = make_char_frontend();
    static constexpr auto blk_backend = make_blk_backend();
    static constexpr auto blk_frontend = make_blk_frontend();
    static constexpr auto net_backend = make_net_backend();
    static constexpr auto net_frontend = make_net_frontend();
    static constexpr auto console_backend = make_console_backend();
    static constexpr auto console_frontend = make_console_frontend();

  public:
    // The table for "<interface>.<role>", or nullptr.
    static const void* find(std::string_view id) noexcept {
        const auto when = [&](std::string_view name, bool present, const void* table) {
            return present && id == name ? table : nullptr;
        };
        const void* const found[] = {
            when(PLUGBAY_CHAR ".backend", char_backend.write != nullptr, &char_backend),
            when(PLUGBAY_CHAR ".frontend", char_frontend.receive != nullptr, &char_frontend),
            when(PLUGBAY_BLK ".backend", blk_backend.submit != nullptr, &blk_backend),
            when(PLUGBAY_BLK ".frontend", blk_frontend.complete != nullptr, &blk_frontend),
            when(PLUGBAY_NET ".backend", net_backend.transmit != nullptr, &net_backend),
            when(PLUGBAY_NET ".frontend", net_frontend.receive != nullptr, &net_frontend),
            when(PLUGBAY_CONSOLE ".backend", console_backend.set_mode != nullptr, &console_backend),
            when(PLUGBAY_CONSOLE ".frontend", console_frontend.refresh != nullptr, &console_frontend),
        };
        for (const void* table : found) {
            if (table != nullptr) return table;
        }
        return nullptr;
    }
};

} // namespace plugbay::detail
