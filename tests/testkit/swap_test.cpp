// Replacing the build of a device on a Bench.
#include "probe_bench.hpp"

#include <filesystem>

#include <unistd.h>

namespace plugbay::testkit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Swap : public testing::Test {
  protected:
    Swap() {
        bench.add(probe_file, "probe-handover", "probe");
        bench.connect(far_end, "probe");
        bench.start();
        bench.run();
    }
    // The lines since the last call.
    std::vector<std::string> heard() {
        auto all = lines(bench);
        all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ += all.size();
        return all;
    }
    Outcome fail(const char* where) { return bench.try_swap("probe", probe_file, {{"fail", where}}); }

    Bench bench;
    CharPeer far_end;

  private:
    std::size_t taken_ = 0;
};

TEST_F(Swap, TheNewBuildGoesOn) {
    EXPECT_THAT(heard(), ElementsAre("made, in place", "start"));
    bench.out(0x5f0, 1, 'a');
    bench.out(0x5f1, 1, 1);
    bench.swap("probe", probe_file); // the eventfd is readable now
    EXPECT_THAT(heard(), ElementsAre("found", "ends", "resume, in place"));
    EXPECT_TRUE(bench.running());
    EXPECT_EQ(bench.line(7), 1) << "the old build's last word is not heard";
    bench.run();
    EXPECT_EQ(bench.in(0x5f0), std::uint64_t{'a'});
    bench.out(0x5f0, 1, 'b');
    bench.run();
    EXPECT_EQ(bench.in(0x5f0), std::uint64_t{'a'} + 'b');
    EXPECT_EQ(far_end.take(), "ab");
    bench.advance(std::chrono::milliseconds(1));
    EXPECT_THAT(heard(), ElementsAre("timer")) << "the new build's only";
    bench.out(0x5f1, 1, 0);
    EXPECT_EQ(bench.line(7), 0);

    bench.swap("probe", probe_file);
    EXPECT_THAT(heard(), ElementsAre("found", "ends", "resume, in place"));
    bench.quiesce();
    EXPECT_EQ(bench.remove("probe").total(), 0u);
}

TEST_F(Swap, AnotherFileIsAnotherBuild) {
    const auto copy = std::filesystem::temp_directory_path() / ("probe-" + std::to_string(getpid()) + ".so");
    std::filesystem::copy_file(probe_file, copy, std::filesystem::copy_options::overwrite_existing);
    bench.out(0x5f0, 1, 5);
    bench.swap("probe", copy);
    std::filesystem::remove(copy);
    bench.run();
    EXPECT_EQ(bench.in(0x5f0), 5u);
}

TEST_F(Swap, AStoppedMachineStaysStopped) {
    bench.out(0x5f0, 1, 5);
    bench.run();
    bench.quiesce();
    const StateImage before = bench.save("probe");
    bench.swap("probe", probe_file);
    EXPECT_FALSE(bench.running());
    EXPECT_EQ(bench.save("probe"), before);
    bench.resume();
    EXPECT_EQ(bench.in(0x5f0), 5u);
}

TEST(SwapBeforeStart, TheNewBuildIsStarted) {
    Bench bench;
    bench.add(probe_file, "probe-handover", "probe");
    bench.swap("probe", probe_file);
    bench.start();
    EXPECT_THAT(lines(bench), ElementsAre("made, in place", "found", "ends", "start"));
}

TEST_F(Swap, AtWhateverStepItFailsTheOldBuildGoesOn) {
    bench.out(0x5f0, 1, 5);
    for (const auto& [where, step, why] : {std::tuple{"create", "create", "it is not to be created"},
                                           std::tuple{"want_more", "create", "the guest knows"},
                                           std::tuple{"connect", "connect", "it is not to be connected"},
                                           std::tuple{"load", "load", "it is not to be loaded"},
                                           std::tuple{"forget_line", "validate", "an interrupt line"}}) {
        SCOPED_TRACE(where);
        static_cast<void>(heard());
        bench.out(0x5f1, 1, 1);
        const Outcome outcome = fail(where);
        EXPECT_FALSE(outcome);
        EXPECT_THAT(outcome.text, HasSubstr(std::string("swap failed at ") + step + ": "));
        EXPECT_THAT(outcome.text, HasSubstr(why));
        const bool quiesced = std::string_view(step) != "create";
        const auto said = heard();
        EXPECT_EQ(testing::Value(said, testing::Contains("resume, in place")), quiesced);
        EXPECT_THAT(said, testing::Not(testing::Contains("ends, in place")));
        EXPECT_EQ(bench.line(7), 1);
        bench.run();
        EXPECT_EQ(bench.in(0x5f0), 5u);
    }
    bench.swap("probe", probe_file);
    EXPECT_THAT(heard(), ElementsAre("found", "ends", "resume, in place"));
    bench.out(0x5f0, 1, 1);
    bench.run();
    EXPECT_EQ(bench.in(0x5f0), 6u);
}

TEST_F(Swap, FilesWithoutTheTypeAreRefused) {
    const Outcome outcome = bench.try_swap("probe", DEBUGCON);
    EXPECT_EQ(outcome.status, PLUGBAY_NOT_FOUND);
    EXPECT_THAT(outcome.text, HasSubstr("stage"));
    EXPECT_EQ(bench.try_swap("nobody", probe_file).status, PLUGBAY_NOT_FOUND);
}

TEST_F(Swap, AStateThatWasOnItsWayIsNoCheckpoint) {
    bench.quiesce();
    StateBuilder builder("probe-handover", 1);
    const std::uint64_t count = 1;
    const std::uint8_t no = 0;
    const std::uint8_t yes = 1;
    builder.put("count", PLUGBAY_FIELD_U64, &count, 1, 0);
    builder.put("fails", PLUGBAY_FIELD_BOOLEAN, &no, 1, 0);
    builder.put("handed_over", PLUGBAY_FIELD_BOOLEAN, &yes, 1, 0);
    builder.put("on_its_way", PLUGBAY_FIELD_U8, &no, 1, 0);
    std::string error;
    const auto image = builder.finish(error);
    ASSERT_TRUE(image) << error;
    EXPECT_THAT(bench.device("probe").try_load(*image).text, HasSubstr("no checkpoint"));
}

TEST(SwapOfLinked, EachEndMayBeReplaced) {
    Bench bench;
    bench.add(probe_file, "probe", "probe");
    bench.add(probe_file, "probe-disk", "disk");
    bench.connect("disk", "probe.disk");
    bench.start();
    for (const char* const id : {"disk", "probe", "disk"}) {
        bench.swap(id, probe_file);
        const std::size_t before = lines(bench).size();
        bench.out(0x507, 4, PLUGBAY_BLK_READ);
        bench.run();
        EXPECT_EQ(lines(bench).size(), before + 1);
        EXPECT_THAT(last_line(bench), HasSubstr("completed"));
    }
}

} // namespace
} // namespace plugbay::testkit
