// BARs that the guest puts where somebody else is: they are decoded as soon as the place is free.
#include "tests/unit/pci/pci_fixture.hpp"

namespace plugbay::core {
namespace {

constexpr std::uint32_t bar0 = 0x10;
constexpr std::uint32_t command = 4;
constexpr std::uint64_t low = 0xd000'0000;
constexpr std::uint64_t high = 0xd800'0000;

class RefusedBars : public PciTest {
  protected:
    RefusedBars() {
        bridge = made("pci0", bus_description());
        for (std::uint64_t i = 0; i < cards.size(); ++i) {
            auto what = description();
            what.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 0x1000, i};
            cards[i] = made("card" + std::to_string(i), what);
            cards[i]->script.read = [](std::uint64_t token, std::uint64_t, std::uint32_t) { return token; };
        }
        EXPECT_TRUE(pci.connect());
        for (std::size_t i = 0; i < cards.size(); ++i) {
            write(i, bar0, low); // all at one place
            write(i, command, pci_command::decode_memory);
        }
    }
    void write(std::size_t card, std::uint32_t offset, std::uint64_t value) {
        function_of(*cards[card]).config_write(offset, 4, static_cast<std::uint32_t>(value));
    }
    std::uint64_t at(std::uint64_t address) { return bus.read_memory(presence, address, 4); }

    static constexpr std::uint32_t nothing = 0xffff'ffff;
    std::unique_ptr<Made> bridge;
    std::array<std::unique_ptr<Made>, 3> cards;
};

TEST_F(RefusedBars, AreDecodedWhenTheOtherMoves) {
    EXPECT_EQ(at(low), 0U) << "who came first has it";
    write(0, bar0, high);
    EXPECT_EQ(at(high), 0U);
    EXPECT_EQ(at(low), 1U);
    write(1, command, 0);
    EXPECT_EQ(at(low), 2U);
    write(1, command, pci_command::decode_memory);
    write(2, bar0, high);
    EXPECT_EQ(at(low), 1U);
    EXPECT_EQ(at(high), 0U);
}

TEST_F(RefusedBars, AreDecodedWhenTheOtherGoesOrIsReset) {
    cards[0]->device.reset();
    EXPECT_EQ(at(low), 1U);
    pci.reset(*cards[1]->device);
    EXPECT_EQ(at(low), 2U);
    EXPECT_EQ(function_of(*cards[1]).config_read(bar0, 4), 0U);
}

TEST_F(RefusedBars, AreForgottenByWhoMovedOn) {
    write(1, bar0, high);
    write(2, command, 0);
    write(0, bar0, 0);
    EXPECT_EQ(at(low), nothing);
    EXPECT_EQ(at(high), 1U);
}

TEST_F(RefusedBars, AreDecodedWhenAFixedRegionGoes) {
    Script script;
    auto clock_chip = run("rtc", script);
    plugbay_handle region{};
    ASSERT_EQ(
        script.table<plugbay_access_host>(PLUGBAY_ACCESS).map_memory(script.host, high, 0x1000, 0, &region),
        PLUGBAY_OK);
    script.read = [](std::uint64_t, std::uint64_t, std::uint32_t) { return 99U; };
    write(1, bar0, high);
    EXPECT_EQ(at(high), 99U);
    ASSERT_TRUE(clock_chip->quiesce());
    clock_chip.reset();
    EXPECT_EQ(at(high), nothing);
    pci.retry_refused(); // as DeviceManager::remove does
    EXPECT_EQ(at(high), 1U);
}

TEST_F(PciTest, ASecondFunctionOfADeviceIsRefused) {
    Script script;
    script.create = [](const plugbay_host* host) {
        plugbay_handle handle{};
        EXPECT_EQ(add(host, description(), &handle), PLUGBAY_OK);
        EXPECT_EQ(add(host, description(), &handle), PLUGBAY_TAKEN);
        return PLUGBAY_OK;
    };
    const auto device = make("twice");
    EXPECT_TRUE(create(*device, script));
}

} // namespace
} // namespace plugbay::core
