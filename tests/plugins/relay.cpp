// A character backend that hands everything on to the backend that serves it.
#include <plugbay/plugin.hpp>

#include <array>
#include <cstdint>
#include <span>

class Relay {
  public:
    static constexpr plugbay::Type type{.name = "relay", .help = "Hands characters on."};
    static constexpr std::uint64_t near_port = 0;
    static constexpr auto ports() {
        return std::array{plugbay::backend(PLUGBAY_CHAR).named("near"),
                          plugbay::frontend(PLUGBAY_CHAR).named("far")};
    }

    explicit Relay(plugbay::Host) {}
    void reset() {}
    void state(auto&) {}

    void on_connect(std::uint64_t port, plugbay::Link link) {
        if (port == near_port) {
            near_ = plugbay::CharFrontend(link);
        } else {
            far_ = plugbay::CharBackend(link);
        }
    }
    void on_disconnect(std::uint64_t port) {
        if (port == near_port) {
            near_ = {};
        } else {
            far_ = {};
        }
    }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) { return far_.write(bytes); }
    void on_receive_ready(std::uint64_t) { far_.receive_ready(); }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return near_.receive(bytes);
    }
    void on_write_ready(std::uint64_t) { near_.write_ready(); }

  private:
    plugbay::CharFrontend near_;
    plugbay::CharBackend far_;
};

PLUGBAY_PLUGIN("relay", "1.0.0", Relay)
