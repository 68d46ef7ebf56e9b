#include "core/cli/ctl/command_words.hpp"

#include "core/base/nearest_name.hpp"
#include "core/config/number_text.hpp"
#include "core/config/source_text.hpp"
#include "core/control/rpc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

namespace plugbay::core::ctl {

using nlohmann::json;

namespace {

Error wrong_value(const Parameter& parameter, const std::string& text, const std::string& wanted) {
    return {fmt::format("{} is no {}", in_quotes(text), parameter.name), wanted};
}

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string content;
    std::array<char, 65536> chunk;
    while (file && content.size() <= rpc::longest_line) {
        file.read(chunk.data(), chunk.size());
        content.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (!file.eof() && content.size() <= rpc::longest_line)
        return Error{fmt::format("{} cannot be read", in_quotes(path)),
                     "@ is followed by the path of a file"};
    if (content.size() > rpc::longest_line)
        return Error{fmt::format("{} is too long", in_quotes(path)),
                     fmt::format("at most {} bytes", rpc::longest_line)};
    return content;
}

// JSON, or @FILE with JSON inside; what does not look like JSON is a text, unless `strictly`.
Result<json> read_json(const Parameter& parameter, const std::string& text, bool strictly) {
    std::string content = text;
    const bool from_file = text.starts_with('@');
    if (from_file) {
        auto read = read_file(text.substr(1));
        if (!read) return std::move(read).error();
        content = std::move(*read);
    }
    json value = json::parse(content, nullptr, false);
    if (!value.is_discarded()) return value;
    const bool looks_like_json =
        !text.empty() && std::string_view("{[\"").find(text[0]) != std::string_view::npos;
    if (!strictly && !from_file && !looks_like_json) return json(text);
    return wrong_value(parameter, text, "JSON, or @FILE with JSON inside");
}

// "64", "0x40", "64K".
Result<json> read_integer(const Parameter& parameter, const std::string& text) {
    NumberText number = read_number(text);
    if (number.problem != NumberText::Problem::none) number = read_size(text);
    const auto bound = [&](const char* name) { return parameter.schema.value(name, json()); };
    const json least = bound("minimum");
    const json most = bound("maximum");
    const std::string wanted = !least.is_number_integer() ? "a number"
                               : most.is_number_integer() && most != INT64_MAX
                                   ? fmt::format("{} to {}", least.dump(), most.dump())
                                   : fmt::format("at least {}", least.dump());
    if (number.problem != NumberText::Problem::none || number.magnitude > INT64_MAX)
        return wrong_value(parameter, text, wanted);
    const auto magnitude = static_cast<std::int64_t>(number.magnitude);
    const std::int64_t value = number.negative ? -magnitude : magnitude;
    if ((least.is_number_integer() && json(value) < least) ||
        (most.is_number_integer() && json(value) > most))
        return wrong_value(parameter, text, wanted);
    return json(value);
}

Result<json> read_real(const Parameter& parameter, const std::string& text) {
    double value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size())
        return wrong_value(parameter, text, "a number");
    return json(value);
}

Result<json> read_boolean(const Parameter& parameter, const std::string& text) {
    if (text == "true" || text == "yes" || text == "on") return json(true);
    if (text == "false" || text == "no" || text == "off") return json(false);
    return wrong_value(parameter, text, "true or false");
}

Result<json> read_text(const Parameter& parameter, const std::string& text) {
    const auto choices = parameter.choices();
    if (!choices.empty() && std::ranges::find(choices, text) == choices.end())
        return wrong_value(parameter, text, fmt::format("one of {}", fmt::join(choices, ", ")));
    return json(text);
}

// A value that is no list and no object.
Result<json> read_plain(const Parameter& parameter, const std::string& text) {
    if (parameter.has_type("integer")) return read_integer(parameter, text);
    if (parameter.has_type("number")) return read_real(parameter, text);
    if (parameter.has_type("boolean")) return read_boolean(parameter, text);
    if (parameter.has_type("string")) return read_text(parameter, text);
    return read_json(parameter, text, false);
}

// More of an object: KEY=VALUE, where the key may be KEY.KEY for objects inside, or all of a JSON object.
Result<void> add_to_object(const Parameter& parameter, const std::string& text, json& object) {
    if (!object.is_object()) object = json::object();
    const std::size_t sign = text.find('=');
    if (!text.starts_with('{') && !text.starts_with('@') && sign != text.npos) {
        auto value = read_json(parameter, text.substr(sign + 1), false);
        if (!value) return std::move(value).error();
        json* place = &object;
        std::size_t at = 0;
        for (std::size_t dot = text.find('.'); dot < sign; dot = text.find('.', at)) {
            place = &(*place)[text.substr(at, dot - at)];
            if (!place->is_object()) *place = json::object();
            at = dot + 1;
        }
        (*place)[text.substr(at, sign - at)] = std::move(*value);
        return {};
    }
    const Error wrong = wrong_value(parameter, text, "KEY=VALUE, a JSON object, or @FILE with one inside");
    if (!text.starts_with('{') && !text.starts_with('@')) return wrong;
    auto more = read_json(parameter, text, true);
    if (!more) return std::move(more).error();
    if (!more->is_object()) return wrong;
    object.update(*more);
    return {};
}

// An element of a list of objects: KEY=VALUE,KEY=VALUE, or JSON.
Result<void> add_object(const Parameter& parameter, const std::string& text, json& list) {
    json object = json::object();
    if (text.starts_with('{')) {
        if (auto added = add_to_object(parameter, text, object); !added) return added;
    } else {
        for (std::size_t at = 0; at <= text.size();) {
            const std::size_t end = std::min(text.find(',', at), text.size());
            if (auto added = add_to_object(parameter, text.substr(at, end - at), object); !added)
                return added;
            at = end + 1;
        }
    }
    list.push_back(std::move(object));
    return {};
}

// More of a list: what is between commas, or all of a JSON list.
Result<void> add_to_list(const Parameter& parameter, const std::string& text, json& list) {
    if (!list.is_array()) list = json::array();
    if (text.starts_with('[') || text.starts_with('@')) {
        auto more = read_json(parameter, text, true);
        if (!more) return std::move(more).error();
        if (!more->is_array()) return wrong_value(parameter, text, "a list");
        list.insert(list.end(), more->begin(), more->end());
        return {};
    }
    const Parameter element{parameter.name, parameter.schema.value("items", json::object())};
    if (element.has_type("object")) return add_object(element, text, list);
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        auto value = read_plain(element, text.substr(at, end - at));
        if (!value) return std::move(value).error();
        list.push_back(std::move(*value));
        at = end + 1;
    }
    return {};
}

