// Devices whose accesses are looked at: what is seen, that nobody else notices, and that hot swap, probation and removal go
// on as ever.
#include "core/bus/gate.hpp"
#include "core/trace/tracer.hpp"
#include "tests/crash.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>

#include <limits>
#include <mutex>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using namespace std::chrono_literals;

constexpr std::uint16_t port = 0x300;
constexpr std::uint64_t address = 0xe000'0000;

// Keeps what it is written, at two places. Its tokens tell the build. The third one crashes when it is written 0xdd.
template <int build>
class Lamp {
  public:
    static constexpr plugbay::Type type{.name = "lamp", .help = "Shines."};
    explicit Lamp(plugbay::Host host)
        : ports_(host.map_ports(port, 4, build)), memory_(host.map_memory(address, 0x1000, 100 + build)),
          timer_(host.timer(PLUGBAY_CLOCK_HOST, 7)) {
        ++living;
    }
    ~Lamp() { --living; }
    Lamp(const Lamp&) = delete;
    Lamp& operator=(const Lamp&) = delete;
    void reset() {}
    std::uint64_t read(plugbay::Access access) {
        check(access);
        return level_ + access.offset;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        check(access);
        if (build == 3 && value == 0xdd) plugbay::crash();
        if (value == 0x77) timer_.arm(1);
        level_ = value;
    }
    void on_timer(std::uint64_t) {}
    void state(auto& fields) { fields("level", level_); }

  private:
    static void check(plugbay::Access access) {
        if (access.token != build && access.token != 100 + build) ++broken_rules;
    }
    plugbay::Region ports_;
    plugbay::Region memory_;
    plugbay::Timer timer_;
    std::uint64_t level_ = 0;
};

template <int build>
LoadedType lamp() {
    return LoadedType{nullptr, &plugbay::detail::Glue<Lamp<build>>::type};
}

class TracerTest : public ManagerTest {
  protected:
    TracerTest() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("trace")));
        manager = std::make_unique<DeviceManager>(
            services, [](std::string_view) -> Result<LoadedType> { return lamp<1>(); }, std::move(loops));
        EXPECT_TRUE(add({{.id = "lamp", .type = "lamp"}}));
        make_tracer();
    }
    ~TracerTest() override { tracer.reset(); }
    void make_tracer() {
        tracer.emplace(*manager, Tracer::Listener{
                                     .access = [this](const TracedAccess& access) { tell(line_of(access)); },
                                     .over =
                                         [this](const std::string& device, const std::string& why,
                                                std::uint64_t left_out) {
                                             tell(device + " over: " + why);
                                             total_left_out += left_out;
                                         }});
    }
    void tell(const std::string& line) {
        const std::lock_guard guard(mutex_);
        // Without times.
        const std::size_t from = line.find(' ', line.rfind('\n') + 1);
        const std::size_t to = line.find(' ', from + 1);
        lines_.push_back(
            line[from + 1] >= '0' && line[from + 1] <= '9' ? line.substr(0, from) + line.substr(to) : line);
    }
    // All until the trace is over.
    std::vector<std::string> lines() {
        tracer.reset();
        const std::lock_guard guard(mutex_);
        return std::exchange(lines_, {});
    }
    Result<void> swap(LoadedType type, std::function<void()> crashed = {}) {
        SwapJournal swaps;
        const std::vector<DeviceManager::Replacement> all{
            {.id = "lamp", .type = std::move(type), .properties = {}, .crashed = std::move(crashed)}};
        auto done = manager->replace(all, swaps, 200ms);
        if (!done) return std::move(done).error();
        return {};
    }

    std::optional<Tracer> tracer;
    std::atomic<std::uint64_t> total_left_out{0};

  private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

