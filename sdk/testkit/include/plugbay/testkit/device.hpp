// One device on a Bench, and what a test may ask about it.
#pragma once

#include <plugbay/abi/plugin.h>
#include <plugbay/state_image.hpp>
#include <plugbay/testkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay::testkit {

namespace detail {
class Machine;
struct DeviceRecord;
} // namespace detail

// What a device tells of itself by plugbay.statistics/1.
struct Statistic {
    std::string name;
    std::uint32_t kind = 0; // PLUGBAY_STATISTIC_...
    std::uint64_t value = 0;
};

// Written as in a machine file: {{"port", "0x3f8"}, {"size", "64K"}, {"enabled", "true"}}.
using Properties = std::vector<std::pair<std::string, std::string>>;

// A range of guest ports or addresses that reaches a device.
struct MappedRange {
    enum class Space { ports, memory };
    Space space = Space::ports;
    std::uint64_t first = 0;
    std::uint64_t length = 0;
    int bar = -1; // of a PCI function, decoded at the moment; -1: mapped with plugbay.access/1
};

// Handles that a device holds from the host, by kind.
struct Holdings {
    std::size_t regions = 0;
    std::size_t doorbells = 0;
    std::size_t lines = 0;
    std::size_t timers = 0;
    std::size_t watches = 0;
    std::size_t functions = 0; // PCI functions; a bus lives as long as its bridge
    std::size_t maps = 0;      // memory maps not ended (a quiesce ends them)
    std::size_t msrs = 0;
    std::size_t cpuid = 0;
    std::size_t hypercalls = 0;
    std::size_t memory_regions = 0;
    std::size_t ram_watches = 0;
    std::size_t work_queues = 0;
    std::size_t subscriptions = 0;
    [[nodiscard]] std::size_t total() const {
        return regions + doorbells + lines + timers + watches + functions + maps + msrs + cpuid + hypercalls +
               memory_regions + ram_watches + work_queues + subscriptions;
    }
};

// Valid until it is removed from its Bench, or its build is replaced: Bench::device gives the new one then.
class Device {
  public:
    Device(detail::Machine& machine, detail::DeviceRecord& record) : machine_(machine), record_(record) {}
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    [[nodiscard]] const std::string& id() const;
    [[nodiscard]] const plugbay_device_type& type() const;
    [[nodiscard]] Holdings holdings() const;
    [[nodiscard]] std::vector<MappedRange> ranges() const;
    // The interrupt lines that it has claimed, oldest claim first.
    [[nodiscard]] std::vector<unsigned> lines() const;
    // The text of its latest set_error, or of the latest host call that refused it something.
    [[nodiscard]] const std::string& last_error() const;

    // Its numbers now, in its order; none when it has no such table. At any time.
    [[nodiscard]] std::vector<Statistic> statistics();
    // The one of that name; throws Error when there is none.
    [[nodiscard]] std::uint64_t statistic(std::string_view name);

    // The device's state. The machine must not be running: before start, or between quiesce and resume.
    [[nodiscard]] StateImage save();
    // Refuses an image of another type or version, fields nobody asked for, and what the device refuses.
    Outcome try_load(const StateImage& image);
    void load(const StateImage& image); // throws Error

  private:
    detail::Machine& machine_;
    detail::DeviceRecord& record_;
};

} // namespace plugbay::testkit
