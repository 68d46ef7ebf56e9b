// Lines that a person types on a terminal, with libedit.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core::ctl {

// A line as a shell would split it: blanks, quotes, backslashes. Nothing when a quote is left open, or bytes are no text.
[[nodiscard]] std::optional<std::vector<std::string>> split_words(const std::string& line);

class LineEditor {
  public:
    struct Callbacks {
        // What may stand for the word that was begun, after these.
        std::function<std::vector<std::string>(std::span<const std::string> words, std::string_view begun)>
            complete;
        int descriptor = -1; // watched while a line is typed
        // It is readable. Writes what is to be shown above the line, and says whether reading goes on.
        std::function<bool()> readable;
    };
    // `history`: kept there from line to line; empty: nowhere.
    LineEditor(std::string prompt, const std::filesystem::path& history, Callbacks callbacks);
    ~LineEditor();
    LineEditor(const LineEditor&) = delete;
    LineEditor& operator=(const LineEditor&) = delete;

    // The next line, without its end; an empty one when Ctrl-C dropped what was typed. Nothing at the end.
    [[nodiscard]] std::optional<std::string> read();

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace plugbay::core::ctl
