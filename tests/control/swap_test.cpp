// Builds that misbehave, swapped in for a device that a guest uses all the time: each is refused at its step, or taken back,
// for its reason, and the build before serves on.
#include "tests/control/control_fixture.hpp"

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct BadBuild {
    const char* name;
    const char* file;
    const char* step;
    const char* why;
    bool rehearse = true;
};

class Swaps : public ControlTest, public ::testing::WithParamInterface<BadBuild> {
  protected:
    void SetUp() override {
        ControlTest::SetUp();
        if (IsSkipped()) return;
        // mov $0x500, %dx; mov $'x', %al; 1: out %al, %dx; jmp 1b
        folder_.write("image", std::string("\xba\x00\x05\xb0\x78\xee\xeb\xfd", 8));
        file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" }, "plugins": [")" +
                                               file("misbehaving") + R"("],
            "devices": [ { "type": "misbehaving", "id": "bad" },
                         { "type": "char-ring", "id": "ring", "frontend": { "id": "bad" } } ] })");
        run_machine();
    }
    static std::string file(const std::string& name) { return PLUGBAY_TEST_PLUGINS "/" + name + ".so"; }
    std::uint64_t writes() {
        const json all = call("stats", {{"device", "bad"}});
        return all["devices"][0]["writes"].get<std::uint64_t>();
    }
    // The guest's accesses are answered.
    void expect_service() {
        const std::uint64_t before = writes();
        for (int i = 0; i < 500; ++i) {
            if (writes() > before) return;
            std::this_thread::sleep_for(20ms);
        }
        ADD_FAILURE() << "the guest gets nowhere";
    }
    std::string plugin() { return call("devices.show", {{"id", "bad"}})["plugin"].get<std::string>(); }
    // Until the outcome of the last swap is no longer "probation".
    json outcome() {
        for (int i = 0; i < 400; ++i) {
            json report = call("swap.report", {{"device", "bad"}});
            if (report["outcome"] != "probation") return report;
            std::this_thread::sleep_for(25ms);
        }
        ADD_FAILURE() << "a probation without end";
        return {};
    }
};

TEST_P(Swaps, ABadBuildCostsNothing) {
    const std::string before = plugin();
    EXPECT_THAT(refusal("swap", {{"device", "bad"},
                                 {"file", file(GetParam().file)},
                                 {"rehearse", GetParam().rehearse},
                                 {"timeout", 500}}),
                AllOf(HasSubstr(std::string("step ") + GetParam().step), HasSubstr(GetParam().why)));
    const json report = call("swap.report", {{"device", "bad"}});
    EXPECT_EQ(report["outcome"], "refused");
    EXPECT_EQ(report["steps"].back()["step"], GetParam().step);
    EXPECT_EQ(plugin(), before);
    expect_service();
    // A good one is taken after it.
    call("swap", {{"device", "bad"}, {"file", file("misbehaving-good")}, {"probation", 0}});
    EXPECT_THAT(plugin(), HasSubstr("misbehaving-good"));
    expect_service();
}

INSTANTIATE_TEST_SUITE_P(
    Builds, Swaps,
    ::testing::Values(
        BadBuild{"AnotherPlugin", "good", "stage", "no device type \"misbehaving\""},
        BadBuild{"MissingSymbol", "misbehaving-undefined-symbol", "rehearse", "undefined symbol"},
        BadBuild{"MissingSymbolUnrehearsed", "misbehaving-undefined-symbol", "prepare",
                 "it needs the symbol defined_nowhere", false},
        BadBuild{"NoPlugin", "no-symbol", "stage", "plugbay_plugin_v1"},
        BadBuild{"AnotherAbi", "wrong-major", "stage", "ABI"},
        BadBuild{"UnknownStateVersion", "misbehaving-newer-state", "stage",
                 "in version 1, and the new build reads 2 to 2"},
        BadBuild{"CrashInCreate", "misbehaving-crash_in_create", "rehearse", "killed by SIGSEGV"},
        BadBuild{"CrashInLoad", "misbehaving-crash_in_load", "rehearse", "killed by SIGSEGV"},
        BadBuild{"HangInCreate", "misbehaving-hang_in_create", "rehearse", "did not end within"},
        BadBuild{"Exception", "misbehaving-throw_in_create", "rehearse", "the laser is cold"},
        BadBuild{"ExceptionUnrehearsed", "misbehaving-throw_in_create", "prepare", "the laser is cold",
                 false},
        BadBuild{"LosesItsState", "misbehaving-lose_state", "rehearse", "field level: 7 became 0"},
        BadBuild{"OtherResources", "misbehaving-other-port", "prepare", "ports 0x508", false}),
    [](const auto& build) { return build.param.name; });

