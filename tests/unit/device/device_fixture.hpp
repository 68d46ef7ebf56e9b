// A machine without a hypervisor: real bus, clock, lines, buses and loop around a FakePlatform, and a device
// whose behaviour each test writes into it.
#pragma once

#include "core/bus/access_bus.hpp"
#include "core/device/cpuid_edits.hpp"
#include "core/device/device.hpp"
#include "core/device/firmware_records.hpp"
#include "core/device/guest_clock.hpp"
#include "core/device/host_events.hpp"
#include "core/device/interrupt_lines.hpp"
#include "core/device/ram_watches.hpp"
#include "core/io/io_loop.hpp"
#include "core/io/worker_pool.hpp"
#include "core/memory/guest_memory.hpp"
#include "core/pci/pci_bus.hpp"
#include "tests/unit/device/fake_platform.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/doorbell.h>
#include <plugbay/abi/fd.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/link.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/statistics.h>
#include <plugbay/abi/timer.h>
#include <plugbay/abi/worker.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace plugbay::core {

// What a device does; empty functions succeed and do nothing. `self` is the instance.
struct Script {
    const plugbay_host* host = nullptr; // set by create
    std::function<plugbay_status(const plugbay_host*)> create = {};
    bool give_instance = true;
    std::function<plugbay_status()> start = {};
    std::function<plugbay_status()> quiesce = {};
    std::function<void()> resume = {};
    std::function<void()> destroy = {};
    std::function<std::uint64_t(std::uint64_t, std::uint64_t, std::uint32_t)> read = {};
    std::function<void(std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t)> write = {};
    std::function<void(std::uint64_t)> rung = {};
    std::function<void(std::uint64_t)> expired = {};
    std::function<void(std::uint64_t, int, std::uint32_t)> ready = {};
    std::function<plugbay_status(std::uint64_t, const plugbay_link*)> connected = {};
    std::function<void(std::uint64_t)> disconnected = {};
    std::function<std::uint32_t(std::uint32_t, std::uint32_t, std::uint32_t)> config_read = {};
    std::function<void(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t)> config_write = {};

    std::function<plugbay_status(std::uint64_t, std::uint32_t, std::uint64_t*)> msr_read = {};
    std::function<plugbay_status(std::uint64_t, std::uint32_t, std::uint64_t)> msr_write = {};

    std::function<void(std::uint64_t, plugbay_hypercall_registers*)> call = {};
    std::function<void(std::uint64_t)> work = {};
    std::function<void(std::uint64_t)> done = {};
    std::function<void(std::uint64_t, plugbay_host_event)> event = {};
    std::function<void(const plugbay_statistics_writer*)> numbers = {};

    template <typename Table>
    [[nodiscard]] const Table& table(const char* id) const {
        return *static_cast<const Table*>(host->extension(host, id));
    }
};

