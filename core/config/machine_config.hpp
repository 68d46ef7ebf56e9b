// A machine as its file describes it, after every check that needs no hardware. Plain values: they hold no
// pointer into the file, the catalog or a plugin.
#pragma once

#include "core/config/diagnostic.hpp"

#include <plugbay/abi/property.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

// One property's value, or its default. What `number` and `text` hold depends on the kind, as for
// struct plugbay_value; PATH texts are absolute unless empty.
struct PropertyValue {
    bool given = false;
    std::uint64_t number = 0;
    std::string text = {};
    SourcePosition position = {}; // of the value; that of the device when it is the default
};

// A backend's connection. Port numbers are indices into TypeDescription::ports of the respective type.
struct LinkConfig {
    std::string frontend_device = {}; // id
    std::uint32_t frontend_port = 0;
    std::uint32_t backend_port = 0;
    std::vector<PropertyValue> options = {}; // of the frontend's port, in declared order
    SourcePosition position = {};
};

struct DeviceConfig {
    std::string id = {};
    std::string type = {};
    std::vector<PropertyValue> properties = {}; // one a declared property, in declared order
    std::optional<LinkConfig> link = {};        // of a backend
    SourcePosition position = {};
};

struct BootConfig {
    std::string kernel = {};       // absolute
    std::string initrd = {};       // absolute; empty: none
    std::string command_line = {}; //
    std::string protocol = {};     // "automatic", "linux64", "pvh", "multiboot", "flat"
    std::uint64_t address = 0;     // protocol "flat" only, as is `mode`
    std::string mode = {};         // "real_16", "protected_32", "long_64"
};

enum class OnReset { restart, exit };

struct MachineConfig {
    std::string file = {};                   // as the user named it
    std::vector<std::string> overrides = {}; // the texts of --set, for where()
    std::string name = {};
    std::uint64_t memory = 0; // bytes
    std::uint32_t cpus = 0;
    std::uint32_t io_threads = 0;
    OnReset on_reset = OnReset::restart;
    BootConfig boot = {};
    std::vector<std::string> plugins = {};  // absolute
    std::vector<DeviceConfig> devices = {}; // in the file's order
};

// "configs/linux.json:12:34", or "configs/linux.json: --set devices.vda.slot=4", to start an error with that
// is found later, such as two devices that claim one port.
[[nodiscard]] std::string where(const MachineConfig& config, const SourcePosition& position);

// The form in which a device's create and connected take values. The texts point into `values`, which has to
// outlive the result unchanged.
[[nodiscard]] std::vector<plugbay_value> abi_values(std::span<const PropertyValue> values);

} // namespace plugbay::core
