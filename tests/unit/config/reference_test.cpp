// docs/machine-file.md says what the program does.
#include "core/config/machine_keys.hpp"
#include "tests/unit/config/config_fixture.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace plugbay::core {
namespace {

using namespace test;

std::string reference() {
    std::ifstream page(PLUGBAY_SOURCE_DIRECTORY "/docs/machine-file.md");
    EXPECT_TRUE(page) << "docs/machine-file.md cannot be read";
    std::stringstream text;
    text << page.rdbuf();
    return text.str();
}

// The types that the page's examples use.
ListCatalog catalog_of_reference() {
    const auto all = make_catalog();
    std::vector<TypeDescription> types;
    for (const auto* const name : {"serial-16550", "char-stdio", "virtio-blk", "disk-file"}) {
        types.push_back(*all.find(name));
    }
    return ListCatalog(std::move(types));
}

// The first block that is marked as of that language.
std::string block(const std::string& page, const std::string& language) {
    const auto start = page.find("```" + language + "\n") + language.size() + 4;
    return page.substr(start, page.find("```", start) - start);
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

TEST(Reference, ItsExampleIsGood) {
    EXPECT_THAT(errors(block(reference(), "jsonc")), testing::IsEmpty());
}

TEST(Reference, ItsErrorsAreTrue) {
    const auto page = reference();
    const std::vector<std::string> overrides{"devices.vda.nonsense=1"};
    const auto document = parse_machine_text(block(page, "json"), "configs/linux.json", "/vm", overrides);
    std::string text;
    for (const auto& line : lines(validate(document, catalog_of_reference())))
        text += line + '\n';
    EXPECT_EQ(text, block(page, "text"));
}

} // namespace
} // namespace plugbay::core
