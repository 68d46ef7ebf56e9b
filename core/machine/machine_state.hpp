// What a machine is at one moment, but for its RAM: as it is saved and restored. Plain values; states are images as in
// docs/state-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

struct DeviceState {
    std::string id = {};
    std::string type = {};
    // The build that saved it.
    std::string plugin = {};
    std::string version = {};
    std::uint32_t state_version = 0;
    std::vector<std::byte> state = {};
    // What the core keeps of it: Resource::save().
    struct Held {
        std::string name; // Resource::describe()
        std::vector<std::byte> state;
    };
    std::vector<Held> held = {};
    // What the guest knows of it: Resource::describe(), sorted. Empty optional: nobody wrote it down.
    std::optional<std::vector<std::string>> guest_visible = {};
};

struct MachineState {
    std::vector<DeviceState> devices = {};          // oldest first
    std::vector<std::vector<std::byte>> vcpus = {}; // by index
    std::vector<std::byte> chips = {};              // interrupt controllers and timer of KVM's
    std::vector<std::byte> clock = {};              // what KVM tells the guest of time
    std::vector<std::byte> processor = {};          // what the guest knows of its processors: ProcessorFacts
    std::uint64_t guest_time = 0;                   // nanoseconds on devices' clock
};

} // namespace plugbay::core
