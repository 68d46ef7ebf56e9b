#include "../assign.hpp"

#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace testkit = plugbay::testkit;

namespace {

plugbay_pci_bar_slot bar(std::uint32_t slot, std::uint32_t number, std::uint32_t kind, std::uint64_t length) {
    return {slot, number, kind, 0, length, 0};
}
Windows windows() {
    return {{"port_window", 0xc000, 0x1000},
            {"memory32_window", 0xc0000000, 0x1000000},
            {"memory64_window", 0x8000000000, std::uint64_t{1} << 34}};
}

std::uint32_t select(unsigned slot, unsigned offset) {
    return 0x80000000u | slot << 11 | (offset & 0xfc);
}

} // namespace

TEST(PciHostAssign, LargestFirstAndAligned) {
    std::vector<plugbay_pci_bar_slot> bars{
        bar(1, 0, PLUGBAY_BAR_MEMORY32, 0x1000),
        bar(2, 0, PLUGBAY_BAR_MEMORY32, 0x100000),
        bar(3, 0, PLUGBAY_BAR_PORTS, 0x20),
        bar(3, 1, PLUGBAY_BAR_PORTS, 0x100),
        bar(4, 0, PLUGBAY_BAR_MEMORY64, 0x4000),
        bar(4, 2, PLUGBAY_BAR_MEMORY32, 0x10),
        bar(5, 0, PLUGBAY_BAR_MEMORY64 | PLUGBAY_BAR_PREFETCHABLE, std::uint64_t{1} << 33)};
    assign_bars(bars, windows());
    EXPECT_EQ(bars[1].address, 0xc0000000u);
    EXPECT_EQ(bars[0].address, 0xc0100000u);
    EXPECT_EQ(bars[3].address, 0xc000u);
    EXPECT_EQ(bars[2].address, 0xc100u);
    EXPECT_LT(bars[4].address, 0xc1000000u);
    EXPECT_EQ(bars[6].address, 0x8000000000u);
    for (const auto& each : bars)
        EXPECT_EQ(each.address % each.length, 0u);
}

TEST(PciHostAssign, SaysWhatDoesNotFit) {
    for (const auto& [kind, name] : {std::pair{PLUGBAY_BAR_PORTS, "port_window_size"},
                                     std::pair{PLUGBAY_BAR_MEMORY32, "memory32_window_size"}}) {
        std::vector<plugbay_pci_bar_slot> bars{bar(7, 3, kind, 0x40000000)};
        try {
            assign_bars(bars, windows());
            FAIL();
        } catch (const plugbay::Failure& failure) {
            EXPECT_NE(std::string(failure.what()).find("slot 7"), std::string::npos);
            EXPECT_NE(std::string(failure.what()).find(name), std::string::npos) << failure.what();
        }
    }
}

TEST(PciHost, MechanismOne) {
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci");
    bench.add(PLUGBAY_PLUGIN_DIRECTORY "/virtio-rng.so", "virtio-rng", "rng", {{"slot", "3"}});
    bench.start();
    bench.out(0xcf8, 4, select(3, 0));
    EXPECT_EQ(bench.in(0xcf8, 4), select(3, 0));
    EXPECT_EQ(bench.in(0xcfc, 4), 0x10441af4u);
    EXPECT_EQ(bench.in(0xcfc, 2), 0x1af4u);
    EXPECT_EQ(bench.in(0xcfe, 2), 0x1044u);
    EXPECT_EQ(bench.in(0xcff, 1), 0x10u);
    EXPECT_EQ(bench.in(0xcfd, 1), 0x1au);
    bench.out(0xcf8, 4, select(4, 0));
    EXPECT_EQ(bench.in(0xcfc, 4), 0xffffffffu); // an empty slot
    bench.out(0xcf8, 4, select(3, 0) | 1 << 8); // function 1
    EXPECT_EQ(bench.in(0xcfc, 4), 0xffffffffu);
    bench.out(0xcf8, 4, select(3, 0) | 1 << 16); // bus 1
    EXPECT_EQ(bench.in(0xcfc, 4), 0xffffffffu);
    bench.out(0xcf8, 4, select(3, 0) & 0x7fffffff); // not enabled
    EXPECT_EQ(bench.in(0xcfc, 4), 0xffffffffu);
    bench.out(0xcf8, 4, 0xffffffff);
    EXPECT_EQ(bench.in(0xcf8, 4), 0x80fffffcu);
    bench.out(0xcf8, 1, 0); // only doublewords are the address register
    bench.out(0xcf8, 2, 0);
    EXPECT_EQ(bench.in(0xcf8, 4), 0x80fffffcu);
    bench.out(0xcf8, 4, select(3, 4));
    bench.out(0xcfc, 1, 0);
    EXPECT_EQ(bench.in(0xcfc, 2), 0u); // command
    bench.out(0xcfc, 2, 2);
    EXPECT_EQ(bench.in(0xcfc, 2), 2u);
}

