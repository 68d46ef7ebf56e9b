// The thermometer alone: its vendor has no controller, and fakes one against the interface's header.
#include <example/sensor_bus.h>
#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>

#include <chrono>
#include <vector>

namespace {

using namespace plugbay::testkit;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct Answer {
    std::uint32_t channel;
    plugbay_status status;
    std::int32_t value;
    friend bool operator==(const Answer&, const Answer&) = default;
};

class FakeController : public Peer {
  public:
    ~FakeController() override { leave(); }

    [[nodiscard]] std::string_view interface() const override { return SENSOR_BUS; }
    [[nodiscard]] const void* table(std::uint32_t role) const override {
        static constexpr sensor_bus_frontend frontend{sizeof(sensor_bus_frontend), 0,
                                                      [](void* instance, std::uint64_t, std::uint32_t channel,
                                                         plugbay_status status, std::int32_t value) noexcept {
                                                          auto& self =
                                                              *static_cast<FakeController*>(instance);
                                                          self.expect_awake("a controller");
                                                          self.answers.push_back({channel, status, value});
                                                      }};
        return role == PLUGBAY_PORT_FRONTEND ? &frontend : nullptr;
    }
    [[nodiscard]] void* instance() override { return this; }

    void measure(std::uint32_t channel) {
        call([&] { backend().measure(link().instance, link().port, channel); });
    }
    [[nodiscard]] std::uint32_t channels() {
        std::uint32_t count = 0;
        call([&] { count = backend().channels(link().instance, link().port); });
        return count;
    }

    std::vector<Answer> answers;

  private:
    [[nodiscard]] const sensor_bus_backend& backend() const {
        return *static_cast<const sensor_bus_backend*>(link().table);
    }
};

class Thermometer : public testing::Test {
  protected:
    Thermometer() {
        bench_.add(PLUGBAY_PLUGIN_FILE, "umbrella-thermometer", "sensor",
                   {{"temperature", "-40000"}, {"conversion", "50"}});
        bench_.connect(controller_, "sensor");
        bench_.start();
    }

    FakeController controller_;
    Bench bench_;
};

TEST_F(Thermometer, AnswersAfterItsTime) {
    EXPECT_EQ(controller_.channels(), 2u);
    controller_.measure(0);
    bench_.advance(49us);
    EXPECT_THAT(controller_.answers, IsEmpty());
    bench_.advance(1us);
    controller_.measure(1);
    bench_.advance(50us);
    controller_.measure(7);
    bench_.advance(50us);
    EXPECT_THAT(controller_.answers, ElementsAre(Answer{0, PLUGBAY_OK, -40000}, Answer{1, PLUGBAY_OK, 1},
                                                 Answer{7, PLUGBAY_NOT_FOUND, 0}));
}

TEST_F(Thermometer, GivesUpWhatWasBegunBefore) {
    controller_.measure(1);
    bench_.advance(30us);
    controller_.measure(0);
    bench_.advance(1ms);
    EXPECT_THAT(controller_.answers, ElementsAre(Answer{0, PLUGBAY_OK, -40000}));
}

TEST_F(Thermometer, AnswersInTheNextBuildWhatItWasAskedInThis) {
    controller_.measure(0);
    bench_.advance(20us);
    bench_.swap("sensor", PLUGBAY_PLUGIN_FILE);
    bench_.advance(30us);
    EXPECT_THAT(controller_.answers, ElementsAre(Answer{0, PLUGBAY_OK, -40000}));
}

} // namespace
