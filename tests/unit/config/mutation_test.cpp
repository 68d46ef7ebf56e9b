// Damaged files: whatever is read ends, and ends in a config or in errors.
#include "tests/unit/config/config_fixture.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <random>

namespace plugbay::core {
namespace {

using namespace test;

constexpr int rounds = 20'000;
constexpr auto longest_run = std::chrono::milliseconds(1500);

class Mutator {
  public:
    std::string mutate(std::string text) {
        const auto count = 1 + below(4);
        for (std::size_t i = 0; i < count; ++i)
            change(text);
        return text;
    }

    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  private:
    void change(std::string& text) {
        static const std::vector<std::string> pieces{
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u00",
            "\\ud800",
            "//",
            "/*",
            "*/",
            "-",
            "1e999",
            "0x",
            "null",
            "{}",
            "[[",
            "\xff",
            "\xc3",
            "\n",
            "\"id\"",
            "vda",
            "com1",
            "18446744073709551616",
            "\"frontend\":",
            "\"type\": \"wide\",",
            "\xEF\xBB\xBF",
        };
        const auto at = below(text.size() + 1);
        const auto length = std::min(below(12), text.size() - at);
        switch (below(5)) {
        case 0:
            text.erase(at, length);
            break;
        case 1:
            text.insert(at, pieces[below(pieces.size())]);
            break;
        case 2:
            text.insert(at, text.substr(below(text.size() + 1), below(80)));
            break;
        case 3:
            if (at < text.size()) text[at] = static_cast<char>(below(256));
            break;
        default:
            text.replace(at, length, pieces[below(pieces.size())]);
        }
    }

    std::mt19937 random_{20260727}; // the same on every run
};

TEST(Mutation, DamagedFilesEndInAConfigOrInErrors) {
    const auto catalog = make_catalog();
    const auto end = std::chrono::steady_clock::now() + longest_run;
    Mutator mutator;
    int good = 0;
    for (int i = 0; i < rounds && std::chrono::steady_clock::now() < end; ++i) {
        const auto text = mutator.mutate(complete_machine);
        const std::vector<std::string> overrides{mutator.mutate("devices.vda.slot=3")};
        const auto result = validate(parse_machine_text(text, "m.json", "/vm", overrides), catalog);
        ASSERT_NE(result.config.has_value(), !result.diagnostics.empty()) << text;
        good += result.config ? 1 : 0;
        for (const auto& diagnostic : result.diagnostics) {
            ASSERT_FALSE(text_with_source(diagnostic).empty());
            ASSERT_TRUE(diagnostic.position.line != 0 || diagnostic.position.override_number != 0) << text;
        }
        ASSERT_FALSE(json_of(result.diagnostics).dump().empty());
    }
    EXPECT_GT(good, 0);
}

} // namespace
} // namespace plugbay::core
