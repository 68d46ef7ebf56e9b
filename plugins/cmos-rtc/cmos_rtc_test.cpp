// In the words of the MC146818A data sheet.
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using plugbay::testkit::Bench;
using plugbay::testkit::BenchOptions;

namespace {

constexpr unsigned irq8 = 8;
constexpr unsigned register_a = 10, register_b = 11, register_c = 12, register_d = 13, century = 0x32;

struct Clock {
    explicit Clock(BenchOptions options = {}) : bench(options) {
        bench.add(PLUGBAY_PLUGIN_FILE, "cmos-rtc", "rtc");
        bench.start();
    }
    unsigned in(unsigned index) {
        bench.out(0x70, 1, index);
        return static_cast<unsigned>(bench.in(0x71));
    }
    void out(unsigned index, unsigned value) {
        bench.out(0x70, 1, index);
        bench.out(0x71, 1, value);
    }
    // Seconds, minutes, hours, day of week, day, month, year, century.
    std::vector<unsigned> time() {
        std::vector<unsigned> values;
        for (const unsigned index : {0u, 2u, 4u, 6u, 7u, 8u, 9u, century})
            values.push_back(in(index));
        return values;
    }
    void set_time(const std::vector<unsigned>& values) {
        out(register_b, in(register_b) | 0x80);
        std::size_t at = 0;
        for (const unsigned index : {0u, 2u, 4u, 6u, 7u, 8u, 9u, century})
            out(index, values[at++]);
        out(register_b, in(register_b)&0x7f);
    }
    int line() const { return bench.line(irq8); }

    Bench bench; // its calendar begins on Sunday, 2001-09-09 01:46:40
};

using Time = std::vector<unsigned>;

} // namespace

TEST(CmosRtc, TellsFirmwareWhereItIs) {
    Clock clock;
    ASSERT_EQ(clock.bench.acpi_legacy_devices().size(), 1u);
    const auto& device = clock.bench.acpi_legacy_devices().front();
    EXPECT_STREQ(device.hardware_id, "PNP0B00");
    EXPECT_EQ(device.first_port, 0x70);
    EXPECT_EQ(device.port_count, 2);
    EXPECT_EQ(device.line, irq8);
}

TEST(CmosRtc, ShowsTheHostsCalendarInBcd) {
    Clock clock;
    EXPECT_EQ(clock.time(), (Time{0x40, 0x46, 0x01, 1, 0x09, 0x09, 0x01, 0x20}));
    EXPECT_EQ(clock.in(register_a), 0x26u);
    EXPECT_EQ(clock.in(register_b), 0x02u);
    EXPECT_EQ(clock.in(register_c), 0x00u);
    EXPECT_EQ(clock.in(register_d), 0x80u);
    clock.bench.advance(24h + 20s);
    EXPECT_EQ(clock.time(), (Time{0x00, 0x47, 0x01, 2, 0x10, 0x09, 0x01, 0x20}));
}

TEST(CmosRtc, CountsInBinaryAndIn12Hours) {
    Clock clock;
    clock.out(register_b, 0x06);
    EXPECT_EQ(clock.time(), (Time{40, 46, 1, 1, 9, 9, 1, 20}));
    clock.out(register_b, 0x00);
    EXPECT_EQ(clock.in(4), 0x01u);
    clock.bench.advance(11h);
    EXPECT_EQ(clock.in(4), 0x92u); // 12 p.m.
    clock.bench.advance(11h);
    EXPECT_EQ(clock.in(4), 0x91u); // 11 p.m.
    clock.bench.advance(1h);
    EXPECT_EQ(clock.in(4), 0x12u); // 12 a.m.
}

TEST(CmosRtc, GoesOnFromTheTimeThatIsSet) {
    Clock clock;
    clock.set_time({0x58, 0x59, 0x23, 7, 0x28, 0x02, 0x24, 0x20});
    EXPECT_EQ(clock.time(), (Time{0x58, 0x59, 0x23, 7, 0x28, 0x02, 0x24, 0x20}));
    clock.bench.advance(2s);
    EXPECT_EQ(clock.time(), (Time{0x00, 0x00, 0x00, 1, 0x29, 0x02, 0x24, 0x20})); // its own day of week
    clock.bench.reset();
    EXPECT_EQ(clock.in(9), 0x24u); // the battery keeps it
    clock.out(9, 0x30);            // without SET: this register only
    EXPECT_EQ(clock.in(9), 0x30u);
}

