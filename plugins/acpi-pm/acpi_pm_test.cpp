// In the words of the ACPI specification, section 4.8.
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>
#include <linux/input-event-codes.h>

#include <chrono>
#include <cstring>
#include <random>

using namespace std::chrono_literals;
using plugbay::testkit::Bench;

namespace {

constexpr std::uint16_t status = 0x600, enable = 0x602, control = 0x604, timer = 0x608, reset_port = 0x60c,
                        gpe_status = 0x610, gpe_enable = 0x612;
constexpr unsigned sci = 9;

struct Power {
    Power() {
        bench.add(PLUGBAY_PLUGIN_FILE, "acpi-pm", "power");
        bench.start();
    }
    // The device's state with one field of two bytes replaced.
    void poke(const char* name, std::uint16_t value) {
        bench.quiesce();
        const auto changed = plugbay::testkit::edited(
            bench.save("power"), [&](const auto& field, std::span<std::byte> elements) {
                if (field.name == name) std::memcpy(elements.data(), &value, elements.size());
            });
        bench.load("power", changed);
        bench.resume();
    }

    Bench bench;
};

} // namespace

TEST(AcpiPm, TellsFirmwareWhereItIs) {
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "acpi-pm", "power", {{"port", "0xb000"}, {"irq", "10"}});
    const auto& hardware = bench.acpi_fixed_hardware();
    ASSERT_TRUE(hardware);
    EXPECT_EQ(hardware->pm1_event_port, 0xb000);
    EXPECT_EQ(hardware->pm1_control_port, 0xb004);
    EXPECT_EQ(hardware->pm_timer_port, 0xb008);
    EXPECT_EQ(hardware->reset_port, 0xb00c);
    EXPECT_EQ(hardware->reset_value, 1);
    EXPECT_EQ(hardware->gpe0_port, 0xb010);
    EXPECT_EQ(hardware->gpe0_length, 4);
    EXPECT_EQ(hardware->sci_line, 10);
}

TEST(AcpiPm, IsInAcpiModeAfterReset) {
    Power power;
    EXPECT_EQ(power.bench.in(status, 2), 0u);
    EXPECT_EQ(power.bench.in(enable, 2), 0u);
    EXPECT_EQ(power.bench.in(control, 2), 1u); // SCI_EN
    power.bench.out(control, 2, 0);
    EXPECT_EQ(power.bench.in(control, 2), 1u);
    EXPECT_EQ(power.bench.in(gpe_status, 4), 0u);
}

TEST(AcpiPm, CountsAt3579545HzIn24Bits) {
    Power power;
    const auto before = power.bench.in(timer, 4);
    power.bench.advance(1s);
    EXPECT_EQ((power.bench.in(timer, 4) - before) & 0xffffff, 3579545u);
    power.bench.advance(10s);
    EXPECT_LE(power.bench.in(timer, 4), 0xffffffu);
    const auto whole = power.bench.in(timer, 4);
    EXPECT_EQ(power.bench.in(timer, 2), whole & 0xffff);
    EXPECT_EQ(power.bench.in(timer + 2, 1), whole >> 16);
    EXPECT_EQ(power.bench.in(timer + 3, 1), 0u);
}

TEST(AcpiPm, SetsTimerStatusWhenTheTopBitChanges) {
    Power power;
    power.bench.advance(2343ms); // 2^23 ticks take 2.34348 s
    EXPECT_EQ(power.bench.in(status, 2), 0u);
    power.bench.advance(1ms);
    EXPECT_EQ(power.bench.in(status, 2), 1u);
    EXPECT_EQ(power.bench.line(sci), 0);
    power.bench.out(enable, 2, 1);
    EXPECT_EQ(power.bench.line(sci), 1);
    power.bench.out(status, 2, 1);
    EXPECT_EQ(power.bench.in(status, 2), 0u);
    EXPECT_EQ(power.bench.line(sci), 0);
    power.bench.advance(2342ms);
    EXPECT_EQ(power.bench.line(sci), 0);
    power.bench.advance(1ms);
    EXPECT_EQ(power.bench.line(sci), 1);
    power.bench.out(enable, 2, 0);
    EXPECT_EQ(power.bench.line(sci), 0);
}

