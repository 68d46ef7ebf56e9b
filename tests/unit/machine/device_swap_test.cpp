// Another build behind a device that runs: what it gets, when, and that a failure leaves everything as it was.
#include "core/pci/pci_function.hpp"
#include "tests/crash.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// How a build misbehaves.
enum class Flaw : std::uint8_t {
    none,
    create,
    connect,
    save,
    load,
    quiesce,
    never_still,
    another_port,
    no_port,
    another_line,
    stateless,
    newer_state,
    unknown_field,
    crash,
    crash_in_destroy,
};

constexpr std::uint32_t call = 0x200;

struct MeterOptions {
    std::uint16_t port = 0;
    static constexpr auto properties() {
        return plugbay::properties(plugbay::property("port", &MeterOptions::port, "of its two registers"));
    }
};

// Counts what the guest writes to its first port; the second tells the build. Its line is high while the count is odd.
// Passes what it is written on to its backend, which answers; counts answers too.
template <int build, Flaw flaw = Flaw::none>
class Meter {
  public:
    static constexpr plugbay::Type type{.name = "meter",
                                        .help = "Counts.",
                                        .state_version = flaw == Flaw::newer_state ? 2 : 1,
                                        .state_version_oldest = flaw == Flaw::newer_state ? 2 : 1};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }
    using Options = MeterOptions;

    Meter(plugbay::Host host, const Options& options) : host_(host) {
        ++living;
        if constexpr (flaw == Flaw::create) {
            --living;
            throw plugbay::Failure("it was told to", PLUGBAY_FAILED);
        }
        const std::uint16_t first = flaw == Flaw::another_port ? options.port + 8 : options.port;
        try {
            if constexpr (flaw != Flaw::no_port) region_ = host.map_ports(first, 2, build);
            calls_ = host.claim_hypercalls(call, 1, build);
            line_ = host.interrupt_line(flaw == Flaw::another_line ? 6 : 5);
            timer_ = host.timer(PLUGBAY_CLOCK_HOST, build);
        } catch (...) {
            --living;
            throw;
        }
        line_.set(false); // as a careless author does
        timer_.arm(1);    // long past
        note("create");
    }
    ~Meter() {
        if constexpr (flaw == Flaw::crash_in_destroy) plugbay::crash();
        note("destroy");
        --living;
    }
    Meter(const Meter&) = delete;
    Meter& operator=(const Meter&) = delete;

    void start() { note("start"); }
    plugbay_status quiesce() {
        note("quiesce");
        if constexpr (flaw == Flaw::quiesce) return PLUGBAY_FAILED;
        if constexpr (flaw == Flaw::never_still) return PLUGBAY_PENDING;
        runs_ = false;
        return PLUGBAY_OK;
    }
    void resume() {
        note("resume");
        runs_ = true;
    }
    void reset() {}
    std::uint64_t read(plugbay::Access access) {
        if (access.token != build) ++broken_rules;
        return access.offset == 0 ? static_cast<std::uint8_t>(count_) : build;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.token != build) ++broken_rules;
        if constexpr (flaw == Flaw::crash) {
            if (count_ % 7 == 3) plugbay::crash();
        }
        ++count_;
        line_.set(count_ % 2 != 0);
        const auto byte = static_cast<std::uint8_t>(value);
        if (backend_) backend_.write(std::span(&byte, 1));
    }
    // Gives back what it was passed, and one more.
    void hypercall(std::uint64_t token, plugbay_hypercall_registers& registers) {
        if (token != build) ++broken_rules;
        registers.rax = ++registers.rbx;
        if constexpr (flaw == Flaw::crash) plugbay::crash();
    }
    void on_timer(std::uint64_t token) {
        if (token != build) ++broken_rules;
        ++expired_;
    }
    void on_connect(std::uint64_t, plugbay::Link link) {
        if constexpr (flaw == Flaw::connect) throw plugbay::Failure("not with that one", PLUGBAY_INVALID);
        note("connect");
        backend_ = plugbay::CharBackend(link);
    }
    void on_disconnect(std::uint64_t) {
        note("disconnect");
        backend_ = {};
    }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        answers_ += static_cast<std::uint32_t>(bytes.size());
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}

    void state(auto& fields) requires(flaw != Flaw::stateless) {
        if constexpr (flaw == Flaw::save) throw plugbay::Failure("it does not save", PLUGBAY_FAILED);
        fields("count", count_);
        if constexpr (flaw == Flaw::unknown_field) {
            fields("answers_heard", answers_);
        } else {
            fields("answers", answers_);
        }
    }
    void loaded() {
        if constexpr (flaw == Flaw::load) throw plugbay::Failure("it does not load", PLUGBAY_FAILED);
        line_.set(count_ % 2 != 0);
        note("load");
    }
    static inline std::atomic<int> expired_{0};

  private:
    void note(const char* what) {
        journal.note(std::string(what) + " " + std::string(host_.device_id()) + "/" + std::to_string(build));
    }

    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::Hypercalls calls_;
    plugbay::InterruptLine line_;
    plugbay::Timer timer_;
    plugbay::CharBackend backend_;
    std::uint32_t count_ = 0;
    std::uint32_t answers_ = 0;
    bool runs_ = false;
};

