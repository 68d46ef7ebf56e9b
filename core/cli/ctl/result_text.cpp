#include "core/cli/ctl/result_text.hpp"

#include "core/cli/terminal_text.hpp"

#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <ostream>
#include <string>
#include <vector>

namespace plugbay::core::ctl {

using nlohmann::json;

namespace {

json member(const json& object, std::string_view name) {
    if (!object.is_object()) return {};
    const auto found = object.find(name);
    return found != object.end() ? *found : json();
}

// The members of `object`: those that its schema requires first, as the schema has them.
std::vector<std::string> names_in(const json& object, const json& schema) {
    std::vector<std::string> names;
    for (const json& each : member(schema, "required")) {
        if (each.is_string() && object.contains(each)) names.push_back(each);
    }
    for (const auto& [name, value] : object.items()) {
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    return names;
}

json schema_of(const json& schema, const std::string& name) {
    const json own = member(member(schema, "properties"), name);
    return own.is_null() ? member(schema, "additionalProperties") : own;
}

std::string plain(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    if (value.is_number_float()) {
        const double number = value.get<double>();
        constexpr double large = 1e5; // from here on its six digits would have an exponent
        return std::abs(number) < large ? fmt::format("{:.6g}", number) : fmt::format("{:.0f}", number);
    }
    if (value.is_null()) return "-";
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// In a cell of a table: how many for what has parts of its own.
std::string cell(const json& value) {
    return value.is_structured() ? fmt::format("{}", value.size()) : plain(value);
}

bool is_table(const json& value) {
    return value.is_array() && !value.empty() &&
           std::ranges::all_of(value, [](const json& each) { return each.is_object() && !each.empty(); });
}

class Printer {
  public:
    Printer(std::ostream& out, bool colours) : out_(out), colours_(colours) {}

    void print(const json& value, const json& schema, const std::string& indent) {
        if (is_table(value)) return print_table(value, member(schema, "items"), indent);
        if (value.is_array()) return print_list(value, member(schema, "items"), indent);
        if (value.is_object()) return print_object(value, schema, indent);
        print_text(value, indent);
    }

  private:
    void print_text(const json& value, const std::string& indent) {
        std::string text = printable_lines(plain(value));
        if (text.ends_with('\n')) text.pop_back();
        for (std::size_t at = 0; at <= text.size();) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            out_ << indent << text.substr(at, end - at) << '\n';
            at = end + 1;
        }
    }

    void print_list(const json& list, const json& schema, const std::string& indent) {
        for (const json& each : list)
            each.is_structured() ? print(each, schema, indent + "  ") : print_text(each, indent);
    }

    void print_table(const json& rows, const json& schema, const std::string& indent) {
        std::vector<std::string> columns;
        for (const json& row : rows) {
            for (const std::string& name : names_in(row, schema)) {
                if (std::ranges::find(columns, name) == columns.end()) columns.push_back(name);
            }
        }
        TextTable table(columns);
        for (const json& row : rows) {
            std::vector<std::string> cells;
            for (const std::string& name : columns) {
                const auto found = row.find(name);
                cells.push_back(found != row.end() ? cell(*found) : "-");
            }
            table.add(std::move(cells));
        }
        table.print(out_, indent, colours_);
    }

    // Plain values together, each part that has parts below its name.
    void print_object(const json& object, const json& schema, const std::string& indent) {
        const auto names = names_in(object, schema);
        TextTable lines;
        bool have_lines = false;
        const auto flush = [&] {
            if (have_lines) lines.print(out_, indent, colours_);
            lines = TextTable();
            have_lines = false;
        };
        for (const std::string& name : names) {
            const json& value = object[name];
            const bool long_text =
                value.is_string() && value.get_ref<const std::string&>().find('\n') != std::string::npos;
            if ((value.is_structured() && !value.empty()) || long_text) {
                flush();
                out_ << indent << coloured(printable(name), Colour::name, colours_) << ":\n";
                print(value, schema_of(schema, name), indent + "  ");
            } else {
                lines.add({name, value.is_structured() ? "none" : plain(value)});
                have_lines = true;
            }
        }
        flush();
    }

    std::ostream& out_;
    bool colours_;
};

} // namespace

void print_result(std::ostream& out, const json& result, const json& schema, bool colours) {
    const bool alone = result.is_object() && result.size() == 1;
    const json& inside = alone ? *result.begin() : result;
    const bool text =
        alone && inside.is_string() && inside.get_ref<const std::string&>().find('\n') != std::string::npos;
    if (alone && inside.is_structured() && inside.empty()) {
        out << "none\n";
    } else if (alone && (inside.is_structured() || text)) {
        Printer(out, colours).print(inside, schema_of(schema, result.begin().key()), "");
    } else {
        Printer(out, colours).print(result, schema, "");
    }
}

void print_event(std::ostream& out, const json& event, bool colours) {
    const json name = member(event, "method");
    std::string line = fmt::format("{:%H:%M:%S}  ", fmt::localtime(std::time(nullptr)));
    line += coloured(printable(plain(name)), Colour::name, colours);
    const json params = member(event, "params");
    if (params.is_object()) {
        for (const auto& [key, value] : params.items())
            line += fmt::format("  {}={}", printable(key), printable(plain(value)));
    }
    out << line << std::endl; // whoever reads this waits for it
}

} // namespace plugbay::core::ctl
