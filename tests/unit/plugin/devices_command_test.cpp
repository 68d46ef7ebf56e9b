#include "core/cli/devices_command.hpp"

#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace plugbay::core {
namespace {

using testing::HasSubstr;

const PluginSearch two_good_one_bad{
    .files = {test_plugin("good"), test_plugin("two-types"), test_plugin("wrong-major")}, .directories = {}};

TEST(DevicesCommand, ListsTypesAndRefusals) {
    std::ostringstream out;
    ASSERT_TRUE(devices_command(out, {.type = "", .json = false, .search = two_good_one_bad}));
    EXPECT_THAT(out.str(), HasSubstr("TYPE           PLUGIN  VERSION  HELP\n"
                                     "first-device   two     1.2.3    A device for tests.\n"));
    EXPECT_THAT(out.str(), HasSubstr("good-device    good    1.2.3    A device for tests.\n"));
    EXPECT_THAT(out.str(), HasSubstr("Refused:\n  " + test_plugin("wrong-major").string()));
    EXPECT_THAT(out.str(), HasSubstr("this plugbay speaks 1.0\n"));
}

TEST(DevicesCommand, SaysThatThereIsNothing) {
    std::ostringstream out;
    ASSERT_TRUE(devices_command(out, {}));
    EXPECT_EQ(out.str(), "No device types were found.\n");
}

TEST(DevicesCommand, ShowsOneType) {
    std::ostringstream out;
    ASSERT_TRUE(devices_command(out, {.type = "good-device", .json = false, .search = two_good_one_bad}));
    EXPECT_THAT(out.str(), HasSubstr("good-device: A device for tests.\nPlugin:  good 1.2.3 ("));
    EXPECT_THAT(out.str(), HasSubstr("State:   version 2, loads from version 1\n"));
    EXPECT_THAT(out.str(), HasSubstr("  port  unsigned  1016       1 to 65535"));
    EXPECT_THAT(out.str(), HasSubstr("  mode  choice    fast       slow | fast"));
    EXPECT_THAT(out.str(), HasSubstr("  file  path      \"out.log\"  0 to 4095 bytes"));
    EXPECT_THAT(out.str(), HasSubstr("Ports:\n  frontend char/1, optional\n"));
    EXPECT_THAT(out.str(), HasSubstr("    blocking  boolean  false"));
    EXPECT_THAT(
        out.str(),
        HasSubstr("\nRegisters:\n"
                  "  OFFSET     BITS  NAME          ACCESS            RESET   HELP\n"
                  "  0x00       16    CONTROL       read/write        0x0001  What it does.\n"
                  "             0       ENABLE                                Runs.\n"
                  "             5:4     SPEED                                 0: slow, 2: fast\n"
                  "  0x08 + 8i  32    STATUS[0..2]  write 1 to clear          [if CONTROL.ENABLE=1]\n"));
}

TEST(DevicesCommand, JsonHoldsTheSame) {
    std::ostringstream out;
    ASSERT_TRUE(devices_command(out, {.type = "", .json = true, .search = two_good_one_bad}));
    const auto json = nlohmann::json::parse(out.str());
    ASSERT_EQ(json["types"].size(), 3U);
    EXPECT_EQ(json["refused"].size(), 1U);
    const auto& good = json["types"][1];
    EXPECT_EQ(good["type"], "good-device");
    EXPECT_EQ(good["plugin"]["abi"], "1.0");
    EXPECT_EQ(good["properties"][1]["default"], "fast");
    EXPECT_EQ(good["ports"][0]["options"][0]["default"], false);
    const auto& block = good["registers"][0];
    EXPECT_EQ(block["token"], 7);
    EXPECT_EQ(block["registers"][0]["state"], "control");
    EXPECT_EQ(block["registers"][0]["fields"][1]["values"][1]["name"], "fast");
    EXPECT_EQ(block["registers"][1]["access"], "write 1 to clear");
    EXPECT_EQ(block["registers"][1]["when"], "CONTROL.ENABLE=1");
    EXPECT_TRUE(json["types"][2]["registers"].is_array());

    std::ostringstream one;
    ASSERT_TRUE(devices_command(one, {.type = "good-device", .json = true, .search = two_good_one_bad}));
    EXPECT_EQ(nlohmann::json::parse(one.str()), good);
}

TEST(DevicesCommand, AnUnknownTypeIsAnError) {
    std::ostringstream out;
    const auto done =
        devices_command(out, {.type = "goood-device", .json = false, .search = two_good_one_bad});
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().text(), HasSubstr("did you mean \"good-device\"?"));
    EXPECT_EQ(out.str(), "");
}

} // namespace
} // namespace plugbay::core
