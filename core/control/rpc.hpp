// JSON-RPC 2.0 (jsonrpc.org/specification): from a line to calls, and from what came of them to a line. Pure.
#pragma once

#include "core/base/result.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace plugbay::core::rpc {

inline constexpr std::size_t longest_line = 1 << 20; // bytes, without the newline
inline constexpr std::size_t deepest = 32;           // arrays and objects inside one another
inline constexpr std::size_t most_calls = 100;       // of one batch

// The specification's error codes, and ours.
inline constexpr int parse_error = -32700;
inline constexpr int invalid_request = -32600;
inline constexpr int method_not_found = -32601;
inline constexpr int invalid_params = -32602;
inline constexpr int failed = -32000; // the machine could not do it; `data.hint` says what to do
inline constexpr int machine_ended = -32001;

struct Failure {
    int code;
    Error error;
};

struct Call {
    nlohmann::json id; // null: a notification, which gets no answer
    bool notification = false;
    std::string method;
    nlohmann::json params;
};

// One line: the calls in it, or for each that is none what is wrong with it.
struct Message {
    std::vector<std::variant<Call, nlohmann::json>> parts; // a call, or a complete answer to what is none
    bool batch = false;                                    // answered by an array
};
[[nodiscard]] Message parse(std::string_view line);

[[nodiscard]] nlohmann::json answer(const nlohmann::json& id, nlohmann::json result);
[[nodiscard]] nlohmann::json refusal(const nlohmann::json& id, const Failure& failure);
[[nodiscard]] nlohmann::json notification(std::string_view method, nlohmann::json params);
// With its newline; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string line_of(const nlohmann::json& message);

} // namespace plugbay::core::rpc
