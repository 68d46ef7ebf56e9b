#include "core/pci/pci_windows.hpp"
#include "tests/unit/pci/pci_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

class PciBusesTest : public PciTest {
  protected:
    std::unique_ptr<Made> card(const std::string& id, std::int32_t slot, const char* on = nullptr) {
        auto what = description();
        what.slot = slot;
        what.bus = on;
        what.interrupt_pin = 0;
        return made(id, what);
    }
};

TEST_F(PciBusesTest, ChosenSlotsComeFirstAndTheRestFillUp) {
    const auto a = card("a", -1); // before its bus
    const auto b = card("b", 1);
    const auto bridge = made("pci0", bus_description());
    const auto c = card("c", -1);
    ASSERT_TRUE(pci.connect());
    const PciBus& pci0 = *pci.buses().front();
    EXPECT_EQ(pci0.function(0), nullptr);
    EXPECT_EQ(pci0.function(1), &function_of(*b));
    EXPECT_EQ(pci0.function(2), &function_of(*a));
    EXPECT_EQ(pci0.function(3), &function_of(*c));
    EXPECT_EQ(pci0.function(32), nullptr);
    EXPECT_THAT(function_of(*a).describe(), HasSubstr("02.0 on pci0"));
    const auto& table = bridge->script.table<plugbay_pci_bus_host>(PLUGBAY_PCI_BUS);
    EXPECT_EQ(table.config_read(bridge->script.host, bridge->handle, 2, 0, 2), 0x1af4U);
    EXPECT_EQ(table.config_read(bridge->script.host, bridge->handle, 9, 0, 2), ~0U);
    EXPECT_EQ(table.config_read(bridge->script.host, bridge->handle, 2, 2, 4), ~0U) << "two doublewords";
    EXPECT_EQ(table.config_read(bridge->script.host, bridge->handle, 2, 256, 4), ~0U);
    EXPECT_EQ(table.assign(bridge->script.host, bridge->handle, 9, 0, 0), PLUGBAY_NOT_FOUND);
}

TEST_F(PciBusesTest, RefusalsNameDeviceAndBus) {
    {
        const auto lost = card("lost", -1);
        EXPECT_THAT(pci.connect().error().message, HasSubstr("\"lost\" needs a PCI bus"));
    }
    const auto bridge = made("pci0", bus_description());
    {
        const auto lost = card("lost", -1, "pci7");
        EXPECT_THAT(pci.connect().error().message, HasSubstr("\"pci7\""));
    }
    const auto first = card("first", 4);
    ASSERT_TRUE(pci.connect());
    {
        const auto second = card("second", 4, "pci0");
        const auto refused = pci.connect();
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().message, HasSubstr("\"second\" wants slot 4 of bus \"pci0\""));
        EXPECT_THAT(refused.error().message, HasSubstr("\"first\""));
    }
    EXPECT_TRUE(pci.connect());
}

TEST_F(PciBusesTest, FullBusRefusesOneMore) {
    const auto bridge = made("pci0", bus_description());
    std::vector<std::unique_ptr<Made>> cards;
    for (int i = 0; i < 31; ++i)
        cards.push_back(card("card" + std::to_string(i), -1));
    ASSERT_TRUE(pci.connect());
    {
        const auto one_more = card("last", -1);
        EXPECT_THAT(pci.connect().error().message, HasSubstr("no free slot for device \"last\""));
    }
    cards[7].reset();
    const auto successor = card("successor", -1);
    ASSERT_TRUE(pci.connect());
    EXPECT_EQ(pci.buses().front()->function(8), &function_of(*successor));
}

// Devices go in the reverse of their order: a function that was created before its bus outlives it.
TEST_F(PciBusesTest, BusMayGoBeforeItsFunctions) {
    const auto early = card("early", -1);
    {
        const auto bridge = made("pci0", bus_description());
        ASSERT_TRUE(pci.connect());
        EXPECT_THAT(function_of(*early).describe(), HasSubstr("pci0"));
    }
    EXPECT_TRUE(pci.buses().empty());
    EXPECT_THAT(function_of(*early).describe(), HasSubstr("on no bus"));
    early->device.reset();
}

