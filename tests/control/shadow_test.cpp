// Other builds in the shadow of a device that a guest uses all the time: what is found, and that the guest notices nothing.
#include "tests/control/control_fixture.hpp"

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Shadows : public ControlTest {
  protected:
    explicit Shadows(std::string type = "gauge") : type_(std::move(type)) {}
    void SetUp() override {
        ControlTest::SetUp();
        if (IsSkipped()) return;
        // Writes 0x66 to the sum, and reads it and the status.
        // mov $0x66, %al; mov $0x500, %dx; 1: out %al, %dx; in %dx, %al; inc %dx; in %dx, %al; dec %dx; mov $0x66, %al; jmp 1b
        folder_.write("image", std::string("\xb0\x66\xba\x00\x05\xee\xec\x42\xec\x4a\xb0\x66\xeb\xf7", 14));
        file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" }, "plugins": [")" +
                                               file(type_) + R"("],
            "devices": [ { "type": ")" + type_ +
                                               R"(", "id": "gauge" },
                         { "type": "pci-host", "id": "pci" } ] })");
        run_machine();
    }
    static std::string file(const std::string& name) { return PLUGBAY_TEST_PLUGINS "/" + name + ".so"; }
    void begin(const std::string& flaw, int duration = 700) {
        const json begun =
            call("shadow", {{"device", "gauge"}, {"file", file(type_ + "-" + flaw)}, {"duration", duration}});
        EXPECT_EQ(begun["outcome"], "running");
        EXPECT_EQ(begun["before"], type_ + " 1.0.0");
        EXPECT_EQ(begun["after"], type_ + " 2.0.0");
    }
    // Until it is over.
    json outcome() {
        for (int i = 0; i < 1200; ++i) {
            json report = call("shadow.report", {{"device", "gauge"}});
            if (report["outcome"] != "running") return report;
            std::this_thread::sleep_for(25ms);
        }
        ADD_FAILURE() << "a shadow without end";
        return {};
    }
    json shadow(const std::string& flaw) {
        begin(flaw);
        return outcome();
    }
    std::uint64_t reads() {
        return call("stats", {{"device", "gauge"}})["devices"][0]["reads"].get<std::uint64_t>();
    }
    // The guest's accesses are answered, by the build that was there all the time.
    void expect_service() {
        EXPECT_THAT(call("devices.show", {{"id", "gauge"}})["plugin"].get<std::string>(),
                    HasSubstr("/" + type_ + ".so"));
        const std::uint64_t before = reads();
        for (int i = 0; i < 500; ++i) {
            if (reads() > before) return;
            std::this_thread::sleep_for(20ms);
        }
        ADD_FAILURE() << "the guest gets nowhere";
    }

    const std::string type_;
};

class NamedShadows : public Shadows {
  protected:
    NamedShadows() : Shadows("lantern") {}
};

TEST_F(Shadows, AnEqualBuildIsFoundEqual) {
    const json report = shadow("equal");
    EXPECT_EQ(report["outcome"], "equal") << report.dump(2);
    EXPECT_GT(report["compared"].get<int>(), 100);
    EXPECT_GE(report["rounds"].get<int>(), 1);
    EXPECT_EQ(report["uncertain_rounds"], 0);
    EXPECT_EQ(report["inputs"], 0);
    EXPECT_EQ(report["lost"], 0);
    EXPECT_EQ(report["differences"], json::array());
    expect_service();
}

TEST_F(Shadows, AnotherAnswerIsTold) {
    const json report = shadow("answers");
    EXPECT_EQ(report["outcome"], "different") << report.dump(2);
    ASSERT_EQ(report["differences"].size(), 1U);
    EXPECT_EQ(report["differences"][0]["access"], "read ports 0x500 + 0x1");
    EXPECT_EQ(report["differences"][0]["before"], "0x00"); // the sum is even
    EXPECT_EQ(report["differences"][0]["after"], "0x01");
    EXPECT_THAT(report["why"].get<std::string>(), HasSubstr("the guest got 0x00, the new build says 0x01"));
    expect_service();
}

TEST_F(NamedShadows, DifferencesHaveTheNamesOfRegistersAndFields) {
    const json report = shadow("brighter");
    EXPECT_EQ(report["outcome"], "different") << report.dump(2);
    EXPECT_EQ(report["why"],
              "read ports 0x500 + 0x1 STATUS: the guest got 0x01 (LIT=1), the new build says 0x03 "
              "(LIT=1, BRIGHT=1)");
}

TEST_F(Shadows, AStateThatDriftsIsTold) {
    const json report = shadow("drifts");
    EXPECT_EQ(report["outcome"], "different") << report.dump(2);
    EXPECT_EQ(report["differences"], json::array());
    EXPECT_THAT(report["state_differences"].dump(), HasSubstr("field hidden: 0, in the new build "));
    expect_service();
}

