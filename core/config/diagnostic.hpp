// What is wrong with a machine file, as data: one Diagnostic a mistake, rendered as text or as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// Where something was written. In the file: line and column from 1, columns in Unicode code points. On the
// command line: override_number n means the nth --set, from 1. All zero: nowhere in particular.
struct SourcePosition {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t override_number = 0;

    friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

enum class DiagnosticKind {
    unreadable_file,
    syntax,
    limit,
    bad_override,
    duplicate_key,
    unknown_key,
    wrong_kind,
    bad_text,
    out_of_range,
    unknown_choice,
    missing_key,
    misplaced_key,
    bad_id,
    duplicate_id,
    unknown_type,
    unavailable_type,
    unknown_frontend,
    interface_mismatch,
    frontend_taken,
    frontend_unconnected,
    backend_unconnected,
};

// The stable word for a kind in JSON output: "unknown_key", ...
[[nodiscard]] std::string_view name_of(DiagnosticKind kind);

struct Diagnostic {
    DiagnosticKind kind = DiagnosticKind::syntax;
    std::string file = {};          // as the user named it
    SourcePosition position = {};   //
    std::string override_text = {}; // "devices.vda.slot=x" when the mistake came from that --set
    std::string path = {};          // "devices.vda.slot"; empty: the file as a whole
    std::string message = {};       // the whole statement, without suggestions
    std::string expected = {};      // parts of the message for programs; any of them may be empty
    std::string found = {};
    std::string nearest = {}; // the valid name that resembles the one found
    std::vector<std::string> valid = {};
    std::string source_line = {}; // the line at `position`, made printable; empty when there is none
};

// One line without a newline: `file:line:column: path: message; did you mean "x"? valid: x, y`.
[[nodiscard]] std::string text_of(const Diagnostic& diagnostic);

// text_of, followed by the source line with a caret below the place, for terminals. Ends without a newline.
[[nodiscard]] std::string text_with_source(const Diagnostic& diagnostic);

// An array with one object a diagnostic; absent and empty members are left out.
[[nodiscard]] nlohmann::ordered_json json_of(std::span<const Diagnostic> diagnostics);

} // namespace plugbay::core
