#include "core/cli/dev/tool_output.hpp"

#include "core/cli/terminal_text.hpp"

#include <fmt/format.h>

namespace plugbay::core::dev {

namespace {

// Ninja's "[2/7] Building ...".
bool is_progress(std::string_view line) {
    if (!line.starts_with('[')) return false;
    const std::size_t end = line.find(']');
    return end != line.npos && end > 1 &&
           line.substr(1, end - 1).find_first_not_of("0123456789/% ") == line.npos;
}

// Length of the control sequence (ECMA-48, 5.4) at the start of `text`; 0: there is none that is whole.
std::size_t sequence_length(std::string_view text) {
    if (!text.starts_with("\x1b[")) return 0;
    for (std::size_t i = 2; i < text.size() && i < 32; ++i) {
        if (text[i] >= '@' && text[i] <= '~') return i + 1;
        if (text[i] < ' ' || text[i] > '?') return 0;
    }
    return 0;
}

} // namespace

void ToolOutput::add(std::string_view text) {
    size_ += text.size();
    const std::size_t room = most_kept - head_.size();
    head_ += text.substr(0, room);
    if (text.size() <= room) return;
    tail_ += text.substr(room);
    if (tail_.size() > 2 * most_kept) tail_.erase(0, tail_.size() - most_kept);
}

std::string ToolOutput::text() const {
    if (size_ == head_.size() + tail_.size() && tail_.size() <= most_kept) return head_ + tail_;
    std::string_view first = head_;
    first = first.substr(0, first.rfind('\n') + 1);
    std::string_view last = tail_;
    if (last.size() > most_kept) last.remove_prefix(last.size() - most_kept);
    if (const std::size_t end = last.find('\n'); end != last.npos) last.remove_prefix(end + 1);
    return fmt::format("{}... {} bytes left out ...\n{}", first, size_ - first.size() - last.size(), last);
}

std::string without_build_tool(std::string_view text) {
    std::string result;
    bool command = false; // the next line is the one that failed
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        const std::string_view line = text.substr(0, end + 1);
        text.remove_prefix(line.size());
        const bool failed = line.starts_with("FAILED: ");
        if (!command && !failed && !is_progress(line) && !line.starts_with("ninja: build stopped"))
            result += line;
        command = failed;
    }
    return result;
}

std::string shown_output(std::string_view text, bool colours) {
    std::string result;
    while (!text.empty()) {
        if (const std::size_t length = sequence_length(text); length != 0) {
            if (colours && text[length - 1] == 'm') result += text.substr(0, length);
            text.remove_prefix(length);
            continue;
        }
        if (text.front() == '\t' || text.starts_with("\r\n")) {
            result += text.front() == '\t' ? "\t" : "";
            text.remove_prefix(1);
            continue;
        }
        const std::size_t end = text.find_first_of("\x1b\t\r", 1);
        result += printable_lines(text.substr(0, end));
        text.remove_prefix(std::min(end, text.size()));
    }
    if (result.empty()) return result;
    if (colours) result += "\x1b[0m";
    if (!result.ends_with('\n') && !result.ends_with("\n\x1b[0m")) result += '\n';
    return result;
}

} // namespace plugbay::core::dev
