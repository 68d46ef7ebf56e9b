#include "core/control/json_schema.hpp"

#include <gmock/gmock.h>

namespace plugbay::core::schema {
namespace {

using nlohmann::json;

const json shape = object("all kinds", {{"text", text("a text", 4)},
                                        {"choice", choice("one", {"red", "blue"})},
                                        optional("flag", boolean("a flag")),
                                        optional("count", integer("a count", -2, 5)),
                                        optional("ratio", number("a ratio")),
                                        optional("list", list("numbers", integer("each"))),
                                        optional("map", map("texts", text("each"))),
                                        optional("any", anything("whatever"))});

std::string wrong(const char* value) {
    return complaint(shape, json::parse(value), "params").value_or("");
}

TEST(JsonSchema, AcceptsWhatItDescribes) {
    EXPECT_EQ(wrong(R"({"text": "abcd", "choice": "red"})"), "");
    EXPECT_EQ(wrong(R"({"text": "äöüß", "choice": "blue", "flag": true, "count": -2, "ratio": 1.5, "list": [],
                        "map": {"x": "y"}, "any": [{}]})"),
              "");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "ratio": 3, "list": [1, 9223372036854775807]})"), "");
}

TEST(JsonSchema, SaysWhatIsWrongAndWhere) {
    EXPECT_EQ(wrong("7"), "params: expected an object, found 7");
    EXPECT_EQ(wrong(R"({"text": "a"})"), R"(params: "choice" is missing)");
    EXPECT_EQ(wrong(R"({"text": 1, "choice": "red"})"), "params.text: expected a string, found 1");
    EXPECT_EQ(wrong(R"({"text": "abcde", "choice": "red"})"), "params.text: longer than 4 characters");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "green"})"),
              R"(params.choice: expected one of ["red","blue"], found "green")");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "count": 6})"),
              "params.count: expected -2 to 5, found 6");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "count": -3})"),
              "params.count: expected -2 to 5, found -3");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "count": 18446744073709551615})"),
              "params.count: expected -2 to 5, found 18446744073709551615");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "count": 1.0})"),
              "params.count: expected an integer, found 1.0");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "list": [1, "x"]})"),
              R"(params.list[1]: expected an integer, found "x")");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "map": {"x": {}}})"),
              "params.map.x: expected a string, found an object");
    EXPECT_EQ(wrong(R"({"text": "", "choice": "red", "flog": true})"),
              R"(params: there is no "flog"; did you mean "flag"?)");
}

TEST(JsonSchema, IsJsonSchema) {
    EXPECT_EQ(shape["type"], "object");
    EXPECT_EQ(shape["additionalProperties"], false);
    EXPECT_EQ(shape["required"], json({"text", "choice"}));
    EXPECT_EQ(shape["properties"]["count"]["minimum"], -2);
    EXPECT_EQ(shape["properties"]["list"]["items"]["type"], "integer");
}

} // namespace
} // namespace plugbay::core::schema
