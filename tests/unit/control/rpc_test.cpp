#include "core/control/rpc.hpp"

#include <gmock/gmock.h>

namespace plugbay::core::rpc {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// The only part of a line, which is no call: its error.
json error_of(const std::string& line) {
    const Message message = parse(line);
    EXPECT_EQ(message.parts.size(), 1U);
    EXPECT_FALSE(message.batch);
    if (!std::holds_alternative<json>(message.parts[0])) {
        ADD_FAILURE() << "a call: " << line;
        return json::object();
    }
    return std::get<json>(message.parts[0])["error"];
}

TEST(Rpc, ReadsACall) {
    const Message message = parse(R"({"jsonrpc": "2.0", "id": "a", "method": "m", "params": {"x": [1]}})");
    ASSERT_EQ(message.parts.size(), 1U);
    const Call& call = std::get<Call>(message.parts[0]);
    EXPECT_EQ(call.id, "a");
    EXPECT_FALSE(call.notification);
    EXPECT_EQ(call.method, "m");
    EXPECT_EQ(call.params, json::parse(R"({"x": [1]})"));
    EXPECT_EQ(std::get<Call>(parse(R"({"jsonrpc":"2.0","id":1,"method":"m"})").parts[0]).params,
              json::object());
    EXPECT_TRUE(std::get<Call>(parse(R"({"jsonrpc":"2.0","method":"m"})").parts[0]).notification);
    EXPECT_FALSE(std::get<Call>(parse(R"({"jsonrpc":"2.0","id":null,"method":"m"})").parts[0]).notification);
}

TEST(Rpc, ABatchHasItsCallsAndWhatIsNone) {
    const Message message = parse(R"([{"jsonrpc":"2.0","id":1,"method":"m"}, 7])");
    EXPECT_TRUE(message.batch);
    ASSERT_EQ(message.parts.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<Call>(message.parts[0]));
    EXPECT_EQ(std::get<json>(message.parts[1])["error"]["code"], invalid_request);
}

TEST(Rpc, RefusesWhatIsNoCallAndSaysWhatIsOne) {
    struct Case {
        std::string line;
        int code;
    };
    for (const auto& [line, code] : {
             Case{"{", parse_error},
             Case{"nonsense", parse_error},
             Case{"{} {}", parse_error},
             Case{std::string("\"\xff\""), parse_error},
             Case{std::string(R"({"jsonrpc":"2.0","id":1,"method":")") + "\xc0\x80\"}", parse_error},
             Case{std::string(33, '[') + std::string(33, ']'), parse_error},
             Case{std::string(500'000, '['), parse_error},
             Case{std::string(longest_line + 1, ' '), parse_error},
             Case{"[]", invalid_request},
             Case{"7", invalid_request},
             Case{"null", invalid_request},
             Case{"{}", invalid_request},
             Case{R"({"jsonrpc":"1.0","id":1,"method":"m"})", invalid_request},
             Case{R"({"jsonrpc":2.0,"id":1,"method":"m"})", invalid_request},
             Case{R"({"jsonrpc":"2.0","id":[],"method":"m"})", invalid_request},
             Case{R"({"jsonrpc":"2.0","id":true,"method":"m"})", invalid_request},
             Case{R"({"jsonrpc":"2.0","id":1,"method":7})", invalid_request},
             Case{R"({"jsonrpc":"2.0","id":1})", invalid_request},
             Case{R"({"jsonrpc":"2.0","id":1,"method":"m","more":1})", invalid_request},
             Case{R"({"jsonrpc":"2.0","id":1,"method":"m","params":[1]})", invalid_params},
             Case{R"({"jsonrpc":"2.0","id":1,"method":"m","params":null})", invalid_params},
         }) {
        const json error = error_of(line);
        EXPECT_EQ(error.value("code", 0), code) << line.substr(0, 100);
        EXPECT_FALSE(error["data"].value("hint", "").empty()) << line.substr(0, 100);
    }
    std::string calls = "[0";
    for (std::size_t i = 1; i <= most_calls; ++i)
        calls += ",0";
    EXPECT_EQ(error_of(calls + "]")["code"], invalid_request);
    EXPECT_EQ(error_of(R"({"jsonrpc":"2.0","id":9,"method":7})").size(), 3U);
}

TEST(Rpc, BracketsInTextsAreNoDepth) {
    const std::string brackets(1000, '[');
    const Message message = parse(R"({"jsonrpc":"2.0","id":1,"method":"\"\\)" + brackets + "\"}");
    EXPECT_EQ(std::get<Call>(message.parts[0]).method, "\"\\" + brackets);
}

TEST(Rpc, LinesAreOneLineOfUtf8) {
    const std::string line = line_of(answer(1, "two\nlines \xff"));
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_FALSE(json::parse(line, nullptr, false).is_discarded());
    EXPECT_THAT(line_of(refusal(nullptr, {failed, {"no", "do this"}})),
                HasSubstr(R"("error":{"code":-32000,"data":{"hint":"do this"},"message":"no"})"));
}

} // namespace
} // namespace plugbay::core::rpc
