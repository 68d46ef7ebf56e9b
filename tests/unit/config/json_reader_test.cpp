#include "core/config/json_reader.hpp"

#include "core/config/source_text.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

std::string problem_of(std::string_view text, JsonComments comments = JsonComments::allowed) {
    const auto result = read_json(text, comments);
    EXPECT_NE(result.root.has_value(), result.problem.has_value()) << text;
    if (!result.problem) return "none";
    const auto& position = result.problem->position;
    return std::to_string(position.line) + ':' + std::to_string(position.column) + ": " +
           result.problem->message;
}

TEST(JsonReader, SyntaxErrorsSayWhereAndWhatWasExpected) {
    struct Case {
        std::string text;
        std::string problem;
    };
    const std::vector<Case> cases{
        {"", "1:1: expected a value, found the end of the file"},
        {"  // only a comment\n", "2:1: expected a value, found the end of the file"},
        {"{", "1:2: expected a key in double quotes or \"}\", found the end of the file"},
        {"{\n  \"a\": 1,\n}",
         "3:1: expected a key in double quotes, found \"}\" (no comma after the last entry)"},
        {"[1, 2, ]", "1:8: expected a value, found \"]\" (no comma after the last entry)"},
        {"{ \"a\" 1 }", "1:7: expected \":\" after the key, found \"1\""},
        {"{ \"a\": 1 \"b\": 2 }", "1:10: expected \",\" or \"}\", found \"b\""},
        {"{ a: 1 }", "1:3: expected a key in double quotes or \"}\", found \"a\""},
        {"{ 'a': 1 }", "1:3: expected a key in double quotes or \"}\", found \"'\""},
        {"{ \"a\": }", "1:8: expected a value, found \"}\""},
        {"{ \"a\": tru }", "1:8: expected a value, found \"tru\""},
        {"{ \"a\": 0x3f8 }", "1:9: expected \",\" or \"}\", found \"x3f8\""},
        {"[1, -]", "1:5: not a number: expected digit after '-'"},
        {"[1.]", "1:2: not a number: expected digit after '.'"},
        {"[01]", "1:3: expected \",\" or \"]\", found \"1\""},
        {"[1 /* c */ 2]", "1:12: expected \",\" or \"]\", found \"2\""},
        {"{} {}", "1:4: expected the end of the file, found \"{\""},
        {"[\"abc\n\"]", "1:6: expected a closing double quote before the end of the line"},
        {"[\"abc", "1:6: expected a closing double quote before the end of the file"},
        {"[\"a\\x\"]", "1:5: the text is broken: forbidden character after backslash"},
        {"[\"\\u12g4\"]", "1:7: the text is broken: '\\u' must be followed by 4 hex digits"},
        {"[\"\\ud800\"]",
         "1:9: the text is broken: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
        {"[\"\\udc00\"]", "1:8: the text is broken: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF"},
        {"[\"a\tb\"]",
         "1:4: the text is broken: control character U+0009 (HT) must be escaped to \\u0009 or \\t"},
        {"[1, /* never ends", "1:5: the comment has no end \"*/\""},
        {"[1, / 2]", "1:5: expected a value, found \"/\""},
        {"[1, 1e999]", "1:5: the number is too large"},
        {"{\"k\": [\n\u00e4\u00f6 }", "2:1: expected a value or \"]\", found \"\u00e4\""},
        {"[\"\u00e4\u00f6\u00fc\U0001F600\" 2]", "1:9: expected \",\" or \"]\", found \"2\""},
        {"\xEF\xBB\xBF{ x }", "1:3: expected a key in double quotes or \"}\", found \"x\""},
        {"\xEF\xBB[]", "1:1: expected UTF-8 text, found the byte \"<ef>\""},
    };
    for (const auto& [text, problem] : cases)
        EXPECT_EQ(problem_of(text), problem) << text;
}

TEST(JsonReader, CommentsCanBeRefused) {
    EXPECT_EQ(problem_of("[1] // x"), "none");
    EXPECT_EQ(problem_of("[1] // x", JsonComments::refused),
              "1:5: expected the end of the file, found \"/\"");
}

TEST(JsonReader, InvalidUtf8IsRefusedWhereverItIs) {
    EXPECT_EQ(problem_of("[1, \"\xc3\x28\"]"), "1:6: expected UTF-8 text, found the byte \"<c3>\"");
    EXPECT_EQ(problem_of("[1]\n // \xff"), "2:5: expected UTF-8 text, found the byte \"<ff>\"");
    EXPECT_EQ(problem_of("\"\xed\xa0\x80\""), "1:2: expected UTF-8 text, found the byte \"<ed>\"");
    EXPECT_EQ(problem_of("\"\xf4\x90\x80\x80\""), "1:2: expected UTF-8 text, found the byte \"<f4>\"");
    EXPECT_EQ(problem_of("\"\xc0\xaf\""), "1:2: expected UTF-8 text, found the byte \"<c0>\"");
    EXPECT_EQ(problem_of("\"\xe2\x82"), "1:2: expected UTF-8 text, found the byte \"<e2>\"");
    EXPECT_EQ(problem_of(std::string_view("[1]\0", 4)),
              "1:4: expected UTF-8 text, found the byte \"\\u0000\"");
}

TEST(JsonReader, LimitsHold) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_EQ(problem_of(nested(maximum_json_depth)), "none");
    EXPECT_EQ(problem_of(nested(maximum_json_depth + 1)), "1:65: arrays and objects nest deeper than 64");
    EXPECT_EQ(problem_of(std::string(1'000'000, '[')), "1:65: arrays and objects nest deeper than 64");
    EXPECT_EQ(problem_of(std::string(maximum_json_size + 1, ' ')), "0:0: the file is larger than 16 MiB");
    EXPECT_EQ(problem_of(std::string(maximum_json_size - 1, ' ') + '1'), "none");
    std::string many = "[0";
    for (std::size_t i = 0; i < maximum_json_values; ++i)
        many += ",0";
    EXPECT_EQ(problem_of(many + ']'), "1:200000: more than 100000 values in one file");
}

