#include "core/bus/gate.hpp"

#include "core/bus/access_bus.hpp"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <thread>
#include <vector>

namespace plugbay::core {
namespace {

using namespace std::chrono_literals;

// A device that counts how many threads are in its callbacks at once.
struct Counting {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::atomic<int> calls{0};
    std::atomic<bool> stay{false};

    std::uint64_t read() {
        const int now = ++inside;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        ++calls;
        while (stay.load())
            std::this_thread::yield();
        --inside;
        return 7;
    }
};

constexpr plugbay_access_callbacks counting_callbacks{
    sizeof counting_callbacks, 0,
    [](void* i, std::uint64_t, std::uint64_t, std::uint32_t) { return static_cast<Counting*>(i)->read(); },
    [](void* i, std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t) {
        static_cast<Counting*>(i)->read();
    }};

class GateTest : public ::testing::Test {
  protected:
    GateTest() {
        slot.binding.store(&binding);
        slot.lock.store(&lock);
        static_cast<void>(bus.place_memory(region));
    }
    // One guest read on a thread of its own.
    std::thread reader(std::atomic<std::uint64_t>& answer) {
        return std::thread([&] {
            Presence presence;
            bus.presences().add(presence);
            answer = bus.read_memory(presence, 0x1000, 4);
            bus.presences().remove(presence);
        });
    }

