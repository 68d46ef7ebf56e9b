#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

namespace testkit = plugbay::testkit;
using testing::HasSubstr;

namespace {

struct Machine {
    explicit Machine(const testkit::Properties& properties) {
        bench.add(PLUGBAY_PLUGIN_FILE, "pvpanic", "panic", properties);
        bench.start();
    }
    testkit::Bench bench;
};

} // namespace

TEST(PvPanic, ShowsWhatItKnows) {
    Machine machine(testkit::Properties{{"port", "0x600"}});
    EXPECT_EQ(machine.bench.in(0x600), 3u);
    ASSERT_EQ(machine.bench.acpi_legacy_devices().size(), 1u);
    const auto& acpi = machine.bench.acpi_legacy_devices()[0];
    EXPECT_EQ(std::string_view(acpi.hardware_id, 8), "QEMU0001");
    EXPECT_EQ(acpi.first_port, 0x600);
    EXPECT_EQ(acpi.port_count, 1);
    EXPECT_EQ(acpi.line, UINT32_MAX);
}

TEST(PvPanic, SaysOnceThatTheGuestHasPanicked) {
    Machine machine({});
    machine.bench.out(0x505, 1, 0xfc); // means nothing
    machine.bench.run();
    EXPECT_TRUE(machine.bench.log().empty());
    for (int i = 0; i < 100; ++i)
        machine.bench.out(0x505, 1, 1);
    EXPECT_TRUE(machine.bench.log().empty()) << "not inside the guest's access";
    machine.bench.run();
    ASSERT_EQ(machine.bench.log().size(), 1u);
    EXPECT_THAT(machine.bench.log()[0].text, HasSubstr("has panicked"));
    EXPECT_EQ(machine.bench.log()[0].level, PLUGBAY_LOG_WARNING);
    machine.bench.out(0x505, 1, 2);
    machine.bench.run();
    ASSERT_EQ(machine.bench.log().size(), 2u);
    EXPECT_THAT(machine.bench.log()[1].text, HasSubstr("crash kernel"));
    EXPECT_TRUE(machine.bench.requests().empty());
    machine.bench.reset();
    machine.bench.out(0x505, 1, 1);
    machine.bench.run();
    EXPECT_EQ(machine.bench.log().size(), 3u) << "another panic";
}

TEST(PvPanic, EndsTheMonitor) {
    Machine machine(testkit::Properties{{"on_panic", "exit"}, {"exit_status", "42"}});
    machine.bench.out(0x505, 1, 2); // a crash kernel has things to do
    EXPECT_TRUE(machine.bench.requests().empty());
    machine.bench.out(0x505, 1, 1);
    ASSERT_EQ(machine.bench.requests().size(), 1u);
    EXPECT_EQ(machine.bench.requests()[0].request, PLUGBAY_REQUEST_EXIT);
    EXPECT_EQ(machine.bench.requests()[0].argument, 42u);
    machine.bench.quiesce(); // as the end does, perhaps before the I/O loop had its turn
    EXPECT_EQ(machine.bench.log().size(), 2u);
}

TEST(PvPanic, PowersOff) {
    Machine machine(testkit::Properties{{"on_panic", "power-off"}});
    machine.bench.out(0x505, 1, 1);
    ASSERT_EQ(machine.bench.requests().size(), 1u);
    EXPECT_EQ(machine.bench.requests()[0].request, PLUGBAY_REQUEST_POWER_OFF);
}

TEST(PvPanic, ASwapNeitherLosesNorRepeatsIt) {
    Machine machine({});
    machine.bench.out(0x505, 1, 1);
    machine.bench.swap("panic", PLUGBAY_PLUGIN_FILE);
    machine.bench.swap("panic", PLUGBAY_PLUGIN_FILE);
    machine.bench.run();
    EXPECT_EQ(machine.bench.log().size(), 1u);
    machine.bench.out(0x505, 1, 1);
    machine.bench.run();
    EXPECT_EQ(machine.bench.log().size(), 1u);
}
