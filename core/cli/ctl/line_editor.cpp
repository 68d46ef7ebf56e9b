#include "core/cli/ctl/line_editor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <histedit.h>
#include <poll.h>
#include <pthread.h>
#include <span>
#include <system_error>
#include <unistd.h>

namespace plugbay::core::ctl {

namespace {

constexpr int history_lines = 1000;

volatile std::sig_atomic_t interrupted = 0;
volatile std::sig_atomic_t resized = 0;

// While a line is read, Ctrl-C drops it, and a new size is followed; outside, signals do what they did. Both come only
// during wait(), so none is missed between a look at the flags and the wait.
class EditingSignals {
  public:
    EditingSignals() {
        interrupted = 0;
        sigset_t both;
        ::sigemptyset(&both);
        ::sigaddset(&both, SIGINT);
        ::sigaddset(&both, SIGWINCH);
        ::pthread_sigmask(SIG_BLOCK, &both, &outside_);
        struct sigaction action {};
        action.sa_handler = [](int number) { (number == SIGINT ? interrupted : resized) = 1; };
        ::sigaction(SIGINT, &action, &before_[0]);
        ::sigaction(SIGWINCH, &action, &before_[1]);
    }
    ~EditingSignals() {
        ::sigaction(SIGINT, &before_[0], nullptr);
        ::sigaction(SIGWINCH, &before_[1], nullptr);
        ::pthread_sigmask(SIG_SETMASK, &outside_, nullptr);
    }
    // As poll(2), without a limit. While an object lives.
    static int wait(std::span<pollfd> sources) {
        return ::ppoll(sources.data(), sources.size(), nullptr, &outside_);
    }
    EditingSignals(const EditingSignals&) = delete;
    EditingSignals& operator=(const EditingSignals&) = delete;

  private:
    static inline sigset_t outside_{};
    std::array<struct sigaction, 2> before_{};
};

// libedit works with wide characters and takes what it cannot convert badly.
void use_utf8() {
    if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
}

struct EndTokenizer {
    void operator()(Tokenizer* tokenizer) const { ::tok_end(tokenizer); }
};

struct CursorWords {
    std::vector<std::string> words;
    std::size_t word = 0;   // that the cursor is in
    std::size_t offset = 0; // of the cursor in it
    bool complete = true;   // no quote is open; otherwise there are no words
};

CursorWords words_of(const std::string& line, std::size_t cursor) {
    CursorWords result;
    const std::unique_ptr<Tokenizer, EndTokenizer> tokenizer(::tok_init(nullptr));
    const LineInfo info{line.c_str(), line.c_str() + cursor, line.c_str() + line.size()};
    int count = 0;
    int word = 0;
    int offset = 0;
    const char** words = nullptr;
    result.complete = line.find('\0') == line.npos &&
                      std::mbstowcs(nullptr, line.c_str(), 0) != static_cast<std::size_t>(-1) &&
                      ::tok_line(tokenizer.get(), &info, &count, &words, &word, &offset) == 0;
    if (!result.complete) return result;
    result.words.assign(words, words + count);
    result.word = word < 0 ? 0 : static_cast<std::size_t>(word);
    result.offset = offset < 0 ? 0 : static_cast<std::size_t>(offset);
    return result;
}

// As a word of the line: blanks and quotes with a backslash before them.
std::string escaped(std::string_view word) {
    std::string result;
    for (const char byte : word) {
        if (std::string_view(" \t\\'\"").find(byte) != std::string_view::npos) result += '\\';
        result += byte;
    }
    return result;
}

void show_choices(std::span<const std::string> choices) {
    std::size_t width = 0;
    for (const std::string& each : choices)
        width = std::max(width, each.size() + 2);
    const std::size_t columns = std::max<std::size_t>(1, 80 / width);
    std::fputc('\n', stdout);
    for (std::size_t i = 0; i < choices.size(); ++i) {
        const bool last = i + 1 == choices.size() || (i + 1) % columns == 0;
        std::fprintf(stdout, "%-*s%s", last ? 0 : static_cast<int>(width), choices[i].c_str(),
                     last ? "\n" : "");
    }
}

} // namespace

struct LineEditor::Parts {
    std::string prompt;
    std::string history_file;
    Callbacks callbacks;
    EditLine* editor = nullptr;
    History* history = nullptr;

    static Parts& of(EditLine* editor) {
        void* parts = nullptr;
        ::el_get(editor, EL_CLIENTDATA, &parts);
        return *static_cast<Parts*>(parts);
    }

