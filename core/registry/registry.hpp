// Where frontends and backends find each other: per interface, port name -> frontend. One implementation
// serves every interface, those of third parties included.
#pragma once

#include "core/base/result.hpp"
#include "core/device/device.hpp"

#include <plugbay/abi/link.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// A joined pair of ports. Both ends hold pointers into it until disconnected; it disconnects when destroyed.
class Link {
  public:
    struct End {
        Device* device;
        std::uint32_t port;
    };
    Link(End frontend, End backend, const void* frontend_table, const void* backend_table);
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    ~Link();

    // Tells both ends, the frontend first. On failure neither is connected.
    [[nodiscard]] Result<void> connect(std::span<const plugbay_value> options);

    [[nodiscard]] const End& frontend() const { return frontend_; }
    [[nodiscard]] const End& backend() const { return backend_; }

  private:
    void revoke();

    const End frontend_;
    const End backend_;
    plugbay_link to_frontend_; // what the backend calls through
    plugbay_link to_backend_;  // what the frontend calls through
    bool frontend_told_ = false;
    bool backend_told_ = false;
};

// Thread: [control]. Names are copied; devices are withdrawn before they go.
class Registry {
  public:
    // Offers all frontend ports of `device` under their names. A name taken in the same interface is refused,
    // and nothing is offered then.
    [[nodiscard]] Result<void> offer(Device& device);
    // Takes the device's ports back and disconnects every link it has a part in.
    void withdraw(Device& device);

    // The device that offers `name` (its id, or "<id>.<port>") for `backend`'s port, still free. Distinct errors: no
    // such name at all, only in another interface, taken by another backend, this port is connected already.
    [[nodiscard]] Result<Device*> find_free(const Device& backend, std::uint32_t port,
                                            std::string_view name) const;
    // Joins `backend`'s port `port` with the frontend named `name`; both devices are of one lock group and quiesced.
    // Errors: those of find_free(), and the refusals of both ends.
    [[nodiscard]] Result<void> connect(Device& backend, std::uint32_t port, std::string_view name,
                                       std::span<const plugbay_value> options);
    // Ends a link of links(). Both devices are quiesced.
    void disconnect(const Link& link);

    [[nodiscard]] const std::vector<std::unique_ptr<Link>>& links() const { return links_; }
    // The link at `device`'s port, or null.
    [[nodiscard]] const Link* link_at(const Device& device, std::uint32_t port) const;

  private:
    struct Offer {
        Device* device;
        std::uint32_t port;
    };
    using Names = std::map<std::string, Offer, std::less<>>;
    [[nodiscard]] Result<const Offer*> find_offer(const Device& backend, std::uint32_t port,
                                                  std::string_view name) const;
    [[nodiscard]] Error no_such_frontend(const Device& backend, std::string_view interface,
                                         std::string_view name) const;

    std::map<std::string, Names, std::less<>> interfaces_;
    std::vector<std::unique_ptr<Link>> links_;
};

// "vda", or "vda.control" for a port with a name of its own.
[[nodiscard]] std::string port_name(const Device& device, std::uint32_t port);

} // namespace plugbay::core