    AccessBus bus;
    Counting device;
    CallbackLock lock;
    const Binding binding{.type = nullptr, .instance = &device, .access = &counting_callbacks};
    Slot slot;
    const Region region{.base = 0x1000, .length = 0x1000, .slot = &slot};
};

TEST_F(GateTest, AccessesWaitWhileItIsClosed) {
    std::atomic<std::uint64_t> answer{0};
    std::thread thread;
    {
        const GateClosed closed(slot, bus.presences());
        thread = reader(answer);
        std::this_thread::sleep_for(30ms);
        EXPECT_EQ(device.calls, 0);
    }
    thread.join();
    EXPECT_EQ(device.calls, 1);
    EXPECT_EQ(answer, 7U);
}

TEST_F(GateTest, ClosingWaitsForAccessesInside) {
    device.stay = true;
    std::atomic<std::uint64_t> answer{0};
    std::thread thread = reader(answer);
    while (device.inside == 0)
        std::this_thread::yield();
    std::atomic<bool> is_closed{false};
    std::thread closer([&] {
        const GateClosed closed(slot, bus.presences());
        is_closed = true;
        EXPECT_EQ(device.inside, 0);
    });
    std::this_thread::sleep_for(30ms);
    EXPECT_FALSE(is_closed);
    device.stay = false;
    closer.join();
    thread.join();
    EXPECT_EQ(answer, 7U);
}

TEST_F(GateTest, ClosingGivesUpAtItsDeadline) {
    device.stay = true;
    std::atomic<std::uint64_t> answer{0};
    std::thread thread = reader(answer);
    while (device.inside == 0)
        std::this_thread::yield();
    std::atomic<std::uint64_t> next{0};
    std::thread waits;
    {
        const GateClosed closed(slot, bus.presences(), std::chrono::steady_clock::now() + 20ms);
        EXPECT_EQ(closed.inside(), 0U) << "the number of the reader's presence";
        waits = reader(next);
        std::this_thread::sleep_for(20ms);
        EXPECT_EQ(device.calls, 1) << "nobody else comes in meanwhile";
    }
    device.stay = false;
    thread.join();
    waits.join();
    EXPECT_EQ(answer, 7U);
    EXPECT_EQ(next, 7U) << "the gate is open again";
    const GateClosed closed(slot, bus.presences(), std::chrono::steady_clock::now() + 10s);
    EXPECT_EQ(closed.inside(), std::nullopt);
}

TEST_F(GateTest, SlotWithoutADeviceReadsAllOnes) {
    slot.binding.store(nullptr);
    std::atomic<std::uint64_t> answer{0};
    reader(answer).join();
    EXPECT_EQ(answer, 0xffff'ffffU);
    EXPECT_EQ(device.calls, 0);
}

TEST_F(GateTest, OnlyAConcurrentDeviceIsEnteredTwiceAtOnce) {
    for (const bool concurrent : {false, true}) {
        slot.lock.store(concurrent ? nullptr : &lock);
        device.calls = device.most = 0;
        device.stay = true;
        std::atomic<std::uint64_t> answers[2] = {0, 0};
        std::thread first = reader(answers[0]);
        std::thread second = reader(answers[1]);
        for (int i = 0; i < 5000 && device.inside < 2 && (concurrent || i < 30); ++i)
            std::this_thread::sleep_for(1ms);
        device.stay = false;
        first.join();
        second.join();
        EXPECT_EQ(device.most, concurrent ? 2 : 1);
        EXPECT_EQ(device.calls, 2);
    }
}

TEST(CallbackLock, IsRecursive) {
    CallbackLock lock;
    EXPECT_FALSE(lock.held());
    lock.lock();
    lock.lock();
    lock.unlock();
    EXPECT_TRUE(lock.held());
    std::atomic<bool> entered{false};
    std::thread other([&] {
        EXPECT_FALSE(lock.held());
        const std::lock_guard guard(lock);
        entered = true;
    });
    std::this_thread::sleep_for(20ms);
    EXPECT_FALSE(entered) << "one of two levels is still held";
    lock.unlock();
    other.join();
    EXPECT_TRUE(entered);
    EXPECT_FALSE(lock.held());
}

TEST(CallbackLock, WaitsUntilADeadline) {
    CallbackLock lock;
    const auto soon = [] { return std::chrono::steady_clock::now() + 20ms; };
    ASSERT_TRUE(lock.try_lock_until(soon()));
    EXPECT_TRUE(lock.try_lock_until(soon())) << "by who holds it already";
    lock.unlock();
    std::thread other([&] { EXPECT_FALSE(lock.try_lock_until(soon())); });
    other.join();
    other = std::thread([&] {
        EXPECT_TRUE(lock.try_lock_until(std::chrono::steady_clock::now() + 10s));
        lock.unlock();
    });
    std::this_thread::sleep_for(20ms);
    lock.unlock();
    other.join();
}

// Ends only when every sleeper is woken; the sleeps make waiters give up spinning.
TEST(CallbackLock, ExcludesOthersAndLosesNoWakeUp) {
    CallbackLock lock;
    std::uint64_t count = 0; // plain: the lock is what makes it right
    constexpr int rounds = 20'000;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                const std::lock_guard outer(lock);
                const std::lock_guard inner(lock);
                ++count;
                if (i % 512 == t) std::this_thread::sleep_for(50us);
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(count, std::uint64_t{4} * rounds);
}

// Readers and writers on ports and memory, while regions come and go and gates close.
TEST_F(GateTest, StressOfAccessesAgainstChanges) {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> answered{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            Presence presence;
            bus.presences().add(presence);
            std::uint64_t mine = 0;
            for (std::uint64_t i = 0; !stop; ++i) {
                const std::uint64_t address = 0x1000 + (i + static_cast<std::uint64_t>(t)) % 4 * 0x1000;
                const std::uint64_t value = bus.read_memory(presence, address, 4);
                EXPECT_TRUE(value == 7 || value == 0xffff'ffff) << value;
                mine += value == 7 ? 1 : 0;
                bus.write_port(presence, 0x80, 1, i);
                bus.write_memory(presence, address, 8, i);
            }
            answered += mine;
            bus.presences().remove(presence);
        });
    }
    const auto end = std::chrono::steady_clock::now() + 1500ms;
    while (std::chrono::steady_clock::now() < end) {
        auto own_slot = std::make_shared<Slot>();
        own_slot->binding.store(&binding);
        own_slot->lock.store(&lock);
        auto memory = std::make_shared<const Region>(
            Region{.base = 0x2000, .length = 0x1000, .slot = own_slot.get(), .keeps = own_slot});
        auto ports = std::make_shared<const Region>(
            Region{.base = 0x80, .length = 1, .slot = own_slot.get(), .keeps = own_slot});
        EXPECT_TRUE(bus.place_memory(*memory).placed);
        EXPECT_TRUE(bus.place_ports(*ports).placed);
        {
            const GateClosed closed(slot, bus.presences());
            EXPECT_EQ(slot.closed.load(), 1U);
        }
        {
            const GateClosed closed(*own_slot, bus.presences());
            own_slot->binding.store(nullptr);
        }
        own_slot.reset(); // as a device that is gone
        const Region& raw_memory = *memory;
        const Region& raw_ports = *ports;
        bus.remove_memory(raw_memory, std::move(memory));
        bus.remove_ports(raw_ports, std::move(ports));
    }
    stop = true;
    for (auto& thread : threads)
        thread.join();
    EXPECT_GT(answered, 0U);
}

} // namespace
} // namespace plugbay::core
