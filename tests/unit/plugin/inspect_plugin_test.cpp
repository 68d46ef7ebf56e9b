#include "core/cli/inspect_plugin.hpp"

#include "core/cli/exit_status.hpp"
#include "core/cli/inspect_command.hpp"
#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace plugbay::core {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json inspected(const std::string& plugin) {
    std::ostringstream out;
    const auto done = inspect_plugin(out, test_plugin(plugin), true);
    EXPECT_TRUE(done) << done.error().text();
    return json::parse(out.str(), nullptr, false);
}

TEST(InspectPlugin, TellsWhatTheFileIs) {
    const json good = inspected("good");
    EXPECT_EQ(good["name"], "good");
    EXPECT_EQ(good["version"], "1.2.3");
    EXPECT_EQ(good["abi"], "1.0");
    EXPECT_EQ(good["size"], std::filesystem::file_size(test_plugin("good")));
    EXPECT_THAT(good["exports"].get<std::vector<std::string>>(), ElementsAre("plugbay_plugin_v1"));
    EXPECT_THAT(good["unique"], IsEmpty());
    EXPECT_THAT(good["undefined"], IsEmpty());
    EXPECT_THAT(good["pins"], IsEmpty());
    EXPECT_THAT(good["faults"], IsEmpty());
    ASSERT_EQ(good["types"].size(), 1u);
    EXPECT_EQ(good["types"][0]["type"], "good-device");
    EXPECT_EQ(good["types"][0]["state_version_oldest"], 1);
    EXPECT_EQ(good["types"][0]["properties"][0]["maximum"], 65535);
}

TEST(InspectPlugin, FindsTheLinkersId) {
    const std::string id = inspected("with-id")["note_id"];
    EXPECT_EQ(id, "0123456789abcdef");
    EXPECT_EQ(inspected("without-id")["note_id"], "");
}

TEST(InspectPlugin, FindsWhatPinsAPlugin) {
    EXPECT_EQ(inspected("pinned-by-flag")["pins"][0], "it is linked with -z nodelete");
    const json symbol = inspected("pinned-by-symbol");
    ASSERT_EQ(symbol["unique"].size(), 1u);
    EXPECT_EQ(symbol["pins"][0], "it exports the unique symbol " + symbol["unique"][0].get<std::string>());
    EXPECT_THAT(inspected("pinned-by-thread")["pins"].dump(), HasSubstr("thread_local"));
}

TEST(InspectPlugin, FindsSymbolsThatNobodyProvides) {
    EXPECT_THAT(inspected("undefined-symbol")["undefined"].get<std::vector<std::string>>(),
                Contains("plugbay_host_private_function"));
    EXPECT_EQ(inspected("extra-export")["exports"].size(), 2u);
}

TEST(InspectPlugin, FindsAnExecutableStack) {
    EXPECT_THAT(inspected("executable-stack")["faults"].dump(), HasSubstr("stacks"));
}

TEST(InspectPlugin, NamesExtensionsAndLibraries) {
    const json plugin = inspected("misbehaving");
    EXPECT_THAT(plugin["extensions"].get<std::vector<std::string>>(), Contains("plugbay.access/1"));
    EXPECT_THAT(plugin["libraries"].dump(), HasSubstr("libc.so.6"));
    EXPECT_EQ(inspected("good")["extensions"], json({"plugbay.registers/1"}));
}

TEST(InspectPlugin, TellsPeopleTheSame) {
    std::ostringstream out;
    ASSERT_TRUE(inspect_plugin(out, test_plugin("two-types"), false));
    EXPECT_THAT(out.str(), testing::StartsWith("two 1.2.3\nFile:"));
    EXPECT_THAT(out.str(), HasSubstr("Exports:      plugbay_plugin_v1\n"));
    EXPECT_THAT(out.str(), HasSubstr("Unloading:    nothing in the file prevents it\n"));
    EXPECT_THAT(out.str(),
                HasSubstr("\nfirst-device: A device for tests.\nState:  version 2, loads from version 1\n"));
    EXPECT_THAT(out.str(), HasSubstr("\nsecond-device: "));
}

TEST(InspectPlugin, RefusesWhatIsNoPlugin) {
    std::ostringstream out;
    const auto refused = inspect_plugin(out, test_plugin("no-symbol"), false);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("is a shared object but no plugin"));
    EXPECT_EQ(inspect_command(out, {.path = std::filesystem::temp_directory_path()}), exit_status::failure);
    EXPECT_EQ(inspect_command(out, {.path = test_plugin("nothing")}), exit_status::failure);
    EXPECT_EQ(out.str(), "");
}

} // namespace
} // namespace plugbay::core
