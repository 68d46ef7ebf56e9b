// docs/machine-file.md has the tables that the declarations give. Its examples are in tests/cli/document_test.cpp.
#include "core/config/machine_keys.hpp"
#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

TEST(Reference, HasTheDeclaredTables) {
    const std::string page = bytes_of(PLUGBAY_SOURCE "/docs/machine-file.md");
    const auto& machine = machine_declaration();
    const auto& devices = machine.member("devices");
    for (const auto* const object :
         {&machine, &machine.member("boot"), &devices, &devices.member("frontend")}) {
        EXPECT_THAT(page, testing::HasSubstr(markdown_of(*object)));
    }
}

} // namespace
} // namespace plugbay::core
