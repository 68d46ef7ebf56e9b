// What a checkpoint keeps of a PCI function.
#include "tests/unit/pci/pci_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t bar0 = 0x10;
constexpr std::uint32_t command = 4;
constexpr std::uint32_t nothing = 0xffff'ffff;

class SavedFunctionTest : public PciTest {
  protected:
    SavedFunctionTest() {
        bridge = made("pci0", bus_description());
        card = plug(with_bars());
    }
    static plugbay_pci_function with_bars() {
        auto what = description();
        what.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 0x1000, 10};
        what.bars[5] = {PLUGBAY_BAR_MSIX, 0, 0, 0};
        what.msix_vectors = 2;
        return what;
    }
    std::unique_ptr<Made> plug(const plugbay_pci_function& what) {
        auto device = made("card", what);
        device->script.read = [](std::uint64_t token, std::uint64_t offset, std::uint32_t) {
            return token << 16 | offset;
        };
        EXPECT_TRUE(pci.connect());
        return device;
    }
    void config(std::uint32_t offset, std::uint32_t width, std::uint32_t value) {
        function_of(*card).config_write(offset, width, value);
    }
    std::uint32_t config(std::uint32_t offset, std::uint32_t width) {
        return function_of(*card).config_read(offset, width);
    }
    std::uint64_t at(std::uint64_t address) { return bus.read_memory(presence, address, 4); }
    StateImage save() {
        auto image = function_of(*card).save();
        EXPECT_TRUE(image) << image.error().text();
        return **image;
    }
    // As a guest leaves it: decoded, MSI-X on, the second vector masked and pending.
    void use() {
        config(bar0, 4, 0xd000'0000);
        config(bar0 + 20, 4, 0xd100'0000);
        config(command, 2, pci_command::decode_memory | pci_command::bus_master);
        const std::uint32_t capability = config(0x34, 1);
        config(capability + 2, 2, 0x8000);
        bus.write_memory(presence, 0xd100'0000, 4, 0xfee0'0000);
        bus.write_memory(presence, 0xd100'0008, 4, 0x41);
        bus.write_memory(presence, 0xd100'000c, 4, 0);
        EXPECT_TRUE(function_of(*card).notify(1));
    }

    std::unique_ptr<Made> bridge;
    std::unique_ptr<Made> card;
};

TEST_F(SavedFunctionTest, GoesOnWhereItWas) {
    use();
    const StateImage image = save();
    pci.reset();
    ASSERT_EQ(at(0xd000'0004), nothing);
    const auto loaded = function_of(*card).load(image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(at(0xd000'0004), 10U << 16 | 4);
    EXPECT_EQ(at(0xd100'0008), 0x41U);
    EXPECT_EQ(at(0xd100'0000 + 2048), 2U) << "the second vector is pending";
    EXPECT_EQ(config(command, 2), pci_command::decode_memory | pci_command::bus_master);
    EXPECT_EQ(save(), image);
}

TEST_F(SavedFunctionTest, TwoThatTradedPlacesAreFoundWhereTheyWere) {
    use();
    const StateImage image = save();
    config(bar0, 4, 0xd200'0000);
    ASSERT_TRUE(function_of(*card).load(image));
    EXPECT_EQ(at(0xd000'0004), 10U << 16 | 4);
    EXPECT_EQ(at(0xd200'0004), nothing);
}

TEST_F(SavedFunctionTest, AnotherFunctionIsRefusedAndStaysAsItIs) {
    use();
    const StateImage image = save();
    card.reset();
    auto other = with_bars();
    other.device_id = 0x1041;
    card = plug(other);
    EXPECT_THAT(function_of(*card).load(image).error().text(), HasSubstr("at offset 0x2, not 0x42"));
    EXPECT_EQ(at(0xd000'0004), nothing);
    card.reset();
    other = with_bars();
    other.msix_vectors = 3;
    card = plug(other);
    EXPECT_FALSE(function_of(*card).load(image));
}

} // namespace
} // namespace plugbay::core
