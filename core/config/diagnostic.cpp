#include "core/config/diagnostic.hpp"

#include "core/config/source_text.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace plugbay::core {
namespace {

using namespace std::string_view_literals;

constexpr std::array kind_names{
    "unreadable_file"sv,
    "syntax"sv,
    "limit"sv,
    "bad_override"sv,
    "duplicate_key"sv,
    "unknown_key"sv,
    "wrong_kind"sv,
    "bad_text"sv,
    "out_of_range"sv,
    "unknown_choice"sv,
    "missing_key"sv,
    "misplaced_key"sv,
    "bad_id"sv,
    "duplicate_id"sv,
    "unknown_type"sv,
    "unavailable_type"sv,
    "unknown_frontend"sv,
    "interface_mismatch"sv,
    "frontend_taken"sv,
    "frontend_unconnected"sv,
    "backend_unconnected"sv,
};
static_assert(kind_names.size() == static_cast<std::size_t>(DiagnosticKind::backend_unconnected) + 1);

constexpr std::size_t longest_list = 24;

std::string place_of(const Diagnostic& diagnostic) {
    std::string result = diagnostic.file;
    if (diagnostic.position.override_number != 0) {
        result += ": --set " + diagnostic.override_text;
    } else if (diagnostic.position.line != 0) {
        result +=
            ':' + std::to_string(diagnostic.position.line) + ':' + std::to_string(diagnostic.position.column);
    }
    return result;
}

} // namespace

std::string_view name_of(DiagnosticKind kind) {
    return kind_names.at(static_cast<std::size_t>(kind));
}

std::string text_of(const Diagnostic& diagnostic) {
    std::string result = place_of(diagnostic) + ": ";
    if (!diagnostic.path.empty()) result += diagnostic.path + ": ";
    result += diagnostic.message;
    if (!diagnostic.nearest.empty()) result += "; did you mean \"" + diagnostic.nearest + "\"?";
    if (!diagnostic.valid.empty()) {
        result += diagnostic.nearest.empty() ? "; valid:" : " valid:";
        for (std::size_t i = 0; i < diagnostic.valid.size() && i < longest_list; ++i) {
            result += (i == 0 ? " " : ", ") + diagnostic.valid[i];
        }
        if (diagnostic.valid.size() > longest_list) {
            result += " and " + std::to_string(diagnostic.valid.size() - longest_list) + " more";
        }
    }
    return result;
}

std::string text_with_source(const Diagnostic& diagnostic) {
    std::string result = text_of(diagnostic);
    if (diagnostic.source_line.empty() || diagnostic.position.column == 0) return result;
    const std::string margin = "    ";
    result += '\n' + margin + diagnostic.source_line;
    return result + '\n' + margin + std::string(diagnostic.position.column - 1, ' ') + '^';
}

nlohmann::ordered_json json_of(std::span<const Diagnostic> diagnostics) {
    auto result = nlohmann::ordered_json::array();
    for (const auto& diagnostic : diagnostics) {
        nlohmann::ordered_json entry;
        const auto add_text = [&entry](const char* key, std::string_view text) {
            // Names of files and arguments need not be UTF-8; JSON has to be.
            if (!text.empty())
                entry[key] = find_invalid_utf8(text) ? in_quotes(text, text.size() * 4) : std::string(text);
        };
        add_text("kind", name_of(diagnostic.kind));
        add_text("file", diagnostic.file);
        if (diagnostic.position.line != 0) {
            entry["line"] = diagnostic.position.line;
            entry["column"] = diagnostic.position.column;
        }
        add_text("set", diagnostic.override_text);
        add_text("path", diagnostic.path);
        add_text("message", diagnostic.message);
        add_text("expected", diagnostic.expected);
        add_text("found", diagnostic.found);
        add_text("nearest", diagnostic.nearest);
        if (!diagnostic.valid.empty()) entry["valid"] = diagnostic.valid;
        result.push_back(std::move(entry));
    }
    return result;
}

} // namespace plugbay::core