// Answers every byte, and counts in its state.
template <int build>
class Echo {
  public:
    static constexpr plugbay::Type type{.name = "echo", .help = "Answers."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR).optional()}; }
    explicit Echo(plugbay::Host host) : host_(host) { ++living; }
    ~Echo() { --living; }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;
    void reset() {}
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        ++served;
        frontend_.receive(bytes);
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) {}
    void state(auto&) {}
    static inline std::atomic<int> served{0};

  private:
    plugbay::Host host_;
    plugbay::CharFrontend frontend_;
};

// A port with a doorbell, or not, that can refuse to go on from a state.
template <bool rings, bool loads = true>
class Bell {
  public:
    static constexpr plugbay::Type type{.name = "bell", .help = "May be rung."};
    explicit Bell(plugbay::Host host) : region_(host.map_ports(0x340, 2)) {
        if constexpr (rings) doorbell_ = host.doorbell(region_.handle(), 0, 2);
    }
    void reset() {}
    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t) {}
    void on_doorbell(std::uint64_t) {}
    void state(auto&) {}
    void loaded() {
        if constexpr (!loads) throw plugbay::Failure("it does not load", PLUGBAY_FAILED);
    }

  private:
    plugbay::Region region_;
    plugbay::Doorbell doorbell_;
};

template <typename Device>
LoadedType build_of() {
    return LoadedType{nullptr, &plugbay::detail::Glue<Device>::type};
}

constexpr std::uint16_t port = 0x300;

class SwapTest : public ManagerTest {
  protected:
    SwapTest() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("swap")));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) -> Result<LoadedType> {
                if (name == "bell") return build_of<Bell<false>>();
                return name == "meter" ? build_of<Meter<1>>() : build_of<Echo<1>>();
            },
            std::move(loops));
        Echo<1>::served = 0;
        Echo<2>::served = 0;
        Meter<2>::expired_ = 0;
    }
    void add_meter(bool with_echo = false) {
        std::vector<DeviceConfig> devices{meter_config()};
        if (with_echo)
            devices.push_back({.id = "echo", .type = "echo", .link = LinkConfig{.frontend_device = "meter"}});
        const auto added = add(devices);
        ASSERT_TRUE(added) << added.error().text();
        static_cast<void>(journal.take());
    }
    static DeviceConfig meter_config() {
        return {.id = "meter", .type = "meter", .properties = {{.given = true, .number = port}}};
    }
    static DeviceManager::Replacement meter_build(LoadedType type) {
        return {.id = "meter", .type = std::move(type), .properties = meter_config().properties};
    }
    Result<void> swap(std::vector<DeviceManager::Replacement> replacements) {
        swaps = {};
        auto done = manager->replace(replacements, swaps, 200ms);
        swaps.end();
        if (!done) return std::move(done).error();
        return {};
    }
    template <typename Device>
    Result<void> swap_meter() {
        return swap({meter_build(build_of<Device>())});
    }

    SwapJournal swaps;
};

