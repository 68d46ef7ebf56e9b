// What the checks of a machine file see of the master device table.
#include "core/config/table_catalog.hpp"

#include "core/config/machine_file.hpp"

#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* machine = R"({ "boot": { "kernel": "image" },
  "devices": [ { "type": "good-device", "id": "x", "port": 1 } ] })";

TEST(TableCatalog, ATypeOfTwoPluginsIsAMistakeOfTheMachine) {
    const TemporaryFolder directory;
    (void)directory.write("a.so", bytes_of(test_plugin("good")));
    (void)directory.write("b.so", bytes_of(test_plugin("duplicate")));
    const auto table = MasterDeviceTable::build({.files = {}, .directories = {directory.path()}});
    const TableCatalog catalog(table);
    EXPECT_EQ(catalog.find("good-device"), nullptr);

    const auto result = validate(parse_machine_text(machine, "m.json", "/vm"), catalog);
    ASSERT_EQ(result.diagnostics.size(), 1U);
    EXPECT_EQ(result.diagnostics[0].kind, DiagnosticKind::unavailable_type);
    EXPECT_EQ(result.diagnostics[0].position.line, 2U);
    EXPECT_THAT(text_of(result.diagnostics[0]),
                AllOf(HasSubstr((directory.path() / "a.so").string()),
                      HasSubstr((directory.path() / "b.so").string()), HasSubstr("remove all but one")));
}

TEST(TableCatalog, HasWhatOnePluginProvides) {
    const auto table = MasterDeviceTable::build({.files = {test_plugin("good")}, .directories = {}});
    const TableCatalog catalog(table);
    EXPECT_EQ(catalog.find("good-device"), table.find("good-device"));
    ASSERT_EQ(catalog.known_types().size(), 1U);
    EXPECT_EQ(catalog.known_types()[0].unavailable, "");
}

} // namespace
} // namespace plugbay::core
