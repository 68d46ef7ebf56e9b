// What a device reaches of its machine through the host tables. References outlive every device.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace plugbay::core {

class AccessBus;
class CpuidEdits;
class FirmwareRecords;
class GuestClock;
class GuestMemory;
class InterruptLines;
class IoLoop;
class PciBuses;
class Platform;
class RamWatches;
class HostEvents;
class WorkerPool;

// How a running machine comes to an end, or begins again.
struct MachineRequest {
    enum class Kind { power_off, reset, exit };
    Kind kind = Kind::power_off;
    std::uint32_t status = 0; // exit only
    std::string device = {};  // who asked
};

struct MachineServices {
    GuestMemory& memory;
    AccessBus& bus;
    Platform& platform;
    InterruptLines& lines;
    PciBuses& pci;
    FirmwareRecords& firmware;
    CpuidEdits& cpuid;
    RamWatches& ram_watches;
    WorkerPool& workers;
    HostEvents& events;
    GuestClock& clock;
    std::uint32_t cpu_count;
    // Thread: any. The first request of a run wins.
    std::function<void(MachineRequest)> request;
    // Thread: any. PciBus::take_ejected() of some bus has something for the control thread.
    std::function<void()> attention;
    // How long a device may take to finish what is in flight. Longer than a disk's own error recovery.
    std::chrono::milliseconds quiesce_limit = std::chrono::seconds(30);
};

} // namespace plugbay::core
