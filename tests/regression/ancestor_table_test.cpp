// The master device table: what was wrong with it in the device managers before this one.
#include "core/cli/devices_command.hpp"
#include "core/plugin/master_device_table.hpp"
#include "tests/regression/failing_allocation.hpp"
#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

MasterDeviceTable table_of(const std::vector<std::string>& plugins) {
    PluginSearch search;
    for (const std::string& each : plugins)
        search.files.push_back(test_plugin(each));
    return MasterDeviceTable::build(search);
}

TEST(AncestorTable, TheListingHasEveryTypeOnceAndNoOther) {
    std::ostringstream out;
    ASSERT_TRUE(devices_command(
        out, {.type = "",
              .json = false,
              .search = {.files = {test_plugin("good"), test_plugin("two-types"), test_plugin("long-name")},
                         .directories = {}}}));
    std::istringstream lines(out.str());
    std::vector<std::string> listed;
    for (std::string line; std::getline(lines, line);)
        listed.push_back(line);
    EXPECT_THAT(listed, SizeIs(1 + 4)) << out.str(); // a heading, and four types in three plugins
}

TEST(AncestorTable, AnAllocationThatFailsIsNoticedAndLeavesNoTable) {
    const PluginSearch search{.files = {test_plugin("good"), test_plugin("two-types")}, .directories = {}};
    long failed = 0;
    for (bool complete = false; !complete; ++failed) {
        const FailingAllocation failing(failed + 1);
        try {
            const auto table = MasterDeviceTable::build(search);
            complete = true;
            EXPECT_THAT(table.types(), SizeIs(3));
        } catch (const std::bad_alloc&) { // what was made of the table is gone with it
        }
    }
    EXPECT_GT(failed, 10);
}

TEST(AncestorTable, ARegistrationThatFailsLeavesNothingOfThePluginBehind) {
    // "duplicate" has a type that is taken and, after it, one that is not.
    auto table = table_of({"good", "duplicate", "two-types"});
    EXPECT_THAT(table.types(), SizeIs(3));
    EXPECT_THAT(table.plugins(), SizeIs(2));
    EXPECT_EQ(table.find("only-here"), nullptr);
    EXPECT_FALSE(table.load("only-here"));
    EXPECT_TRUE(table.load("first-device"));
}

TEST(AncestorTable, DuplicatesAreRejectedNamingBothFiles) {
    const auto table = table_of({"good", "duplicate"});
    ASSERT_THAT(table.refusals(), SizeIs(1));
    EXPECT_THAT(table.refusals()[0].error.text(),
                AllOf(HasSubstr(test_plugin("good").string()), HasSubstr(test_plugin("duplicate").string())));
}

TEST(AncestorTable, ItEndsWithItsOwner) {
    { const auto first = table_of({"good"}); }
    const auto second = table_of({"two-types"});
    EXPECT_EQ(second.find("good-device"), nullptr);
}

TEST(AncestorTable, ASecondStartIsATableOfItsOwn) {
    auto first = table_of({"good"});
    auto second = table_of({"good"});
    EXPECT_THAT(first.refusals(), IsEmpty());
    EXPECT_THAT(second.refusals(), IsEmpty());
    EXPECT_TRUE(first.load("good-device"));
    EXPECT_TRUE(second.load("good-device"));
}

TEST(AncestorTable, AnotherAbiIsRefusedNamingBothVersions) {
    const auto table = table_of({"wrong-major"});
    EXPECT_THAT(table.types(), IsEmpty());
    ASSERT_THAT(table.refusals(), SizeIs(1));
    EXPECT_THAT(table.refusals()[0].error.text(), AllOf(HasSubstr("2.0"), HasSubstr("1.0")));
}

TEST(AncestorTable, ATypeWithoutANameOrOperationsIsRefused) {
    for (const char* broken : {"null-type-name", "null-create", "null-plugin-name"}) {
        const auto table = table_of({broken});
        EXPECT_THAT(table.types(), IsEmpty()) << broken;
        EXPECT_THAT(table.refusals(), SizeIs(1)) << broken;
    }
}

} // namespace
} // namespace plugbay::core
