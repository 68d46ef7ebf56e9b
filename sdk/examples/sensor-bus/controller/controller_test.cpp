// The controller alone: its vendor has no sensor, and fakes one against the interface's header.
#include <example/sensor_bus.h>
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <optional>

namespace {

using namespace plugbay::testkit;

class FakeSensor : public Peer {
  public:
    ~FakeSensor() override { leave(); }

    [[nodiscard]] std::string_view interface() const override { return SENSOR_BUS; }
    [[nodiscard]] const void* table(std::uint32_t role) const override {
        static constexpr sensor_bus_backend backend{
            sizeof(sensor_bus_backend), 0, [](void*, std::uint64_t) noexcept { return 4u; },
            [](void* instance, std::uint64_t, std::uint32_t channel) noexcept {
                static_cast<FakeSensor*>(instance)->measure(channel);
            }};
        return role == PLUGBAY_PORT_BACKEND ? &backend : nullptr;
    }
    [[nodiscard]] void* instance() override { return this; }

    void answer(std::uint32_t channel, plugbay_status status, std::int32_t value) {
        call([&] {
            const auto& frontend = *static_cast<const sensor_bus_frontend*>(link().table);
            frontend.measured(link().instance, link().port, channel, status, value);
        });
    }

    std::optional<std::uint32_t> asked;
    std::optional<std::int32_t> at_once; // answered from inside the call

  private:
    void measure(std::uint32_t channel) {
        expect_awake("a sensor");
        asked = channel;
        if (at_once) answer(channel, PLUGBAY_OK, *at_once);
    }
};

enum : std::uint16_t { channel = 0x620, command = 0x624, status = 0x628, value = 0x62c, channels = 0x630 };
enum : std::uint32_t { start = 1, acknowledge = 2, busy = 1, ready = 2, failed = 4 };

class SensorController : public testing::Test {
  protected:
    SensorController() {
        bench_.add(PLUGBAY_PLUGIN_FILE, "acme-sensor-controller", "bus");
        bench_.connect(sensor_, "bus");
        bench_.start();
    }
    void measure(std::uint32_t number) {
        bench_.out(channel, 4, number);
        bench_.out(command, 4, start);
    }

    FakeSensor sensor_;
    Bench bench_;
};

TEST_F(SensorController, MeasuresAndInterrupts) {
    EXPECT_EQ(bench_.in(channels, 4), 4u);
    measure(2);
    EXPECT_EQ(sensor_.asked, 2u);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{busy});
    EXPECT_EQ(bench_.line(11), 0);
    sensor_.answer(2, PLUGBAY_OK, -1500);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{ready});
    EXPECT_EQ(static_cast<std::int32_t>(bench_.in(value, 4)), -1500);
    EXPECT_EQ(bench_.line(11), 1);
    bench_.out(command, 4, acknowledge);
    EXPECT_EQ(bench_.in(status, 4), 0u);
    EXPECT_EQ(bench_.line(11), 0);
}

TEST_F(SensorController, TakesAnAnswerFromInsideTheQuestion) {
    sensor_.at_once = 7;
    measure(0);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{ready});
    EXPECT_EQ(bench_.in(value, 4), 7u);
}

TEST_F(SensorController, IgnoresWhatItHasNotAskedFor) {
    sensor_.answer(0, PLUGBAY_OK, 5);
    EXPECT_EQ(bench_.in(status, 4), 0u);
    measure(1);
    sensor_.answer(3, PLUGBAY_OK, 5);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{busy});
}

TEST_F(SensorController, FailsWhereThereIsNoSuchChannelAndWhenTheSensorFailsOrGoes) {
    measure(4);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{failed});
    EXPECT_FALSE(sensor_.asked);
    measure(1);
    sensor_.answer(1, PLUGBAY_FAILED, 9);
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{failed});
    EXPECT_EQ(bench_.in(value, 4), 0u);
    measure(1);
    bench_.quiesce();
    bench_.disconnect(sensor_);
    bench_.resume();
    EXPECT_EQ(bench_.in(status, 4), std::uint64_t{failed});
    EXPECT_EQ(bench_.in(channels, 4), 0u);
}

} // namespace