TEST(CmosRtc, StandsStillWhileSet) {
    Clock clock;
    clock.out(register_b, 0x82);
    const auto time = clock.time();
    clock.bench.advance(1h);
    EXPECT_EQ(clock.time(), time);
    EXPECT_EQ(clock.in(register_a)&0x80, 0u);
    clock.out(register_b, 0x02);
    EXPECT_EQ(clock.time(), time);
    clock.bench.advance(1s);
    EXPECT_EQ(clock.in(0), 0x41u);
}

// As Linux sets it: the divider is held meanwhile, and the first update comes half a second after.
TEST(CmosRtc, UpdatesHalfASecondAfterTheDividersReset) {
    Clock clock;
    clock.bench.advance(300ms);
    clock.out(register_b, 0x82);
    clock.out(register_a, 0x76);
    clock.out(0, 0x10);
    clock.out(register_b, 0x02);
    clock.bench.advance(10s);
    clock.out(register_a, 0x26);
    clock.bench.advance(499ms);
    EXPECT_EQ(clock.in(0), 0x10u);
    clock.bench.advance(2ms);
    EXPECT_EQ(clock.in(0), 0x11u);
}

TEST(CmosRtc, WarnsOfTheUpdate) {
    Clock clock;
    clock.bench.advance(999755us);
    EXPECT_EQ(clock.in(register_a), 0x26u);
    clock.bench.advance(2us);
    EXPECT_EQ(clock.in(register_a), 0xa6u);
    clock.out(register_a, 0xa6); // the bit is read-only
    clock.bench.advance(244us);
    EXPECT_EQ(clock.in(register_a), 0x26u);
}

TEST(CmosRtc, InterruptsWhenAnUpdateEnds) {
    Clock clock;
    clock.out(register_b, 0x12);
    clock.bench.advance(999ms);
    EXPECT_EQ(clock.line(), 0);
    clock.bench.advance(1ms);
    EXPECT_EQ(clock.line(), 1);
    EXPECT_EQ(clock.in(register_c)&0x90, 0x90u);
    EXPECT_EQ(clock.line(), 0);
    EXPECT_EQ(clock.in(register_c), 0x00u); // reading cleared it
    clock.bench.advance(1s);
    EXPECT_EQ(clock.line(), 1);
    clock.out(register_b, 0x92); // SET turns the interrupt off
    EXPECT_EQ(clock.in(register_b), 0x82u);
    EXPECT_EQ(clock.line(), 0);
}

TEST(CmosRtc, RaisesTheAlarm) {
    Clock clock;
    clock.out(5, 0x01);
    clock.out(3, 0x47);
    clock.out(1, 0x05);
    clock.out(register_b, 0x22);
    clock.bench.advance(24999ms);
    EXPECT_EQ(clock.line(), 0);
    clock.bench.advance(1ms);
    EXPECT_EQ(clock.line(), 1);
    EXPECT_EQ(clock.in(register_c)&0xa0, 0xa0u);
    clock.bench.advance(24h - 1s);
    EXPECT_EQ(clock.line(), 0);
    clock.bench.advance(1s);
    EXPECT_EQ(clock.line(), 1);
}

TEST(CmosRtc, TakesAnyValueForAWildcard) {
    Clock clock;
    clock.out(5, 0xff);
    clock.out(3, 0xc0);
    clock.out(1, 0x00);
    clock.out(register_b, 0x22);
    clock.bench.advance(20s);
    for (int minute = 0; minute < 3; ++minute) {
        EXPECT_EQ(clock.line(), 1);
        clock.in(register_c);
        clock.bench.advance(59s);
        EXPECT_EQ(clock.line(), 0);
        clock.bench.advance(1s);
    }
    clock.in(register_c);
    clock.out(1, 0x7f); // no such second
    clock.bench.advance(48h);
    EXPECT_EQ(clock.line(), 0);
}