TEST_F(TracerTest, TellsAccessesWithTheirAnswers) {
    out(port, 1); // before
    ASSERT_TRUE(tracer->start("lamp"));
    out(port + 1, 0x41);
    EXPECT_EQ(in(port + 2), 0x43u);
    bus.write_memory(presence, address + 0x10, 8, 0x1234);
    EXPECT_EQ(bus.read_memory(presence, address, 2), 0x1234u);
    EXPECT_THAT(tracer->traced(), ElementsAre("lamp"));
    EXPECT_THAT(lines(), ElementsAre("lamp host write ports 0x300 + 0x1 = 0x41",
                                     "lamp host read ports 0x300 + 0x2 = 0x43",
                                     "lamp host write memory 0xe0000000 + 0x10 = 0x0000000000001234",
                                     "lamp host read memory 0xe0000000 + 0x0 = 0x1234",
                                     "lamp over: it was asked for"));
    out(port, 2); // after
    EXPECT_EQ(in(port), 2u);
}

TEST_F(TracerTest, TellsWhichVcpuItWasAndWhatElseCame) {
    ASSERT_TRUE(tracer->start("lamp"));
    std::thread([&] {
        Presence own;
        bus.presences().add(own);
        own.belongs_to_this_thread();
        bus.write_port(own, port, 1, 0x77);
        bus.presences().remove(own);
    }).join();
    ASSERT_TRUE(eventually([&] { return manager->find("lamp")->counts().timers.value() == 1; }));
    EXPECT_THAT(lines(), ElementsAre("lamp vcpu1 write ports 0x300 + 0x0 = 0x77", "lamp host event a timer",
                                     "lamp over: it was asked for"));
}

// Whoever does not trace gets the build's own table, not one that leads to it.
TEST_F(TracerTest, NothingIsInTheWayWhileNobodyTraces) {
    Slot& slot = manager->find("lamp")->slot();
    const Binding* const before = slot.binding;
    EXPECT_EQ(before, &manager->find("lamp")->binding());
    ASSERT_TRUE(tracer->start("lamp"));
    EXPECT_NE(slot.binding, before);
    ASSERT_TRUE(tracer->stop("lamp"));
    EXPECT_EQ(slot.binding, before);
}

TEST_F(TracerTest, GoesOnOverASwapAndEndsWithTheDevice) {
    ASSERT_TRUE(tracer->start("lamp"));
    out(port, 5);
    ASSERT_TRUE(swap(lamp<2>()));
    EXPECT_EQ(in(port), 5u);
    EXPECT_EQ(bus.read_memory(presence, address, 1), 5u);
    ASSERT_TRUE(swap(lamp<1>()));
    EXPECT_EQ(in(port), 5u);
    ASSERT_TRUE(manager->remove("lamp", false));
    EXPECT_EQ(in(port), 0xffu);
    EXPECT_THAT(tracer->traced(), IsEmpty());
    EXPECT_THAT(lines(), ElementsAre("lamp host write ports 0x300 + 0x0 = 0x05",
                                     "lamp (another build)\nlamp host read ports 0x300 + 0x0 = 0x05",
                                     "lamp host read memory 0xe0000000 + 0x0 = 0x05",
                                     "lamp (another build)\nlamp host read ports 0x300 + 0x0 = 0x05",
                                     "lamp over: the device is gone"));
}

// It begins, goes on and ends in any order with a probation.
TEST_F(TracerTest, ABuildOnProbationIsTracedLikeOthers) {
    ASSERT_TRUE(swap(lamp<2>(), [] {}));
    ASSERT_TRUE(tracer->start("lamp"));
    out(port, 1);
    manager->find("lamp")->end_probation();
    out(port, 2);
    ASSERT_TRUE(swap(lamp<1>(), [] {}));
    out(port, 3);
    ASSERT_TRUE(tracer->stop("lamp"));
    out(port, 4);
    manager->find("lamp")->end_probation();
    EXPECT_EQ(in(port), 4u);
    EXPECT_EQ(manager->find("lamp")->slot().binding, &manager->find("lamp")->binding());
    EXPECT_THAT(lines(), ElementsAre("lamp host write ports 0x300 + 0x0 = 0x01",
                                     "lamp host write ports 0x300 + 0x0 = 0x02",
                                     "lamp (another build)\nlamp host write ports 0x300 + 0x0 = 0x03",
                                     "lamp over: it was asked for"));
}

