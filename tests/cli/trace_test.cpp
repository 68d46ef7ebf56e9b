// plugbay run --trace.
#include "cli_test.hpp"

namespace plugbay::end_to_end {
namespace {

using ::testing::Not;

using TraceOfRun = MachineErrors;

TEST_F(TraceOfRun, PrintsWhatTheGuestDoes) {
    const Outcome outcome = plugbay({"run", machine(exit_device), "--trace", "exit"});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(lines_of(outcome.errors), 2) << outcome.errors;
    EXPECT_THAT(outcome.errors, StartsWith("exit 0."));
    EXPECT_THAT(outcome.errors, HasSubstr(" vcpu0 write ports 0xf4 + 0x0 STATUS = 0x07\n"));
    EXPECT_THAT(outcome.errors, HasSubstr("exit (no more: it was asked for)\n"));
}

// 100,000 accesses, of which a person is shown what a person can read.
TEST_F(TraceOfRun, SaysHowMuchIsLeftOut) {
    const std::string file = machine(exit_device + R"(, { "type": "debugcon", "id": "one" })");
    // mov $0x402, %dx; mov $100, %bl; 1: mov $1000, %cx; 2: out %al, %dx; loop 2b; dec %bl; jnz 1b; mov $7, %al; out %al, $0xf4
    folder_.write("image",
                  std::string("\xba\x02\x04\xb3\x64\xb9\xe8\x03\xee\xe2\xfd\xfe\xcb\x75\xf6\xb0\x07\xe6\xf4"
                              "\xf4\xeb\xfd",
                              22));
    const Outcome outcome = plugbay({"run", file, "--trace", "exit,one"});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("one 0."), HasSubstr("ports 0x402 + 0x0"),
                                      HasSubstr("left out"), HasSubstr("exit (no more")));
    EXPECT_LT(lines_of(outcome.errors), 50'000);
}

TEST_F(CommandLine, TraceNamesTheNearestDevice) {
    const Outcome outcome = plugbay({"run", machine(exit_device), "--trace", "exit,exti"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.errors, "plugbay run --trace: there is no device \"exti\" (did you mean \"exit\"?)\n");
}

} // namespace
} // namespace plugbay::end_to_end
