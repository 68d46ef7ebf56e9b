#include "core/machine/device_tree.hpp"

#include "core/device/resource_table.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/pci/pci_function.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string_view>

namespace plugbay::core {

namespace {

const char* phase_name(Phase phase) {
    switch (phase) {
    case Phase::creating:
        return "creating";
    case Phase::quiesced:
        return "quiesced";
    case Phase::draining:
        return "draining";
    case Phase::running:
        return "running";
    }
    return "unknown";
}

// Ids come from machine files: control characters and bytes above ASCII are shown by their numbers.
std::string printable(std::string_view text) {
    std::string result;
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (byte >= 0x20 && byte < 0x7f) {
            result += each;
        } else {
            result += fmt::format("\\x{:02x}", byte);
        }
    }
    return result;
}

// As part of a quoted string of the DOT language, in which only the quote and the backslash are special.
std::string dot_text(std::string_view text) {
    std::string result;
    for (const char each : printable(text)) {
        if (each == '"' || each == '\\') result += '\\';
        result += each;
    }
    return result;
}
std::string dot_string(std::string_view text) {
    return '"' + dot_text(text) + '"';
}

// The device, and below it what it holds: lines that end with \l are set to the left.
std::string dot_label(const DeviceTree::Node& node) {
    std::string lines = dot_text(node.id + " (" + node.type + ")");
    if (!node.resources.empty()) lines += "\\l";
    for (const std::string& resource : node.resources)
        lines += dot_text(resource) + "\\l";
    return '"' + lines + '"';
}

const DeviceTree::Node* owner_of(const DeviceTree& tree, const std::string& port_name) {
    for (const auto& node : tree.devices) {
        if (std::ranges::any_of(node.ports, [&](const auto& port) { return port.name == port_name; }))
            return &node;
    }
    return nullptr;
}

class TextWriter {
  public:
    explicit TextWriter(const DeviceTree& tree) : tree_(tree) {}

    std::string write() {
        for (const auto& node : tree_.devices) {
            const bool is_served = std::ranges::any_of(
                node.ports, [](const auto& port) { return !port.frontend && port.peer.has_value(); });
            if (!is_served) write(node, "", "");
        }
        for (const auto& node : tree_.devices) { // rings of links have no first one
            if (!written_.contains(&node)) write(node, "", "");
        }
        return std::move(text_);
    }

  private:
    void write(const DeviceTree::Node& node, const std::string& indent, const std::string& interface) {
        if (!written_.insert(&node).second) return;
        text_ += fmt::format("{}{}{} ({}){}\n", indent, interface.empty() ? "" : interface + " <- ",
                             printable(node.id), printable(node.type),
                             node.phase == "running" ? "" : ", " + node.phase);
        for (const auto& resource : node.resources)
            text_ += fmt::format("{}    {}\n", indent, printable(resource));
        for (const auto& port : node.ports) {
            if (!port.frontend) continue;
            const auto* const peer = port.peer ? owner_of(tree_, *port.peer) : nullptr;
            if (peer == nullptr) {
                text_ += fmt::format("{}    {} {}: not connected\n", indent, printable(port.interface),
                                     printable(port.name));
            } else {
                write(*peer, indent + "    ", printable(port.interface));
            }
        }
    }

    const DeviceTree& tree_;
    std::set<const DeviceTree::Node*> written_;
    std::string text_;
};

} // namespace

DeviceTree describe(const DeviceManager& devices) {
    DeviceTree tree;
    for (const auto& device : devices.devices()) {
        const plugbay_device_type& type = device->type();
        DeviceTree::Node node;
        node.id = device->id();
        node.type = type.name;
        node.phase = phase_name(device->phase());
        if (device->plugin() != nullptr) node.plugin = device->plugin()->description().file.string();
        for (std::uint32_t number = 0; number < type.port_count; ++number) {
            const Link* link = devices.registry().link_at(*device, number);
            DeviceTree::Port port;
            port.name = port_name(*device, number);
            port.interface = type.ports[number]->interface;
            port.frontend = type.ports[number]->role == PLUGBAY_PORT_FRONTEND;
            if (link != nullptr) {
                const Link::End& other = port.frontend ? link->backend() : link->frontend();
                port.peer = port_name(*other.device, other.port);
            }
            node.ports.push_back(std::move(port));
        }
        device->resources().each(
            [&](const Resource& resource) { node.resources.push_back(resource.describe()); });
        device->services().pci.each_function(
            [&](const PciBus& bus, std::uint32_t, const PciFunction& function) {
                const bool is_its = &function.device() == device.get() && &bus.device() != device.get();
                if (is_its && std::ranges::find(node.buses, bus.device().id()) == node.buses.end())
                    node.buses.push_back(bus.device().id());
            });
        tree.devices.push_back(std::move(node));
    }
    return tree;
}

std::string tree_text(const DeviceTree& tree) {
    return TextWriter(tree).write();
}

nlohmann::json node_json(const DeviceTree::Node& node) {
    nlohmann::json ports = nlohmann::json::array();
    for (const auto& port : node.ports) {
        ports.push_back({{"name", port.name},
                         {"interface", port.interface},
                         {"role", port.frontend ? "frontend" : "backend"}});
        if (port.peer) ports.back()["peer"] = *port.peer;
    }
    return {{"id", node.id},
            {"type", node.type},
            {"plugin", node.plugin},
            {"phase", node.phase},
            {"ports", std::move(ports)},
            {"buses", node.buses},
            {"resources", node.resources}};
}

std::string tree_graphviz(const DeviceTree& tree) {
    std::string text = "digraph machine {\n    rankdir=LR;\n    node [shape=box];\n";
    for (const auto& node : tree.devices) {
        text += fmt::format("    {} [label={}];\n", dot_string(node.id), dot_label(node));
    }
    for (const auto& node : tree.devices) {
        for (const std::string& bus : node.buses)
            text += fmt::format("    {} -> {} [style=dashed];\n", dot_string(bus), dot_string(node.id));
        for (const auto& port : node.ports) {
            const auto* const peer = port.frontend && port.peer ? owner_of(tree, *port.peer) : nullptr;
            if (peer == nullptr) continue;
            text += fmt::format("    {} -> {} [label={}];\n", dot_string(node.id), dot_string(peer->id),
                                dot_string(port.interface));
        }
    }
    return text + "}\n";
}

} // namespace plugbay::core
