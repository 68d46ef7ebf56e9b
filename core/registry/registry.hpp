// Where frontends and backends find each other: per interface, port name -> frontend. One implementation
// serves every interface, those of third parties included.
#pragma once

#include "core/base/result.hpp"
#include "core/device/device.hpp"
#include "core/registry/link_guard.hpp"

#include <plugbay/abi/link.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// The builds that take over, by the devices that go.
using Successors = std::map<const Device*, Device*>;

// A joined pair of ports. Both ends hold pointers into it until disconnected; it disconnects when destroyed.
class Link {
  public:
    struct End {
        Device* device;
        std::uint32_t port;
    };
    Link(End frontend, End backend);
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    ~Link();

    // Tells both ends, the frontend first. On failure neither is connected.
    [[nodiscard]] Result<void> connect(std::span<const plugbay_value> options);

    // --- another build behind one end or both, in this order, while all ends hold still.
    // Tells the successors, the frontend's first, each with a cell of its own. They reach the other end, which still calls
    // the builds before. On failure call abandon().
    [[nodiscard]] Result<void> introduce(const Successors& successors,
                                         std::span<const plugbay_value> options);
    // From now on nobody's call reaches the builds that are replaced: what they were told would be lost.
    void seal();
    // The other end calls the successors, and the builds before reach nobody.
    void hand_over();
    // Instead: everything is as it was. The successors are told that the link is over.
    void abandon();
    // The device, which may be one end's, is no longer on probation: it is called as any other.
    void end_probation(const Device& device);

    [[nodiscard]] const End& frontend() const { return frontend_; }
    [[nodiscard]] const End& backend() const { return backend_; }

  private:
    using Cell = std::shared_ptr<plugbay_link>; // the device that calls through it may outlive the link
    using Guard = std::unique_ptr<LinkGuard>;   // null: the build is not on probation, or cannot be guarded
    // One end's build that comes.
    struct Next {
        Device* device = nullptr; // null: the end keeps its build
        Cell cell = {};           // what it calls through
        Guard guard = {};         // what it is called by
        bool told = false;
    };
    void revoke();
    [[nodiscard]] Result<void> tell(Next& next, const End& end, std::span<const plugbay_value> options);

    End frontend_;
    End backend_;
    Cell to_frontend_; // what the backend calls through
    Cell to_backend_;  // what the frontend calls through
    Guard frontend_guard_;
    Guard backend_guard_;
    bool frontend_told_ = false;
    bool backend_told_ = false;
    Next next_frontend_;
    Next next_backend_;
    const void* sealed_frontend_ = nullptr; // tables of cells that are sealed
    const void* sealed_backend_ = nullptr;
};

// "char/1.frontend": the table of a device's for the interface of its port, in the port's role. Null when it has none.
[[nodiscard]] const void* port_table(const Device& device, std::uint32_t port);

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

    // A build that is not on probation any more; see Link::end_probation().
    void end_probation(const Device& device);

    // The successor's frontends have the names of the device that it takes over from; links are handed over one by one.
    void hand_over(const Device& before, Device& successor);

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
