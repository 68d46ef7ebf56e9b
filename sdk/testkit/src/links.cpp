// Joining ports.
#include "machine.hpp"
#include "properties.hpp"

#include <algorithm>

namespace plugbay::testkit::detail {
namespace {

std::string port_name(const DeviceRecord& device, const plugbay_port& port) {
    return port.name == nullptr ? device.id : device.id + "." + port.name;
}

// What a link that has died is called through: an address that no process has, so that whoever kept the link stops there
// and not anywhere.
const void* const dead_table = reinterpret_cast<const void*>(0xdead'dead'dead'dea0);

const char* role_suffix(std::uint32_t role) {
    return role == PLUGBAY_PORT_FRONTEND ? ".frontend" : ".backend";
}

} // namespace

void attach(End& end, const End& other) {
    end.link->size = sizeof *end.link;
    end.link->table = other.table;
    end.link->instance = other.instance;
    end.link->port = other.port;
}

// `role` 0: either; `interface` empty: any.
End Machine::find_port(std::string_view name, std::uint32_t role, std::string_view interface) const {
    for (const auto& device : devices) {
        for (std::uint32_t i = 0; i < device->type->port_count; ++i) {
            const plugbay_port& port = *device->type->ports[i];
            if (port_name(*device, port) != name || (role != 0 && port.role != role) ||
                (!interface.empty() && interface != port.interface))
                continue;
            End end;
            end.device = device.get();
            end.port = i;
            end.role = port.role;
            end.name = name;
            end.table =
                device->type->extension((std::string(port.interface) + role_suffix(port.role)).c_str());
            end.instance = device->instance;
            return end;
        }
    }
    const char* what = role == PLUGBAY_PORT_FRONTEND  ? "frontend"
                       : role == PLUGBAY_PORT_BACKEND ? "backend"
                                                      : "";
    throw Error("there is no " + std::string(what) + " port \"" + std::string(name) + "\"" +
                    (interface.empty() ? "" : " of " + std::string(interface)),
                PLUGBAY_NOT_FOUND);
}

void Machine::connect(std::string_view backend, std::string_view frontend, const Properties& properties) {
    require_stopped("connecting");
    auto connection = std::make_unique<Connection>();
    connection->frontend = find_port(frontend, PLUGBAY_PORT_FRONTEND, {});
    connection->backend = find_port(backend, PLUGBAY_PORT_BACKEND, {});
    const auto interface = [](const End& end) {
        return std::string(end.device->type->ports[end.port]->interface);
    };
    if (interface(connection->frontend) != interface(connection->backend))
        throw Error("\"" + connection->backend.name + "\" speaks " + interface(connection->backend) + ", \"" +
                        connection->frontend.name + "\" speaks " + interface(connection->frontend),
                    PLUGBAY_INVALID);
    join(std::move(connection), properties);
}

void Machine::connect(Peer& peer, std::string_view port, const Properties& properties) {
    require_stopped("connecting");
    if (peer.connection_ != nullptr) throw Error("this fake is connected already", PLUGBAY_TAKEN);
    End device = find_port(port, 0, peer.interface());
    End fake;
    fake.peer = &peer;
    fake.role = device.role == PLUGBAY_PORT_FRONTEND ? PLUGBAY_PORT_BACKEND : PLUGBAY_PORT_FRONTEND;
    fake.table = peer.table(fake.role);
    fake.instance = peer.instance();
    if (fake.table == nullptr) throw Error("this fake cannot play that role", PLUGBAY_UNSUPPORTED);
    auto connection = std::make_unique<Connection>();
    const bool fake_serves = device.role == PLUGBAY_PORT_FRONTEND;
    connection->frontend = std::move(fake_serves ? device : fake);
    connection->backend = std::move(fake_serves ? fake : device);
    join(std::move(connection), properties);
}

void Machine::call_connected(End& end, const plugbay_value* values, std::uint32_t count) {
    if (end.device == nullptr) return;
    end.device->error.clear();
    plugbay_status status = PLUGBAY_OK;
    {
        Callback callback(*this, *end.device, "connected");
        status = end.device->link->connected(end.device->instance, end.port, end.link.get(), values, count);
    }
    if (status > 0) violation(end.device, "connected returned a positive status");
    if (status < 0) {
        if (end.device->error.empty()) violation(end.device, "connected failed without explaining why");
        throw Error("device \"" + end.device->id + "\": " + end.device->error, status);
    }
    end.told = true;
}

void Machine::call_disconnected(End& end) {
    end.link->table = nullptr;
    if (end.peer != nullptr) end.peer->connection_ = nullptr;
    if (!end.told) return;
    end.told = false;
    Callback callback(*this, *end.device, "disconnected");
    end.device->link->disconnected(end.device->instance, end.port);
}

void Machine::join(std::unique_ptr<Connection> connection, const Properties& properties) {
    End& frontend = connection->frontend;
    End& backend = connection->backend;
    for (const End* end : {&frontend, &backend}) {
        if (end->device == nullptr) continue;
        if (end->table == nullptr || end->device->link == nullptr ||
            end->device->link->connected == nullptr || end->device->link->disconnected == nullptr) {
            violation(end->device,
                      "declares a port but has no table for its role, or no " PLUGBAY_LINK " callbacks");
            throw_violations();
            throw Error("port \"" + end->name + "\" cannot be connected", PLUGBAY_UNSUPPORTED);
        }
        for (const auto& other : connections) {
            for (const End* taken : {&other->frontend, &other->backend}) {
                if (taken->device == end->device && taken->port == end->port)
                    throw Error("port \"" + end->name + "\" is connected already", PLUGBAY_TAKEN);
            }
        }
    }
    std::span<const plugbay_property* const> declared;
    if (frontend.device != nullptr) {
        const plugbay_port& port = *frontend.device->type->ports[frontend.port];
        declared = {port.options, port.option_count};
    }
    const Values values(declared, properties, "port \"" + frontend.name + "\"");
    attach(frontend, backend);
    attach(backend, frontend);
    for (End* end : {&frontend, &backend}) {
        if (end->peer != nullptr) end->peer->connection_ = connection.get();
    }
    connection->options = properties;
    Connection& joined = *connection;
    connections.push_back(std::move(connection));
    try {
        call_connected(frontend, values.data(), values.count());
        call_connected(backend, nullptr, 0);
    } catch (...) {
        disconnect(joined);
        throw;
    }
}

void Machine::disconnect(Connection& connection) {
    connection.frontend.link->table = nullptr;
    connection.backend.link->table = nullptr;
    call_disconnected(connection.frontend);
    call_disconnected(connection.backend);
    for (End* end : {&connection.frontend, &connection.backend}) {
        end->link->table = dead_table;
        dead_links.push_back(std::move(end->link));
    }
    std::erase_if(connections, [&](const auto& other) { return other.get() == &connection; });
}

void Machine::disconnect(std::string_view port) {
    require_stopped("disconnecting");
    for (const auto& connection : connections) {
        if (connection->frontend.name == port || connection->backend.name == port)
            return disconnect(*connection);
    }
    throw Error("port \"" + std::string(port) + "\" is not connected", PLUGBAY_NOT_FOUND);
}

void Machine::disconnect(Peer& peer) {
    require_stopped("disconnecting");
    if (peer.connection_ == nullptr) throw Error("this fake is not connected", PLUGBAY_NOT_FOUND);
    disconnect(*peer.connection_);
}

void Machine::retire(Peer& peer) noexcept {
    std::unique_lock lock(mutex_);
    try {
        if (running) quiesce(std::chrono::seconds(2));
    } catch (const std::exception& error) {
        violation(nullptr, std::string("while a fake left: ") + error.what());
    }
    if (peer.connection_ != nullptr) disconnect(*peer.connection_);
}

} // namespace plugbay::testkit::detail
