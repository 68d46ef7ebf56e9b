// Plugin files that were built for earlier versions of the ABI, and are never built again, do today what they did then: on
// the testkit, and in the monitor.
#include "tests/guests/machine/monitor.hpp"

#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace plugbay::end_to_end {
namespace {

using namespace plugbay::testkit;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class KeptPlugins : public testing::TestWithParam<const char*> { // the ABI's version
  protected:
    [[nodiscard]] static std::string file(const std::string& language) {
        return std::string(PLUGBAY_KEPT) + "/abi-" + GetParam() + "-" + language + ".so";
    }
};

INSTANTIATE_TEST_SUITE_P(Abi, KeptPlugins, testing::Values("1.0"), [](const auto& version) {
    std::string name = version.param;
    std::replace(name.begin(), name.end(), '.', '_');
    return name;
});

TEST_P(KeptPlugins, InCAnswersAccessesAndKeepsItsState) {
    Bench bench;
    bench.add(file("c"), "kept-doubler", "subject", {{"address", "0xd0001000"}});
    bench.start();
    bench.write(0xd000'1000, 4, 21);
    EXPECT_EQ(bench.read(0xd000'1008, 4), 42u);
    bench.quiesce();
    const StateImage state = bench.save("subject");
    bench.resume();
    bench.reset();
    EXPECT_EQ(bench.read(0xd000'1008, 4), 0u);
    bench.swap("subject", file("c"));
    bench.quiesce();
    bench.load("subject", state);
    bench.resume();
    EXPECT_EQ(bench.read(0xd000'1008, 4), 42u);
    bench.quiesce();
    EXPECT_EQ(bench.remove("subject").total(), 0u);
}

TEST_P(KeptPlugins, InCppTicksInterruptsAndWrites) {
    Bench bench;
    CharPeer terminal;
    bench.add(file("cpp"), "kept-metronome", "subject",
              {{"port", "0x600"}, {"irq", "5"}, {"period", "10"}, {"offset", "-1"}, {"text", "tock"}});
    bench.connect(terminal, "subject", {{"loud", "true"}});
    bench.start();
    bench.out(0x604, 4, 1);
    bench.advance(35us);
    EXPECT_EQ(bench.in(0x600, 4), 2u); // three, with the offset
    EXPECT_EQ(bench.edges(5), 3u);
    EXPECT_EQ(terminal.take(), "tock!tock!tock!");
    EXPECT_EQ(bench.device("subject").statistic("written"), 15u);

    bench.swap("subject", file("cpp")); // the state goes on, and so does the timer
    bench.advance(10us);
    EXPECT_EQ(bench.in(0x600, 4), 3u);
    bench.out(0x608, 4, 0);
    bench.run();
    EXPECT_EQ(bench.in(0x600, 4), 0xffff'ffffu);
    bench.reset();
    EXPECT_EQ(bench.in(0x604, 4), 0u);
}

TEST_P(KeptPlugins, InCppRefusesWithItsOwnWords) {
    Bench bench;
    const auto outcome = bench.try_add(file("cpp"), "kept-metronome", "subject", {{"text", "refuse"}});
    EXPECT_EQ(outcome.status, PLUGBAY_FAILED);
    EXPECT_THAT(outcome.text, HasSubstr("the text \"refuse\" is refused"));
}

TEST_P(KeptPlugins, OnPciAnswersAndSendsMessages) {
    Bench bench;
    bench.add(file("cpp"), "kept-function", "subject");
    bench.start();
    bench.enable_msix("subject");
    const std::uint64_t registers = bench.bar("subject", 0);
    bench.write(registers, 4, 21);
    EXPECT_EQ(bench.read(registers, 4), 42u);
    EXPECT_THAT(bench.take_msix("subject"), ElementsAre(0u));
}

TEST_P(KeptPlugins, AreReadWithoutBeingRun) {
    const Outcome c = run(plugbay_command({"inspect", file("c")}));
    EXPECT_THAT(c.output, HasSubstr("kept-doubler")) << c.text();
    const Outcome cpp = run(plugbay_command({"inspect", file("cpp")}));
    for (const char* const word : {"kept-metronome", "kept-function", "TICKS", "loud", "period"})
        EXPECT_THAT(cpp.output, HasSubstr(word)) << cpp.text();
}

TEST_P(KeptPlugins, RunInTheMonitor) {
    if (const std::string problem = kvm_problem(); !problem.empty()) GTEST_SKIP() << problem;
    const TemporaryFolder folder;
    // Doubles 20, waits for two ticks, and ends with the sum.
    constexpr std::string_view guest = "\xbb\x00\x00\x00\xd0"         // mov $0xd0000000, %ebx
                                       "\xc7\x03\x14\x00\x00\x00"     // movl $20, (%ebx)
                                       "\x8b\x4b\x08"                 // mov 8(%ebx), %ecx
                                       "\x66\xba\xe4\x05"             // mov $0x5e4, %dx
                                       "\xb8\x01\x00\x00\x00\xef"     // mov $1, %eax; out %eax, %dx
                                       "\x66\xba\xe0\x05"             // mov $0x5e0, %dx
                                       "\xed\x83\xf8\x02\x72\xfa"     // 1: in %dx, %eax; cmp $2, %eax; jb 1b
                                       "\xb8\x02\x00\x00\x00\x01\xc8" // mov $2, %eax; add %ecx, %eax
                                       "\x66\xba\xf4\x00\xee\xf4"sv;  // mov $0xf4, %dx; out %al, %dx; hlt
    folder.write("guest.bin", guest);
    const std::string machine = folder.write("machine.json", R"({
        "memory": "16M", "boot": { "kernel": "guest.bin", "protocol": "flat", "mode": "protected_32" },
        "plugins": [")" + file("c") + R"(", ")" + file("cpp") + R"("],
        "devices": [
          { "type": "pci-host", "id": "pci" },
          { "type": "kept-doubler", "id": "doubler" },
          { "type": "kept-metronome", "id": "metronome", "period": 1000, "text": "tick" },
          { "type": "kept-function", "id": "function" },
          { "type": "char-stdio", "id": "terminal", "frontend": { "id": "metronome", "loud": true } },
          { "type": "debug-exit", "id": "exit" } ] })");
    const Outcome outcome = run(plugbay_command({"run", machine, "--timeout", "60"}));
    EXPECT_EQ(outcome.status, 42) << outcome.text();
    EXPECT_THAT(outcome.output, HasSubstr("tick!tick!"));
}

} // namespace
} // namespace plugbay::end_to_end
