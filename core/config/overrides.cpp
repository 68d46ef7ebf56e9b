#include "core/config/overrides.hpp"

#include "core/base/nearest_name.hpp"
#include "core/config/json_reader.hpp"
#include "core/config/source_text.hpp"

#include <charconv>

namespace plugbay::core {
namespace {

void relocate(LocatedValue& value, const SourcePosition& position) {
    value.position = position;
    for (auto& element : value.elements)
        relocate(element, position);
    for (auto& member : value.members) {
        member.position = position;
        relocate(member.value, position);
    }
}

LocatedValue value_of(std::string_view text, const SourcePosition& position) {
    auto json = read_json(text, JsonComments::refused);
    LocatedValue value{.kind = LocatedValue::Kind::text, .text = std::string(text), .members = {}};
    if (json.root) value = std::move(*json.root);
    relocate(value, position);
    return value;
}

// Follows one path from the root to the value that it names.
class OverridePath {
  public:
    OverridePath(LocatedValue& root, std::string_view path, const SourcePosition& position,
                 Reporter& reporter)
        : current_(&root), rest_(path), position_(position), reporter_(reporter) {}

    // Where to put the new value, or nullptr after a report.
    LocatedValue* find() {
        for (std::size_t steps = 0; current_ != nullptr; ++steps) {
            if (steps == maximum_json_depth) return fail("the path is too long");
            current_ = rest_.starts_with('[') ? element() : named();
            if (current_ == nullptr || rest_.empty()) return current_;
            if (rest_.starts_with('.')) {
                rest_.remove_prefix(1);
            } else if (!rest_.starts_with('[')) {
                return fail("expected \".\" or \"[\" before " + in_quotes(rest_));
            }
        }
        return nullptr;
    }

  private:
    LocatedValue* fail(std::string message, std::string nearest = {}, std::vector<std::string> valid = {}) {
        if (made_in_ != nullptr) made_in_->members.pop_back();
        reporter_.report({.kind = DiagnosticKind::bad_override,
                          .position = position_,
                          .path = walked_,
                          .message = std::move(message),
                          .nearest = std::move(nearest),
                          .valid = std::move(valid)});
        return nullptr;
    }

    LocatedValue* element() {
        std::size_t index = 0;
        const char* const end = rest_.data() + rest_.size();
        const auto [stop, error] = std::from_chars(rest_.data() + 1, end, index);
        if (error != std::errc() || stop == end || *stop != ']') return fail("expected a number in [ ]");
        if (current_->kind != LocatedValue::Kind::array)
            return fail("this is " + description_of(*current_) + ", no array");
        if (index >= current_->elements.size()) {
            return fail("there is no element " + std::to_string(index) + ", only " +
                        std::to_string(current_->elements.size()));
        }
        rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()) + 1);
        walked_ = element_path(walked_, index);
        return &current_->elements[index];
    }

    LocatedValue* named() {
        if (current_->kind == LocatedValue::Kind::array && walked_ == "devices") return device();
        const auto name = rest_.substr(0, rest_.find_first_of(".["));
        if (name.empty())
            return fail("expected a name in the path, found " +
                        (rest_.empty() ? "its end" : in_quotes(rest_)));
        if (current_->kind != LocatedValue::Kind::object) {
            return fail("this is " + description_of(*current_) + ", which has no member " + in_quotes(name));
        }
        rest_.remove_prefix(name.size());
        walked_ = member_path(walked_, name);
        if (auto* const member = current_->find(name)) return &member->value;
        if (rest_.starts_with('[')) return fail("there is no such array");
        if (made_in_ == nullptr) made_in_ = current_;
        auto& member = current_->members.emplace_back();
        member.name = name;
        member.position = position_;
        member.value = {.kind = LocatedValue::Kind::object, .members = {}, .position = position_};
        return &member.value;
    }

    // Ids may have dots in them, so the longest id that fits is the one meant.
    LocatedValue* device() {
        LocatedValue* best = nullptr;
        std::string_view best_id;
        std::vector<std::string> ids;
        for (auto& element : current_->elements) {
            const auto* const id = element.find("id");
            if (id == nullptr || id->value.kind != LocatedValue::Kind::text) continue;
            const std::string_view text = id->value.text;
            ids.emplace_back(text);
            const bool fits =
                rest_.starts_with(text) && (rest_.size() == text.size() || rest_[text.size()] == '.');
            if (fits && !text.empty() && text.size() > best_id.size()) {
                best = &element;
                best_id = text;
            }
        }
        if (best == nullptr) {
            const auto name = rest_.substr(0, rest_.find('.'));
            auto nearest = nearest_name(name, ids);
            return fail("there is no device " + in_quotes(name), std::move(nearest), std::move(ids));
        }
        walked_ += '.';
        walked_ += best_id;
        rest_.remove_prefix(best_id.size());
        return best;
    }

    LocatedValue* current_;
    LocatedValue* made_in_ = nullptr; // has the first object made on the way as its last member
    std::string_view rest_;
    std::string walked_;
    SourcePosition position_;
    Reporter& reporter_;
};

} // namespace

void apply_overrides(LocatedValue& root, std::span<const std::string> overrides, Reporter& reporter) {
    SourcePosition position;
    for (const std::string_view text : overrides) {
        ++position.override_number;
        const auto equals = text.find('=');
        if (equals == std::string_view::npos || find_invalid_utf8(text)) {
            reporter.report({.kind = DiagnosticKind::bad_override,
                             .position = position,
                             .message = equals == std::string_view::npos
                                            ? "expected path=value, found no \"=\""
                                            : "expected UTF-8 text"});
            continue;
        }
        auto* const target = OverridePath(root, text.substr(0, equals), position, reporter).find();
        if (target != nullptr) *target = value_of(text.substr(equals + 1), position);
    }
}

} // namespace plugbay::core
