#include "core/cli/ctl/result_text.hpp"
#include "core/cli/ps_command.hpp"
#include "core/cli/top_view.hpp"
#include "core/control/json_schema.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace plugbay::core {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string shown(const char* result, const json& schema = {}, bool colours = false) {
    std::ostringstream out;
    ctl::print_result(out, json::parse(result), schema, colours);
    return out.str();
}

TEST(CtlResult, HasTheFormOfWhatItIs) {
    EXPECT_EQ(shown("{}"), "");
    EXPECT_EQ(shown(R"({"state": "asked"})"), "state  asked\n");
    EXPECT_EQ(shown(R"({"a": 1, "long": true, "real": 0.5, "none": []})"),
              "a     1\nlong  yes\nnone  none\nreal  0.5\n");
    EXPECT_EQ(shown(R"({"tree": "a\n  b\n"})"), "a\n  b\n");
    EXPECT_EQ(shown(R"({"names": ["a", "b"]})"), "a\nb\n");
    EXPECT_EQ(shown(R"({"names": []})"), "none\n");
    EXPECT_EQ(shown(R"({"map": {"x": "1", "y": "2"}})"), "x  1\ny  2\n");
    EXPECT_EQ(shown(R"({"devices": [{"id": "vda", "ports": [1, 2]}, {"id": "x", "more": null}]})"),
              "ID   PORTS  MORE\nvda  2      -\nx    -      -\n");
    EXPECT_EQ(shown(R"({"id": "vda", "ports": [{"name": "p"}], "z": {"in": {"side": 1}}})"),
              "id  vda\nports:\n  NAME\n  p\nz:\n  in:\n    side  1\n");
    EXPECT_EQ(shown("[]"), "");
    EXPECT_EQ(shown("7"), "7\n");
    EXPECT_EQ(shown(R"({"a": 1278590.4, "b": 98437.41, "c": -2500000.5})"),
              "a  1278590\nb  98437.4\nc  -2500000\n");
}

TEST(CtlResult, ComesInTheOrderOfItsSchema) {
    const json row = schema::object("", {{"z", schema::text("")}, {"a", schema::text("")}});
    EXPECT_EQ(shown(R"({"a": "1", "z": "2", "b": "3"})", row), "z  2\na  1\nb  3\n");
    EXPECT_EQ(
        shown(R"({"rows": [{"a": "1", "z": "2"}]})", schema::object("", {{"rows", schema::list("", row)}})),
        "Z  A\n2  1\n");
}

TEST(CtlResult, NothingTakesOverTheTerminal) {
    for (const char* result : {R"({"a": "x\u001b[2Jy\n"})", R"({"\u001b]0;t\u0007": "1", "b": "\u009b"})",
                               R"({"a": [{"\u001b": "\u001b"}]})", R"({"a": ["\u001b", "\u202e"]})"}) {
        const std::string text = shown(result);
        EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << result;
        EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b"))) << result;
        EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae"))) << result;
        EXPECT_THAT(text, Not(HasSubstr("\x07"))) << result;
    }
    std::ostringstream event;
    ctl::print_event(event, json::parse(R"({"method": "\u001b[2J", "params": {"\u001b": "\n"}})"), false);
    EXPECT_THAT(event.str(), Not(HasSubstr("\x1b")));
    EXPECT_EQ(std::ranges::count(event.str(), '\n'), 1);
}

TEST(CtlResult, ColoursOnlyWhereTheyAreWanted) {
    EXPECT_THAT(shown(R"({"a": "1"})", {}, true), HasSubstr("\x1b["));
    EXPECT_THAT(shown(R"({"a": "1"})", {}, false), Not(HasSubstr("\x1b[")));
}

TEST(Ps, DurationsAreShort) {
    EXPECT_EQ(duration_text(7.9), "7s");
    EXPECT_EQ(duration_text(306), "5m06s");
    EXPECT_EQ(duration_text(3 * 3600 + 240), "3h04m");
    EXPECT_EQ(duration_text(26 * 3600), "1d02h");
    EXPECT_EQ(duration_text(-1), "-");
    EXPECT_EQ(duration_text(1e300), "-");
}

TopSample sample(double seconds, int exits, int writes, int requests) {
    return {
        .status = {{"name", "linux"}, {"state", "running"}, {"guest_seconds", seconds}, {"memory", 1 << 24}},
        .stats = {{"host_nanoseconds", seconds * 1e9},
                  {"guest_nanoseconds", seconds * 1e9},
                  {"vcpus", {{{"index", 0}, {"exits", {{"port_out", exits}, {"mmio_read", 0}}}}}},
                  {"devices",
                   {{{"id", "quiet"}, {"writes", 1}},
                    {{"id", "vda"},
                     {"writes", writes},
                     {"pauses", {{"count", 1}, {"longest_nanoseconds", 1500}}},
                     {"numbers", {{"requests", requests}, {"queued", 3}}},
                     {"levels", {"queued"}}}}},
                  {"pauses", {{"count", 2}, {"last_nanoseconds", 2'500'000}}}}};
}

TEST(Top, ShowsRatesBetweenTwoSamples) {
    const auto lines = top_lines(sample(10, 1000, 100, 7), sample(12, 5000, 300, 107));
    EXPECT_THAT(lines, Contains(HasSubstr("linux  running  up 12s")));
    EXPECT_THAT(lines, Contains("pauses: 2  last 2.5 ms  longest 0 ns  together 0 ns"));
    EXPECT_THAT(lines, Contains("VCPU  EXITS/S  PORT-OUT"));
    EXPECT_THAT(lines, Contains("0        2000      2000"));
    EXPECT_THAT(lines, Contains("vda:  queued 3  requests 50/s"));
    const auto busy = std::ranges::find_if(lines, [](const auto& line) { return line.starts_with("vda  "); });
    const auto quiet =
        std::ranges::find_if(lines, [](const auto& line) { return line.starts_with("quiet"); });
    ASSERT_NE(busy, lines.end());
    EXPECT_LT(busy, quiet) << "the busiest comes first";
    EXPECT_THAT(*busy, HasSubstr("100"));
    EXPECT_THAT(*busy, HasSubstr("1.5 us"));
}

TEST(Top, SurvivesNonsense) {
    for (const char* text :
         {"null", "7", "{}", R"({"vcpus": 7, "devices": [7, {"id": 3, "numbers": {"x": "y"}, "levels": 7}]})",
          R"({"vcpus": [{"index": "\u001b", "exits": {"\u001b[2J": 1e308}}], "host_nanoseconds": -1e308})"}) {
        const json value = json::parse(text);
        for (const std::string& line : top_lines({value, value}, {value, value}))
            EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    }
}

} // namespace
} // namespace plugbay::core
