#include "core/base/nearest_name.hpp"
#include "core/config/device_reader.hpp"
#include "core/config/source_text.hpp"

#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <unordered_map>

namespace plugbay::core {
namespace {

// A frontend's port that backends may name.
struct FrontendPort {
    std::string name;
    std::size_t device;
    std::uint32_t index; // in the type's ports
    const PortDescription* description;
    const CheckedDevice* taken_by = nullptr;
    bool meant = false; // a backend with a mistake of its own was probably for this port
};

class LinksReader {
  public:
    LinksReader(const ReadContext& context, std::vector<CheckedDevice>& devices, const TypeCatalog& catalog)
        : context_(context), devices_(devices), catalog_(catalog) {}

    void read() {
        for (std::size_t i = 0; i < devices_.size(); ++i)
            collect_frontends(i);
        for (const auto& device : devices_) {
            if (device.node == nullptr && device.config.link) take(device, *device.config.link);
        }
        for (auto& device : devices_) {
            if (device.node != nullptr) read_device(device);
        }
        for (const auto& port : frontends_) {
            if (devices_[port.device].node == nullptr) continue;
            const bool is_optional = (port.description->flags & PLUGBAY_PORT_OPTIONAL) != 0;
            if (!is_optional && port.taken_by == nullptr && !port.meant) report_unconnected(port);
        }
    }

  private:
    const KeyDeclaration& keys_ = machine_declaration().member("devices");

    void report(DiagnosticKind kind, const SourcePosition& position, const std::string& path,
                std::string message, std::string found = {}, std::string nearest = {},
                std::vector<std::string> valid = {}) {
        context_.reporter.report({.kind = kind,
                                  .position = position,
                                  .path = path,
                                  .message = std::move(message),
                                  .found = std::move(found),
                                  .nearest = std::move(nearest),
                                  .valid = std::move(valid)});
    }

    void collect_frontends(std::size_t number) {
        const auto& device = devices_[number];
        if (device.config.id.empty()) return;
        by_id_.emplace(device.config.id, &device);
        if (device.type == nullptr) return;
        for (std::uint32_t i = 0; i < device.type->ports.size(); ++i) {
            const auto& port = device.type->ports[i];
            if (port.role != PLUGBAY_PORT_FRONTEND) continue;
            auto name = device.config.id + (port.name.empty() ? "" : '.' + port.name);
            const auto [first, is_new] = by_name_.emplace(name, frontends_.size());
            if (!is_new) {
                report(DiagnosticKind::duplicate_id, device.config.position, device.path,
                       "its port " + in_quotes(name) + " is named like one of " +
                           in_words(devices_[frontends_[first->second].device]));
                continue;
            }
            frontends_.push_back(
                {.name = std::move(name), .device = number, .index = i, .description = &port});
        }
    }

    [[nodiscard]] std::string in_words(const CheckedDevice& device) const {
        if (device.node == nullptr) return "the machine's device " + in_quotes(device.config.id);
        return "the device at " + context_.reporter.place(device.config.position);
    }

    // A link that is there already.
    void take(const CheckedDevice& backend, const LinkConfig& link) {
        for (auto& port : frontends_) {
            if (devices_[port.device].config.id == link.frontend_device && port.index == link.frontend_port)
                port.taken_by = &backend;
        }
    }

    void read_device(CheckedDevice& device) {
        const auto* const member = device.node->find("frontend");
        if (device.type == nullptr) {
            // Its mistake is its type; the frontend it names is not to blame for having no peer.
            const auto* const id = member == nullptr ? nullptr : member->value.find("id");
            if (id != nullptr) mark_meant(id->value.text);
            return;
        }
        std::vector<std::uint32_t> ports;
        for (std::uint32_t i = 0; i < device.type->ports.size(); ++i) {
            if (device.type->ports[i].role == PLUGBAY_PORT_BACKEND) ports.push_back(i);
        }
        if (member == nullptr) {
            report_missing_frontend(device, ports);
        } else if (ports.empty()) {
            report(DiagnosticKind::misplaced_key, member->position, member_path(device.path, "frontend"),
                   "\"frontend\" is for backends; " + device.type->name + " is none");
        } else if (const auto* const object = find_structure(
                       context_, {*device.node, device.path, device.type->name}, keys_.member("frontend"))) {
            connect(device, ports, *object);
        }
    }

    void connect(CheckedDevice& device, const std::vector<std::uint32_t>& ports, const LocatedValue& object) {
        const auto path = member_path(device.path, "frontend");
        const auto id = read_member(context_, {object, path, "a connection"},
                                    keys_.member("frontend").member("id").value);
        if (!id.given) return;
        const auto found = by_name_.find(id.text);
        if (found == by_name_.end()) {
            report_unknown_frontend(device, ports, id, member_path(path, "id"));
            return;
        }
        auto& port = frontends_[found->second];
        port.meant = true;
        const auto backend_port = std::ranges::find_if(ports, [&device, &port](std::uint32_t index) {
            return device.type->ports[index].interface == port.description->interface;
        });
        if (&devices_[port.device] == &device) {
            report(DiagnosticKind::interface_mismatch, id.position, member_path(path, "id"),
                   "a device cannot be its own frontend", id.text, {}, candidates(device, ports));
        } else if (backend_port == ports.end()) {
            report(DiagnosticKind::interface_mismatch, id.position, member_path(path, "id"),
                   device.type->name + " connects to " + interfaces(device, ports) + ", but " +
                       in_quotes(port.name) + " is a frontend of " + port.description->interface,
                   port.description->interface, {}, candidates(device, ports));
        } else if (port.taken_by != nullptr) {
            report(DiagnosticKind::frontend_taken, id.position, member_path(path, "id"),
                   "the frontend " + in_quotes(port.name) + " is taken by " + in_words(*port.taken_by) +
                       (port.taken_by->node != nullptr ? ", " + port.taken_by->path : ""),
                   port.name);
        } else {
            port.taken_by = &device;
            device.config.link = LinkConfig{.frontend_device = devices_[port.device].config.id,
                                            .frontend_port = port.index,
                                            .backend_port = *backend_port,
                                            .options = {},
                                            .position = object.position};
        }
        const ObjectPlace place{object, path, "the connection to " + in_quotes(port.name)};
        if (backend_port == ports.end()) return; // its options may well be another frontend's
        auto valid = names_of(port.description->options);
        valid.emplace_back("id");
        check_names(context_, place, valid);
        auto options = read_members(context_, place, port.description->options);
        if (device.config.link) device.config.link->options = std::move(options);
    }