TEST(CmosRtc, AlarmsInTheAfternoon) {
    Clock clock;
    clock.out(register_b, 0x20); // 12 hours, BCD
    clock.out(5, 0x81);
    clock.out(3, 0x00);
    clock.out(1, 0x00);
    clock.bench.advance(11h + 13min + 19s);
    EXPECT_EQ(clock.line(), 0);
    clock.bench.advance(1s);
    EXPECT_EQ(clock.line(), 1);
}

TEST(CmosRtc, SetsFlagsWithoutInterrupts) {
    Clock clock;
    clock.out(5, 0xff);
    clock.out(3, 0xff);
    clock.out(1, 0xff);
    clock.bench.advance(3s);
    EXPECT_EQ(clock.line(), 0);
    EXPECT_EQ(clock.in(register_c), 0x70u); // no request
    EXPECT_EQ(clock.bench.device("rtc").holdings().timers, 1u);
}

TEST(CmosRtc, InterruptsPeriodically) {
    // Rate select and the period in nanoseconds, for the 32768 Hz time base.
    constexpr std::pair<unsigned, unsigned> rates[] = {
        {1, 3906250}, {2, 7812500}, {3, 122070}, {6, 976562}, {8, 3906250}, {13, 125000000}, {15, 500000000}};
    for (const auto& [rate, period] : rates) {
        Clock clock;
        clock.out(register_a, 0x20 | rate);
        clock.out(register_b, 0x42);
        clock.in(register_c);
        clock.bench.advance(std::chrono::nanoseconds(period - 1));
        EXPECT_EQ(clock.line(), 0) << rate;
        for (int i = 0; i < 5; ++i) {
            clock.bench.advance(1ns);
            EXPECT_EQ(clock.line(), 1) << rate;
            EXPECT_EQ(clock.in(register_c)&0xc0, 0xc0u);
            clock.bench.advance(std::chrono::nanoseconds(period - 1));
            EXPECT_EQ(clock.line(), 0) << rate;
        }
    }
    Clock clock;
    clock.out(register_a, 0x20); // none
    clock.out(register_b, 0x42);
    clock.bench.advance(10s);
    EXPECT_EQ(clock.line(), 0);
}

TEST(CmosRtc, ForgetsInterruptsOnReset) {
    Clock clock;
    clock.out(register_b, 0x7a);
    clock.bench.advance(1s);
    EXPECT_EQ(clock.line(), 1);
    clock.bench.reset();
    EXPECT_EQ(clock.line(), 0);
    EXPECT_EQ(clock.in(register_b), 0x02u);
    EXPECT_EQ(clock.in(register_c)&0x80, 0x00u);
}

TEST(CmosRtc, TellsMemorySizes) {
    Clock clock(BenchOptions{.memory = 32 << 20});
    const auto word = [&](unsigned index) { return clock.in(index) | clock.in(index + 1) << 8; };
    EXPECT_EQ(word(0x15), 640u);
    EXPECT_EQ(word(0x17), 31u * 1024);
    EXPECT_EQ(word(0x30), 31u * 1024);
    EXPECT_EQ(word(0x34), 16u * 16);
    unsigned sum = 0;
    for (unsigned index = 0x10; index < 0x2e; ++index)
        sum += clock.in(index);
    EXPECT_EQ(clock.in(0x2e) << 8 | clock.in(0x2f), sum);
}

TEST(CmosRtc, RemembersWhatIsWritten) {
    Clock clock;
    for (unsigned index = 14; index < 128; ++index) {
        if (index != century) clock.out(index | 0x80, index ^ 0x5a); // bit 7 masks NMIs
    }
    clock.bench.reset();
    for (unsigned index = 14; index < 128; ++index) {
        if (index == century) continue;
        EXPECT_EQ(clock.in(index), index ^ 0x5a);
    }
    EXPECT_EQ(clock.bench.in(0x70), 0xffu);
}