TEST_F(Shadows, ACrashCostsNothing) {
    const json report = shadow("crashes");
    EXPECT_EQ(report["outcome"], "crashed") << report.dump(2);
    EXPECT_THAT(report["why"].get<std::string>(), HasSubstr("at write ports 0x500 + 0x0 = 0x66"));
    expect_service();
}

TEST_F(Shadows, AHangCostsNothing) {
    const json report = shadow("hangs");
    EXPECT_EQ(report["outcome"], "hung") << report.dump(2);
    EXPECT_THAT(report["why"].get<std::string>(),
                AllOf(HasSubstr("did not end within"), HasSubstr("at write ports 0x500 + 0x0 = 0x66")));
    expect_service();
}

// It gives up at once, though the round that is replayed hangs.
TEST_F(Shadows, AnotherBuildEndsIt) {
    begin("hangs", 60000);
    std::this_thread::sleep_for(1s); // the first round is being replayed
    call("swap", {{"device", "gauge"}, {"file", file("gauge-equal")}, {"rehearse", false}, {"probation", 0}});
    std::this_thread::sleep_for(200ms); // it has noticed
    const auto began = std::chrono::steady_clock::now();
    call("machine.status");
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
    EXPECT_THAT(call("shadow.report", {{"device", "gauge"}})["notes"].dump(),
                HasSubstr("the device has another build now"));
}

TEST_F(Shadows, AnInputMakesARoundUncertain) {
    begin("answers_after_timer", 700); // differs after a timer only, and there is none
    for (int i = 0; i < 20; ++i) {
        call("devices.reset", {{"id", "gauge"}});
        std::this_thread::sleep_for(20ms);
    }
    const json report = outcome();
    EXPECT_GE(report["inputs"].get<int>(), 1) << report.dump(2);
    EXPECT_GE(report["uncertain_rounds"].get<int>(), 1);
    EXPECT_EQ(report["differences"], json::array());
    expect_service();
}

// A swap of the device ends it, and so does the device's removal.
TEST_F(Shadows, EndWithTheBuildThatRuns) {
    begin("equal", 60'000);
    EXPECT_THAT(refusal("shadow", {{"device", "gauge"}, {"file", file("gauge-equal")}}),
                HasSubstr("has a shadow already"));
    call("swap", {{"device", "gauge"}, {"file", file("gauge-equal")}, {"probation", 0}});
    EXPECT_THAT(outcome()["notes"].dump(), HasSubstr("the device has another build now"));
    call("shadow", {{"device", "gauge"}, {"file", file("gauge")}, {"duration", 60'000}});
    call("devices.remove", {{"id", "gauge"}, {"force", true}});
    EXPECT_THAT(outcome()["notes"].dump(), HasSubstr("the device is gone"));
}

TEST_F(Shadows, AreStoppedAndTold) {
    call("events.subscribe", {{"events", {"shadow.over"}}});
    begin("equal", 60'000);
    std::this_thread::sleep_for(500ms);
    call("shadow.stop", {{"device", "gauge"}});
    EXPECT_THAT(event(), AllOf(HasSubstr("shadow.over"), HasSubstr(R"("outcome":"equal")")));
    EXPECT_EQ(outcome()["outcome"], "equal");
    EXPECT_THAT(refusal("shadow.stop", {{"device", "gauge"}}), HasSubstr("has no shadow"));
    expect_service();
}

// While the accesses are traced, and while a machine ends.
TEST_F(Shadows, GoWithATrace) {
    call("trace.start", {{"device", "gauge"}});
    const json report = shadow("answers");
    EXPECT_EQ(report["outcome"], "different");
    EXPECT_EQ(call("trace.list")["devices"], json({"gauge"}));
    begin("equal", 60'000);
    const Outcome ended = end();
    EXPECT_EQ(ended.status, 0) << ended.text();
}

TEST_F(Shadows, WhatCannotBeComparedIsSaidAtOnce) {
    EXPECT_THAT(refusal("shadow", {{"device", "pci"}, {"file", PLUGBAY_PLUGINS "/pci-host.so"}}),
                HasSubstr("other devices answer through it"));
    EXPECT_THAT(refusal("shadow", {{"device", "gauge"}, {"file", file("good")}}),
                HasSubstr("no device type \"gauge\""));
    EXPECT_THAT(refusal("shadow", {{"device", "gouge"}, {"file", file("gauge")}}),
                HasSubstr("did you mean \"gauge\""));
    EXPECT_THAT(refusal("shadow.report", {{"device", "gauge"}}), HasSubstr("never had a shadow"));
}

} // namespace
} // namespace plugbay::end_to_end