TEST(PciHost, AssignsAtStartAndAgainOnReset) {
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci");
    for (const char* id : {"a", "b", "c"})
        bench.add(PLUGBAY_PLUGIN_DIRECTORY "/virtio-rng.so", "virtio-rng", id);
    bench.start();
    for (int round = 0; round < 2; ++round) {
        auto bars = bench.bars();
        EXPECT_EQ(bars.size(), 6u);
        std::sort(bars.begin(), bars.end(),
                  [](const auto& a, const auto& b) { return a.address < b.address; });
        std::uint64_t end = 0xc0000000;
        for (const auto& each : bars) {
            EXPECT_TRUE(each.decoded);
            EXPECT_GE(each.address, end);
            EXPECT_EQ(each.address % each.length, 0u);
            end = each.address + each.length;
        }
        bench.reset();
    }
    EXPECT_TRUE(bench.requests().empty());
    bench.out(0xcf9, 1, 6);
    ASSERT_EQ(bench.requests().size(), 1u);
    EXPECT_EQ(bench.requests()[0].request, PLUGBAY_REQUEST_RESET);
}

TEST(PciHost, HotPlugRegisters) {
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci");
    bench.start();
    bench.slot_changed("pci", 3);
    bench.slot_changed("pci", 31);
    bench.request_detach("pci", 4);
    EXPECT_EQ(bench.in(0xae00, 2), 0xffffu); // whole doublewords only; nothing is lost
    EXPECT_EQ(bench.in(0xae00, 4), 0x80000008u);
    EXPECT_EQ(bench.in(0xae00, 4), 0u) << "reading clears";
    EXPECT_EQ(bench.in(0xae04, 4), 0x10u);
    EXPECT_EQ(bench.in(0xae04, 4), 0u);
    bench.out(0xae08, 4, 0x10);
    bench.out(0xae08, 1, 0x20);
    EXPECT_EQ(bench.take_ejected("pci"), 0x10u);
    EXPECT_EQ(bench.in(0xae08, 4), 0u);

    bench.request_detach("pci", 4);
    bench.request_detach("pci", 5);
    bench.slot_changed("pci", 4);
    EXPECT_EQ(bench.in(0xae04, 4), 0x20u) << "what is in slot 4 now, nobody wants back";
    EXPECT_EQ(bench.in(0xae00, 4), 0x10u);

    bench.slot_changed("pci", 5);
    bench.reset();
    EXPECT_EQ(bench.in(0xae00, 4), 0u);
}

TEST(PciHost, HotPlugCanBeLeftOut) {
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci", {{"hotplug_port", "0"}});
    bench.start();
    EXPECT_EQ(bench.in(0xae00, 4), 0xffffffffu);
}

TEST(PciHost, State) {
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci");
    bench.start();
    bench.out(0xcf8, 4, select(9, 0x40));
    bench.slot_changed("pci", 6);
    bench.quiesce();
    const auto image = bench.save("pci");
    bench.resume();
    bench.out(0xcf8, 4, 0);
    EXPECT_EQ(bench.in(0xae00, 4), 1u << 6);
    bench.quiesce();
    bench.load("pci", image);
    bench.resume();
    EXPECT_EQ(bench.in(0xcf8, 4), select(9, 0x40));
    EXPECT_EQ(bench.in(0xae00, 4), 1u << 6);
}