TEST(AcpiPm, RaisesTheSciForThePowerButton) {
    Power power;
    power.bench.out(enable, 2, 0x0100);
    power.poke("pm1_status", 0x0100);
    EXPECT_EQ(power.bench.in(status, 2), 0x0100u);
    EXPECT_EQ(power.bench.line(sci), 1);
    power.bench.out(status, 1, 0xff); // the other byte
    EXPECT_EQ(power.bench.line(sci), 1);
    power.bench.out(status + 1, 1, 0x01);
    EXPECT_EQ(power.bench.in(status, 2), 0u);
    EXPECT_EQ(power.bench.line(sci), 0);
}

TEST(AcpiPm, ThePowerButtonIsAKeyOfTheHost) {
    Power power;
    power.bench.out(enable, 2, 0x100);
    plugbay_host_event key{};
    key.kind = PLUGBAY_EVENT_KEY;
    key.code = KEY_ENTER;
    key.x = 1;
    power.bench.publish(key);
    key.code = KEY_POWER;
    key.x = 0; // let go of
    power.bench.publish(key);
    power.bench.run();
    EXPECT_EQ(power.bench.in(status, 2), 0u);
    key.x = 1;
    power.bench.publish(key);
    power.bench.run();
    EXPECT_EQ(power.bench.in(status, 2), 0x100u);
    EXPECT_EQ(power.bench.line(sci), 1);
}

TEST(AcpiPm, DoesNotInterruptForWakeAndBusMasterStatus) {
    Power power;
    power.bench.out(enable, 2, 0xffff);
    EXPECT_EQ(power.bench.in(enable, 2), 0x4721u); // reserved bits read as zero
    power.poke("pm1_status", 0x8010);
    EXPECT_EQ(power.bench.line(sci), 0);
}

TEST(AcpiPm, RaisesTheSciForGeneralPurposeEvents) {
    Power power;
    power.bench.out(gpe_enable, 2, 0x8001);
    power.poke("gpe0_status", 0x8002);
    EXPECT_EQ(power.bench.line(sci), 1);
    power.bench.out(gpe_status, 2, 0x8000);
    EXPECT_EQ(power.bench.in(gpe_status, 2), 0x0002u);
    EXPECT_EQ(power.bench.line(sci), 0);
}

TEST(AcpiPm, RaisesTheEventsOfTheHost) {
    Power power;
    power.bench.raise_acpi_event("power", 1);
    EXPECT_EQ(power.bench.in(gpe_status, 2), 2u);
    EXPECT_EQ(power.bench.line(sci), 0); // not enabled
    power.bench.out(gpe_enable, 2, 2);
    EXPECT_EQ(power.bench.line(sci), 1);
    power.bench.out(gpe_status, 2, 2);
    EXPECT_EQ(power.bench.line(sci), 0);
    power.bench.raise_acpi_event("power", 15);
    EXPECT_EQ(power.bench.in(gpe_status, 2), 0x8000u);
    power.bench.raise_acpi_event("power", 16); // there is none
    EXPECT_EQ(power.bench.in(gpe_status, 2), 0x8000u);
}

TEST(AcpiPm, IgnoresGlobalRelease) {
    Power power;
    power.bench.out(control, 2, 0x0004);
    EXPECT_EQ(power.bench.in(control, 2), 0x0001u);
    EXPECT_EQ(power.bench.in(status, 2), 0u);
    power.bench.out(control, 2, 0x0002);
    EXPECT_EQ(power.bench.in(control, 2), 0x0003u); // BM_RLD is kept
}

TEST(AcpiPm, TurnsOffInS5) {
    Power power;
    power.bench.out(control, 2, 5u << 10); // only SLP_TYP
    EXPECT_TRUE(power.bench.requests().empty());
    EXPECT_EQ(power.bench.in(control, 2), (5u << 10 | 1u));
    power.bench.out(control, 2, 3u << 10 | 1u << 13); // a sleep that the tables do not offer
    EXPECT_TRUE(power.bench.requests().empty());
    power.bench.out(control, 2, 5u << 10 | 1u << 13);
    ASSERT_EQ(power.bench.requests().size(), 1u);
    EXPECT_EQ(power.bench.requests().front().request, PLUGBAY_REQUEST_POWER_OFF);
    EXPECT_EQ(power.bench.in(control, 2) & (1u << 13), 0u); // SLP_EN reads as zero
}