TEST_F(SwapTest, TheNewBuildGoesOnWhereTheOldOneWas) {
    add_meter();
    out(port, 1);
    out(port, 1);
    out(port, 1);
    const auto done = swap_meter<Meter<2>>();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(in(port), 3u);
    EXPECT_EQ(in(port + 1), 2u);
    EXPECT_THAT(journal.take(), ElementsAre("create meter/2", "quiesce meter/1", "load meter/2",
                                            "resume meter/2", "destroy meter/1"));
    EXPECT_EQ(living, 1);
    // And on, back, and gone.
    out(port, 1);
    ASSERT_TRUE(swap_meter<Meter<1>>());
    EXPECT_EQ(in(port), 4u);
    EXPECT_EQ(in(port + 1), 1u);
    ASSERT_TRUE(manager->remove("meter", false));
    EXPECT_EQ(in(port), 0xffu);
}

TEST_F(SwapTest, StepsAreToldWithTheirTimes) {
    add_meter();
    ASSERT_TRUE(swap_meter<Meter<2>>());
    std::vector<std::string> names;
    for (const auto& each : swaps.entries())
        names.emplace_back(step_name(each.step));
    EXPECT_THAT(names, ElementsAre("prepare", "quiesce", "connect", "save", "load", "validate", "switch",
                                   "resume", "reclaim"));
    EXPECT_GT(swaps.pause(), 0u);
    EXPECT_LT(swaps.pause(), 1'000'000'000u);
    EXPECT_EQ(manager->find("meter")->pauses().count, 1u);
}

// What a build does with the guest's things before it is its turn must not reach the guest.
// What a doorbell latches reaches no other build, so it latches nothing before its build serves, and does not go with one.
TEST_F(SwapTest, ADoorbellComesWithItsBuildAndStays) {
    ASSERT_TRUE(add({{.id = "bell", .type = "bell"}}));
    const auto swap_bell = [&](LoadedType type) {
        return swap({{.id = "bell", .type = std::move(type), .properties = {}}});
    };
    const auto refused = swap_bell(build_of<Bell<true, false>>());
    ASSERT_FALSE(refused);
    EXPECT_EQ(swaps.last(), SwapStep::load);
    EXPECT_EQ(platform.all_latches(), 0U);
    ASSERT_TRUE(swap_bell(build_of<Bell<true>>()));
    EXPECT_EQ(platform.latches().size(), 1U);
    const auto without = swap_bell(build_of<Bell<false>>());
    ASSERT_FALSE(without);
    EXPECT_EQ(swaps.last(), SwapStep::validate);
    EXPECT_THAT(without.error().text(), HasSubstr("does not ask for doorbell at offset 0x0"));
    EXPECT_EQ(platform.latches().size(), 1U);
    EXPECT_EQ(platform.all_latches(), 1U);
}

TEST_F(SwapTest, TheLineKeepsItsLevelThroughout) {
    add_meter();
    out(port, 1);
    ASSERT_EQ(platform.level(5), true);
    const auto before = platform.levels();
    ASSERT_TRUE(swap_meter<Meter<2>>());
    EXPECT_EQ(platform.levels(), before);
    out(port, 1);
    EXPECT_EQ(platform.level(5), false);
}

TEST_F(SwapTest, TimersOfABuildThatIsNotTakenNeverFire) {
    add_meter();
    EXPECT_FALSE((swap_meter<Meter<2, Flaw::load>>()));
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ((Meter<2, Flaw::load>::expired_), 0);
    ASSERT_TRUE(swap_meter<Meter<2>>());
    for (int i = 0; i < 1000 && Meter<2>::expired_ == 0; ++i)
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(Meter<2>::expired_, 1);
}

TEST_F(SwapTest, AFrontendKeepsItsBackend) {
    add_meter(true);
    out(port, 1);
    ASSERT_TRUE(swap_meter<Meter<2>>());
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 2);
    ASSERT_TRUE(manager->disconnect("meter", 0));
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 2);
    EXPECT_THAT(journal.take(), ::testing::Contains("disconnect meter/2"));
}

TEST_F(SwapTest, ABackendKeepsItsFrontend) {
    add_meter(true);
    out(port, 1);
    ASSERT_TRUE(swap({{.id = "echo", .type = build_of<Echo<2>>(), .properties = {}}}));
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 1);
    EXPECT_EQ(Echo<2>::served, 1);
    EXPECT_EQ(manager->registry().links().size(), 1u);
    ASSERT_TRUE(manager->remove("echo", true));
    out(port, 1);
    EXPECT_EQ(in(port), 3u);
}