// Where Linux is told that no processor of 39 bits reaches, it does not use a window.
TEST(PciHost, TheDefaultWindowIsInReachOfSmallProcessors) {
    for (const std::uint64_t above : {std::uint64_t{1} << 20, std::uint64_t{200} << 30}) {
        testkit::Bench bench({.memory_above_4gb = above});
        EXPECT_EQ(bench.try_add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci", {}).text, "");
    }
    testkit::Bench bench({.memory_above_4gb = std::uint64_t{256} << 30});
    EXPECT_NE(bench.try_add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci", {}).text.find("memory64_window"),
              std::string::npos);
}

TEST(PciHost, BadWindows) {
    const auto text = [](const testkit::Properties& properties, std::uint64_t above_4gb = 0) {
        testkit::Bench bench({.memory_above_4gb = above_4gb});
        return bench.try_add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci", properties).text;
    };
    EXPECT_NE(text({{"memory32_window_size", "2G"}}).find("4 GiB"), std::string::npos);
    EXPECT_NE(text({{"memory32_window_size", "1005M"}}).find("0xfec00000"), std::string::npos);
    EXPECT_EQ(text({{"memory32_window_size", "1004M"}}), "");
    EXPECT_NE(text({{"memory32_window", "0xfec00000"}, {"memory32_window_size", "64K"}}).find("0xfec00000"),
              std::string::npos);
    EXPECT_EQ(text({{"memory32_window", "0xfef00000"}, {"memory32_window_size", "64K"}}), "");
    EXPECT_NE(text({{"port_window", "0xff00"}}).find("port"), std::string::npos);
    EXPECT_NE(text({{"memory32_window", "0x100000"}, {"memory32_window_size", "1M"}}).find("RAM"),
              std::string::npos);
    const testkit::Properties low_64{{"memory64_window", "0x100000000"}};
    EXPECT_NE(text(low_64, 1 << 20).find("memory64_window"), std::string::npos);
    EXPECT_EQ(text(low_64), "");
    EXPECT_EQ(text({{"memory64_window", "0x100000000"}, {"memory64_window_size", "0"}}, 1 << 20), "");
    EXPECT_EQ(text({{"memory64_window", "0x100100000"}}, 1 << 20), "");
}

TEST(PciHost, ASwapLeavesBusAndAddressesAlone) {
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "pci-host", "pci");
    bench.add(PLUGBAY_PLUGIN_DIRECTORY "/virtio-rng.so", "virtio-rng", "rng", {{"slot", "3"}});
    bench.start();
    bench.out(0xcf8, 4, select(3, 0x20)); // the guest moves a BAR
    bench.out(0xcfc, 4, 0xc0800000);
    bench.out(0xcf8, 4, select(3, 4));
    const auto command = bench.in(0xcfc, 4);
    bench.slot_changed("pci", 6);
    const auto before = bench.bars();
    for (const char* const id : {"pci", "rng", "pci"}) {
        bench.swap(id, id == std::string_view("pci") ? PLUGBAY_PLUGIN_FILE
                                                     : PLUGBAY_PLUGIN_DIRECTORY "/virtio-rng.so");
        const auto after = bench.bars();
        ASSERT_EQ(after.size(), before.size());
        for (std::size_t i = 0; i < after.size(); ++i) {
            EXPECT_EQ(after[i].address, before[i].address);
            EXPECT_EQ(after[i].decoded, before[i].decoded);
        }
        EXPECT_EQ(bench.in(0xcf8, 4), select(3, 4));
        EXPECT_EQ(bench.in(0xcfc, 4), command);
    }
    EXPECT_EQ(bench.in(0xae00, 4), 1u << 6) << "what the guest has not looked at yet";
}
