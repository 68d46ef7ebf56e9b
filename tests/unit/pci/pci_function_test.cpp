#include "tests/unit/pci/pci_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t bar0 = 0x10;
constexpr std::uint32_t command = 4;

class PciFunctionTest : public PciTest {
  protected:
    PciFunctionTest() { bridge = made("pci0", bus_description()); }
    // The function in slot 1, with a read that tells the token and the offset.
    void plug(const plugbay_pci_function& what) {
        card = made("card", what);
        card->script.read = [](std::uint64_t token, std::uint64_t offset, std::uint32_t) {
            return token << 16 | offset;
        };
        ASSERT_TRUE(pci.connect());
    }
    static plugbay_pci_function with_bars() {
        auto what = description();
        what.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 0x1000, 10};
        what.bars[1] = {PLUGBAY_BAR_PORTS, 0, 0x20, 11};
        what.bars[2] = {PLUGBAY_BAR_MEMORY64 | PLUGBAY_BAR_PREFETCHABLE, 0, 0x4000, 12};
        what.bars[4] = {PLUGBAY_BAR_MEMORY32, 0, 0x1000, 14};
        what.bars[5] = {PLUGBAY_BAR_MSIX, 0, 0, 0};
        what.msix_vectors = 2;
        return what;
    }
    std::uint32_t config(std::uint32_t offset, std::uint32_t width = 4) {
        return function_of(*card).config_read(offset, width);
    }
    void config(std::uint32_t offset, std::uint32_t width, std::uint32_t value) {
        function_of(*card).config_write(offset, width, value);
    }
    std::uint64_t at(std::uint64_t address) { return bus.read_memory(presence, address, 4); }
    const plugbay_pci_host& host() { return card->script.table<plugbay_pci_host>(PLUGBAY_PCI); }

    static constexpr std::uint32_t nothing = 0xffff'ffff;
    std::unique_ptr<Made> bridge;
    std::unique_ptr<Made> card;
};

