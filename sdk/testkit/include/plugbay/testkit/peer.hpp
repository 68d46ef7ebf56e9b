// Fake peers: a test plays the device at the other end of a link.
#pragma once

#include <plugbay/abi/link.h>
#include <plugbay/abi/plugin.h>

#include <cstdint>
#include <functional>
#include <string_view>

namespace plugbay::testkit {

namespace detail {
class Machine;
struct Connection;
} // namespace detail

// The base of all fakes; Bench::connect(peer, port) joins it to a device. For an interface of your own,
// derive from it: give `table` for each role you play, written against the interface's C header, with the
// Peer itself as the instance. One link at a time. A peer that dies disconnects itself.
class Peer {
  public:
    Peer() = default;
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    // A derived class calls leave() in its own destructor, while its functions still work.
    virtual ~Peer();

    // "char/1", "blk/1", "com.example.laser/1"
    [[nodiscard]] virtual std::string_view interface() const = 0;
    // The table for PLUGBAY_PORT_FRONTEND or PLUGBAY_PORT_BACKEND; nullptr: this fake cannot play it.
    [[nodiscard]] virtual const void* table(std::uint32_t role) const = 0;
    // `this`, as the table's functions cast it back.
    [[nodiscard]] virtual void* instance() = 0;

    [[nodiscard]] bool connected() const { return connection_ != nullptr; }
    [[nodiscard]] std::uint32_t role() const; // this side's; 0 when not connected

  protected:
    // Disconnects, quiescing a running machine first. A dying fake's last word.
    void leave() noexcept;
    // The device's table for its role; throws when not connected.
    [[nodiscard]] const plugbay_link& link() const;
    // Runs `body`, which calls the device through link(), as a callback of that device.
    void call(const std::function<void()>& body) const;
    // Records that the device broke the interface's contract.
    void violation(const std::string& text) const;
    // Flags a device that talks to its peer while it is quiesced.
    void expect_awake(const char* what) const;
    [[nodiscard]] detail::Machine* machine() const;

  private:
    friend class detail::Machine;
    detail::Connection* connection_ = nullptr;
};

} // namespace plugbay::testkit