TEST_F(SwapTest, BothEndsOfALinkAtOnce) {
    add_meter(true);
    out(port, 1);
    const auto done = swap(
        {meter_build(build_of<Meter<2>>()), {.id = "echo", .type = build_of<Echo<2>>(), .properties = {}}});
    ASSERT_TRUE(done) << done.error().text();
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 1);
    EXPECT_EQ(Echo<2>::served, 1);
    EXPECT_EQ(in(port + 1), 2u);
    EXPECT_EQ(manager->configs().back().link->frontend_device, "meter");
    // The names are the successors'.
    ASSERT_TRUE(manager->disconnect("echo", 0));
    ASSERT_TRUE(manager->connect("echo", 0, "meter", {}));
    out(port, 1);
    EXPECT_EQ(Echo<2>::served, 2);
}

TEST_F(SwapTest, OneDeviceIsReplacedOnce) {
    add_meter();
    const auto done = swap({meter_build(build_of<Meter<2>>()), meter_build(build_of<Meter<2>>())});
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().text(), HasSubstr("replaced twice"));
    EXPECT_EQ(in(port + 1), 1u);
    EXPECT_EQ(living, 1);
}

TEST_F(SwapTest, OtherPropertiesAreTheNewConfiguration) {
    add_meter();
    auto replacement = meter_build(build_of<Meter<2>>());
    replacement.properties[0].given = false;
    ASSERT_TRUE(swap({replacement}));
    EXPECT_FALSE(manager->configs().front().properties[0].given);
}

TEST_F(SwapTest, ASnapshotIsTheStateAndTheDeviceGoesOn) {
    add_meter();
    out(port, 1);
    const auto first = manager->snapshot("meter", 200ms);
    ASSERT_TRUE(first) << first.error().text();
    EXPECT_EQ(*manager->snapshot("meter", 200ms), *first);
    out(port, 1);
    EXPECT_NE(*manager->snapshot("meter", 200ms), *first);
    EXPECT_EQ(in(port), 2u);
}

TEST_F(SwapTest, NotFromInsideACallback) {
    add_meter();
    const std::lock_guard inside(manager->find("meter")->lock());
    EXPECT_FALSE(swap_meter<Meter<2>>());
    EXPECT_FALSE(manager->snapshot("meter", 200ms));
}

// --- failures: at which step, why, and that nothing has changed

struct FailingBuild {
    const char* name;
    LoadedType type;
    SwapStep step;
    const char* why;
};

class FailingSwap : public SwapTest, public ::testing::WithParamInterface<FailingBuild> {};

