#include "core/registry/registry.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>

namespace plugbay::core {

namespace {

const void* role_table(const Device& device, const char* interface, const char* role) {
    return device.role_table((std::string(interface) + role).c_str());
}

} // namespace

std::string port_name(const Device& device, std::uint32_t port) {
    const char* name = device.type().ports[port]->name;
    return name == nullptr ? device.id() : device.id() + "." + name;
}

Link::Link(End frontend, End backend, const void* frontend_table, const void* backend_table)
    : frontend_(frontend), backend_(backend), to_frontend_{sizeof(plugbay_link), 0, frontend_table,
                                                           frontend.device->instance(), frontend.port},
      to_backend_{sizeof(plugbay_link), 0, backend_table, backend.device->instance(), backend.port} {}

Result<void> Link::connect(std::span<const plugbay_value> options) {
    if (auto done = frontend_.device->connected(frontend_.port, to_backend_, options); !done) {
        revoke();
        return done;
    }
    frontend_told_ = true;
    if (auto done = backend_.device->connected(backend_.port, to_frontend_, {}); !done) {
        revoke();
        return done;
    }
    backend_told_ = true;
    return {};
}

Link::~Link() {
    revoke();
}

void Link::revoke() {
    {
        // Both ends share this lock, so neither is in a call through the link while it turns into nothing.
        const std::lock_guard guard(frontend_.device->lock());
        to_frontend_.table = nullptr;
        to_backend_.table = nullptr;
    }
    if (std::exchange(backend_told_, false)) backend_.device->disconnected(backend_.port);
    if (std::exchange(frontend_told_, false)) frontend_.device->disconnected(frontend_.port);
}

Result<void> Registry::offer(Device& device) {
    const plugbay_device_type& type = device.type();
    for (std::uint32_t port = 0; port < type.port_count; ++port) {
        if (type.ports[port]->role != PLUGBAY_PORT_FRONTEND) continue;
        const auto [place, inserted] =
            interfaces_[type.ports[port]->interface].emplace(port_name(device, port), Offer{&device, port});
        if (inserted) continue;
        const std::string other = place->second.device->id();
        withdraw(device);
        return Error{
            fmt::format("the {} frontend \"{}\" of device \"{}\" has the name of one of device \"{}\"",
                        type.ports[port]->interface, port_name(device, port), device.id(), other),
            "give one of the two devices another id"};
    }
    return {};
}

void Registry::withdraw(Device& device) {
    std::erase_if(links_, [&](const std::unique_ptr<Link>& link) {
        return link->frontend().device == &device || link->backend().device == &device;
    });
    const plugbay_device_type& type = device.type();
    for (std::uint32_t port = 0; port < type.port_count; ++port) {
        const auto names = interfaces_.find(std::string_view(type.ports[port]->interface));
        if (names == interfaces_.end()) continue;
        const auto found = names->second.find(port_name(device, port));
        if (found != names->second.end() && found->second.device == &device) names->second.erase(found);
    }
}

void Registry::disconnect(const Link& link) {
    std::erase_if(links_, [&](const std::unique_ptr<Link>& each) { return each.get() == &link; });
}

const Link* Registry::link_at(const Device& device, std::uint32_t port) const {
    for (const auto& link : links_) {
        for (const Link::End* end : {&link->frontend(), &link->backend()}) {
            if (end->device == &device && end->port == port) return link.get();
        }
    }
    return nullptr;
}

Error Registry::no_such_frontend(const Device& backend, std::string_view interface,
                                 std::string_view name) const {
    for (const auto& [other, names] : interfaces_) {
        if (names.contains(name)) {
            return Error{fmt::format("device \"{}\" is a {} backend, but \"{}\" is a {} frontend",
                                     backend.id(), interface, name, other),
                         "connect it to a frontend of its own interface"};
        }
    }
    std::string offered;
    if (const auto names = interfaces_.find(interface); names != interfaces_.end()) {
        for (const auto& [each, offer] : names->second)
            offered += (offered.empty() ? "" : ", ") + each;
    }
    return Error{fmt::format("device \"{}\" names the {} frontend \"{}\", which does not exist", backend.id(),
                             interface, name),
                 offered.empty() ? "no device offers this interface" : "there are: " + offered};
}

Result<const Registry::Offer*> Registry::find_offer(const Device& backend, std::uint32_t port,
                                                    std::string_view name) const {
    const char* interface = backend.type().ports[port]->interface;
    const auto names = interfaces_.find(interface);
    if (names == interfaces_.end()) return no_such_frontend(backend, interface, name);
    const auto found = names->second.find(name);
    if (found == names->second.end()) return no_such_frontend(backend, interface, name);
    const Offer& offer = found->second;
    if (const Link* link = link_at(*offer.device, offer.port)) {
        return Error{
            fmt::format("device \"{}\" names the {} frontend \"{}\", which is connected to device \"{}\"",
                        backend.id(), interface, name, link->backend().device->id()),
            "disconnect that one first"};
    }
    if (const Link* link = link_at(backend, port)) {
        return Error{fmt::format("the {} backend \"{}\" is connected to device \"{}\"", interface,
                                 port_name(backend, port), link->frontend().device->id()),
                     "disconnect it first"};
    }
    return &offer;
}

Result<Device*> Registry::find_free(const Device& backend, std::uint32_t port, std::string_view name) const {
    const auto offer = find_offer(backend, port, name);
    if (!offer) return offer.error();
    return (*offer)->device;
}

Result<void> Registry::connect(Device& backend, std::uint32_t port, std::string_view name,
                               std::span<const plugbay_value> options) {
    const auto found = find_offer(backend, port, name);
    if (!found) return found.error();
    const Offer& offer = **found;
    const char* interface = backend.type().ports[port]->interface;
    const void* frontend_table = role_table(*offer.device, interface, ".frontend");
    const void* backend_table = role_table(backend, interface, ".backend");
    if (frontend_table == nullptr || backend_table == nullptr) {
        return Error{fmt::format("device \"{}\" declares a port of {} without implementing it",
                                 frontend_table == nullptr ? offer.device->id() : backend.id(), interface),
                     "this is a defect of its plugin"};
    }
    auto link = std::make_unique<Link>(Link::End{offer.device, offer.port}, Link::End{&backend, port},
                                       frontend_table, backend_table);
    if (auto connected = link->connect(options); !connected) return connected;
    links_.push_back(std::move(link));
    log_for(Subsystem::registry).debug("{}: \"{}\" serves \"{}\"", interface, backend.id(), name);
    return {};
}

} // namespace plugbay::core
