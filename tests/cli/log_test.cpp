// The log's options.
#include "cli_test.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace plugbay::end_to_end {
namespace {

using Json = nlohmann::json;

// Real mode. Writes 456 times to a port where nothing is, then ends with status 7.
const std::string writes_to_nothing = "\xb9\xc8\x01\xe6\x99\xe2\xfc\xb0\x07\xe6\xf4\xf4\xeb\xfd";

class LogOptionsOfRun : public MachineErrors {
  protected:
    void SetUp() override {
        MachineErrors::SetUp();
        file_ = machine(exit_device);
        folder_.write("image", writes_to_nothing);
    }
    std::string file_;
};

TEST_F(CommandLine, NamesTheNearestLogLevel) {
    const Outcome outcome = plugbay({"--log-level", "devices=debgu", "devices"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("--log-level"), HasSubstr("did you mean \"debug\"?")));
}

TEST_F(CommandLine, NamesTheNearestSubsystemOrDevice) {
    const std::string file = machine(exit_device);
    const Outcome subsystem = plugbay({"--log-level", "devcies=debug", "run", file});
    EXPECT_EQ(subsystem.status, 2);
    EXPECT_EQ(subsystem.errors,
              "plugbay: log level: there is no subsystem or device \"devcies\" (did you mean "
              "\"devices\"?)\n");
    const Outcome device = plugbay({"--log-level", "exitt=debug", "run", file});
    EXPECT_EQ(device.status, 2);
    EXPECT_THAT(device.errors, HasSubstr("did you mean \"exit\"?"));
}

TEST_F(CommandLine, LogGoesToOnePlace) {
    const Outcome outcome = plugbay({"--log-file", folder_.path("log"), "--log-syslog", "devices"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, HasSubstr("excludes"));
}

TEST_F(CommandLine, LogFileThatCannotBeOpened) {
    const Outcome outcome = plugbay({"--log-file", folder_.path("nowhere/log"), "devices"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.errors, "plugbay: cannot open the log file " + folder_.path("nowhere/log") +
                                  ": No such file or directory\n");
}

TEST_F(LogOptionsOfRun, ADeviceMayComeLater) {
    const Outcome outcome = plugbay({"--log-level", "tomorrows-disk=debug", "run", file_});
    EXPECT_EQ(outcome.status, 7);
    EXPECT_EQ(outcome.errors, "");
}

TEST_F(LogOptionsOfRun, LevelOfOneSubsystem) {
    const Outcome outcome = plugbay({"--log-level", "bus=debug", "run", file_});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_THAT(outcome.errors, StartsWith("debug: write to port 0x99, 1 bytes: nothing is there\n"));
    EXPECT_THAT(outcome.errors, ::testing::Not(HasSubstr("flat image"))) << "that is boot's, at level info";
}

TEST_F(LogOptionsOfRun, TheGuestCannotFloodIt) {
    const Outcome outcome = plugbay({"--log-level", "bus=debug", "run", file_});
    EXPECT_LT(lines_of(outcome.errors), 150) << outcome.text();
    EXPECT_THAT(outcome.errors, HasSubstr("suppressed: too many a second\n"));
}

TEST_F(LogOptionsOfRun, GoesToAFileAndIsAppended) {
    const std::string log = folder_.write("log", "before\n");
    const Outcome outcome = plugbay({"--log-level", "boot=info", "--log-file", log, "run", file_});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_EQ(outcome.errors, "");
    EXPECT_THAT(bytes_of(log), ::testing::MatchesRegex(
                                   "before\n2[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9][0-9][0-9][0-9]Z info boot: "
                                   "machine: flat image, [^\n]*\n"));
}

TEST_F(LogOptionsOfRun, AFailureIsToldOnTheTerminalToo) {
    const std::string log = folder_.path("log");
    const Outcome outcome =
        plugbay({"--log-file", log, "run", file_, "--set", "boot.kernel=" + folder_.path("nothing")});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors, StartsWith("error: cannot open kernel "));
    EXPECT_THAT(bytes_of(log), HasSubstr(" error machine: cannot open kernel "));
}

TEST_F(LogOptionsOfRun, JsonIsOneObjectALine) {
    const Outcome outcome =
        plugbay({"--log-level", "info", "--log-level", "bus=debug", "--log-json", "run", file_});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    std::istringstream lines(outcome.errors);
    std::string line;
    long of_bus = 0;
    while (std::getline(lines, line)) {
        const Json json = Json::parse(line, nullptr, false);
        ASSERT_TRUE(json.is_object()) << line;
        EXPECT_EQ(json.size(), 4U) << line;
        if (json["subsystem"] == "bus") ++of_bus;
    }
    EXPECT_GE(of_bus, 20);
}

// Standard error is a pipe that is full and that nobody reads.
TEST_F(LogOptionsOfRun, ABlockedStandardErrorHoldsNobodyUp) {
    const std::string script = R"(
        mkfifo "$2" && exec 2<>"$2" &&
        ! dd if=/dev/zero of="$2" bs=4096 count=1000 oflag=nonblock conv=notrunc 2>/dev/null &&
        exec "$0" --log-level debug run "$1")";
    const Outcome outcome =
        run({"sh", "-c", script, plugbay_binary(), file_, folder_.path("full")}, std::chrono::seconds(50));
    EXPECT_EQ(outcome.status, 7) << outcome.text();
}

} // namespace
} // namespace plugbay::end_to_end
