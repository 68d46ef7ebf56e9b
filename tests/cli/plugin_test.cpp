// A plugin that was built for another ABI is refused by itself, and whoever named it or needs it is told.
#include "cli_test.hpp"

#include <nlohmann/json.hpp>

namespace plugbay::end_to_end {
namespace {

const std::string refusal =
    std::string(PLUGBAY_WRONG_PLUGIN) + " cannot be used: it was built for ABI 2.0; this plugbay speaks 1.0";

TEST_F(MachineErrors, WrongPluginDoesNotStopTheOthers) {
    const Outcome outcome = plugbay({"run", machine(exit_device), "--plugin", PLUGBAY_WRONG_PLUGIN});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr("warning: " + refusal), HasSubstr("rebuild it against sdk 1.0")));
}

TEST_F(CommandLine, WrongPluginIsListedAsRefused) {
    Outcome outcome = plugbay({"devices", "--plugin", PLUGBAY_WRONG_PLUGIN});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("virtio-blk"), HasSubstr("Refused:"), HasSubstr(refusal)));
    outcome = plugbay({"devices", "--json", "--plugin", PLUGBAY_WRONG_PLUGIN});
    const auto json = nlohmann::json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << outcome.output;
    ASSERT_EQ(json["refused"].size(), 1u);
    EXPECT_EQ(json["refused"][0]["file"], PLUGBAY_WRONG_PLUGIN);
}

TEST_F(CommandLine, WrongPluginIsNamedWhereItsTypeIsMissed) {
    const std::string file = machine(R"(    { "type": "good-device", "id": "x" })");
    const Outcome outcome = plugbay({"check", file, "--plugin", PLUGBAY_WRONG_PLUGIN});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr(file + ":3:15: devices.x.type: unknown device type \"good-device\""),
                      HasSubstr(refusal)));
}

TEST_F(CommandLine, MissingPluginIsReported) {
    const std::string plugin = folder_.path("nothing.so");
    const Outcome outcome = plugbay({"check", machine(exit_device), "--plugin", plugin});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("warning: "), HasSubstr(plugin), HasSubstr("No such file")));
}

TEST_F(CommandLine, FileThatIsNoPluginIsReported) {
    const std::string plugin = folder_.write("text.so", "not a plugin at all\n");
    const Outcome outcome = plugbay({"check", machine(exit_device), "--set", "plugins=[\"" + plugin + "\"]"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("warning: "), HasSubstr(plugin + " is not an ELF file")));
}

} // namespace
} // namespace plugbay::end_to_end
