#include <plugbay/testkit/peer.hpp>

#include "machine.hpp"

#include <algorithm>

namespace plugbay::testkit {
namespace {

using detail::Connection;
using detail::End;

End& own_end(const Peer& peer, Connection& connection) {
    return connection.frontend.peer == &peer ? connection.frontend : connection.backend;
}
End& device_end(const Peer& peer, Connection& connection) {
    return connection.frontend.peer == &peer ? connection.backend : connection.frontend;
}
detail::DeviceRecord& device_of(const Peer& peer, Connection* connection) {
    if (connection == nullptr) throw Error("this fake is not connected", PLUGBAY_NOT_FOUND);
    return *device_end(peer, *connection).device;
}

} // namespace

Peer::~Peer() {
    leave();
}

void Peer::leave() noexcept {
    if (connection_ != nullptr) device_of(*this, connection_).machine.retire(*this);
}

std::uint32_t Peer::role() const {
    return connection_ == nullptr ? 0 : own_end(*this, *connection_).role;
}

const plugbay_link& Peer::link() const {
    device_of(*this, connection_);
    return *own_end(*this, *connection_).link;
}

void Peer::call(const std::function<void()>& body) const {
    detail::DeviceRecord& device = device_of(*this, connection_);
    device.machine.entry([&] {
        detail::Machine::Callback callback(device.machine, device, "a call through a link");
        body();
    });
}

void Peer::violation(const std::string& text) const {
    detail::DeviceRecord& device = device_of(*this, connection_);
    std::unique_lock lock(device.machine.mutex());
    device.machine.violation(&device, text);
}

void Peer::expect_awake(const char* what) const {
    detail::DeviceRecord& device = device_of(*this, connection_);
    std::unique_lock lock(device.machine.mutex());
    device.machine.expect_awake(device, what);
}

detail::Machine* Peer::machine() const {
    return connection_ == nullptr ? nullptr : &device_of(*this, connection_).machine;
}

} // namespace plugbay::testkit
