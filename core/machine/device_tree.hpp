// What a machine is made of at one moment: its devices, what each holds, and who is joined with whom; and three ways to
// show it.
#pragma once

#include "core/machine/device_manager.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

// Plain values: holds no pointer into the machine.
struct DeviceTree {
    struct Port {
        std::string name;                // "com1", "com1.control"
        std::string interface;           // "char/1"
        bool frontend = false;           // else backend
        std::optional<std::string> peer; // the name of the other end
    };
    struct Node {
        std::string id;
        std::string type;
        std::string plugin; // its file; empty: none
        std::string phase;  // "running", "quiesced", ...
        std::vector<Port> ports;
        std::vector<std::string> buses;     // ids of the devices on whose PCI buses it has functions
        std::vector<std::string> resources; // "ports 0x3f8-0x3ff", oldest first
    };
    std::vector<Node> devices; // oldest first
};

// [control]
[[nodiscard]] DeviceTree describe(const DeviceManager& devices);

// For people: each frontend with its backends below it, what nobody is joined with by itself. Ids of any bytes are safe
// to print.
[[nodiscard]] std::string tree_text(const DeviceTree& tree);
// As the control socket tells it.
[[nodiscard]] nlohmann::json node_json(const DeviceTree::Node& node);
// For `dot`: devices are nodes, with what they hold; links are edges from frontend to backend, and dashed ones lead from a
// PCI bus to the devices on it.
[[nodiscard]] std::string tree_graphviz(const DeviceTree& tree);

} // namespace plugbay::core
