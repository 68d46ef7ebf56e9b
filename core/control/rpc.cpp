#include "core/control/rpc.hpp"

#include "core/base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plugbay::core::rpc {

using nlohmann::json;

namespace {

// Arrays and objects inside one another, at most; what is no JSON may give any number.
std::size_t depth_of(std::string_view text) {
    std::size_t depth = 0;
    std::size_t deepest_seen = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char byte = text[i];
        if (in_string) {
            if (byte == '\\') ++i;
            in_string = byte != '"';
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            deepest_seen = std::max(deepest_seen, ++depth);
        } else if ((byte == ']' || byte == '}') && depth > 0) {
            --depth;
        }
    }
    return deepest_seen;
}

json refuse(const json& id, int code, std::string message, std::string hint) {
    return refusal(id, {code, {std::move(message), std::move(hint)}});
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::variant<Call, json> read_call(json value) {
    const char* const shape = R"(a call is {"jsonrpc": "2.0", "id": 1, "method": "...", "params": {...}})";
    if (!value.is_object()) return refuse(nullptr, invalid_request, "this is no call", shape);
    Call call{.id = nullptr, .notification = !value.contains("id"), .method = {}, .params = json::object()};
    if (!call.notification) call.id = value["id"];
    if (!call.id.is_null() && !call.id.is_number() && !call.id.is_string())
        return refuse(nullptr, invalid_request, "\"id\" is neither a number nor a string", shape);
    for (const auto& [key, content] : value.items()) {
        if (key != "jsonrpc" && key != "id" && key != "method" && key != "params") {
            return refuse(call.id, invalid_request, fmt::format("a call has no \"{}\"", key.substr(0, 100)),
                          shape);
        }
    }
    if (value.value("jsonrpc", json()) != "2.0")
        return refuse(call.id, invalid_request, "\"jsonrpc\" is not \"2.0\"", shape);
    if (!value.contains("method") || !value["method"].is_string())
        return refuse(call.id, invalid_request, "\"method\" is missing, or no string", shape);
    call.method = value["method"].get<std::string>();
    if (value.contains("params")) call.params = std::move(value["params"]);
    if (!call.params.is_object())
        return refuse(call.id, invalid_params, "\"params\" is not an object", "name each parameter");
    return call;
}

} // namespace

Message parse(std::string_view line) {
    const auto refused = [](int code, const char* message, const std::string& hint) {
        return Message{.parts = {refuse(nullptr, code, message, hint)}, .batch = false};
    };
    if (line.size() > longest_line) {
        return refused(parse_error, "the line is too long",
                       fmt::format("a line has at most {} bytes", longest_line));
    }
    if (!is_utf8(line)) return refused(parse_error, "the line is not UTF-8", "escape other bytes as \\u00..");
    if (depth_of(line) > deepest) {
        return refused(parse_error, "the line is nested too deeply",
                       fmt::format("at most {} arrays and objects inside one another", deepest));
    }
    json value = json::parse(line, nullptr, false);
    if (value.is_discarded())
        return refused(parse_error, "the line is not JSON",
                       "one whole message a line, and no newline inside");
    Message message{.parts = {}, .batch = value.is_array()};
    if (!message.batch) {
        message.parts.push_back(read_call(std::move(value)));
        return message;
    }
    if (value.empty() || value.size() > most_calls) {
        return refused(invalid_request, "a batch of no calls, or of too many",
                       fmt::format("1 to {} calls", most_calls));
    }
    for (json& each : value)
        message.parts.push_back(read_call(std::move(each)));
    return message;
}

json answer(const json& id, json result) {
    return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

json refusal(const json& id, const Failure& failure) {
    json error{{"code", failure.code}, {"message", failure.error.message}};
    if (!failure.error.hint.empty()) error["data"]["hint"] = failure.error.hint;
    return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}};
}

json notification(std::string_view method, json params) {
    return {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
}

std::string line_of(const json& message) {
    return message.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

} // namespace plugbay::core::rpc