TEST_P(FailingSwap, LeavesTheOldBuildServing) {
    for (const bool with_echo : {false, true}) {
        SCOPED_TRACE(with_echo);
        if (GetParam().step == SwapStep::connect && !with_echo) continue;
        add_meter(with_echo);
        const int devices = living;
        out(port, 1);
        const auto levels = platform.levels();
        const auto done = swap({meter_build(GetParam().type)});
        ASSERT_FALSE(done);
        EXPECT_THAT(done.error().text(), HasSubstr(GetParam().why));
        EXPECT_EQ(step_name(swaps.last()), step_name(GetParam().step));
        EXPECT_EQ(platform.levels(), levels);
        EXPECT_EQ(living, devices);
        const int served = Echo<1>::served;
        out(port, 1);
        EXPECT_EQ(in(port), 2u);
        EXPECT_EQ(in(port + 1), 1u);
        EXPECT_EQ(Echo<1>::served, with_echo ? served + 1 : served);
        EXPECT_EQ(manager->find("meter")->phase(), Phase::running);
        ASSERT_TRUE(swap_meter<Meter<2>>());
        EXPECT_EQ(in(port + 1), 2u);
        ASSERT_TRUE(manager->remove("meter", true));
        if (with_echo) {
            ASSERT_TRUE(manager->remove("echo", true));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Builds, FailingSwap,
    ::testing::Values(
        FailingBuild{"Create", build_of<Meter<3, Flaw::create>>(), SwapStep::prepare, "it was told to"},
        FailingBuild{"AnotherPort", build_of<Meter<3, Flaw::another_port>>(), SwapStep::prepare,
                     "0x308-0x309"},
        FailingBuild{"AnotherLine", build_of<Meter<3, Flaw::another_line>>(), SwapStep::prepare,
                     "interrupt line 6"},
        FailingBuild{"Connect", build_of<Meter<3, Flaw::connect>>(), SwapStep::connect, "not with that one"},
        FailingBuild{"Load", build_of<Meter<3, Flaw::load>>(), SwapStep::load, "it does not load"},
        FailingBuild{"Stateless", build_of<Meter<3, Flaw::stateless>>(), SwapStep::load, "no state"},
        FailingBuild{"NewerState", build_of<Meter<3, Flaw::newer_state>>(), SwapStep::load,
                     "version 1, and this build reads 2 to 2"},
        FailingBuild{"UnknownField", build_of<Meter<3, Flaw::unknown_field>>(), SwapStep::load,
                     "answers_heard"},
        FailingBuild{"NoPort", build_of<Meter<3, Flaw::no_port>>(), SwapStep::validate, "ports 0x300-0x301"}),
    [](const auto& build) { return build.param.name; });

// The build that runs is the one at fault.
TEST_F(SwapTest, ABuildThatCannotBeLeft) {
    services.quiesce_limit = 50ms; // for its removal in the end
    add_meter();
    ASSERT_TRUE((swap_meter<Meter<2, Flaw::never_still>>()));
    out(port, 1);
    const auto late = swap_meter<Meter<1>>();
    ASSERT_FALSE(late);
    EXPECT_EQ(swaps.last(), SwapStep::quiesce);
    EXPECT_THAT(late.error().text(), HasSubstr("did not end within 200ms"));
    EXPECT_EQ(in(port), 1u);
    EXPECT_EQ(manager->find("meter")->phase(), Phase::running);
    manager.reset();
    living -= 1; // it is pinned
}

TEST_F(SwapTest, ABuildThatDoesNotSaveIsNotLeftEither) {
    add_meter();
    // Loading runs state() too, so the flaw needs a state that was never loaded: the device is made from this build.
    std::vector<std::unique_ptr<IoLoop>> loops;
    loops.push_back(std::move(*IoLoop::create("swap")));
    manager.reset();
    manager = std::make_unique<DeviceManager>(
        services, [](std::string_view) -> Result<LoadedType> { return build_of<Meter<3, Flaw::save>>(); },
        std::move(loops));
    ASSERT_TRUE(add({meter_config()}));
    out(port, 1);
    const auto done = swap_meter<Meter<1>>();
    ASSERT_FALSE(done);
    EXPECT_EQ(swaps.last(), SwapStep::save);
    EXPECT_THAT(done.error().text(), HasSubstr("it does not save"));
    EXPECT_EQ(in(port), 1u);
    EXPECT_EQ(living, 1);
}

// --- under load

TEST_F(SwapTest, NoAccessIsLostOrSeesAnotherBuildsToken) {
    add_meter(true);
    constexpr int vcpus = 2;
    constexpr std::uint32_t rounds = 300;
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> written{0};
    std::vector<std::thread> guests;
    std::array<Presence, vcpus> own;
    for (Presence& each : own)
        bus.presences().add(each);
    for (int i = 0; i < vcpus; ++i) {
        guests.emplace_back([&, i] {
            while (!stop) {
                bus.write_port(own[static_cast<std::size_t>(i)], port, 1, 1);
                ++written;
            }
        });
    }
    for (std::uint32_t i = 0; i < rounds; ++i) {
        const auto done = i % 3 == 0 ? swap_meter<Meter<2>>()
                          : i % 3 == 1
                              ? swap({{.id = "echo", .type = build_of<Echo<2>>(), .properties = {}}})
                              : swap({meter_build(build_of<Meter<1>>()),
                                      {.id = "echo", .type = build_of<Echo<1>>(), .properties = {}}});
        ASSERT_TRUE(done) << done.error().text();
    }
    stop = true;
    for (auto& each : guests)
        each.join();
    for (Presence& each : own)
        bus.presences().remove(each);
    EXPECT_EQ(in(port), written % 256);
    EXPECT_EQ(static_cast<std::uint32_t>(Echo<1>::served + Echo<2>::served), written.load());
    EXPECT_EQ(living, 2);
    EXPECT_EQ(broken_rules, 0);
}

// The access in which a build crashes, and all that come before the other build is there again, are made on that one.
TEST_F(SwapTest, ACrashOnProbationLosesNoAccess) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    Presence own;
    bus.presences().add(own);
    std::atomic<bool> stop{false};
    std::uint32_t written = 0;
    std::thread guest([&] {
        own.belongs_to_this_thread();
        while (!stop) {
            bus.write_port(own, port, 1, 1);
            ++written;
        }
    });
    for (int i = 0; i < 20; ++i) {
        std::atomic<bool> crashed{false};
        auto bad = meter_build(build_of<Meter<2, Flaw::crash>>());
        bad.crashed = [&] { crashed = true; };
        ASSERT_TRUE(swap({bad}));
        while (!crashed)
            std::this_thread::yield();
        EXPECT_EQ(manager->find("meter")->crash(), "it crashed (SIGSEGV) in a guest's write");
        const auto back = swap_meter<Meter<1>>();
        ASSERT_TRUE(back) << back.error().text();
        living -= 1; // the crashed one is never destroyed
    }
    stop = true;
    guest.join();
    bus.presences().remove(own);
    EXPECT_EQ(in(port), written % 256);
    EXPECT_EQ(in(port + 1), 1u);
    EXPECT_EQ(broken_rules, 0);
}

// And with what the guest passed.
TEST_F(SwapTest, ACrashInAHypercallOnProbationLosesNothing) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    Presence own;
    bus.presences().add(own);
    std::atomic<bool> crashed{false};
    auto bad = meter_build(build_of<Meter<2, Flaw::crash>>());
    bad.crashed = [&] { crashed = true; };
    ASSERT_TRUE(swap({bad}));
    plugbay_hypercall_registers registers{};
    registers.size = sizeof registers;
    registers.number = call;
    registers.rbx = 6;
    std::thread guest([&] {
        own.belongs_to_this_thread();
        bus.hypercalls().call(own, registers);
    });
    while (!crashed)
        std::this_thread::yield();
    EXPECT_TRUE(swap_meter<Meter<1>>());
    guest.join();
    living -= 1; // the crashed one is never destroyed
    bus.presences().remove(own);
    EXPECT_EQ(registers.rbx, 7u);
    EXPECT_EQ(registers.rax, 7u);
    EXPECT_EQ(broken_rules, 0);
}

