// net-null: a cable that leads nowhere.
#pragma once

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

class NetNull {
  public:
    static constexpr plugbay::Type type{.name = "net-null", .help = "A network that drops every frame."};
    struct Options {
        bool link = true;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("link", &Options::link, "whether the link is up"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_NET)}; }

    NetNull(plugbay::Host, const Options& options) : link_(options.link) {}
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::NetFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    // Whatever is left to be done on a frame that nobody gets is done.
    plugbay_net_facts net_facts(std::uint64_t) const {
        return {sizeof(plugbay_net_facts), link_ ? PLUGBAY_NET_LINK_UP : 0,
                PLUGBAY_NET_CAN_CHECKSUM | PLUGBAY_NET_CAN_TCP4 | PLUGBAY_NET_CAN_TCP6 | PLUGBAY_NET_CAN_ECN |
                    PLUGBAY_NET_CAN_UDP,
                0};
    }
    void on_configure(std::uint64_t, const plugbay_net_receiver&) {}
    std::uint32_t on_transmit(std::uint64_t, std::span<const plugbay_net_frame> frames) {
        const auto taken = std::min<std::size_t>(frames.size(), PLUGBAY_NET_MOST_FRAMES);
        std::array<plugbay_net_completion, PLUGBAY_NET_MOST_FRAMES> done{};
        for (std::size_t i = 0; i < taken; ++i) {
            const bool fits = frames[i].length >= PLUGBAY_NET_SHORTEST_FRAME &&
                              frames[i].length <= PLUGBAY_NET_LONGEST_FRAME;
            done[i] = {frames[i].tag, fits ? PLUGBAY_OK : PLUGBAY_INVALID, 0};
        }
        frontend_.transmitted(std::span(done).first(taken));
        return static_cast<std::uint32_t>(taken);
    }
    void on_receive_ready(std::uint64_t) {}
    void reset() {}
    void state(auto&) {}

  private:
    bool link_;
    plugbay::NetFrontend frontend_;
};
