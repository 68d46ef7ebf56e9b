// From a guest access to the device that answers it. The whole access path of the core is in this file and
// its .cpp: look up the region, publish the slot, check the gate, serialise, call.
#pragma once

#include "core/base/log.hpp"
#include "core/bus/hypercall_map.hpp"
#include "core/bus/memory_map.hpp"
#include "core/bus/msr_map.hpp"
#include "core/bus/port_map.hpp"
#include "core/bus/presence.hpp"
#include "core/bus/region.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace plugbay::core {

struct Slot;

class AccessBus {
  public:
    AccessBus() : memory_(presences_), msrs_(presences_), hypercalls_(presences_) {}

    // --- guest accesses: any thread that owns `presence` and has added it; no lock is shared between
    // devices, nothing is allocated or logged (but for a rate-limited line about an unmapped address).
    // `width`: 1, 2, 4 (ports), also 8 (memory). Unmapped: reads give all ones, writes are ignored.
    [[nodiscard]] std::uint64_t read_port(Presence& presence, std::uint16_t port, std::uint32_t width);
    void write_port(Presence& presence, std::uint16_t port, std::uint32_t width, std::uint64_t value);
    [[nodiscard]] std::uint64_t read_memory(Presence& presence, std::uint64_t address, std::uint32_t width);
    void write_memory(Presence& presence, std::uint64_t address, std::uint32_t width, std::uint64_t value);

    // --- the maps: any thread.

    // What is in the way of a range; a copy, because its owner may take it away at any time.
    struct Obstacle {
        std::uint64_t base;
        std::uint64_t length;
        std::string owner; // the device's id
    };
    // Takes the range, or fails with the region in the way (none when the range itself is impossible).
    struct Placement {
        bool placed = false;
        std::optional<Obstacle> obstacle = {};
    };
    [[nodiscard]] Placement place_ports(const Region& region);
    [[nodiscard]] Placement place_memory(const Region& region);
    // After these no new access reaches the region; `garbage`, which owns it, is freed when the last access
    // has left.
    void remove_ports(const Region& region, std::shared_ptr<const void> garbage);
    void remove_memory(const Region& region, std::shared_ptr<const void> garbage);

    [[nodiscard]] MsrMap& msrs() { return msrs_; }
    [[nodiscard]] HypercallMap& hypercalls() { return hypercalls_; }
    [[nodiscard]] PresenceList& presences() { return presences_; }

  private:
    [[nodiscard]] std::uint64_t read(Presence& presence, const Region& region, std::uint64_t offset,
                                     std::uint32_t width);
    void write(Presence& presence, const Region& region, std::uint64_t offset, std::uint32_t width,
               std::uint64_t value);
    void report_unmapped(const char* what, std::uint64_t address, std::uint32_t width);

    PresenceList presences_;
    PortMap ports_;
    MemoryMap memory_;
    MsrMap msrs_;
    HypercallMap hypercalls_;
    std::mutex mutex_; // serialises changes of the maps
    LimitedLog unmapped_reports_{Subsystem::bus};
};

} // namespace plugbay::core