    // One character of the terminal; what comes from the watched descriptor meanwhile is shown.
    static int read_character(EditLine* editor, wchar_t* character) {
        Parts& parts = of(editor);
        std::mbstate_t state{};
        for (;;) {
            std::array<pollfd, 2> sources{pollfd{STDIN_FILENO, POLLIN, 0},
                                          pollfd{parts.callbacks.descriptor, POLLIN, 0}};
            if (EditingSignals::wait(sources) < 0) {
                if (interrupted != 0 || errno != EINTR) return -1;
                if (resized != 0) ::el_resize(editor);
                resized = 0;
                continue;
            }
            if (sources[1].revents != 0 && !parts.show_news()) return 0;
            if (sources[0].revents == 0) continue;
            char byte = 0;
            const ssize_t size = ::read(STDIN_FILENO, &byte, 1);
            if (size < 0 && errno == EINTR && interrupted == 0) continue;
            if (size <= 0) return static_cast<int>(size);
            const std::size_t length = std::mbrtowc(character, &byte, 1, &state);
            if (length <= 1) return 1;
            if (length == static_cast<std::size_t>(-1)) state = {}; // no character: dropped
        }
    }

    bool show_news() const {
        std::fputs("\r\x1b[K", stdout); // the line is drawn again below what is shown
        const bool going_on = callbacks.readable();
        std::fflush(stdout);
        ::el_set(editor, EL_REFRESH);
        return going_on;
    }

    static unsigned char complete(EditLine* editor, int) {
        const Parts& parts = of(editor);
        const LineInfo* line = ::el_line(editor);
        const std::string text(line->buffer, line->lastchar);
        const CursorWords typed = words_of(text, static_cast<std::size_t>(line->cursor - line->buffer));
        if (!typed.complete) return CC_REFRESH_BEEP;
        const std::string begun =
            typed.word < typed.words.size() ? typed.words[typed.word].substr(0, typed.offset) : std::string();
        const auto before = std::span(typed.words).first(std::min(typed.word, typed.words.size()));
        const auto choices = parts.callbacks.complete(before, begun);
        if (choices.empty()) return CC_REFRESH_BEEP;
        std::string common = choices.front();
        for (const std::string& each : choices)
            common.resize(static_cast<std::size_t>(std::ranges::mismatch(common, each).in1 - common.begin()));
        if (common.size() > begun.size() || choices.size() == 1) {
            const std::string rest = escaped(common.substr(begun.size())) + (choices.size() == 1 ? " " : "");
            return ::el_insertstr(editor, rest.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
        }
        show_choices(choices);
        return CC_REDISPLAY;
    }
};

std::optional<std::vector<std::string>> split_words(const std::string& line) {
    use_utf8();
    CursorWords words = words_of(line, line.size());
    if (!words.complete) return std::nullopt;
    return std::move(words.words);
}

LineEditor::LineEditor(std::string prompt, const std::filesystem::path& history, Callbacks callbacks)
    : parts_(std::make_unique<Parts>()) {
    use_utf8();
    parts_->prompt = std::move(prompt);
    parts_->history_file = history.string();
    parts_->callbacks = std::move(callbacks);
    parts_->editor = ::el_init("plugbay", stdin, stdout, stderr);
    parts_->history = ::history_init();
    if (parts_->editor == nullptr || parts_->history == nullptr)
        throw std::system_error(errno, std::system_category(), "the terminal's line editor");
    EditLine* editor = parts_->editor;
    ::el_set(editor, EL_CLIENTDATA, static_cast<void*>(parts_.get()));
    ::el_set(
        editor, EL_PROMPT, +[](EditLine* asking) { return Parts::of(asking).prompt.data(); });
    ::el_set(editor, EL_EDITOR, "emacs");
    ::el_set(editor, EL_GETCFN, &Parts::read_character);
    HistEvent event;
    ::history(parts_->history, &event, H_SETSIZE, history_lines);
    ::history(parts_->history, &event, H_SETUNIQUE, 1);
    if (!history.empty()) ::history(parts_->history, &event, H_LOAD, parts_->history_file.c_str());
    ::el_set(editor, EL_HIST, ::history, parts_->history);
    ::el_set(editor, EL_ADDFN, "plugbay-complete", "completes the word", &Parts::complete);
    ::el_set(editor, EL_BIND, "^I", "plugbay-complete", nullptr);
    ::el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    ::el_source(editor, nullptr); // the user's ~/.editrc
}

LineEditor::~LineEditor() {
    if (parts_->history != nullptr) ::history_end(parts_->history);
    if (parts_->editor != nullptr) ::el_end(parts_->editor);
}

std::optional<std::string> LineEditor::read() {
    const EditingSignals signals;
    int length = 0;
    ::el_set(parts_->editor, EL_PREP_TERM,
             1); // libedit alone does it after the prompt: first keys would be echoed twice
    const char* text = ::el_gets(parts_->editor, &length);
    if (text == nullptr || length <= 0) {
        std::fputs(interrupted != 0 ? "^C\n" : "\n", stdout);
        if (interrupted == 0) return std::nullopt;
        ::el_reset(parts_->editor);
        return std::string();
    }
    std::string line(text, static_cast<std::size_t>(length));
    line.erase(line.find_last_not_of("\r\n") + 1);
    if (line.find_first_not_of(" \t") != line.npos) {
        HistEvent event;
        ::history(parts_->history, &event, H_ENTER, line.c_str());
        if (!parts_->history_file.empty())
            ::history(parts_->history, &event, H_SAVE, parts_->history_file.c_str());
    }
    return line;
}

} // namespace plugbay::core::ctl
