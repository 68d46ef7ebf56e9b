// Builds that misbehave, swapped in for a device that a guest uses all the time: each is refused at its step, or taken back,
// for its reason, and the build before serves on with all that it knew.
#include "tests/control/control_fixture.hpp"

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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
        // Writes, counts, and reads the device's count; ends the machine when that is another one, so a state that is lost
        // or old, a write that is lost or made twice, and a read that nobody answers end the test:
        // mov $0x500, %dx; xor %bl, %bl; 1: out %al, %dx; inc %bl; in %dx, %al; cmp %bl, %al; je 1b;
        // mov $42, %al; out %al, $0xf4; hlt
        folder_.write("image", std::string("\xba\x00\x05\x30\xdb\xee\xfe\xc3\xec\x38\xd8\x74\xf8"
                                           "\xb0\x2a\xe6\xf4\xf4",
                                           18));
        file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" }, "plugins": [")" +
                                               file("misbehaving") + R"("],
            "devices": [ { "type": "debug-exit", "id": "exit" }, { "type": "misbehaving", "id": "bad" },
                         { "type": "char-ring", "id": "ring", "frontend": { "id": "bad" } } ] })");
        run_machine();
    }
    static std::string file(const std::string& name) { return PLUGBAY_TEST_PLUGINS "/" + name + ".so"; }
    std::uint64_t writes() {
        const json all = call("stats", {{"device", "bad"}});
        return all["devices"][0]["writes"].get<std::uint64_t>();
    }
    // The guest's accesses are answered, and with what it expects: it has gone on for more than one round of its counter.
    void expect_service() {
        const std::uint64_t before = writes();
        for (int i = 0; i < 500 && !HasFailure(); ++i) {
            if (writes() > before + 300) return;
            std::this_thread::sleep_for(20ms);
        }
        ADD_FAILURE() << "the guest gets nowhere: " << monitor_->finish(1s).text();
    }
    std::string plugin() { return call("devices.show", {{"id", "bad"}})["plugin"].get<std::string>(); }
    // Whoever asks for the way back gets it with the state of now, or not at all.
    void expect_no_way_back(const char* build, const char* step) {
        call("swap", {{"device", "bad"}, {"file", file(build)}, {"rehearse", false}, {"probation", 60000}});
        expect_service();
        EXPECT_THAT(refusal("swap.back", {{"device", "bad"}}),
                    AllOf(HasSubstr(step), HasSubstr("the new build serves on")));
        EXPECT_THAT(plugin(), HasSubstr(build));
        EXPECT_EQ(call("swap.report", {{"device", "bad"}})["outcome"], "probation");
        expect_service();
    }
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
    EXPECT_THAT(report["why"].get<std::string>(), HasSubstr(GetParam().why));
    EXPECT_THAT(report.value("hint", ""), Not(IsEmpty()));
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
        BadBuild{"CrashInCreate", "misbehaving-crash_in_create", "rehearse", "killed by SIGSEGV in create"},
        BadBuild{"CrashInConnect", "misbehaving-crash_in_connect", "rehearse",
                 "killed by SIGSEGV in connected"},
        BadBuild{"CrashInLoad", "misbehaving-crash_in_load", "rehearse", "killed by SIGSEGV in load"},
        BadBuild{"CrashInSave", "misbehaving-crash_in_save", "rehearse", "killed by SIGSEGV in save"},
        BadBuild{"CrashInResume", "misbehaving-crash_in_resume", "rehearse", "killed by SIGSEGV in resume"},
        BadBuild{"CrashInCreateUnrehearsed", "misbehaving-crash_in_create", "prepare",
                 "it crashed (SIGSEGV) in create", false},
        BadBuild{"CrashInConnectUnrehearsed", "misbehaving-crash_in_connect", "connect",
                 "it crashed (SIGSEGV) in connected", false},
        BadBuild{"CrashInLoadUnrehearsed", "misbehaving-crash_in_load", "load",
                 "it crashed (SIGSEGV) in load", false},
        BadBuild{"ExitInCreate", "misbehaving-exit_in_create", "rehearse",
                 "it ended the process with status 0"},
        BadBuild{"HangInCreate", "misbehaving-hang_in_create", "rehearse", "did not end within"},
        BadBuild{"HangInLoad", "misbehaving-hang_in_load", "rehearse", "did not end within"},
        BadBuild{"NeverStill", "misbehaving-pend_for_ever", "rehearse", "did not end within"},
        BadBuild{"RefusesTheState", "misbehaving-refuse_load", "rehearse", "the laser is another one"},
        BadBuild{"RefusesTheStateUnrehearsed", "misbehaving-refuse_load", "load", "the laser is another one",
                 false},
        BadBuild{"UnknownField", "misbehaving-one-field-less", "rehearse", "\"name\""},
        BadBuild{"UnknownFieldUnrehearsed", "misbehaving-one-field-less", "load",
                 "it does not know the field name", false},
        BadBuild{"Exception", "misbehaving-throw_in_create", "rehearse", "the laser is cold"},
        BadBuild{"ExceptionUnrehearsed", "misbehaving-throw_in_create", "prepare", "the laser is cold",
                 false},
        BadBuild{"LosesItsState", "misbehaving-lose_state", "rehearse", "field level: 7 became 0"},
        BadBuild{
            "OtherResources", "misbehaving-other-port", "rehearse",
            "in validate: it asks for ports 0x508-0x508, which the build that it replaces does not hold"},
        BadBuild{"OtherResourcesUnrehearsed", "misbehaving-other-port", "prepare", "ports 0x508", false},
        BadBuild{"FewerResources", "misbehaving-no-port", "rehearse",
                 "in validate: it does not ask for ports 0x500-0x500, which the guest knows"},
        BadBuild{"FewerResourcesUnrehearsed", "misbehaving-no-port", "validate", "ports 0x500", false}),
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
                                        std::pair{"misbehaving-abort_in_write", "SIGABRT"},
                                        std::pair{"misbehaving-recurse_in_write", "SIGSEGV"}}) {
        call("swap", {{"device", "bad"}, {"file", file(build)}, {"probation", 10000}});
        const json report = outcome();
        EXPECT_EQ(report["outcome"], "rolled_back");
        EXPECT_THAT(report["why"].get<std::string>(),
                    AllOf(HasSubstr(signal), HasSubstr("in a guest's write")));
        EXPECT_EQ(plugin(), before);
        expect_service();
    }
}

