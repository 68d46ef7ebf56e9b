#include "core/registry/registry.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>

namespace plugbay::core {

std::string port_name(const Device& device, std::uint32_t port) {
    const char* name = device.type().ports[port]->name;
    return name == nullptr ? device.id() : device.id() + "." + name;
}

const void* port_table(const Device& device, std::uint32_t port) {
    const plugbay_port& declared = *device.type().ports[port];
    const char* const role = declared.role == PLUGBAY_PORT_BACKEND ? ".backend" : ".frontend";
    return device.role_table((std::string(declared.interface) + role).c_str());
}

namespace {

plugbay_link link_to(const Device& device, std::uint32_t port) {
    return {sizeof(plugbay_link), 0, port_table(device, port), device.instance(), port};
}

std::shared_ptr<plugbay_link> cell_to(const Device& device, std::uint32_t port) {
    return std::make_shared<plugbay_link>(link_to(device, port));
}

std::unique_ptr<LinkGuard> guard_of(Device& device, std::uint32_t port) {
    if (!device.on_probation()) return nullptr;
    const plugbay_port& declared = *device.type().ports[port];
    return LinkGuard::create(device, link_to(device, port), declared.interface,
                             declared.role == PLUGBAY_PORT_BACKEND);
}

} // namespace

Link::Link(End frontend, End backend)
    : frontend_(frontend), backend_(backend), to_frontend_(cell_to(*frontend.device, frontend.port)),
      to_backend_(cell_to(*backend.device, backend.port)),
      frontend_guard_(guard_of(*frontend.device, frontend.port)),
      backend_guard_(guard_of(*backend.device, backend.port)) {
    if (frontend_guard_ != nullptr) *to_frontend_ = frontend_guard_->link();
    if (backend_guard_ != nullptr) *to_backend_ = backend_guard_->link();
}

Result<void> Link::connect(std::span<const plugbay_value> options) {
    if (auto done = frontend_.device->connected(frontend_.port, *to_backend_, options); !done) {
        revoke();
        return done;
    }
    frontend_told_ = true;
    if (auto done = backend_.device->connected(backend_.port, *to_frontend_, {}); !done) {
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
        to_frontend_->table = nullptr;
        to_backend_->table = nullptr;
    }
    if (std::exchange(backend_told_, false)) backend_.device->disconnected(backend_.port);
    if (std::exchange(frontend_told_, false)) frontend_.device->disconnected(frontend_.port);
}

Result<void> Link::tell(Next& next, const End& end, std::span<const plugbay_value> options) {
    if (next.device == nullptr) return {};
    auto told = next.device->connected(end.port, *next.cell, options);
    next.told = static_cast<bool>(told);
    return told;
}

Result<void> Link::introduce(const Successors& successors, std::span<const plugbay_value> options) {
    const auto successor_of = [&](const End& end) -> Device* {
        const auto found = successors.find(end.device);
        return found == successors.end() ? nullptr : found->second;
    };
    next_frontend_.device = successor_of(frontend_);
    next_backend_.device = successor_of(backend_);
    for (auto [next, end] : {std::pair(&next_frontend_, &frontend_), std::pair(&next_backend_, &backend_)}) {
        if (next->device != nullptr) next->guard = guard_of(*next->device, end->port);
    }
    // To an end that stays as its peer has called it so far.
    const auto facing = [](const End& end, const Next& next, const Cell& now) {
        if (next.device == nullptr) return std::make_shared<plugbay_link>(*now);
        return next.guard != nullptr ? std::make_shared<plugbay_link>(next.guard->link())
                                     : cell_to(*next.device, end.port);
    };
    next_frontend_.cell = facing(backend_, next_backend_, to_backend_);
    next_backend_.cell = facing(frontend_, next_frontend_, to_frontend_);
    if (next_frontend_.cell->table == nullptr || next_backend_.cell->table == nullptr)
        return Error{"a build declares a port without implementing it", "this is a defect of its plugin"};
    if (auto told = tell(next_frontend_, frontend_, options); !told) return told;
    return tell(next_backend_, backend_, {});
}

void Link::seal() {
    const std::lock_guard guard(frontend_.device->lock());
    if (next_frontend_.device != nullptr) sealed_frontend_ = std::exchange(to_frontend_->table, nullptr);
    if (next_backend_.device != nullptr) sealed_backend_ = std::exchange(to_backend_->table, nullptr);
}

void Link::hand_over() {
    const std::lock_guard guard(frontend_.device->lock());
    // An end that stays keeps its cell, which leads to the successor from now on.
    if (next_backend_.device == nullptr) *to_frontend_ = *next_backend_.cell;
    if (next_frontend_.device == nullptr) *to_backend_ = *next_frontend_.cell;
    const auto replace = [](End& end, Cell& cell, Guard& guarded, Next next) {
        if (next.device == nullptr) return;
        cell->table = nullptr;
        end.device->keep(std::exchange(cell, std::move(next.cell)));
        end.device = next.device;
        guarded = std::move(next.guard);
    };
    replace(frontend_, to_backend_, frontend_guard_, std::exchange(next_frontend_, {}));
    replace(backend_, to_frontend_, backend_guard_, std::exchange(next_backend_, {}));
    sealed_frontend_ = sealed_backend_ = nullptr;
}

void Link::abandon() {
    {
        const std::lock_guard guard(frontend_.device->lock());
        if (sealed_frontend_ != nullptr) to_frontend_->table = std::exchange(sealed_frontend_, nullptr);
        if (sealed_backend_ != nullptr) to_backend_->table = std::exchange(sealed_backend_, nullptr);
        for (const Next* next : {&next_frontend_, &next_backend_}) {
            if (next->cell != nullptr) next->cell->table = nullptr;
        }
    }
    const auto forget = [](Next next, const End& end) {
        if (next.told) next.device->disconnected(end.port);
        if (next.device != nullptr) next.device->keep(std::move(next.cell));
    };
    forget(std::exchange(next_backend_, {}), backend_);
    forget(std::exchange(next_frontend_, {}), frontend_);
}

void Link::end_probation(const Device& device) {
    const std::lock_guard guard(frontend_.device->lock());
    const auto call_directly = [&](const End& end, Guard& guarded, Cell& cell) {
        if (end.device != &device || guarded == nullptr) return;
        *cell = guarded->direct();
        guarded.reset();
    };
    call_directly(frontend_, frontend_guard_, to_frontend_);
    call_directly(backend_, backend_guard_, to_backend_);
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

void Registry::end_probation(const Device& device) {
    for (const auto& link : links_)
        link->end_probation(device);
}

void Registry::hand_over(const Device& before, Device& successor) {
    for (auto& [interface, names] : interfaces_) {
        for (auto& [name, offer] : names) {
            if (offer.device == &before) offer.device = &successor;
        }
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
    for (const Offer& end : {offer, Offer{&backend, port}}) {
        if (port_table(*end.device, end.port) == nullptr) {
            return Error{fmt::format("device \"{}\" declares a port of {} without implementing it",
                                     end.device->id(), interface),
                         "this is a defect of its plugin"};
        }
    }
    auto link = std::make_unique<Link>(Link::End{offer.device, offer.port}, Link::End{&backend, port});
    if (auto connected = link->connect(options); !connected) return connected;
    links_.push_back(std::move(link));
    log_for(Subsystem::registry).debug("{}: \"{}\" serves \"{}\"", interface, backend.id(), name);
    return {};
}

} // namespace plugbay::core
