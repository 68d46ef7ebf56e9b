#include "core/config/json_reader.hpp"

#include "core/config/source_text.hpp"

#include <nlohmann/json.hpp>

#include <unordered_set>

namespace plugbay::core {
namespace {

using Json = nlohmann::json;

constexpr std::size_t longest_found = 40;

// Lets the library's parser read a text while we see how far it has come.
class WatchedIterator {
  public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    WatchedIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}

    reference operator*() const { return *at_; }
    WatchedIterator& operator++() {
        *reached_ = ++at_;
        return *this;
    }
    WatchedIterator operator++(int) {
        auto before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const WatchedIterator& a, const WatchedIterator& b) { return a.at_ == b.at_; }

  private:
    const char* at_;
    const char** reached_;
};

// Takes the parser's events and builds the tree. The parser says only how far it has read, so this follows
// from token to token: the next one starts at the first byte after mark_ that is no blank, comment or
// separator.
class TreeBuilder final : public nlohmann::json_sax<Json> {
  public:
    TreeBuilder(std::string_view text, JsonComments comments)
        : text_(text), reached_(text.data()), comments_(comments == JsonComments::allowed), cursor_(text) {
        if (text.starts_with(byte_order_mark)) mark_ = byte_order_mark.size();
    }

    JsonResult run() {
        const char* const end = text_.data() + text_.size();
        if (Json::sax_parse(WatchedIterator(text_.data(), &reached_), WatchedIterator(end, &reached_), this,
                            Json::input_format_t::json, true, comments_)) {
            return {std::move(root_), std::nullopt};
        }
        return {std::nullopt, std::move(problem_)};
    }

    bool null() override { return add({.kind = LocatedValue::Kind::null, .members = {}}); }
    bool boolean(bool value) override {
        return add({.kind = LocatedValue::Kind::boolean, .truth = value, .members = {}});
    }
    bool number_integer(Json::number_integer_t value) override {
        return add({.kind = LocatedValue::Kind::integer,
                    .negative = value < 0,
                    .magnitude =
                        value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value),
                    .members = {}});
    }
    bool number_unsigned(Json::number_unsigned_t value) override {
        return add({.kind = LocatedValue::Kind::integer, .magnitude = value, .members = {}});
    }
    bool number_float(Json::number_float_t, const Json::string_t&) override {
        return add({.kind = LocatedValue::Kind::other_number, .members = {}});
    }
    bool string(Json::string_t& value) override {
        return add({.kind = LocatedValue::Kind::text, .text = std::move(value), .members = {}});
    }
    bool binary(Json::binary_t&) override { return false; }