TEST_F(PciBusesTest, WindowsThatCannotBeAreRefused) {
    const auto refusal = [&](auto change) {
        auto its_bus = bus_description();
        change(its_bus);
        const auto done = check_pci_windows(its_bus, *memory);
        return done ? "" : done.error().message;
    };
    constexpr std::uint64_t all = ~std::uint64_t{0};
    EXPECT_EQ(refusal([](auto&) {}), "");
    EXPECT_EQ(refusal([](auto& b) { b.port_window = 0xff00, b.port_window_size = 0x100; }), "");
    EXPECT_THAT(refusal([](auto& b) { b.port_window = 0xff00, b.port_window_size = 0x101; }),
                HasSubstr("0x101 bytes from 0xff00 for the port window are no part of 0x0-0xffff"));
    EXPECT_THAT(refusal([](auto& b) { b.port_window = 0xc00, b.port_window_size = 0xf9; }),
                HasSubstr("configuration ports 0xcf8-0xcff"));
    const auto low = [&](std::uint64_t first, std::uint64_t size) {
        return refusal([&](auto& b) { b.memory32_window = first, b.memory32_window_size = size; });
    };
    EXPECT_EQ(low(0xc0000000, 0x3ec00000), "");
    EXPECT_EQ(low(0xfef00000, 0x1100000), "");
    EXPECT_THAT(low(0xfef00000, 0x1100001), HasSubstr("no part of 0x0-0xffffffff"));
    EXPECT_THAT(low(0xfef00000, all), HasSubstr("no part of 0x0-0xffffffff"));
    EXPECT_THAT(low(all, 2), HasSubstr("no part of 0x0-0xffffffff"));
    EXPECT_THAT(low(0xc0000000, 0x3ec00001),
                HasSubstr("interrupt controllers' addresses 0xfec00000-0xfeefffff"));
    EXPECT_THAT(low(0xfeefffff, 1), HasSubstr("interrupt controllers"));
    EXPECT_THAT(low(0x1000, 0x1000), HasSubstr("the machine's RAM at 0x0-"));
    const auto high = [&](std::uint64_t first, std::uint64_t size) {
        return refusal([&](auto& b) { b.memory64_window = first, b.memory64_window_size = size; });
    };
    EXPECT_EQ(high(std::uint64_t{1} << 32, std::uint64_t{1} << 40), "");
    EXPECT_EQ(high(all, 1), "");
    EXPECT_THAT(high(all, 2), HasSubstr("no part of 0x100000000-0xffffffffffffffff"));
    EXPECT_THAT(high(0xffffffff, 2), HasSubstr("no part of 0x100000000-"));
}

TEST_F(PciBusesTest, ABridgeHearsWhyItsWindowIsRefused) {
    Script script;
    script.create = [&](const plugbay_host* host) {
        auto its_bus = bus_description();
        its_bus.memory32_window = 0xfe000000;
        its_bus.memory32_window_size = 0x1000000;
        plugbay_handle handle{};
        return add(host, its_bus, &handle);
    };
    const auto bridge = make("pci0");
    const auto refused = create(*bridge, script);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("interrupt controllers"));
    EXPECT_TRUE(pci.buses().empty());
}

TEST_F(PciBusesTest, OnlyWhileCreating) {
    const auto bridge = made("pci0", bus_description());
    plugbay_handle handle{};
    EXPECT_EQ(add(bridge->script.host, bus_description(), &handle), PLUGBAY_FORBIDDEN);
    EXPECT_EQ(add(bridge->script.host, description(), &handle), PLUGBAY_FORBIDDEN);
}

} // namespace
} // namespace plugbay::core
