// A fake net/1 peer of either role: connected to a frontend (a network card) it is the wire, connected to a
// backend (a tap, a switch) it is the card.
#pragma once

#include <plugbay/abi/interface/net.h>
#include <plugbay/testkit/peer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace plugbay::testkit {

// A frame, owned. With segments its bytes are in guest memory when it is transmitted.
struct NetFrame {
    std::vector<std::uint8_t> bytes = {};
    plugbay_net_offload offload = {};
    std::vector<plugbay_segment> segments = {};
};

class NetPeer : public Peer {
  public:
    NetPeer() = default;
    ~NetPeer() override; // completes what it holds

    // --- in both roles ---
    // The frames that the device sent since the last take.
    [[nodiscard]] std::vector<NetFrame> take_frames();
    // Offers a frame once; false when the device has no room.
    bool offer(const NetFrame& frame);
    // Offers a frame; when the device has no room, again when it says that it has.
    void send(const NetFrame& frame);
    [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }
    // Back-pressure: we take at most so many more frames; nullopt (the default): any number. Giving room
    // after frames were refused tells the device.
    void set_room(std::optional<std::size_t> frames);

    // --- as a backend ---
    // What facts() says from now on; the frontend is told.
    void change(std::uint32_t flags, std::uint32_t offloads, std::uint32_t mtu = 0);
    // While holding, transmitted frames are read and completed only by release_all().
    void hold(bool holding);
    [[nodiscard]] std::size_t held() const { return held_.size(); }
    void release_all();
    // What the frontend said last.
    [[nodiscard]] const plugbay_net_receiver& receiver() const { return receiver_; }

    // --- as a frontend ---
    [[nodiscard]] plugbay_net_facts facts();
    void configure(std::uint32_t offloads, std::uint32_t longest_frame);
    // The statuses of frames completed since the last take, in the order of completion.
    [[nodiscard]] std::vector<plugbay_status> take_completions();
    [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
    [[nodiscard]] std::uint64_t changed_calls() const { return changed_calls_; }

    [[nodiscard]] std::string_view interface() const override { return PLUGBAY_NET; }
    [[nodiscard]] const void* table(std::uint32_t role) const override;
    [[nodiscard]] void* instance() override { return this; }

  private:
    struct Tables;
    struct Held {
        std::uint64_t tag;
        NetFrame frame;
    };
    std::uint32_t arrive(const plugbay_net_frame* frames, std::uint32_t count);
    void arrived_completions(const plugbay_net_completion* completions, std::uint32_t count);
    void check_frame(const plugbay_net_frame& frame, std::uint32_t offloads);
    [[nodiscard]] plugbay_status fetch(NetFrame& frame);
    void flush();

    std::vector<NetFrame> received_;
    std::deque<NetFrame> unsent_;
    bool sending_ = false;
    bool again_ = false;
    std::optional<std::size_t> room_;
    bool refused_ = false;

    plugbay_net_facts facts_{sizeof(plugbay_net_facts), PLUGBAY_NET_LINK_UP, 0, 0};
    plugbay_net_receiver receiver_{sizeof(plugbay_net_receiver), 0, 1518};
    bool holding_ = false;
    std::deque<Held> held_;

    std::uint64_t next_tag_ = 1;
    std::vector<std::uint64_t> in_flight_;
    std::vector<plugbay_status> completions_;
    std::uint64_t changed_calls_ = 0;
};

} // namespace plugbay::testkit
