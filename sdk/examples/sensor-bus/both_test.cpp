// The controller of one vendor and the sensor of the other, joined by the interface that they share.
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace {

using namespace plugbay::testkit;
using namespace std::chrono_literals;

enum : std::uint16_t { channel = 0x620, command = 0x624, status = 0x628, value = 0x62c, channels = 0x630 };
enum : std::uint32_t { start = 1, busy = 1, ready = 2, failed = 4 };

class SensorBus : public testing::Test {
  protected:
    SensorBus() {
        bench_.add(PLUGBAY_PLUGIN_FILE, "acme-sensor-controller", "bus");
        bench_.add(THERMOMETER, "umbrella-thermometer", "sensor",
                   {{"temperature", "37500"}, {"conversion", "100"}});
        bench_.connect("sensor", "bus");
        bench_.start();
    }
    void measure(std::uint32_t number) {
        bench_.out(channel, 4, number);
        bench_.out(command, 4, start);
    }

    Bench bench_;
};

TEST_F(SensorBus, MeasuresAcrossVendors) {
    EXPECT_EQ(bench_.in(channels, 4), 2u);
    measure(0);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{busy});
    bench_.advance(100us);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{ready});
    EXPECT_EQ(bench_.in(value, 4), 37500u);
    EXPECT_EQ(bench_.edges(11), 1u);
    measure(2);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{failed});
}

TEST_F(SensorBus, GoesOnFromACheckpointInTheMiddleOfAMeasurement) {
    measure(0);
    bench_.advance(40us);
    bench_.quiesce();
    const auto saved = bench_.save();
    bench_.resume();

    Bench other;
    other.add(PLUGBAY_PLUGIN_FILE, "acme-sensor-controller", "bus");
    other.add(THERMOMETER, "umbrella-thermometer", "sensor",
              {{"temperature", "37500"}, {"conversion", "100"}});
    other.connect("sensor", "bus");
    other.load(*saved);
    other.start();
    other.advance(59us);
    EXPECT_EQ(other.in(status, 4), std::uint64_t{busy});
    other.advance(1us);
    EXPECT_EQ(other.in(value, 4), 37500u);
}

TEST_F(SensorBus, EitherBuildIsReplacedDuringAMeasurement) {
    measure(0);
    bench_.swap("bus", PLUGBAY_PLUGIN_FILE);
    bench_.swap("sensor", THERMOMETER);
    bench_.advance(100us);
    EXPECT_EQ(bench_.in(value, 4), 37500u);
}

} // namespace
