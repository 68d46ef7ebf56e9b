// What the tests of this room share: a catalog, and a file's errors as lines.
#pragma once

#include "core/config/machine_file.hpp"

#include <plugbay/abi/plugin.h>

#include <string>
#include <vector>

namespace plugbay::core::test {

inline PropertyDescription property(std::uint32_t kind, std::string name, std::uint64_t standard = 0,
                                    std::uint64_t minimum = 0, std::uint64_t maximum = 0,
                                    std::uint32_t flags = 0) {
    PropertyDescription result;
    result.kind = kind;
    result.name = std::move(name);
    result.default_number = standard;
    result.minimum = minimum;
    result.maximum = maximum;
    result.flags = flags;
    return result;
}

inline PropertyDescription choice(std::string name, std::vector<std::string> choices,
                                  std::uint64_t standard = 0) {
    auto result = property(PLUGBAY_PROPERTY_CHOICE, std::move(name), standard);
    result.choices = std::move(choices);
    return result;
}

inline PortDescription port(std::uint32_t role, std::string interface, std::string name = {},
                            std::uint32_t flags = 0) {
    PortDescription result;
    result.role = role;
    result.flags = flags;
    result.interface = std::move(interface);
    result.name = std::move(name);
    return result;
}

inline TypeDescription type(std::string name, std::vector<PropertyDescription> properties,
                            std::vector<PortDescription> ports = {}) {
    TypeDescription result;
    result.name = std::move(name);
    result.properties = std::move(properties);
    result.ports = std::move(ports);
    return result;
}

inline ListCatalog make_catalog() {
    auto serial_port = port(PLUGBAY_PORT_FRONTEND, "char/1", {}, PLUGBAY_PORT_OPTIONAL);
    serial_port.options = {property(PLUGBAY_PROPERTY_BOOLEAN, "echo"),
                           choice("parity", {"none", "even", "odd"})};
    auto path = property(PLUGBAY_PROPERTY_PATH, "path", 0, 1, 4096, PLUGBAY_PROPERTY_REQUIRED);
    auto log = property(PLUGBAY_PROPERTY_PATH, "log");
    log.default_text = "char.log";
    auto serial_number = property(PLUGBAY_PROPERTY_STRING, "serial", 0, 0, 20);
    serial_number.default_text = "none";
    return ListCatalog(
        {
            type("serial-16550",
                 {property(PLUGBAY_PROPERTY_UNSIGNED, "port", 0x3f8, 0, 0xffff),
                  property(PLUGBAY_PROPERTY_UNSIGNED, "irq", 4, 0, 23)},
                 {serial_port}),
            type("char-stdio", {property(PLUGBAY_PROPERTY_BOOLEAN, "raw", 1), log},
                 {port(PLUGBAY_PORT_BACKEND, "char/1")}),
            type("virtio-blk",
                 {choice("bus", {"pci", "mmio"}), property(PLUGBAY_PROPERTY_UNSIGNED, "slot", 0, 0, 31),
                  serial_number},
                 {port(PLUGBAY_PORT_FRONTEND, "blk/1")}),
            type("disk-file",
                 {path, property(PLUGBAY_PROPERTY_BOOLEAN, "read_only"),
                  property(PLUGBAY_PROPERTY_SIZE, "size", 0, 0, std::uint64_t{1} << 50),
                  property(PLUGBAY_PROPERTY_SIGNED, "priority", 0, static_cast<std::uint64_t>(-20), 19)},
                 {port(PLUGBAY_PORT_BACKEND, "blk/1")}),
            type("dual-serial", {},
                 {port(PLUGBAY_PORT_FRONTEND, "char/1", "a", PLUGBAY_PORT_OPTIONAL),
                  port(PLUGBAY_PORT_FRONTEND, "char/1", "b", PLUGBAY_PORT_OPTIONAL)}),
            type("char-filter", {},
                 {port(PLUGBAY_PORT_FRONTEND, "char/1", {}, PLUGBAY_PORT_OPTIONAL),
                  port(PLUGBAY_PORT_BACKEND, "char/1", {}, PLUGBAY_PORT_OPTIONAL)}),
            type("wide", {property(PLUGBAY_PROPERTY_UNSIGNED, "number", 0, 0, UINT64_MAX),
                          property(PLUGBAY_PROPERTY_SIGNED, "offset", 0, std::uint64_t{1} << 63, INT64_MAX)}),
        },
        {{"laser", "plugin laser.so needs ABI 1.3, this is 1.0"}});
}

inline ConfigResult check(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return validate(parse_machine_text(text, "m.json", "/vm", overrides), make_catalog());
}

inline std::vector<std::string> lines(const ConfigResult& result) {
    std::vector<std::string> texts;
    for (const auto& diagnostic : result.diagnostics)
        texts.push_back(text_of(diagnostic));
    return texts;
}

inline std::vector<std::string> errors(const std::string& text,
                                       const std::vector<std::string>& overrides = {}) {
    return lines(check(text, overrides));
}

// A machine with the given devices, which start at line 3, column 1.
inline std::string with_devices(const std::string& devices) {
    return "{ \"boot\": { \"kernel\": \"k\" },\n\"devices\": [\n" + devices + "\n] }\n";
}

// A machine with the given member of the top level, which starts at line 2, column 1.
inline std::string with_member(const std::string& member) {
    return "{ \"boot\": { \"kernel\": \"k\" },\n" + member + "\n}\n";
}

inline const std::string complete_machine = R"({
  // A machine with everything in it.
  "name": "linux",
  "memory": "512M",
  "cpus": 2,
  "io_threads": 3,
  "on_reset": "exit",
  "boot": {
    "kernel": "build/vmlinuz",
    "initrd": "./initrd.gz", /* two
    lines */ "command_line": "console=ttyS0 \"q\" \u00e9\ud83d\ude00",
    "protocol": "linux64"
  },
  "plugins": ["extra.so", "/usr/lib/other.so"],
  "devices": [
    { "type": "serial-16550", "id": "com1", "port": "0x2f8", "irq": 3 },
    { "type": "char-stdio", "id": "console", "raw": false, "frontend": { "id": "com1", "parity": "odd" } },
    { "type": "virtio-blk", "id": "vda", "bus": "mmio" },
    { "type": "disk-file", "id": "disk", "path": "disk.img", "read_only": true, "size": "2G", "priority": -7,
      "frontend": { "id": "vda" } },
    { "type": "dual-serial", "id": "pair" },
    { "type": "char-stdio", "id": "second", "frontend": { "id": "pair.b" } }
  ]
}
)";

} // namespace plugbay::core::test