    void mark_meant(const std::string& name) {
        const auto found = by_name_.find(name);
        if (found != by_name_.end()) frontends_[found->second].meant = true;
    }

    // The frontends that the device could connect to: all that match, those still free if there are any.
    std::vector<std::string> candidates(const CheckedDevice& device,
                                        const std::vector<std::uint32_t>& ports) const {
        std::vector<std::string> all;
        std::vector<std::string> free;
        if (context_.reporter.is_full()) return all;
        for (const auto& port : frontends_) {
            if (&devices_[port.device] == &device) continue;
            const bool matches = std::ranges::any_of(ports, [&device, &port](std::uint32_t index) {
                return device.type->ports[index].interface == port.description->interface;
            });
            if (!matches) continue;
            all.push_back(port.name);
            if (port.taken_by == nullptr) free.push_back(port.name);
        }
        return free.empty() ? all : free;
    }

    static std::string interfaces(const CheckedDevice& device, const std::vector<std::uint32_t>& ports) {
        std::string result;
        for (const auto index : ports)
            result += (result.empty() ? "" : ", ") + device.type->ports[index].interface;
        return result;
    }

    void report_unknown_frontend(const CheckedDevice& device, const std::vector<std::uint32_t>& ports,
                                 const PropertyValue& id, const std::string& path) {
        std::string message = "there is no frontend " + in_quotes(id.text);
        auto valid = candidates(device, ports);
        const auto named = by_id_.find(id.text);
        if (named != by_id_.end()) {
            const auto* const type = named->second->type;
            if (type == nullptr) return; // its unknown type is the mistake
            const bool has_ports = std::ranges::any_of(
                frontends_, [&](const auto& port) { return &devices_[port.device] == named->second; });
            message = "the device " + in_quotes(id.text) + ", " + type->name +
                      (has_ports ? ", has named ports" : ", is no frontend");
        } else if (belongs_to_unknown_type(id.text)) {
            return;
        }
        if (valid.empty()) message += "; no device is a frontend of " + interfaces(device, ports);
        auto nearest = nearest_name(id.text, valid);
        mark_meant(nearest);
        report(DiagnosticKind::unknown_frontend, id.position, path, std::move(message), id.text,
               std::move(nearest), std::move(valid));
    }

    // "<id>.<port>" of a device whose type, and so whose ports, nobody knows.
    bool belongs_to_unknown_type(const std::string& name) const {
        for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
            const auto owner = by_id_.find(name.substr(0, dot));
            if (owner != by_id_.end() && owner->second->type == nullptr) return true;
        }
        return false;
    }

    void report_missing_frontend(const CheckedDevice& device, const std::vector<std::uint32_t>& ports) {
        const bool is_needed = std::ranges::any_of(ports, [&device](std::uint32_t index) {
            return (device.type->ports[index].flags & PLUGBAY_PORT_OPTIONAL) == 0;
        });
        if (!is_needed) return;
        report(DiagnosticKind::backend_unconnected, device.config.position,
               member_path(device.path, "frontend"),
               "missing \"frontend\": " + device.type->name + " is a backend of " + interfaces(device, ports),
               {}, {}, candidates(device, ports));
    }

    void report_unconnected(const FrontendPort& port) {
        const auto& device = devices_[port.device];
        std::vector<std::string> backends;
        if (!context_.reporter.is_full()) {
            for (const auto& known : catalog_.known_types()) {
                const auto* const type = catalog_.find(known.name);
                if (type != nullptr && std::ranges::any_of(type->ports, [&port](const auto& other) {
                        return other.role == PLUGBAY_PORT_BACKEND &&
                               other.interface == port.description->interface;
                    })) {
                    backends.push_back(known.name);
                }
            }
        }
        report(DiagnosticKind::frontend_unconnected, device.config.position, device.path,
               "no backend connects to " + in_quotes(port.name) + ", a frontend of " +
                   port.description->interface + " that needs one",
               {}, {}, std::move(backends));
    }

    const ReadContext& context_;
    std::vector<CheckedDevice>& devices_;
    const TypeCatalog& catalog_;
    std::vector<FrontendPort> frontends_;
    std::unordered_map<std::string, std::size_t> by_name_;
    std::unordered_map<std::string, const CheckedDevice*> by_id_;
};

} // namespace

void read_links(const ReadContext& context, std::vector<CheckedDevice>& devices, const TypeCatalog& catalog) {
    LinksReader(context, devices, catalog).read();
}

} // namespace plugbay::core