// The C table of a scripted device. create() has no argument that says which script to play.
namespace scripted {

inline Script* next = nullptr;

inline Script& self(void* instance) {
    return *static_cast<Script*>(instance);
}
template <typename Function, typename... Arguments>
auto play(const Function& function, Arguments... arguments) {
    using Value = decltype(function(arguments...));
    if constexpr (std::is_void_v<Value>) {
        if (function) function(arguments...);
    } else {
        return function ? function(arguments...) : Value{};
    }
}

inline const void* extension(const char* raw_id) {
    static constexpr plugbay_access_callbacks access{
        sizeof access, 0,
        [](void* i, std::uint64_t token, std::uint64_t offset, std::uint32_t width) {
            return play(self(i).read, token, offset, width);
        },
        [](void* i, std::uint64_t token, std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
            play(self(i).write, token, offset, width, value);
        }};
    static constexpr plugbay_doorbell_callbacks doorbell{
        sizeof doorbell, 0, [](void* i, std::uint64_t token) { play(self(i).rung, token); }};
    static constexpr plugbay_timer_callbacks timer{
        sizeof timer, 0, [](void* i, std::uint64_t token) { play(self(i).expired, token); }};
    static constexpr plugbay_fd_callbacks fd{
        sizeof fd, 0, [](void* i, std::uint64_t token, int descriptor, std::uint32_t events) {
            play(self(i).ready, token, descriptor, events);
        }};
    static constexpr plugbay_link_callbacks link{
        sizeof link, 0,
        [](void* i, std::uint64_t port, const plugbay_link* peer, const plugbay_value*, std::uint32_t) {
            return play(self(i).connected, port, peer);
        },
        [](void* i, std::uint64_t port) { play(self(i).disconnected, port); }};
    static constexpr plugbay_pci_callbacks pci{
        sizeof pci, 0,
        [](void* i, std::uint32_t capability, std::uint32_t offset, std::uint32_t width) {
            return play(self(i).config_read, capability, offset, width);
        },
        [](void* i, std::uint32_t capability, std::uint32_t offset, std::uint32_t width,
           std::uint32_t value) { play(self(i).config_write, capability, offset, width, value); }};
    static constexpr plugbay_msr_callbacks msr{
        sizeof msr, 0,
        [](void* i, std::uint64_t token, std::uint32_t index, std::uint64_t* value) {
            return play(self(i).msr_read, token, index, value);
        },
        [](void* i, std::uint64_t token, std::uint32_t index, std::uint64_t value) {
            return play(self(i).msr_write, token, index, value);
        }};
    static constexpr plugbay_hypercall_callbacks hypercall{
        sizeof hypercall, 0, [](void* i, std::uint64_t token, plugbay_hypercall_registers* registers) {
            play(self(i).call, token, registers);
        }};
    static constexpr plugbay_worker_callbacks worker{
        sizeof worker, 0, [](void* i, std::uint64_t token) { play(self(i).work, token); },
        [](void* i, std::uint64_t token) { play(self(i).done, token); }};
    static constexpr plugbay_host_event_callbacks host_event{
        sizeof host_event, 0, [](void* i, std::uint64_t token, const plugbay_host_event* event) {
            play(self(i).event, token, *event);
        }};
    static constexpr plugbay_statistics_callbacks statistics{
        sizeof statistics, 0,
        [](void* i, const plugbay_statistics_writer* writer) { play(self(i).numbers, writer); }};
    static constexpr int role_table = 0; // what links point at; nobody calls through it
    const std::string_view id(raw_id);
    if (id == PLUGBAY_ACCESS) return &access;
    if (id == PLUGBAY_DOORBELL) return &doorbell;
    if (id == PLUGBAY_TIMER) return &timer;
    if (id == PLUGBAY_FD) return &fd;
    if (id == PLUGBAY_LINK) return &link;
    if (id == PLUGBAY_PCI) return &pci;
    if (id == PLUGBAY_MSR) return &msr;
    if (id == PLUGBAY_HYPERCALL) return &hypercall;
    if (id == PLUGBAY_WORKER) return &worker;
    if (id == PLUGBAY_HOST_EVENT) return &host_event;
    if (id == PLUGBAY_STATISTICS) return &statistics;
    if (id.ends_with(".frontend") || id.ends_with(".backend")) return &role_table;
    return nullptr;
}

inline plugbay_device_type make_type(std::uint32_t flags = 0) {
    plugbay_device_type type{};
    type.size = sizeof type;
    type.flags = flags;
    type.name = "scripted";
    type.help = "Does what a test says.";
    type.create = [](const plugbay_host* host, const plugbay_value*, std::uint32_t, void** instance) {
        Script& script = *next;
        script.host = host;
        if (script.give_instance) *instance = &script;
        return play(script.create, host);
    };
    type.destroy = [](void* i) { play(self(i).destroy); };
    type.start = [](void* i) { return play(self(i).start); };
    type.quiesce = [](void* i) { return play(self(i).quiesce); };
    type.resume = [](void* i) { play(self(i).resume); };
    type.reset = [](void*) {};
    type.extension = &extension;
    return type;
}

inline const plugbay_device_type type = make_type();
inline const plugbay_device_type concurrent_type = make_type(PLUGBAY_DEVICE_CONCURRENT);

} // namespace scripted

// Waits for what other threads do; false after ten seconds, which no working machine needs.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition) {
    for (int i = 0; i < 10'000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}
// Long enough for an event that must not happen to happen.
inline void let_pass() {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
}

class DeviceTest : public ::testing::Test {
  protected:
    DeviceTest() { bus.presences().add(presence); }
    ~DeviceTest() override { bus.presences().remove(presence); }

    [[nodiscard]] std::unique_ptr<Device> make(const std::string& id,
                                               const plugbay_device_type& type = scripted::type) {
        auto device = std::make_unique<Device>(id, LoadedType{nullptr, &type}, services, *loop);
        CallbackLock* const own = &device->lock();
        CallbackLock::regroup({&own, 1}, lock);
        return device;
    }
    [[nodiscard]] Result<void> create(Device& device, Script& script) {
        scripted::next = &script;
        return device.create({});
    }
    // Created and started, or the test fails.
    [[nodiscard]] std::unique_ptr<Device> run(const std::string& id, Script& script) {
        auto device = make(id);
        const auto created = create(*device, script);
        EXPECT_TRUE(created) << created.error().text();
        EXPECT_TRUE(device->start());
        return device;
    }

    FakePlatform platform;
    std::unique_ptr<GuestMemory> memory = std::move(*GuestMemory::create(16 << 20));
    AccessBus bus;
    InterruptLines lines{platform};
    PciBuses pci;
    FirmwareRecords firmware;
    CpuidEdits cpuid;
    RamWatches ram_watches{platform};
    WorkerPool workers;
    HostEvents events;
    GuestClock clock;
    std::vector<MachineRequest> requests;
    MachineServices services{*memory,
                             bus,
                             platform,
                             lines,
                             pci,
                             firmware,
                             cpuid,
                             ram_watches,
                             workers,
                             events,
                             clock,
                             1,
                             [this](MachineRequest request) { requests.push_back(std::move(request)); },
                             [this] { ++attentions; }};
    std::unique_ptr<IoLoop> loop = std::move(*IoLoop::create("test"));
    CallbackLock lock; // of the group that all devices form
    int attentions = 0;
    Presence presence;
};

} // namespace plugbay::core
