// char-socket: a character backend whose far end is whoever is at the other end of a socket.
#pragma once

#include "peer.hpp"
#include "socket.hpp"

#include <plugbay/char_input.hpp>
#include <plugbay/char_output.hpp>
#include <plugbay/plugin.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

class CharSocket {
  public:
    static constexpr plugbay::Type type{.name = "char-socket",
                                        .help = "A character backend on a TCP or local socket."};
    enum class Mode : std::uint8_t { server, client };
    using WhenStalled = plugbay::CharOutput::WhenStalled;
    struct Options {
        std::string_view address;
        Mode mode = Mode::server;
        bool telnet = false;
        std::uint32_t reconnect = 1000;
        WhenStalled when_stalled = WhenStalled::drop_oldest;
        std::uint32_t patience = 1000;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property(
                    "address", &Options::address,
                    "where: \"tcp:127.0.0.1:4555\", \"tcp:[::1]:4555\" or \"unix:/absolute/path\"")
                    .range(1, 256)
                    .required(),
                plugbay::property("mode", &Options::mode, "wait there for a peer, or connect to one")
                    .choices("server", "client"),
                plugbay::property("telnet", &Options::telnet, "speak the telnet protocol"),
                plugbay::property("reconnect", &Options::reconnect,
                                  "milliseconds after which a client tries again")
                    .range(1, 3'600'000),
                plugbay::CharOutput::when_stalled_property(&Options::when_stalled),
                plugbay::CharOutput::patience_property(&Options::patience));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    CharSocket(plugbay::Host host, const Options& options);
    ~CharSocket();

    void start();
    void resume();
    plugbay_status quiesce();
    // What is outside the guest stays.
    void reset() {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes);
    void on_receive_ready(std::uint64_t) { deliver(); }
    void on_fd(std::uint64_t token, int fd, std::uint32_t events);
    void on_timer(std::uint64_t token);

    void state(auto& fields) {
        fields("input", input_);
        fields("output", output_);
        fields("told_open", told_open_);
        if (!handover_.hands_over(fields)) return;
        if (peer_) conversation_ = peer_->conversation();
        fields("unsent", output_.queue());
        fields("conversation", conversation_);
    }
    void loaded() {
        if (!handover_.in_place()) take_over();
    }
    void statistics(auto& numbers) {
        numbers("peers", peers_);
        numbers("bytes sent", traffic_.sent);
        numbers("bytes received", traffic_.received);
        numbers.level("connected", peer_ ? 1 : 0);
        numbers.level("bytes to send", output_.queue().size());
        numbers.level("bytes for the guest", input_.queue().size());
    }

  private:
    // What is left for the next build.
    static constexpr const char* left_listener = "listener";
    static constexpr const char* left_listener_file = "listener file";
    static constexpr const char* left_connecting = "connecting";
    static constexpr const char* left_peer = "peer";

    enum Token : std::uint64_t { listener_token, peer_token, flush_token, stall_token, retry_token };

    [[nodiscard]] std::uint64_t now() const { return host_.now(PLUGBAY_CLOCK_HOST); }
    void arm(plugbay::Timer& timer, std::chrono::nanoseconds wait) {
        timer.arm(host_.after(wait, PLUGBAY_CLOCK_HOST));
    }

    void leave(const char* name, const plugbay::UniqueFd& descriptor);
    void take_over();
    void listen();
    void retry();
    void accept();
    void begin_client();
    void finish_connecting();
    void open_peer(plugbay::UniqueFd descriptor);
    void close_peer();
    void announce();
    void warn_once(const std::string& text);

    void schedule_flush();
    void flush();
    void read_input();
    void deliver();
    void update_watch();

    plugbay::Host host_;
    plugbay::Handover handover_;
    Address address_;
    Mode mode_;
    bool telnet_;
    std::chrono::milliseconds reconnect_;

    Conversation conversation_; // of the peer, on its way from build to build
    std::uint64_t peers_ = 0;   // so far
    Traffic traffic_;           // before the peer

    std::optional<Listener> listener_;
    plugbay::FdWatch listener_watch_;
    plugbay::UniqueFd connecting_;
    std::optional<Peer> peer_;
    plugbay::FdWatch peer_watch_; // of peer_ or connecting_
    std::uint32_t watched_ = 0;   // events of peer_
    plugbay::Timer flush_timer_;
    plugbay::Timer retry_timer_;
    plugbay::CharFrontend frontend_;

    plugbay::CharOutput output_;
    plugbay::CharInput input_{4096};
    bool told_open_ = false; // the frontend's last event was PLUGBAY_CHAR_OPENED
    bool flush_scheduled_ = false;
    std::uint64_t last_flush_ = 0; // host clock
    bool output_blocked_ = false;
    bool hung_up_ = false; // and there is no room for what it said last
    std::string last_warning_;
};