// However long the other build takes, unless the thread is to stand still: then who brings it may be waiting for the thread.
TEST_F(SwapTest, AnAccessThatCrashedWaitsForTheOtherBuild) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    out(port, 1);
    out(port, 1);
    out(port, 1);
    for (const bool stands_still : {false, true}) {
        Presence own;
        bus.presences().add(own);
        std::atomic<bool> crashed{false};
        std::atomic<bool> written{false};
        auto bad = meter_build(build_of<Meter<2, Flaw::crash>>());
        bad.crashed = [&] { crashed = true; };
        ASSERT_TRUE(swap({bad}));
        std::thread guest([&] {
            own.belongs_to_this_thread();
            for (std::uint32_t i = 0; i < 7 && !crashed; ++i) // the one in which it crashes is among them
                bus.write_port(own, port, 1, 1);
            written = true;
        });
        while (!crashed)
            std::this_thread::yield();
        if (stands_still) {
            own.hurry(true);
        } else {
            std::this_thread::sleep_for(1500ms);
            EXPECT_FALSE(written);
            ASSERT_TRUE(swap_meter<Meter<1>>());
        }
        guest.join();
        if (stands_still) {
            ASSERT_TRUE(swap_meter<Meter<1>>());
        }
        living -= 1; // the crashed one is never destroyed
        bus.presences().remove(own);
        EXPECT_EQ(in(port), stands_still ? 10u : 4u);
    }
}

TEST_F(SwapTest, ACrashInDestroyOnProbationCostsNothing) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    auto bad = meter_build(build_of<Meter<2, Flaw::crash_in_destroy>>());
    bad.crashed = [] {};
    ASSERT_TRUE(swap({bad}));
    out(port, 1);
    const auto back = swap_meter<Meter<1>>();
    ASSERT_TRUE(back) << back.error().text();
    living -= 1; // the crashed one counts still
    EXPECT_EQ(in(port), 1u);
    EXPECT_EQ(in(port + 1), 1u);
}

} // namespace
} // namespace plugbay::core