TEST(AcpiPm, TurnsOffByABytewiseWrite) {
    Power power;
    power.bench.out(control + 1, 1, (5u << 2) | (1u << 5));
    ASSERT_EQ(power.bench.requests().size(), 1u);
    EXPECT_EQ(power.bench.requests().front().request, PLUGBAY_REQUEST_POWER_OFF);
}

TEST(AcpiPm, ResetsThroughTheResetRegister) {
    Power power;
    power.bench.out(reset_port, 1, 0x00);
    power.bench.out(reset_port, 1, 0x02);
    EXPECT_TRUE(power.bench.requests().empty());
    power.bench.out(reset_port, 1, 0x01);
    ASSERT_EQ(power.bench.requests().size(), 1u);
    EXPECT_EQ(power.bench.requests().front().request, PLUGBAY_REQUEST_RESET);
}

TEST(AcpiPm, CarriesOnAfterSaveAndLoad) {
    Power power;
    power.bench.out(enable, 2, 0x0001);
    power.bench.out(control, 2, 2u << 10);
    power.bench.advance(1s);
    const auto ticks = power.bench.in(timer, 4);
    power.bench.quiesce();
    const auto checkpoint = power.bench.save();

    Bench other;
    other.add(PLUGBAY_PLUGIN_FILE, "acpi-pm", "power");
    other.load(*checkpoint);
    other.start();
    EXPECT_EQ(other.in(timer, 4), ticks);
    EXPECT_EQ(other.in(control, 2), (2u << 10 | 1u));
    other.advance(1343ms);
    EXPECT_EQ(other.line(sci), 0);
    other.advance(1ms);
    EXPECT_EQ(other.line(sci), 1);
    other.reset();
    EXPECT_EQ(other.line(sci), 0);
    EXPECT_EQ(other.in(enable, 2), 0u);
}

TEST(AcpiPm, SurvivesNonsense) {
    Power power;
    std::mt19937 random(1);
    for (int i = 0; i < 50000; ++i) {
        const unsigned width = 1u << random() % 3;
        const auto port = static_cast<std::uint16_t>(0x600 + random() % 20);
        if (random() % 2 == 0)
            power.bench.out(port, width, random());
        else
            power.bench.in(port, width);
        if (random() % 256 == 0) power.bench.advance(std::chrono::milliseconds(random() % 5000));
    }
    EXPECT_TRUE(power.bench.log().empty());
}

TEST(AcpiPm, ASwapMissesNoEvent) {
    Power power;
    power.bench.out(enable, 2, 0x101); // the timer's carry and the power button
    const auto count = power.bench.in(timer, 4);
    for (int round = 0; round < 8; ++round) { // every 2.34 s the timer's top bit changes
        power.bench.swap("power", PLUGBAY_PLUGIN_FILE);
        power.bench.advance(600ms);
    }
    EXPECT_EQ((power.bench.in(timer, 4) - count) & 0xffffff, 3579545u * 48 / 10 & 0xffffff);
    EXPECT_EQ(power.bench.line(sci), 1);
    EXPECT_EQ(power.bench.edges(sci), 1u);
    power.bench.swap("power", PLUGBAY_PLUGIN_FILE);
    EXPECT_EQ(power.bench.line(sci), 1) << "level-triggered: not yet acknowledged";
    power.bench.out(status, 2, 1);
    EXPECT_EQ(power.bench.line(sci), 0);
    plugbay_host_event key{};
    key.kind = PLUGBAY_EVENT_KEY;
    key.code = KEY_POWER;
    key.x = 1;
    power.bench.publish(key);
    power.bench.run();
    EXPECT_EQ(power.bench.in(status, 2) & 0x100, 0x100u);
    EXPECT_EQ(power.bench.line(sci), 1);
}
