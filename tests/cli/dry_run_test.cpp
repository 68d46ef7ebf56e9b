// "run --dry-run".
#include "cli_test.hpp"

#include <nlohmann/json.hpp>

namespace plugbay::end_to_end {
namespace {

using Json = nlohmann::json;

TEST_F(CommandLine, DryRunFillsInEverything) {
    const std::string file = machine(exit_device + R"(, { "type": "serial-16550", "id": "com1" },
        { "type": "char-null", "id": "null", "frontend": { "id": "com1" } })");
    const Outcome outcome = plugbay({"run", file, "--dry-run", "--set", "cpus=2"});
    ASSERT_EQ(outcome.status, 0) << outcome.text();
    EXPECT_EQ(outcome.errors, "");
    const Json json = Json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << outcome.output;
    EXPECT_EQ(json["name"], "machine");
    EXPECT_EQ(json["cpus"], 2);
    EXPECT_EQ(json["memory"], 16 << 20);
    EXPECT_EQ(json["on_reset"], "restart");
    EXPECT_EQ(json["boot"]["kernel"], folder_.path("image"));
    EXPECT_EQ(json["boot"]["mode"], "real_16");
    EXPECT_EQ(json["devices"][1]["port"], 0x3f8);
    EXPECT_EQ(json["devices"][2]["frontend"]["id"], "com1");
}

TEST_F(CommandLine, DryRunIsAMachineFileAgain) {
    std::vector<std::string> files = {machine(exit_device)};
    for (const auto& entry : std::filesystem::directory_iterator(PLUGBAY_SOURCE "/configs")) {
        if (entry.path().extension() == ".json") files.push_back(entry.path().string());
    }
    ASSERT_GE(files.size(), 2U);
    for (const std::string& file : files) {
        const Outcome first = plugbay({"run", file, "--dry-run"});
        ASSERT_EQ(first.status, 0) << file << first.text();
        const std::string resolved = folder_.write("resolved.json", first.output);
        const Outcome check = plugbay({"check", resolved});
        EXPECT_EQ(check.status, 0) << file << check.text();
        EXPECT_EQ(plugbay({"run", resolved, "--dry-run"}).output, first.output) << file;
    }
}

TEST_F(CommandLine, DryRunOfADaemonIsTheSame) {
    const std::string file = machine(exit_device);
    const Outcome daemon = plugbay({"run", file, "--dry-run", "--daemon"});
    EXPECT_EQ(daemon.status, 0) << daemon.text();
    EXPECT_NE(daemon.output, "");
    EXPECT_EQ(daemon.output, plugbay({"run", file, "--dry-run"}).output);
}

TEST_F(CommandLine, DryRunReportsMistakes) {
    const Outcome outcome = plugbay({"run", machine(exit_device), "--dry-run", "--set", "cpus=0"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.output, "");
    EXPECT_THAT(outcome.errors, HasSubstr("cpus"));
}

} // namespace
} // namespace plugbay::end_to_end