class Reader {
  public:
    Reader(Invocation& invocation, std::span<const std::string> words) : made_(invocation), words_(words) {}

    Result<void> read() {
        bool only_values = false;
        while (!words_.empty()) {
            const std::string word = take();
            const bool option = !only_values && word.size() > 1 && word[0] == '-' &&
                                !(word[1] >= '0' && word[1] <= '9'); // a negative number
            if (!only_values && word == "--") {
                only_values = true;
            } else if (auto read = option ? read_option(word) : read_positional(word); !read) {
                return read;
            }
        }
        return made_.help ? Result<void>() : find_missing();
    }

  private:
    std::string take() {
        std::string word = words_.front();
        words_ = words_.subspan(1);
        return word;
    }
    [[nodiscard]] const Command& command() const { return *made_.command; }
    [[nodiscard]] Error with_usage(std::string message) const {
        return {std::move(message), "usage: " + command().usage()};
    }

    Result<void> set(const Parameter& parameter, const std::string& text) {
        if (parameter.has_type("array")) return add_to_list(parameter, text, made_.params[parameter.name]);
        if (parameter.has_type("object")) return add_to_object(parameter, text, made_.params[parameter.name]);
        auto value = read_plain(parameter, text);
        if (!value) return std::move(value).error();
        made_.params[parameter.name] = std::move(*value);
        return {};
    }

    Result<void> read_option(const std::string& word) {
        const std::size_t sign = word.find('=');
        const std::string name = word.substr(0, sign);
        std::optional<std::string> value;
        if (sign != word.npos) value = word.substr(sign + 1);
        const Parameter* parameter = command().find_option(name);
        if (parameter == nullptr) return read_common_option(name, value.has_value());
        if (!parameter->repeats() && made_.params.contains(parameter->name))
            return with_usage(fmt::format("{} is given twice", name));
        if (!value && parameter->is_flag()) value = "true";
        if (!value && words_.empty()) return with_usage(fmt::format("{} wants a value", name));
        return set(*parameter, value ? *value : take());
    }

    Result<void> read_common_option(const std::string& name, bool has_value) {
        if (!has_value && name == "--json") {
            made_.json = true;
            return {};
        }
        if (!has_value && (name == "--help" || name == "-h")) {
            made_.help = true;
            return {};
        }
        std::vector<std::string> options{"--json", "--help"};
        for (const Parameter& each : command().parameters) {
            if (!each.positional) options.push_back(each.option());
        }
        const std::string nearest = nearest_name(name.substr(0, 100), options);
        return with_usage(fmt::format("\"{}\" has no option {}{}", command().name(), in_quotes(name),
                                      nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    }

    Result<void> read_positional(const std::string& word) {
        const auto& parameters = command().parameters;
        if (position_ >= parameters.size() || !parameters[position_].positional)
            return with_usage(
                fmt::format("\"{}\" takes no further word: {}", command().name(), in_quotes(word)));
        const Parameter& parameter = parameters[position_];
        const bool last = position_ + 1 == parameters.size() || !parameters[position_ + 1].positional;
        if (!last || !parameter.repeats()) ++position_;
        return set(parameter, word);
    }

    Result<void> find_missing() {
        for (const Parameter& each : command().parameters) {
            if (each.is_working_directory() && !made_.params.contains(each.name)) set_working_directory(each);
            if (each.required && !made_.params.contains(each.name))
                return with_usage(
                    fmt::format("\"{}\" wants {}: {}", command().name(), each.name, each.help()));
        }
        return {};
    }

    // Left out where there is none any more.
    void set_working_directory(const Parameter& parameter) {
        std::error_code failed;
        const auto folder = std::filesystem::current_path(failed);
        if (!failed) made_.params[parameter.name] = folder.string();
    }

    Invocation& made_;
    std::span<const std::string> words_;
    std::size_t position_ = 0; // the next positional parameter
};

} // namespace

Result<Invocation> read_command(const CommandSet& commands, std::span<const std::string> words) {
    const auto [command, used] = commands.match(words);
    if (command == nullptr) {
        const std::string nearest = commands.nearest(words);
        const std::string name =
            fmt::format("{}", fmt::join(words.first(std::min<std::size_t>(words.size(), 2)), " "));
        return Error{fmt::format("there is no command {}{}", in_quotes(name),
                                 nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)),
                     "\"help\" lists them"};
    }
    Invocation made{.command = command};
    if (auto read = Reader(made, words.subspan(used)).read(); !read) return std::move(read).error();
    return made;
}

} // namespace plugbay::core::ctl
