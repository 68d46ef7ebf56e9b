// What finding the device of an access costs as machines grow: 1 to 1,000 devices, accessed in random order by 1 to 4
// threads at once, each as a virtual CPU would (core/bus: look up, publish the slot, check the gate, call). No KVM.
// Prints nanoseconds of processor time an access, and what 1,000 devices cost beside one. Then what of an access to one
// device is the gate's, the counters' and the lock's: the same way with parts left out, which only this program can.
#include "core/bus/access_bus.hpp"
#include "core/bus/gate.hpp"
#include "core/bus/port_map.hpp"
#include "core/device/callback_lock.hpp"
#include "core/device/slot.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <latch>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace plugbay::core;

constexpr std::size_t accesses = 2'000'000; // of each thread
constexpr std::array<std::size_t, 4> device_counts{1, 10, 100, 1000};

// Devices of sixteen ports and a page of memory each, which do nothing.
class Population {
  public:
    explicit Population(std::size_t count) {
        static constexpr plugbay_access_callbacks callbacks{
            sizeof callbacks, 0,
            [](void*, std::uint64_t, std::uint64_t offset, std::uint32_t) -> std::uint64_t { return offset; },
            [](void*, std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t) {}};
        for (std::size_t i = 0; i < count; ++i) {
            slots_.push_back(std::make_unique<Slot>());
            bindings_.push_back(std::make_unique<Binding>(Binding{nullptr, this, &callbacks}));
            slots_.back()->binding.store(bindings_.back().get());
            for (const bool port : {true, false}) {
                regions_.push_back(std::make_unique<Region>(Region{.base = port ? port_of(i) : address_of(i),
                                                                   .length = port ? 16U : 4096U,
                                                                   .slot = slots_.back().get()}));
                const auto placed =
                    port ? bus.place_ports(*regions_.back()) : bus.place_memory(*regions_.back());
                if (!placed.placed) std::abort();
            }
        }
    }
    static std::uint16_t port_of(std::size_t device) {
        return static_cast<std::uint16_t>(0x1000 + 16 * device);
    }
    static std::uint64_t address_of(std::size_t device) { return 0xd000'0000 + 0x2000 * device; }

    AccessBus bus;

  private:
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<std::unique_ptr<Binding>> bindings_;
    std::vector<std::unique_ptr<Region>> regions_;
};

double thread_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Nanoseconds an access, the mean of the threads.
double measure(std::size_t devices, std::size_t threads, bool ports) {
    Population population(devices);
    std::vector<double> seconds(threads);
    std::latch start(static_cast<std::ptrdiff_t>(threads));
    std::vector<std::thread> running;
    for (std::size_t number = 0; number < threads; ++number) {
        running.emplace_back([&, number] {
            std::mt19937 random(static_cast<std::uint32_t>(number));
            std::vector<std::uint32_t> order(4096);
            for (auto& each : order)
                each = static_cast<std::uint32_t>(random() % devices);
            Presence presence;
            population.bus.presences().add(presence);
            start.arrive_and_wait();
            const double before = thread_seconds();
            for (std::size_t i = 0; i < accesses; ++i) {
                const std::size_t device = order[i % order.size()];
                if (ports) {
                    population.bus.write_port(presence, Population::port_of(device), 1, i);
                } else {
                    population.bus.write_memory(presence, Population::address_of(device), 4, i);
                }
            }
            seconds[number] = thread_seconds() - before;
            population.bus.presences().remove(presence);
        });
    }
    double sum = 0;
    for (std::size_t number = 0; number < threads; ++number) {
        running[number].join();
        sum += seconds[number];
    }
    return sum / static_cast<double>(threads * accesses) * 1e9;
}

// --- parts of an access

// One device with a port, reached as AccessBus::write_port reaches it.
class OneDevice {
  public:
    OneDevice() {
        static constexpr plugbay_access_callbacks callbacks{
            sizeof callbacks, 0,
            [](void*, std::uint64_t, std::uint64_t offset, std::uint32_t) -> std::uint64_t { return offset; },
            [](void*, std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t) {}};
        binding_ = {nullptr, this, &callbacks};
        slot_.binding.store(&binding_);
        ports_.insert(region_);
        presences_.add(presence_);
    }
    OneDevice(const OneDevice&) = delete;
    OneDevice& operator=(const OneDevice&) = delete;
    ~OneDevice() { presences_.remove(presence_); }
    void serialise() { slot_.lock.store(&lock_); }