// The guest's access is made once, so it is told once, with the answer of the build that gave it.
TEST_F(TracerTest, AnAccessThatCrashedIsToldWhenItWasMadeAgain) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    std::atomic<bool> crashed{false};
    ASSERT_TRUE(tracer->start("lamp"));
    ASSERT_TRUE(swap(lamp<3>(), [&] { crashed = true; }));
    std::thread guest([&] {
        Presence own;
        bus.presences().add(own);
        own.belongs_to_this_thread();
        bus.write_port(own, port, 1, 0xdd);
        bus.presences().remove(own);
    });
    ASSERT_TRUE(eventually([&] { return crashed.load(); }));
    ASSERT_TRUE(swap(lamp<1>()));
    guest.join();
    living -= 1; // the crashed one is never destroyed
    EXPECT_EQ(in(port), 0xddu);
    EXPECT_THAT(lines(),
                ElementsAre("lamp vcpu1 write ports 0x300 + 0x0 = 0xdd",
                            "lamp host read ports 0x300 + 0x0 = 0xdd", "lamp over: it was asked for"));
}

TEST_F(TracerTest, NoAccessIsLostToTheGuestWhileTracesComeAndGo) {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> written{0};
    std::thread guest([&] {
        Presence own;
        bus.presences().add(own);
        own.belongs_to_this_thread();
        while (!stop) {
            const std::uint64_t next = written + 1;
            bus.write_memory(own, address, 8, next);
            EXPECT_EQ(bus.read_memory(own, address, 8), next);
            written = next;
        }
        bus.presences().remove(own);
    });
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(tracer->start("lamp"));
        if (i % 5 == 0) {
            ASSERT_TRUE(i % 2 == 0 ? swap(lamp<2>()) : swap(lamp<1>()));
        }
        std::this_thread::sleep_for(1ms);
        ASSERT_TRUE(tracer->stop("lamp"));
    }
    stop = true;
    guest.join();
    EXPECT_EQ(bus.read_memory(presence, address, 8), written);
    EXPECT_EQ(broken_rules, 0);
}

// More than anybody could read is counted, in the ring or by the limit, and the guest does not wait.
TEST_F(TracerTest, WhatIsTooMuchIsLeftOutAndCounted) {
    constexpr std::uint64_t accesses = 100'000;
    std::atomic<std::uint64_t> told{0};
    std::atomic<std::uint64_t> left_out{0};
    tracer.emplace(*manager, Tracer::Listener{.access =
                                                  [&](const TracedAccess& access) {
                                                      ++told;
                                                      left_out += access.left_out;
                                                  },
                                              .over = [&](const std::string&, const std::string&,
                                                          std::uint64_t rest) { left_out += rest; }});
    ASSERT_TRUE(tracer->start("lamp"));
    for (std::uint64_t i = 0; i < accesses; ++i)
        out(port, static_cast<std::uint8_t>(i & 0x3f)); // nothing that arms the timer
    tracer.reset();
    EXPECT_EQ(told + left_out, accesses);
    EXPECT_GT(told, 100u);
    EXPECT_LT(told, accesses / 2);
}

TEST_F(TracerTest, RefusalsAreExplained) {
    EXPECT_THAT(tracer->start("lmap").error().text(), HasSubstr("did you mean \"lamp\"?"));
    EXPECT_THAT(tracer->stop("lamp").error().text(), HasSubstr("is not traced"));
    EXPECT_THAT(tracer->stop("nobody").error().text(), HasSubstr("there is no device"));
    ASSERT_TRUE(tracer->start("lamp"));
    EXPECT_THAT(tracer->start("lamp").error().text(), HasSubstr("is traced already"));
    ASSERT_TRUE(tracer->stop("lamp"));
    ASSERT_TRUE(tracer->start("lamp"));
}

} // namespace
} // namespace plugbay::core