TEST(JsonReader, EveryValueKnowsItsPlace) {
    const auto result =
        read_json("\n { \"a\" /*x*/ : // y\n  [ 1, -2.5e3 ,\"t\\\"\\n\\u00e4\\ud83d\\ude00\", true],\n"
                  "\"b\":null, \"a\": {} }",
                  JsonComments::allowed);
    ASSERT_TRUE(result.root);
    const auto& root = *result.root;
    EXPECT_EQ(root.position, (SourcePosition{2, 2}));
    ASSERT_EQ(root.members.size(), 3U);
    EXPECT_EQ(root.members[0].position, (SourcePosition{2, 4}));
    const auto& list = root.members[0].value;
    EXPECT_EQ(list.position, (SourcePosition{3, 3}));
    ASSERT_EQ(list.elements.size(), 4U);
    EXPECT_EQ(list.elements[0].position, (SourcePosition{3, 5}));
    EXPECT_EQ(list.elements[0].magnitude, 1U);
    EXPECT_EQ(list.elements[1].position, (SourcePosition{3, 8}));
    EXPECT_EQ(list.elements[1].text, "-2.5e3");
    EXPECT_EQ(list.elements[2].position, (SourcePosition{3, 16}));
    EXPECT_EQ(list.elements[2].text, "t\"\n\u00e4\U0001F600");
    EXPECT_EQ(list.elements[3].position, (SourcePosition{3, 43}));
    EXPECT_EQ(root.members[1].position, (SourcePosition{4, 1}));
    EXPECT_EQ(root.members[1].value.position, (SourcePosition{4, 5}));
    EXPECT_FALSE(root.members[0].duplicate);
    EXPECT_TRUE(root.members[2].duplicate);
    EXPECT_EQ(root.find("a"), &root.members[0]);
}

TEST(JsonReader, NumbersAtTheEndOfTheText) {
    for (const std::string text : {"12", "-12", "0", "18446744073709551615", "9223372036854775808"}) {
        const auto result = read_json(text, JsonComments::refused);
        ASSERT_TRUE(result.root) << text;
        EXPECT_EQ(result.root->text, text);
        EXPECT_EQ(result.root->kind, LocatedValue::Kind::integer);
        EXPECT_EQ(result.root->position, (SourcePosition{1, 1}));
    }
    EXPECT_EQ(read_json("-9223372036854775808", JsonComments::refused).root->magnitude,
              std::uint64_t{1} << 63);
}

TEST(SourceText, QuotesAreSafeToPrint) {
    EXPECT_EQ(in_quotes("a\"b\\c\n\t\x1b[31m"), "\"a\\\"b\\\\c\\n\\t\\u001b[31m\"");
    EXPECT_EQ(in_quotes("\u009b \u202e \u2066 \u00e9"), "\"\\u009b \\u202e \\u2066 \u00e9\"");
    EXPECT_EQ(in_quotes(std::string(100, 'x'), 10), "\"xxxxxxxxx\"...");
}

TEST(SourceText, LinesAreFoundAndMadePrintable) {
    const SourceText source("\xEF\xBB\xBFone\r\n\ttwo\x1b\n" + std::string(500, 'x') + "\nlast");
    EXPECT_EQ(source.line(0), "");
    EXPECT_EQ(source.line(1), "one");
    EXPECT_EQ(source.line(2), " two");
    EXPECT_EQ(source.line(3), "");
    EXPECT_EQ(source.line(4), "last");
    EXPECT_EQ(source.line(5), "");
}

} // namespace
} // namespace plugbay::core