    // Enters the slot by `inside(presence, slot, call)`.
    template <typename Inside>
    [[gnu::noinline]] void write(std::uint16_t port, std::uint32_t width, std::uint64_t value,
                                 Inside inside) {
        presence_.begin_lookup(presences_.epoch());
        const Region* const region = ports_.find(port);
        if (region != nullptr && region->holds(port, width)) {
            inside(presence_, *region->slot, [&](const Binding& binding) {
                binding.access->write(binding.instance, region->token, port - region->base, width, value);
            });
        }
        presence_.end_lookup();
    }

  private:
    Slot slot_;
    CallbackLock lock_;
    Binding binding_;
    const Region region_{.base = 0x1000, .length = 16, .slot = &slot_};
    PresenceList presences_;
    Presence presence_;
    PortMap ports_;
};

// As inside_slot in core/bus/gate.hpp, which is what the monitor does, but without the gate.
constexpr auto without_gate = [](Presence& presence, Slot& slot, auto&& call) {
    if (const Binding* binding = slot.binding.load(std::memory_order_acquire)) {
        if (CallbackLock* lock = slot.lock.load(std::memory_order_acquire)) {
            const std::lock_guard guard(*lock);
            counted(presence, slot.counts.front(), AccessKind::write, [&] { call(*binding); });
        } else {
            counted(presence, slot.counts_of(presence.number()), AccessKind::write, [&] { call(*binding); });
        }
    }
};
constexpr auto without_gate_and_counting = [](Presence&, Slot& slot, auto&& call) {
    if (const Binding* binding = slot.binding.load(std::memory_order_acquire)) {
        if (CallbackLock* lock = slot.lock.load(std::memory_order_acquire)) {
            const std::lock_guard guard(*lock);
            call(*binding);
        } else {
            call(*binding);
        }
    }
};
constexpr auto whole = [](Presence& presence, Slot& slot, auto&& call) {
    inside_slot(presence, slot, AccessKind::write, call);
};

template <typename Inside>
double nanoseconds(OneDevice& device, Inside inside) {
    const double before = thread_seconds();
    for (std::size_t i = 0; i < accesses; ++i)
        device.write(0x1000 + (i & 7), 1, i, inside);
    return (thread_seconds() - before) / static_cast<double>(accesses) * 1e9;
}

// The least of several, taken in turn: what else the machine does only adds.
void measure_parts(bool serialised) {
    constexpr int repetitions = 15;
    OneDevice device;
    if (serialised) device.serialise();
    std::array<double, 3> least{1e9, 1e9, 1e9};
    for (int i = 0; i < repetitions; ++i) {
        least[0] = std::min(least[0], nanoseconds(device, whole));
        least[1] = std::min(least[1], nanoseconds(device, without_gate));
        least[2] = std::min(least[2], nanoseconds(device, without_gate_and_counting));
    }
    std::printf("%-22s  %8.2f     %8.2f            %8.2f        %8.2f  %7.2fx\n",
                serialised ? "a serialised device" : "a concurrent device", least[0], least[1], least[2],
                least[0] - least[1], least[0] / least[1]);
}

} // namespace

int main() {
    std::printf("dispatch, ns an access    1 thread  2 threads  3 threads  4 threads\n");
    for (const bool ports : {true, false}) {
        std::array<std::array<double, 4>, device_counts.size()> table{};
        for (std::size_t row = 0; row < device_counts.size(); ++row) {
            std::printf("%-7s %4zu devices     ", ports ? "ports" : "memory", device_counts[row]);
            for (std::size_t threads = 1; threads <= 4; ++threads) {
                table[row][threads - 1] = measure(device_counts[row], threads, ports);
                std::printf("  %8.1f ", table[row][threads - 1]);
            }
            std::printf("\n");
        }
        std::printf("%-7s 1000 beside 1    ", ports ? "ports" : "memory");
        for (std::size_t threads = 0; threads < 4; ++threads)
            std::printf("  %8.2fx", table.back()[threads] / table.front()[threads]);
        std::printf("\n");
    }
    std::printf("a port write, ns          all     no gate     nor counting     the gate    ratio\n");
    for (const bool serialised : {false, true})
        measure_parts(serialised);
    return 0;
}
