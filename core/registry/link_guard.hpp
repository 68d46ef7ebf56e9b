// Calls over a link of which an end is on probation: a crash inside such a build ends the call and not the monitor, and the end
// that called gets the least that the interface allows: nothing was taken, it failed.
#pragma once

#include <plugbay/abi/link.h>

#include <memory>
#include <string_view>

namespace plugbay::core {

class Device;

// One direction of a link: stands in for the build that is called. Both outlive every call through it.
class LinkGuard {
  public:
    // `direct` is how `device` is called. Null for interfaces whose functions the core does not know, third parties', and for
    // tables of an older revision: these calls are not guarded.
    [[nodiscard]] static std::unique_ptr<LinkGuard> create(Device& device, const plugbay_link& direct,
                                                           std::string_view interface, bool backend);
    LinkGuard(const LinkGuard&) = delete;
    LinkGuard& operator=(const LinkGuard&) = delete;

    // How the device is called by way of this.
    [[nodiscard]] const plugbay_link& link() const { return link_; }
    [[nodiscard]] const plugbay_link& direct() const { return direct_; }
    [[nodiscard]] Device& device() const { return device_; }

  private:
    LinkGuard(Device& device, const plugbay_link& direct, const void* table)
        : device_(device), direct_(direct), link_{sizeof link_, 0, table, this, direct.port} {}

    Device& device_;
    const plugbay_link direct_;
    const plugbay_link link_;
};

} // namespace plugbay::core
