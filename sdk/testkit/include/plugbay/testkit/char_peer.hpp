// A fake char/1 peer of either role: connected to a frontend (a serial port) it is the terminal, connected to
// a backend (a file, a socket) it is the serial port.
#pragma once

#include <plugbay/abi/interface/char.h>
#include <plugbay/testkit/peer.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::testkit {

class CharPeer : public Peer {
  public:
    CharPeer() = default;
    ~CharPeer() override;

    // What the device wrote to us since the last take; all bytes so far.
    [[nodiscard]] std::string take();
    [[nodiscard]] const std::string& text() const { return received_; }

    // Offers bytes once; returns how many the device took.
    std::uint32_t offer(std::string_view bytes);
    // Offers bytes; what the device does not take is offered again when it says that it has room.
    void send(std::string_view bytes);
    [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }
    // Offers `text` from inside the device's next call that brings bytes, as a peer that answers at once; what the device
    // does not take then is sent later. Empty: not any more.
    void answer_once(std::string_view text) { answer_ = text; }
    // How often the device said that it has room again.
    [[nodiscard]] std::uint64_t ready_calls() const { return ready_calls_; }

    // Back-pressure: we take at most `room` more bytes; nullopt (the default): any number. Giving room after
    // bytes were refused tells the device, as a real peer would.
    void set_room(std::optional<std::size_t> room);
    [[nodiscard]] std::uint64_t refused_bytes() const { return refused_; }

    // As backend: PLUGBAY_CHAR_OPENED, ... to the frontend. As frontend: the events that came.
    void event(std::uint32_t event);
    [[nodiscard]] std::vector<std::uint32_t> take_events();

    [[nodiscard]] std::string_view interface() const override { return PLUGBAY_CHAR; }
    [[nodiscard]] const void* table(std::uint32_t role) const override;
    [[nodiscard]] void* instance() override { return this; }

  private:
    struct Tables;
    std::uint32_t accept(const std::uint8_t* bytes, std::uint32_t length);
    void answer();
    void flush();
    void ready();

    std::string received_;
    std::size_t taken_ = 0;
    std::string unsent_;
    std::string answer_;
    bool sending_ = false;
    bool again_ = false;
    std::uint64_t ready_calls_ = 0;
    std::optional<std::size_t> room_;
    bool refused_any_ = false;
    std::uint64_t refused_ = 0;
    std::vector<std::uint32_t> events_;
};

} // namespace plugbay::testkit