// Nobody waits for another build's rehearsal to end, which would last longer.
TEST_F(SwapsOfGoodBuilds, ACrashDuringTheNextRehearsalIsTakenBack) {
    const std::string before = plugin();
    call("events.subscribe");
    call("swap", {{"device", "bad"},
                  {"file", file("misbehaving-crash_later")},
                  {"rehearse", false},
                  {"probation", 60000}});
    EXPECT_THAT(refusal("swap", {{"device", "bad"}, {"file", file("misbehaving-hang_in_create")}}),
                AllOf(HasSubstr("step rehearse"), HasSubstr("was taken back meanwhile"),
                      HasSubstr("it crashed (SIGSEGV) in a guest's write")));
    std::string over;
    for (int i = 0; i < 10 && !over.starts_with("swap.over"); ++i)
        over = event();
    EXPECT_THAT(over, AllOf(HasSubstr("\"outcome\":\"rolled_back\""), HasSubstr("misbehaving-crash_later")));
    EXPECT_EQ(plugin(), before);
    expect_service();
}

// It has its place when it crashes, and the guest waits for it.
TEST_F(SwapsOfGoodBuilds, ACrashOnceItIsInPlaceIsTakenBack) {
    const std::string before = plugin();
    call("swap", {{"device", "bad"},
                  {"file", file("misbehaving-crash_in_resume")},
                  {"rehearse", false},
                  {"probation", 10000}});
    const json report = outcome();
    EXPECT_EQ(report["outcome"], "rolled_back");
    EXPECT_THAT(report["why"].get<std::string>(), HasSubstr("it crashed (SIGSEGV) in resume"));
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

// There, back, and there again, while the guest goes on counting.
TEST_F(SwapsOfGoodBuilds, AFieldMoreAndBackAgain) {
    for (int round = 0; round < 3; ++round) {
        const json there =
            call("swap", {{"device", "bad"}, {"file", file("misbehaving-one-field-more")}, {"probation", 0}});
        EXPECT_EQ(there["after"], "misbehaving 2.1.0");
        EXPECT_THAT(there["notes"].dump(), HasSubstr("field temperature: 20 is new"));
        expect_service();
        const json back =
            call("swap", {{"device", "bad"}, {"file", file("misbehaving-good")}, {"probation", 0}});
        EXPECT_EQ(back["after"], "misbehaving 2.0.0");
        EXPECT_THAT(back["notes"].dump(), HasSubstr("field temperature: 20 is gone"));
        expect_service();
    }
    // And by the way that is there for it.
    call("swap", {{"device", "bad"}, {"file", file("misbehaving-one-field-more")}, {"probation", 60000}});
    expect_service();
    call("swap.back", {{"device", "bad"}});
    EXPECT_THAT(plugin(), HasSubstr("misbehaving-good"));
    expect_service();
}

TEST_F(SwapsOfGoodBuilds, AWayBackThatLosesTheStateIsRefused) {
    expect_no_way_back("misbehaving-newer-state-of-older", "step load");
}

TEST_F(SwapsOfGoodBuilds, AWayBackFromABuildThatDoesNotHoldStillIsRefused) {
    expect_no_way_back("misbehaving-pend_for_ever", "step quiesce");
}

// What has not crashed is not taken away from the guest, whatever it reports.
TEST_F(SwapsOfGoodBuilds, ABuildThatReportsErrorsAndDoesNotHoldStillStays) {
    call("swap", {{"device", "bad"},
                  {"file", file("misbehaving-throw_and_pend")},
                  {"rehearse", false},
                  {"probation", 60000}});
    const json report = outcome();
    EXPECT_EQ(report["outcome"], "committed");
    EXPECT_THAT(report["why"].get<std::string>(), HasSubstr("errors"));
    EXPECT_THAT(report["notes"].dump(), HasSubstr("it could not be taken back"));
    expect_service();
}

TEST_F(SwapsOfGoodBuilds, AWayBackKeepsWhatWasSetMeanwhile) {
    call("devices.add", {{"devices", {{{"type", "os-debug"}, {"id", "debug"}, {"rate", 5}}}}});
    call("swap", {{"device", "debug"}, {"file", PLUGBAY_PLUGINS "/os-debug.so"}, {"probation", 60000}});
    call("devices.set", {{"id", "debug"}, {"property", "rate"}, {"value", 16}});
    call("swap.back", {{"device", "debug"}});
    EXPECT_EQ(call("devices.show", {{"id", "debug"}})["properties"]["rate"], 16);
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

// What is added is made from the newest build that was kept: not from one on probation, and not from one that was taken back.
TEST_F(SwapsOfGoodBuilds, LaterDevicesAreOfTheBuildThatWasKept) {
    int added = 0;
    const auto plugin_of_another = [&] {
        const std::string id = "another" + std::to_string(++added);
        call("devices.add", {{"devices",
                              {{{"type", "misbehaving"}, {"id", id}, {"port", 0x600 + added}},
                               {{"type", "char-ring"}, {"id", id + "-ring"}, {"frontend", {{"id", id}}}}}}});
        const auto plugin = call("devices.show", {{"id", id}})["plugin"].get<std::string>();
        call("devices.remove", {{"id", id}, {"dependents", true}, {"force", true}});
        return plugin;
    };
    const auto swap = [&](const char* build, int probation) {
        return call("swap", {{"device", "bad"}, {"file", file(build)}, {"probation", probation}});
    };
    const std::string first = plugin();
    EXPECT_EQ(plugin_of_another(), first);
    swap("misbehaving-good", 60000);
    EXPECT_EQ(plugin_of_another(), first);
    call("swap.back", {{"device", "bad"}});
    EXPECT_EQ(plugin_of_another(), first);

    EXPECT_EQ(swap("misbehaving-good", 0)["outcome"], "committed");
    EXPECT_THAT(plugin_of_another(), HasSubstr("misbehaving-good"));
    // Whoever takes the next one back goes to what is added meanwhile.
    swap("misbehaving-one-field-more", 60000);
    EXPECT_THAT(plugin_of_another(), HasSubstr("misbehaving-good"));
    call("swap.back", {{"device", "bad"}});
    EXPECT_THAT(plugin(), HasSubstr("misbehaving-good"));
    swap("misbehaving-throw_in_write", 60000);
    EXPECT_EQ(outcome()["outcome"], "rolled_back");
    EXPECT_THAT(plugin_of_another(), HasSubstr("misbehaving-good"));

    // A device that was removed tells nothing about its build.
    call("devices.add", {{"devices",
                          {{{"type", "misbehaving"}, {"id", "guest"}, {"port", 0x700}},
                           {{"type", "char-ring"}, {"id", "g"}, {"frontend", {{"id", "guest"}}}}}}});
    call("swap", {{"device", "guest"}, {"file", file("misbehaving-one-field-more")}, {"probation", 60000}});
    call("devices.remove", {{"id", "guest"}, {"dependents", true}, {"force", true}});
    EXPECT_THAT(plugin_of_another(), HasSubstr("misbehaving-good"));

    // A swap that ends a probation keeps what was on it.
    swap("misbehaving-one-field-more", 60000);
    swap("misbehaving-good", 60000);
    EXPECT_THAT(plugin_of_another(), HasSubstr("misbehaving-one-field-more"));
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
    for (const char* build : {"misbehaving-other-port", "misbehaving-no-port"}) {
        EXPECT_THAT(refusal("swap", {{"device", "bad"}, {"file", file(build)}, {"dry_run", true}}),
                    HasSubstr("failed its rehearsal, in validate"));
    }
    EXPECT_EQ(plugin(), before);
    expect_service();
}

} // namespace
} // namespace plugbay::end_to_end
