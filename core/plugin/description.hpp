// What a plugin says about itself, read from its file without running it (metadata_reader) and checked. Plain
// values, owned; the configuration, the command line and the master device table work on these.
#pragma once

#include "core/plugin/register_description.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace plugbay::core {

// One declared property; the fields mean what sdk/include/plugbay/abi/property.h says.
struct PropertyDescription {
    std::uint32_t kind = 0;
    std::uint32_t flags = 0;
    std::string name;
    std::string help;
    std::uint64_t default_number = 0;
    std::string default_text;
    std::uint64_t minimum = 0;
    std::uint64_t maximum = 0;
    std::vector<std::string> choices;
};

// One declared port; see abi/plugin.h. An empty name means that the port is named like its device.
struct PortDescription {
    std::uint32_t role = 0;
    std::uint32_t flags = 0;
    std::string interface;
    std::string name;
    std::vector<PropertyDescription> options;
};

struct TypeDescription {
    std::uint32_t flags = 0;
    std::string name;
    std::string help;
    std::uint32_t state_version = 0;
    std::uint32_t state_version_oldest = 0;
    std::vector<PropertyDescription> properties;
    std::vector<PortDescription> ports;
    std::vector<RegisterBlockDescription> register_blocks;
};

struct PluginDescription {
    std::filesystem::path file;
    std::uint16_t abi_major = 0;
    std::uint16_t abi_minor = 0;
    std::string name;
    std::string version;
    std::string build_id;
    std::string licence;
    std::vector<TypeDescription> types;
    std::vector<std::string> notes; // sentences: what works but should be changed in the plugin
};

} // namespace plugbay::core
