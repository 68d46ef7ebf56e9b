#include "core/bus/access_bus.hpp"
#include "core/bus/gate.hpp"
#include "core/device/slot.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace plugbay::core {
namespace {

// Answers reads with its number and the offset, and remembers the last write.
class Numbered : public AccessHandler {
  public:
    explicit Numbered(std::uint64_t number) : number_(number) {}
    std::uint64_t read(std::uint64_t offset, std::uint32_t) override { return number_ << 8 | offset; }
    void write(std::uint64_t offset, std::uint32_t width, std::uint64_t value) override {
        written = {offset, width, value};
    }
    std::vector<std::uint64_t> written;

  private:
    std::uint64_t number_;
};

class AccessBusTest : public ::testing::Test {
  protected:
    AccessBusTest() { bus.presences().add(presence); }
    ~AccessBusTest() override { bus.presences().remove(presence); }

    [[nodiscard]] static std::shared_ptr<Region> region(std::uint64_t base, std::uint64_t length,
                                                        AccessHandler& handler) {
        return std::make_shared<Region>(Region{.base = base, .length = length, .handler = &handler});
    }

    AccessBus bus;
    Presence presence;
    Numbered one{1};
    Numbered two{2};
};

TEST_F(AccessBusTest, FindsTheRegionThatHoldsTheWholeAccess) {
    const auto ports = region(0x3f8, 8, one);
    const auto memory = region(0xd000'0000, 0x10, two);
    ASSERT_TRUE(bus.place_ports(*ports).placed);
    ASSERT_TRUE(bus.place_memory(*memory).placed);
    struct Case {
        bool port;
        std::uint64_t address;
        std::uint32_t width;
        std::uint64_t value;
    };
    const Case cases[] = {
        {true, 0x3f7, 1, 0xff},
        {true, 0x3f7, 2, 0xffff},
        {true, 0x3f8, 1, 0x100},
        {true, 0x3ff, 1, 0x107},
        {true, 0x3ff, 2, 0xffff},
        {true, 0x3fc, 4, 0x104},
        {true, 0x3fd, 4, 0xffff'ffff},
        {true, 0x400, 1, 0xff},
        {true, 0xffff, 4, 0xffff'ffff},
        {false, 0xcfff'ffff, 1, 0xff},
        {false, 0xcfff'fffe, 4, ~0U},
        {false, 0xd000'0000, 8, 0x200},
        {false, 0xd000'0008, 8, 0x208},
        {false, 0xd000'0009, 8, ~0ULL},
        {false, 0xd000'000f, 1, 0x20f},
        {false, 0xd000'0010, 1, 0xff},
        {false, ~std::uint64_t{0}, 8, ~0ULL},
        {false, 0, 2, 0xffff},
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(::testing::Message() << std::hex << each.address << " width " << each.width);
        const std::uint64_t value =
            each.port ? bus.read_port(presence, static_cast<std::uint16_t>(each.address), each.width)
                      : bus.read_memory(presence, each.address, each.width);
        // A handler answers as it likes; what is not mapped gives exactly `width` bytes of ones.
        EXPECT_EQ(value, each.value);
    }
}

TEST_F(AccessBusTest, WritesLoseWhatIsAboveTheirWidth) {
    const auto memory = region(0x1000, 0x100, one);
    ASSERT_TRUE(bus.place_memory(*memory).placed);
    bus.write_memory(presence, 0x1010, 2, 0x1234'5678);
    EXPECT_EQ(one.written, (std::vector<std::uint64_t>{0x10, 2, 0x5678}));
    one.written.clear();
    bus.write_memory(presence, 0x10ff, 2, 1);
    EXPECT_TRUE(one.written.empty()) << "it crosses the region's end";
}

TEST_F(AccessBusTest, RefusesImpossibleRanges) {
    struct Case {
        bool port;
        std::uint64_t base;
        std::uint64_t length;
    };
    const Case cases[] = {
        {true, 0, 0},
        {true, 0xffff, 2},
        {true, 0x10000, 1},
        {true, 1, ~std::uint64_t{0}},
        {false, 0x1000, 0},
        {false, ~std::uint64_t{0}, 2},
        {false, 0x1000, ~std::uint64_t{0}},
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(::testing::Message() << std::hex << each.base << " + " << each.length);
        const auto impossible = region(each.base, each.length, one);
        const auto placement = each.port ? bus.place_ports(*impossible) : bus.place_memory(*impossible);
        EXPECT_FALSE(placement.placed);
        EXPECT_FALSE(placement.obstacle);
    }
    const auto all = region(0, 0x10000, one);
    EXPECT_TRUE(bus.place_ports(*all).placed);
    EXPECT_EQ(bus.read_port(presence, 0xffff, 1), 0xffffU);
}

TEST_F(AccessBusTest, RefusesOverlapsAndSaysWhoIsThere) {
    Slot slot;
    slot.id = "clock";
    const Region owned{.base = 0x70, .length = 2, .slot = &slot};
    ASSERT_TRUE(bus.place_ports(owned).placed);
    ASSERT_TRUE(bus.place_memory(owned).placed);
    for (const auto& [base, length] : {std::pair{0x6f, 2}, {0x70, 1}, {0x71, 8}, {0x60, 0x20}, {0x70, 2}}) {
        const auto other = region(static_cast<std::uint64_t>(base), static_cast<std::uint64_t>(length), one);
        for (const auto& placement : {bus.place_ports(*other), bus.place_memory(*other)}) {
            EXPECT_FALSE(placement.placed);
            ASSERT_TRUE(placement.obstacle);
            EXPECT_EQ(placement.obstacle->owner, "clock");
            EXPECT_EQ(placement.obstacle->base, 0x70U);
            EXPECT_EQ(placement.obstacle->length, 2U);
        }
    }
    const auto before = region(0x6f, 1, one);
    const auto after = region(0x72, 1, one);
    EXPECT_TRUE(bus.place_ports(*before).placed);
    EXPECT_TRUE(bus.place_ports(*after).placed);
}

TEST_F(AccessBusTest, HintNeverOutlivesAChange) {
    auto first = region(0x1000, 0x1000, one);
    const auto second = region(0x1000, 0x800, two);
    ASSERT_TRUE(bus.place_memory(*first).placed);
    EXPECT_EQ(bus.read_memory(presence, 0x1004, 4), 0x104U);
    EXPECT_EQ(bus.read_memory(presence, 0x1008, 4), 0x108U); // by the hint
    const Region& raw = *first;
    const std::weak_ptr<const Region> alive = first;
    bus.remove_memory(raw, std::move(first));
    EXPECT_TRUE(alive.expired());
    EXPECT_EQ(bus.read_memory(presence, 0x1004, 4), 0xffff'ffffU);
    ASSERT_TRUE(bus.place_memory(*second).placed);
    EXPECT_EQ(bus.read_memory(presence, 0x1004, 4), 0x204U);
    EXPECT_EQ(bus.read_memory(presence, 0x1900, 4), 0xffff'ffffU);
}

TEST_F(AccessBusTest, GarbageWaitsForItsReaders) {
    PresenceList& presences = bus.presences();
    auto garbage = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = garbage;
    presence.begin_lookup(presences.epoch());
    presences.retire(std::move(garbage));
    EXPECT_FALSE(alive.expired());
    presence.begin_lookup(presences.epoch()); // a nested lookup does not move the reader forward
    presences.retire(std::make_shared<int>(2));
    EXPECT_FALSE(alive.expired());
    presence.end_lookup();
    presences.retire(std::make_shared<int>(3));
    EXPECT_FALSE(alive.expired());
    presence.end_lookup();
    presences.retire(std::make_shared<int>(4));
    EXPECT_TRUE(alive.expired());
}

TEST_F(AccessBusTest, LaterReaderDoesNotKeepOldGarbage) {
    PresenceList& presences = bus.presences();
    auto garbage = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = garbage;
    presence.begin_lookup(presences.epoch());
    presences.retire(std::move(garbage));
    presence.end_lookup();
    presence.begin_lookup(presences.epoch());
    presences.retire(std::make_shared<int>(2));
    EXPECT_TRUE(alive.expired());
    presence.end_lookup();
}

TEST_F(AccessBusTest, PresenceRefusesToNestTooDeeply) {
    std::array<Slot, Presence::max_depth + 1> slots;
    for (std::size_t i = 0; i < Presence::max_depth; ++i)
        EXPECT_TRUE(presence.enter(slots[i]));
    EXPECT_FALSE(presence.enter(slots.back()));
    for (std::size_t i = 0; i < Presence::max_depth; ++i)
        presence.leave();
    EXPECT_TRUE(presence.enter(slots.back()));
    presence.leave();
}

// A device that forwards every read to the address four bytes on, which is its own again.
struct Forwarding {
    AccessBus* bus;
    Presence* presence;
    int calls = 0;
};

TEST_F(AccessBusTest, NestedAccessesEndAtTheDepthLimit) {
    static constexpr plugbay_access_callbacks callbacks{
        sizeof callbacks, 0,
        [](void* instance, std::uint64_t, std::uint64_t offset, std::uint32_t width) {
            auto& self = *static_cast<Forwarding*>(instance);
            ++self.calls;
            return self.bus->read_memory(*self.presence, 0x1000 + offset + 4, width);
        },
        [](void*, std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t) {}};
    Forwarding device{&bus, &presence};
    CallbackLock lock;
    const Binding binding{.type = nullptr, .instance = &device, .access = &callbacks};
    Slot slot;
    slot.binding.store(&binding);
    slot.lock.store(&lock);
    const Region region{.base = 0x1000, .length = 0x100, .slot = &slot};
    ASSERT_TRUE(bus.place_memory(region).placed);
    EXPECT_EQ(bus.read_memory(presence, 0x1000, 4), 0xffff'ffffU);
    EXPECT_EQ(device.calls, static_cast<int>(Presence::max_depth));
    EXPECT_FALSE(lock.held());
    // Everything was left on the way out: waiting for the slot returns.
    const GateClosed closed(slot, bus.presences());
}

} // namespace
} // namespace plugbay::core