TEST(CmosRtc, MovesNonsenseToTheNearestTime) {
    Clock clock;
    clock.set_time({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    const auto time = clock.time();
    EXPECT_EQ(time[0], 0x59u);
    EXPECT_EQ(time[7], 0x99u);
    clock.set_time({0, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(clock.in(8), 0x01u);
}

TEST(CmosRtc, CarriesOnAfterSaveAndLoad) {
    Clock clock;
    clock.set_time({0x00, 0x30, 0x12, 3, 0x01, 0x01, 0x30, 0x20});
    clock.out(5, 0x12);
    clock.out(3, 0x31);
    clock.out(1, 0x00);
    clock.out(register_b, 0x22);
    clock.out(0x40, 0x77);
    clock.bench.advance(10s);
    clock.bench.out(0x70, 1, 0x40);
    clock.bench.quiesce();
    const auto checkpoint = clock.bench.save();

    Bench other;
    other.add(PLUGBAY_PLUGIN_FILE, "cmos-rtc", "rtc");
    other.load(*checkpoint);
    other.start();
    EXPECT_EQ(other.in(0x71), 0x77u);
    other.advance(49s);
    EXPECT_EQ(other.line(irq8), 0);
    other.advance(1s);
    EXPECT_EQ(other.line(irq8), 1);
}

// The host's calendar goes on while the machine is paused.
TEST(CmosRtc, RaisesAnAlarmThatWasMissedWhilePaused) {
    Clock clock;
    clock.out(5, 0xff);
    clock.out(3, 0x50);
    clock.out(1, 0x00);
    clock.out(register_b, 0x22);
    clock.bench.quiesce();
    clock.bench.advance(1h);
    clock.bench.resume();
    EXPECT_EQ(clock.in(4), 0x02u);
    EXPECT_EQ(clock.line(), 1);
}

TEST(CmosRtc, SurvivesNonsense) {
    Clock clock;
    std::mt19937 random(1);
    for (int i = 0; i < 20000; ++i) {
        const unsigned width = 1u << random() % 3;
        const auto port = static_cast<std::uint16_t>(0x70 + random() % 2);
        if (random() % 4 != 0)
            clock.bench.out(port, width, random() % 4 == 0 ? random() : random() % 14);
        else
            clock.bench.in(port, width);
        if (random() % 256 == 0) clock.bench.advance(std::chrono::milliseconds(random() % 2000));
    }
    EXPECT_TRUE(clock.bench.log().empty());
}

TEST(CmosRtc, RefusesOrTamesAHostileState) {
    Clock clock;
    clock.bench.quiesce();
    const auto image = clock.bench.save("rtc");
    std::mt19937 random(2);
    int loaded = 0;
    for (int round = 0; round < 500; ++round) {
        const auto hostile =
            plugbay::testkit::edited(image, [&](const auto& field, std::span<std::byte> elements) {
                const unsigned limit = field.kind == PLUGBAY_FIELD_BOOLEAN ? 2 : field.count == 1 ? 7 : 256;
                if (random() % 2 != 0) return;
                for (auto& byte : elements)
                    byte = static_cast<std::byte>(random() % limit);
            });
        if (clock.bench.device("rtc").try_load(hostile)) ++loaded;
        clock.bench.resume();
        for (int i = 0; i < 50; ++i) {
            clock.out(static_cast<unsigned>(random() % 128), static_cast<unsigned>(random()));
            clock.in(static_cast<unsigned>(random() % 128));
        }
        clock.bench.advance(100ms);
        clock.bench.quiesce();
    }
    EXPECT_GT(loaded, 0);
}

TEST(CmosRtc, ASwapMissesNoSecond) {
    Clock clock;
    clock.out(register_b, 0x12); // update-ended interrupts
    const Time before = clock.time();
    unsigned seconds = 0;
    for (int i = 0; i < 300; ++i) {
        if (i % 7 == 0) clock.bench.swap("rtc", PLUGBAY_PLUGIN_FILE);
        clock.bench.advance(10ms);
        if (clock.line() == 0) continue;
        ++seconds;
        EXPECT_EQ(clock.in(register_c)&0x90, 0x90u);
    }
    EXPECT_EQ(seconds, 3u);
    EXPECT_EQ(clock.time()[0], before[0] + 3);
}
