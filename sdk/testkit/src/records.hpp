// What a Machine keeps of devices, links and each resource.
#pragma once

#include <plugbay/abi/access.h>
#include <plugbay/abi/cpuid.h>
#include <plugbay/abi/doorbell.h>
#include <plugbay/abi/fd.h>
#include <plugbay/abi/firmware.h>
#include <plugbay/abi/host.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/link.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/abi/region.h>
#include <plugbay/abi/state.h>
#include <plugbay/abi/statistics.h>
#include <plugbay/abi/timer.h>
#include <plugbay/abi/worker.h>
#include <plugbay/testkit/device.hpp>
#include <plugbay/testkit/peer.hpp>
#include <plugbay/testkit/plugin_file.hpp>
#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace plugbay::testkit::detail {

class Machine;
struct DeviceRecord;

// The table that a device gets; `raw` comes first, so its address is the whole's.
struct HostTable {
    plugbay_host raw;
    DeviceRecord* record;
};

enum class Phase {
    creating,
    stopped, // "quiesced" in the ABI's words
    running,
    quiescing, // quiesce returned PLUGBAY_PENDING
    destroying,
};

struct DeviceRecord {
    DeviceRecord(Machine& owner, std::string name)
        : machine(owner), id(std::move(name)), device(owner, *this) {}

    HostTable host{};
    Machine& machine;
    std::string id;
    std::shared_ptr<const PluginFile> plugin;
    const plugbay_device_type* type = nullptr;
    void* instance = nullptr;
    Phase phase = Phase::creating;
    bool started = false;
    DeviceRecord* predecessor = nullptr;        // of a successor that is not in its place yet
    bool replaced = false;                      // by a successor that has its place
    std::vector<std::function<void()>> effects; // of a successor on the guest, for when it has its place
    bool expects_successor = false;             // a swap is under way
    bool beside_another = false;                // a build elsewhere has its place, see Bench::leave()
    Properties properties;                      // as it was added with
    std::map<std::string, UniqueFd> left; // for the next build; of a successor: without a descriptor, removed
    bool quiesced_early = false;          // host->quiesced was called before quiesce returned
    std::string error;                    // what the device or the host said last about a failure
    Device device;

    const plugbay_access_callbacks* access = nullptr;
    const plugbay_doorbell_callbacks* doorbell = nullptr;
    const plugbay_timer_callbacks* timer = nullptr;
    const plugbay_fd_callbacks* fd = nullptr;
    const plugbay_link_callbacks* link = nullptr;
    const plugbay_state_callbacks* state = nullptr;
    const plugbay_statistics_callbacks* statistics = nullptr;
    const plugbay_pci_callbacks* pci = nullptr;
    const plugbay_pci_bus_callbacks* pci_bus = nullptr;
    const plugbay_firmware_callbacks* firmware = nullptr;
    const plugbay_msr_callbacks* msr = nullptr;
    const plugbay_hypercall_callbacks* hypercall = nullptr;
    const plugbay_worker_callbacks* worker = nullptr;
    const plugbay_host_event_callbacks* host_event = nullptr;
};

// --- resources; each in a map by its handle ---

// The successor that has asked for what its predecessor owns, and that is going to own it.
struct Heir {
    DeviceRecord* device = nullptr;
    std::uint64_t token = 0;
};

struct Region {
    DeviceRecord* owner = nullptr;
    MappedRange::Space space = MappedRange::Space::ports;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint64_t token = 0;
    bool active = true;          // BARs: decoded
    plugbay_handle function = 0; // BARs: whose
    int bar = -1;
    bool msix = false; // served by the host
    Heir heir = {};
};

struct MsrRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t flags = 0;
    std::uint64_t token = 0;
    Heir heir = {};
};

struct CpuidRecord {
    DeviceRecord* owner = nullptr;
    plugbay_cpuid_bits bits{};
    Heir heir = {};
};

struct HypercallRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint64_t token = 0;
    Heir heir = {};
};

struct MemoryRegionRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t kind = 0;
    std::uint32_t flags = 0;
    std::uint64_t address = 0;
    std::uint64_t token = 0;
    std::vector<std::byte> bytes = {};
    std::vector<std::uint64_t> dirty = {};
    Heir heir = {};
};

struct RamWatchRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t what = 0;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint64_t token = 0;
    Heir heir = {};
};

struct WorkQueueRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t capacity = 0;
    std::deque<std::uint64_t> submitted = {};
    std::deque<std::uint64_t> worked = {}; // done is to come
};

struct SubscriptionRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t kinds = 0;
    std::uint64_t token = 0;
    std::uint32_t dropped = 0;
    std::deque<plugbay_host_event> waiting = {};
};

struct DoorbellRecord {
    DeviceRecord* owner = nullptr;
    plugbay_handle region = 0;
    std::uint64_t offset = 0;
    std::uint32_t width = 0;
    std::uint32_t flags = 0;
    std::uint64_t value = 0;
    std::uint64_t token = 0;
    bool rung = false;
    Heir heir = {};
};

struct LineClaim {
    DeviceRecord* owner = nullptr;
    std::uint32_t gsi = 0;
    std::uint32_t flags = 0;
    bool level = false;
    Heir heir = {};
};

struct TimerRecord {
    DeviceRecord* owner = nullptr;
    std::uint32_t clock = 0;
    std::uint64_t token = 0;
    bool armed = false;
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};

struct WatchRecord {
    DeviceRecord* owner = nullptr;
    int fd = -1;
    std::uint32_t events = 0;
    std::uint64_t token = 0;
};

struct MapRecord {
    DeviceRecord* owner = nullptr;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint32_t access = 0;
    bool expired = false; // by a quiesce
};

// One end of a link: a device's port or a fake.
struct End {
    DeviceRecord* device = nullptr;
    Peer* peer = nullptr;
    std::uint32_t port = 0;
    std::uint32_t role = 0;
    std::string name;
    const void* table = nullptr; // what this end implements
    void* instance = nullptr;
    // With which this end calls the other. A cell of its own: the device keeps its address.
    std::unique_ptr<plugbay_link> link = std::make_unique<plugbay_link>();
    bool told = false; // its connected succeeded
};

// `end` calls `other` from now on.
void attach(End& end, const End& other);

struct Connection {
    End frontend;
    End backend;
    Properties options; // of the frontend's port
};

} // namespace plugbay::testkit::detail
