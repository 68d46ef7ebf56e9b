// docs/machine-file.md has the tables that the declarations give. Its examples are in tests/cli/document_test.cpp.
#include "core/config/machine_keys.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace plugbay::core {
namespace {

std::string reference() {
    const auto page = std::filesystem::path(__FILE__).parent_path() / "../../../docs/machine-file.md";
    std::stringstream text;
    text << std::ifstream(page).rdbuf();
    return text.str();
}

TEST(Reference, HasTheDeclaredTables) {
    const auto page = reference();
    const auto& machine = machine_declaration();
    const auto& devices = machine.member("devices");
    for (const auto* const object :
         {&machine, &machine.member("boot"), &devices, &devices.member("frontend")}) {
        EXPECT_THAT(page, testing::HasSubstr(markdown_of(*object)));
    }
}

} // namespace
} // namespace plugbay::core