    bool start_object(std::size_t) override { return open(LocatedValue::Kind::object); }
    bool start_array(std::size_t) override { return open(LocatedValue::Kind::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(Json::string_t& name) override {
        auto& frame = open_.back();
        const auto position = cursor_.advance_to(next_token());
        mark_ = reached();
        const bool duplicate = !frame.names.insert(name).second;
        frame.value.members.push_back(
            {.name = std::move(name), .position = position, .value = {}, .duplicate = duplicate});
        last_ = Last::key;
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
        explain(error);
        return false;
    }

  private:
    struct Frame {
        LocatedValue value;
        std::unordered_set<std::string> names = {};
    };
    enum class Last { nothing, opening, key, value };

    [[nodiscard]] std::size_t reached() const { return static_cast<std::size_t>(reached_ - text_.data()); }

    // First byte from `offset` on that is neither blank nor in a comment; a broken comment ends the skipping.
    [[nodiscard]] std::size_t skip_blanks(std::size_t offset) const {
        while (true) {
            offset = std::min(text_.find_first_not_of(" \t\r\n", offset), text_.size());
            const auto start = text_.substr(offset, 2);
            std::size_t end = std::string_view::npos;
            if (comments_ && start == "//") {
                end = std::min(text_.find_first_of("\r\n", offset), text_.size());
            } else if (comments_ && start == "/*") {
                end = text_.find("*/", offset + 2);
                if (end != std::string_view::npos) end += 2;
            }
            if (end == std::string_view::npos) return offset;
            offset = end;
        }
    }

    [[nodiscard]] std::size_t next_token() const {
        auto offset = skip_blanks(mark_);
        while (offset < text_.size() && (text_[offset] == ',' || text_[offset] == ':')) {
            offset = skip_blanks(offset + 1);
        }
        return offset;
    }

    bool fail(DiagnosticKind kind, std::size_t offset, std::string message) {
        problem_ = {.kind = kind, .position = cursor_.advance_to(offset), .message = std::move(message)};
        return false;
    }

    bool add(LocatedValue value) {
        const auto start = next_token();
        if (++count_ > maximum_json_values) {
            return fail(DiagnosticKind::limit, start,
                        "more than " + std::to_string(maximum_json_values) + " values in one file");
        }
        value.position = cursor_.advance_to(start);
        mark_ = reached();
        if (value.kind == LocatedValue::Kind::integer || value.kind == LocatedValue::Kind::other_number) {
            // The parser reads one byte beyond a number to see its end, unless the text ends with it.
            const bool ends_the_text = mark_ == text_.size() && text_.back() >= '0' && text_.back() <= '9';
            if (!ends_the_text) --mark_;
            value.text = text_.substr(start, mark_ - start);
        }
        put(std::move(value));
        return true;
    }

    void put(LocatedValue value) {
        last_ = Last::value;
        if (open_.empty()) {
            root_ = std::move(value);
        } else if (open_.back().value.kind == LocatedValue::Kind::object) {
            open_.back().value.members.back().value = std::move(value);
        } else {
            open_.back().value.elements.push_back(std::move(value));
        }
    }

    bool open(LocatedValue::Kind kind) {
        const auto start = next_token();
        if (open_.size() == maximum_json_depth || ++count_ > maximum_json_values) {
            return fail(DiagnosticKind::limit, start,
                        open_.size() == maximum_json_depth
                            ? "arrays and objects nest deeper than " + std::to_string(maximum_json_depth)
                            : "more than " + std::to_string(maximum_json_values) + " values in one file");
        }
        open_.push_back({.value = {.kind = kind, .members = {}, .position = cursor_.advance_to(start)}});
        mark_ = reached();
        last_ = Last::opening;
        return true;
    }

    bool close() {
        mark_ = reached();
        auto value = std::move(open_.back().value);
        open_.pop_back();
        put(std::move(value));
        return true;
    }

    // What may stand after the last good token, and from where on it was looked for.
    struct Expectation {
        std::string what;
        std::size_t from;
        bool after_comma = false;
    };
    [[nodiscard]] Expectation expectation() const {
        const auto after = skip_blanks(mark_);
        const char separator = after < text_.size() ? text_[after] : '\0';
        const bool in_object = !open_.empty() && open_.back().value.kind == LocatedValue::Kind::object;
        switch (last_) {
        case Last::nothing:
            return {"a value", after};
        case Last::opening:
            return {in_object ? "a key in double quotes or \"}\"" : "a value or \"]\"", after};
        case Last::key:
            if (separator == ':') return {"a value", skip_blanks(after + 1)};
            return {"\":\" after the key", after};
        case Last::value:
            if (open_.empty()) return {"the end of the file", after};
            if (separator == ',')
                return {in_object ? "a key in double quotes" : "a value", skip_blanks(after + 1), true};
            return {in_object ? "\",\" or \"}\"" : "\",\" or \"]\"", after};
        }
        return {};
    }

    [[nodiscard]] std::string found_at(std::size_t offset) const {
        if (offset >= text_.size()) return "the end of the file";
        constexpr std::string_view word =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
        if (text_[offset] == '"') {
            const auto end = std::min(text_.find_first_of("\"\n", offset + 1), text_.size());
            return in_quotes(text_.substr(offset + 1, end - offset - 1), longest_found);
        }
        auto end = std::min(text_.find_first_not_of(word, offset), text_.size());
        if (end == offset) {
            for (++end; end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80;)
                ++end;
        }
        return in_quotes(text_.substr(offset, end - offset), longest_found);
    }

    void explain(const Json::exception& error) {
        constexpr int number_overflow = 406;
        const auto expected = expectation();
        const auto start = expected.from;
        if (error.id == number_overflow) {
            fail(DiagnosticKind::out_of_range, start, "the number is too large");
            return;
        }
        if (comments_ && text_.substr(start, 2) == "/*") {
            fail(DiagnosticKind::syntax, start, "the comment has no end \"*/\"");
            return;
        }
        const bool takes_text = expected.what.starts_with("a ");
        if (takes_text && start < text_.size() && text_[start] == '"') {
            explain_text(error.what());
            return;
        }
        std::string message = "expected " + expected.what + ", found " + found_at(start);
        const std::string_view what = error.what();
        if (const auto number = what.find("invalid number; "); number != std::string_view::npos) {
            const auto detail = what.substr(number + 16);
            message = "not a number: " + std::string(detail.substr(0, detail.find(';')));
        } else if (expected.after_comma && start < text_.size() &&
                   (text_[start] == '}' || text_[start] == ']')) {
            message += " (no comma after the last entry)";
        }
        fail(DiagnosticKind::syntax, start, std::move(message));
        problem_->expected = expected.what;
        problem_->found = found_at(start);
    }

    // A text is broken at the last byte that the parser has read.
    void explain_text(std::string_view what) {
        const auto last = reached();
        const bool at_line_end = text_[last - 1] == '\n';
        if (at_line_end || what.find("missing closing quote") != std::string_view::npos) {
            fail(DiagnosticKind::syntax, at_line_end ? last - 1 : last,
                 std::string("expected a closing double quote before the end of the ") +
                     (at_line_end ? "line" : "file"));
            return;
        }
        std::string detail = "the text is broken";
        if (const auto at = what.find("invalid string: "); at != std::string_view::npos) {
            const auto rest = what.substr(at + 16);
            detail = "the text is broken: " + std::string(rest.substr(0, rest.find("; last read")));
        }
        fail(DiagnosticKind::syntax, last - 1, std::move(detail));
    }

    std::string_view text_;
    const char* reached_;
    bool comments_;
    PositionCursor cursor_;
    std::size_t mark_ = 0;
    std::size_t count_ = 0;
    Last last_ = Last::nothing;
    std::vector<Frame> open_;
    std::optional<LocatedValue> root_;
    std::optional<JsonProblem> problem_;
};

} // namespace

JsonResult read_json(std::string_view text, JsonComments comments) {
    if (text.size() > maximum_json_size) {
        return {std::nullopt, JsonProblem{.kind = DiagnosticKind::limit,
                                          .message = "the file is larger than " +
                                                     std::to_string(maximum_json_size >> 20) + " MiB"}};
    }
    if (const auto offset = find_invalid_utf8(text)) {
        return {std::nullopt, JsonProblem{.position = PositionCursor(text).advance_to(*offset),
                                          .message = "expected UTF-8 text, found the byte " +
                                                     in_quotes(text.substr(*offset, 1)),
                                          .expected = "UTF-8 text"}};
    }
    return TreeBuilder(text, comments).run();
}

} // namespace plugbay::core
