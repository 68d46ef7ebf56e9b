// The commands themselves.
#include "cli_test.hpp"

#include <nlohmann/json.hpp>

namespace plugbay::end_to_end {
namespace {

using Json = nlohmann::json;

TEST_F(CommandLine, WithoutACommandSaysThatOneIsNeeded) {
    const Outcome outcome = plugbay({});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.output, "");
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("subcommand is required"), HasSubstr("--help")));
}

TEST_F(CommandLine, NamesAnUnknownCommand) {
    const Outcome outcome = plugbay({"frobnicate"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("there is no command \"frobnicate\""), HasSubstr("--help")));
}

TEST_F(CommandLine, NamesAnUnknownOption) {
    const Outcome outcome = plugbay({"check", "machine.json", "--frob"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("--frob"), HasSubstr("--help")));
}

TEST_F(CommandLine, RunWantsAMachine) {
    const Outcome outcome = plugbay({"run"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("MACHINE is required"), HasSubstr("--help")));
}

TEST_F(CommandLine, HelpListsTheCommands) {
    const Outcome outcome = plugbay({"--help"});
    EXPECT_EQ(outcome.status, 0);
    for (const char* command : {"run", "check", "devices", "schema", "doctor"})
        EXPECT_THAT(outcome.output, HasSubstr(command));
}

TEST_F(CommandLine, ShowsItsVersion) {
    const Outcome outcome = plugbay({"--version"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.output, ::testing::MatchesRegex("plugbay [0-9]+\\.[0-9]+\\.[0-9]+[^\n]*\n"));
}

TEST_F(CommandLine, ListsTheDeviceTypes) {
    const Outcome outcome = plugbay({"devices"});
    EXPECT_EQ(outcome.status, 0);
    for (const char* type : {"serial-16550", "virtio-blk", "debug-exit", "char-stdio", "pci-host"})
        EXPECT_THAT(outcome.output, HasSubstr(type));
    EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("Refused")));
}

TEST_F(CommandLine, ShowsADeviceTypeAsJson) {
    const Outcome outcome = plugbay({"devices", "serial-16550", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.text();
    const Json json = Json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << outcome.output;
    EXPECT_EQ(json["type"], "serial-16550");
    ASSERT_TRUE(json["properties"].is_array());
    EXPECT_EQ(json["properties"][0]["name"], "port");
    EXPECT_EQ(json["properties"][0]["default"], 0x3f8);
}

TEST_F(CommandLine, ListsTheDeviceTypesAsJson) {
    const Outcome outcome = plugbay({"devices", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.text();
    const Json json = Json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << outcome.output;
    EXPECT_GE(json["types"].size(), 13u);
    EXPECT_TRUE(json["refused"].empty());
}

TEST_F(CommandLine, ShowsNoDeviceTypeThatIsNotThere) {
    const Outcome outcome = plugbay({"devices", "serial-16650"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.output, "");
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr("unknown device type \"serial-16650\""), HasSubstr("serial-16550")));
}

TEST_F(CommandLine, PrintsTheSchema) {
    const Outcome outcome = plugbay({"schema"});
    ASSERT_EQ(outcome.status, 0) << outcome.text();
    const Json json = Json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << outcome.output;
    EXPECT_TRUE(json.contains("$schema"));
    EXPECT_TRUE(json["properties"].contains("boot"));
    EXPECT_THAT(outcome.output, HasSubstr("virtio-blk"));
}

TEST_F(CommandLine, SaysThatItsOutputIsLost) {
    const Outcome outcome = run({"/bin/sh", "-c", "exec \"$0\" schema >/dev/full", plugbay_binary()});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors, HasSubstr("standard output cannot be written"));
}

TEST_F(CommandLine, DoctorsJsonIsUtf8WhateverThePathHolds) {
    std::filesystem::create_directory(folder_.path("\xff"));
    const std::string emulator = folder_.write("\xff/qemu-system-x86_64", "");
    std::filesystem::permissions(emulator, std::filesystem::perms::owner_all);
    const Outcome outcome =
        run({"/usr/bin/env", "PATH=" + folder_.path("\xff"), plugbay_binary(), "doctor", "--json"});
    const Json json = Json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << outcome.text();
    EXPECT_THAT(json["qemu"].get<std::string>(), HasSubstr("qemu-system-x86_64"));
}

TEST_F(CommandLine, AcceptsEveryShippedMachine) {
    unsigned count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(PLUGBAY_SOURCE "/configs")) {
        if (entry.path().extension() != ".json") continue;
        ++count;
        const Outcome outcome = plugbay({"check", entry.path().string()});
        EXPECT_EQ(outcome.status, 0) << outcome.text();
        EXPECT_THAT(outcome.output, StartsWith(entry.path().string() + ": good"));
        EXPECT_EQ(outcome.errors, "");
    }
    EXPECT_GE(count, 1u);
}

} // namespace
} // namespace plugbay::end_to_end