TEST_F(PciFunctionTest, GuestChangesOnlyWritableBits) {
    auto what = description();
    what.revision = 3;
    what.subsystem_id = 0x1100;
    plug(what);
    for (std::uint32_t offset = 0; offset < 256; offset += 4)
        config(offset, 4, ~0U);
    EXPECT_EQ(config(0), 0x1042'1af4U);
    EXPECT_EQ(config(8), 0x0108'0203U);
    EXPECT_EQ(config(command, 2), 0x407U);
    EXPECT_EQ(config(bar0), 0U) << "no BAR";
    EXPECT_EQ(config(0x2e, 2), 0x1100U);
    EXPECT_EQ(config(0x3c, 2), 0x01ffU) << "line writable, pin not";
    EXPECT_EQ(config(0x34, 1), 0U);
}

TEST_F(PciFunctionTest, BarsTellTheirSizesAndKinds) {
    plug(with_bars());
    const std::uint32_t sizes[] = {0xffff'f000, 0xffff'ffe1, 0xffff'c00c,
                                   0xffff'ffff, 0xffff'f000, 0xffff'f000};
    const std::uint32_t zeros[] = {0, 1, 0xc, 0, 0, 0};
    for (std::uint32_t i = 0; i < 6; ++i) {
        SCOPED_TRACE(i);
        EXPECT_EQ(config(bar0 + 4 * i), zeros[i]);
        config(bar0 + 4 * i, 4, ~0U);
        EXPECT_EQ(config(bar0 + 4 * i), sizes[i]);
        config(bar0 + 4 * i, 4, 0);
        EXPECT_EQ(config(bar0 + 4 * i), zeros[i]);
    }
}

TEST_F(PciFunctionTest, DecodesWhatIsEnabledWhereTheGuestPutsIt) {
    plug(with_bars());
    config(bar0, 4, 0xd000'0000);
    config(bar0 + 4, 4, 0xc000);
    config(bar0 + 8, 4, 0x0001'0000);
    config(bar0 + 12, 4, 0x10); // 64 GiB and a bit
    EXPECT_EQ(at(0xd000'0000), nothing) << "decoding is off";
    config(command, 2, pci_command::decode_memory);
    EXPECT_EQ(at(0xd000'0ffc), 10U << 16 | 0xffc);
    EXPECT_EQ(at(0x10'0001'0004), 12U << 16 | 4);
    EXPECT_EQ(bus.read_port(presence, 0xc004, 4), nothing);
    config(command, 2, pci_command::decode_ports);
    EXPECT_EQ(bus.read_port(presence, 0xc004, 4), 11U << 16 | 4);
    EXPECT_EQ(at(0xd000'0000), nothing);
    config(command, 2, pci_command::decode_memory);
    config(bar0, 4, 0xd100'0000);
    EXPECT_EQ(at(0xd000'0000), nothing);
    EXPECT_EQ(at(0xd100'0000), 10U << 16);
    config(bar0, 4, 0x0010'0000); // RAM
    EXPECT_EQ(at(0x0010'0000), nothing);
    EXPECT_EQ(at(0xd100'0000), nothing);
}

TEST_F(PciFunctionTest, TwoBarsMayTradePlaces) {
    plug(with_bars());
    config(command, 2, pci_command::decode_memory);
    config(bar0, 4, 0xd000'0000);
    config(bar0 + 16, 4, 0xd000'1000);
    config(bar0, 4, 0xd000'1000); // taken: not decoded
    EXPECT_EQ(at(0xd000'1000), 14U << 16);
    config(bar0 + 16, 4, 0xd000'0000);
    EXPECT_EQ(at(0xd000'0000), 14U << 16);
    EXPECT_EQ(at(0xd000'1000), 10U << 16);
}

TEST_F(PciFunctionTest, AssignChecksAndDecodes) {
    plug(with_bars());
    auto& function = function_of(*card);
    struct Case {
        std::uint32_t bar;
        std::uint64_t address;
        bool good;
    };
    for (const auto& [bar, address, good] :
         {Case{0, 0xd000'0000, true}, Case{0, 0xd000'0800, false}, Case{0, 0x1'd000'0000, false},
          Case{1, 0xc000, true}, Case{1, 0x1'0000, false}, Case{2, 0x10'0000'0000, true},
          Case{3, 0xd000'0000, false}, Case{6, 0, false}}) {
        EXPECT_EQ(static_cast<bool>(function.assign(bar, address)), good)
            << bar << " at " << std::hex << address;
    }
    EXPECT_EQ(at(0xd000'0000), 10U << 16);
    EXPECT_EQ(at(0x10'0000'0000), 12U << 16);
    EXPECT_EQ(bus.read_port(presence, 0xc000, 2), 0U);
}

TEST_F(PciFunctionTest, DoorbellFollowsItsBar) {
    plug(with_bars());
    plugbay_handle region{}, again{}, bell{};
    ASSERT_EQ(host().bar_region(card->script.host, card->handle, 0, &region), PLUGBAY_OK);
    EXPECT_EQ(host().bar_region(card->script.host, card->handle, 0, &again), PLUGBAY_OK);
    EXPECT_EQ(again, region) << "the same region each time";
    EXPECT_EQ(host().bar_region(card->script.host, card->handle, 5, &again), PLUGBAY_INVALID) << "MSI-X";
    const auto& doorbells = card->script.table<plugbay_doorbell_host>(PLUGBAY_DOORBELL);
    ASSERT_EQ(doorbells.create(card->script.host, region, 0x40, 2, 1, 0, 0, &bell), PLUGBAY_OK);
    EXPECT_TRUE(platform.latches().empty());
    ASSERT_TRUE(function_of(*card).assign(0, 0xd000'0000));
    EXPECT_TRUE(platform.ring(0xd000'0040));
    config(bar0, 4, 0xd800'0000);
    EXPECT_FALSE(platform.ring(0xd000'0040));
    EXPECT_TRUE(platform.ring(0xd800'0040));
    config(command, 2, 0);
    EXPECT_TRUE(platform.latches().empty());
    ASSERT_TRUE(function_of(*card).assign(0, 0xd000'0000));
    EXPECT_EQ(host().remove_function(card->script.host, card->handle), PLUGBAY_FORBIDDEN)
        << "it is on its bus";
    EXPECT_TRUE(platform.ring(0xd000'0040));
    card->device.reset();
    EXPECT_TRUE(platform.latches().empty());
}

TEST_F(PciFunctionTest, RemovedBeforeItIsOnABusItLeavesItsRegionEmpty) {
    const auto waiting = made("card2", with_bars());
    const auto& functions = waiting->script.table<plugbay_pci_host>(PLUGBAY_PCI);
    plugbay_handle region{}, bell{};
    ASSERT_EQ(functions.bar_region(waiting->script.host, waiting->handle, 0, &region), PLUGBAY_OK);
    const auto& doorbells = waiting->script.table<plugbay_doorbell_host>(PLUGBAY_DOORBELL);
    ASSERT_EQ(doorbells.create(waiting->script.host, region, 0x40, 2, 1, 0, 0, &bell), PLUGBAY_OK);
    EXPECT_EQ(functions.remove_function(waiting->script.host, waiting->handle), PLUGBAY_OK);
    EXPECT_EQ(doorbells.destroy(waiting->script.host, bell), PLUGBAY_OK);
}

TEST_F(PciFunctionTest, PinFollowsDisableBitAndMsix) {
    plug(with_bars());
    const std::uint32_t capability = config(0x34, 1);
    EXPECT_EQ(config(capability, 1), 0x11U);
    EXPECT_EQ(config(0x3c, 1), 17U) << "slot 1, INTA";
    const auto level = [&] { return platform.level(17).value_or(false); };
    EXPECT_EQ(host().set_pin(card->script.host, card->handle, 1), PLUGBAY_OK);
    EXPECT_TRUE(level());
    config(command, 2, pci_command::pin_disable);
    EXPECT_FALSE(level());
    EXPECT_EQ(config(6, 2) & 8, 8U) << "the status bit shows the pin all the same";
    config(command, 2, 0);
    EXPECT_TRUE(level());
    EXPECT_EQ(host().notify(card->script.host, card->handle, 0), PLUGBAY_UNSUPPORTED);
    config(capability + 2, 2, 0x8000);
    EXPECT_FALSE(level()) << "MSI-X is on";
    EXPECT_EQ(host().notify(card->script.host, card->handle, 0), PLUGBAY_OK);
    EXPECT_EQ(config(capability + 2, 2), 0x8001U);
    config(capability + 2, 2, 0);
    EXPECT_TRUE(level());
    function_of(*card).reset();
    EXPECT_FALSE(level());
}

TEST_F(PciFunctionTest, MsixTableIsInItsBarAndOutlivesItWhileInUse) {
    plug(with_bars());
    ASSERT_TRUE(function_of(*card).assign(5, 0xd000'0000));
    config(config(0x34, 1) + 2, 2, 0x8000);
    bus.write_memory(presence, 0xd000'0008, 4, 77);
    bus.write_memory(presence, 0xd000'000c, 4, 0);
    EXPECT_EQ(host().notify(card->script.host, card->handle, 0), PLUGBAY_OK);
    ASSERT_EQ(platform.messages().size(), 1U);
    EXPECT_EQ(platform.messages()[0].data, 77U);
    presence.begin_lookup(bus.presences().epoch()); // a vCPU that found the table just now
    ASSERT_TRUE(card->device->quiesce());
    card->device.reset();
    EXPECT_EQ(platform.vectors(), 1);
    presence.end_lookup();
    bus.presences().retire(nullptr);
    EXPECT_EQ(platform.vectors(), 0);
}

TEST_F(PciFunctionTest, WhatIsInTheWayOfAnotherIsItsDevices) {
    plug(with_bars());
    for (const int bar : {0, 5}) { // a BAR of the device's, and the MSI-X table's
        ASSERT_TRUE(function_of(*card).assign(bar, 0xd000'0000));
        Script script;
        script.create = [&](const plugbay_host* where) {
            plugbay_handle handle{};
            return script.table<plugbay_access_host>(PLUGBAY_ACCESS)
                .map_memory(where, 0xd000'0000, 0x1000, 0, &handle);
        };
        const auto late = make("late");
        const auto refused = create(*late, script);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), HasSubstr("of device \"card\"")) << "BAR " << bar;
        ASSERT_TRUE(
            function_of(*card).assign(bar, 0xd100'0000 + static_cast<std::uint64_t>(bar) * 0x10'0000));
    }
}

TEST_F(PciFunctionTest, ResetIsPowerOn) {
    plug(with_bars());
    ASSERT_TRUE(function_of(*card).assign(0, 0xd000'0000));
    config(0x3c, 1, 99);
    pci.reset();
    EXPECT_EQ(at(0xd000'0000), nothing);
    EXPECT_EQ(config(bar0), 0U);
    EXPECT_EQ(config(command, 2), 0U);
    EXPECT_EQ(config(0x3c, 1), 17U);
}

TEST_F(PciFunctionTest, HooksGetTheirBytesOnly) {
    auto what = description();
    const std::uint8_t body[] = {1, 2, 3, 4, 5, 6};
    const std::uint8_t writable[] = {0xff, 0, 0, 0, 0, 0};
    const plugbay_pci_capability capability{9, 6, 2, 4, 0, body, writable};
    what.capability_count = 1;
    what.capabilities = &capability;
    std::vector<std::uint32_t> written;
    plug(what);
    card->script.config_read = [](std::uint32_t number, std::uint32_t offset, std::uint32_t) {
        return number << 8 | offset | 0xa000;
    };
    card->script.config_write = [&](std::uint32_t, std::uint32_t offset, std::uint32_t width,
                                    std::uint32_t value) {
        written = {offset, width, value};
    };
    ASSERT_EQ(config(0x34, 1), 0x40U);
    EXPECT_EQ(config(0x42, 1), 1U);
    EXPECT_EQ(config(0x44, 4), 0xa000U);
    EXPECT_EQ(config(0x47, 1), 0xa003U & 0xffffU);
    config(0x46, 2, 0x1234);
    EXPECT_EQ(written, (std::vector<std::uint32_t>{2, 2, 0x1234}));
    config(0x42, 2, 0xffff);
    EXPECT_EQ(config(0x42, 2), 0x02ffU);
    EXPECT_EQ(written.size(), 3U);
}

TEST_F(PciFunctionTest, RefusesBadDescriptions) {
    static const std::uint8_t body[255] = {};
    static const plugbay_pci_capability past_its_end{9, 4, 2, 3, 0, body, nullptr};
    static const plugbay_pci_capability too_long{9, 200, 0, 0, 0, body, nullptr};
    using Change = void (*)(plugbay_pci_function&);
    const std::pair<const char*, Change> cases[] = {
        {"too short", [](auto& f) { f.size = 8; }},
        {"2048 vectors", [](auto& f) { f.msix_vectors = 2049; }},
        {"slots 0 to 31", [](auto& f) { f.slot = 32; }},
        {"INTA", [](auto& f) { f.interrupt_pin = 2; }},
        {"unknown kind", [](auto& f) { f.bars[0].kind = 5; }},
        {"unknown kind",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_PREFETCHABLE, 0, 4096, 0};
         }},
        {"unknown kind",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_PORTS | PLUGBAY_BAR_PREFETCHABLE, 0, 8, 0};
         }},
        {"unknown kind",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_MEMORY32 | 32, 0, 4096, 0};
         }},
        {"upper half",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_MEMORY64, 0, 4096, 0};
             f.bars[1] = {PLUGBAY_BAR_MEMORY32, 0, 4096, 0};
         }},
        {"BAR 5",
         [](auto& f) {
             f.bars[5] = {PLUGBAY_BAR_MEMORY64, 0, 4096, 0};
         }},
        {"cannot have 8 bytes",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 8, 0};
         }},
        {"cannot have 100 bytes",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 100, 0};
         }},
        {"cannot have 0 bytes",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 0, 0};
         }},
        {"cannot have 512 bytes",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_PORTS, 0, 512, 0};
         }},
        {"cannot have 4294967296",
         [](auto& f) {
             f.bars[0] = {PLUGBAY_BAR_MEMORY32, 0, 1ULL << 32, 0};
         }},
        {"exactly one BAR", [](auto& f) { f.bars[0].kind = PLUGBAY_BAR_MSIX; }},
        {"exactly one BAR",
         [](auto& f) {
             f.msix_vectors = 1;
             f.bars[0].kind = f.bars[1].kind = PLUGBAY_BAR_MSIX;
         }},
        {"need a BAR", [](auto& f) { f.msix_vectors = 1; }},
        {"past its end", [](auto& f) { f.capability_count = 1, f.capabilities = &past_its_end; }},
        {"do not fit", [](auto& f) { f.capability_count = 1, f.capabilities = &too_long; }},
    };
    for (const auto& [text, change] : cases) {
        SCOPED_TRACE(text);
        auto what = description();
        change(what);
        Script script;
        plugbay_handle handle{};
        script.create = [&](const plugbay_host* host) { return add(host, what, &handle); };
        const auto device = make("bad");
        const auto created = create(*device, script);
        ASSERT_FALSE(created);
        EXPECT_THAT(created.error().message, HasSubstr(text));
        EXPECT_TRUE(pci.connect()) << "nothing waits";
    }
}

} // namespace
} // namespace plugbay::core