using SwapsOfGoodBuilds = Swaps;

TEST_F(SwapsOfGoodBuilds, AnErrorStormIsTakenBack) {
    const std::string before = plugin();
    call("swap", {{"device", "bad"}, {"file", file("misbehaving-throw_in_write")}, {"probation", 5000}});
    const json report = outcome();
    EXPECT_EQ(report["outcome"], "rolled_back");
    EXPECT_THAT(report["why"].get<std::string>(), HasSubstr("errors"));
    EXPECT_EQ(plugin(), before);
    expect_service();
}

TEST_F(SwapsOfGoodBuilds, ACrashIsTakenBack) {
    const std::string before = plugin();
    for (const auto& [build, signal] : {std::pair{"misbehaving-crash_in_write", "SIGSEGV"},
                                        std::pair{"misbehaving-abort_in_write", "SIGABRT"}}) {
        call("swap", {{"device", "bad"}, {"file", file(build)}, {"probation", 10000}});
        const json report = outcome();
        EXPECT_EQ(report["outcome"], "rolled_back");
        EXPECT_THAT(report["why"].get<std::string>(),
                    AllOf(HasSubstr(signal), HasSubstr("in a guest's write")));
        EXPECT_EQ(plugin(), before);
        expect_service();
    }
    // Without a rehearsal a crash is no worse.
    EXPECT_THAT(
        refusal("swap",
                {{"device", "bad"}, {"file", file("misbehaving-crash_in_create")}, {"rehearse", false}}),
        AllOf(HasSubstr("step prepare"), HasSubstr("it crashed (SIGSEGV) in create")));
    EXPECT_THAT(
        refusal("swap",
                {{"device", "bad"}, {"file", file("misbehaving-crash_in_load")}, {"rehearse", false}}),
        AllOf(HasSubstr("step load"), HasSubstr("it crashed (SIGSEGV) in load")));
    EXPECT_EQ(plugin(), before);
    expect_service();
}

// The build that runs does not hold still: no other can take over from it.
TEST_F(SwapsOfGoodBuilds, ATimeoutInTheDrainLeavesItRunning) {
    call("swap", {{"device", "bad"},
                  {"file", file("misbehaving-pend_for_ever")},
                  {"probation", 0},
                  {"rehearse", false}});
    EXPECT_THAT(
        refusal(
            "swap",
            {{"device", "bad"}, {"file", file("misbehaving-good")}, {"rehearse", false}, {"timeout", 200}}),
        AllOf(HasSubstr("step quiesce"), HasSubstr("did not end within 200ms")));
    EXPECT_THAT(plugin(), HasSubstr("misbehaving-pend_for_ever"));
    expect_service();
}

TEST_F(SwapsOfGoodBuilds, TheReportNamesBothBuilds) {
    const json report =
        call("swap", {{"device", "bad"}, {"file", file("misbehaving-good")}, {"probation", 0}});
    EXPECT_EQ(report["outcome"], "committed");
    EXPECT_EQ(report["before"], "misbehaving 1.0.0");
    EXPECT_EQ(report["after"], "misbehaving 2.0.0");
    // The test's plugins are built without the SDK's visibility rules.
    EXPECT_THAT(report["notes"].dump(), HasSubstr("pinned: it exports the unique symbol"));
    expect_service();
}

TEST_F(SwapsOfGoodBuilds, ADryRunTouchesNothing) {
    const std::string before = plugin();
    EXPECT_EQ(
        call("swap", {{"device", "bad"}, {"file", file("misbehaving-good")}, {"dry_run", true}})["outcome"],
        "tried");
    EXPECT_THAT(
        refusal("swap", {{"device", "bad"}, {"file", file("misbehaving-lose_state")}, {"dry_run", true}}),
        HasSubstr("field level: 7 became 0"));
    EXPECT_EQ(plugin(), before);
    expect_service();
}

} // namespace
} // namespace plugbay::end_to_end
