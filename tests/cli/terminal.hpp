// A program on a terminal: a pseudo-terminal, and what its screen shows, as far as plugbay's programs draw.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace plugbay::end_to_end {

class Terminal {
  public:
    static constexpr int rows = 30;
    static constexpr int columns = 110;

    // Starts the program on it, as TERM=xterm.
    explicit Terminal(const std::vector<std::string>& command);
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(std::string_view keys) const;
    // What programs are told; what is drawn here stays as large as it was.
    void resize(unsigned short new_rows, unsigned short new_columns) const;
    // Lets it draw until `text` is on the screen; false when it is not after the limit or the program has ended before.
    [[nodiscard]] bool wait_for(std::string_view text,
                                std::chrono::milliseconds limit = std::chrono::seconds(20));
    // The same until the line that the cursor is in is that, without blanks at its end.
    [[nodiscard]] bool wait_for_line(std::string_view text,
                                     std::chrono::milliseconds limit = std::chrono::seconds(20));
    // What it shows, without blanks at the ends of lines and empty lines at the end.
    [[nodiscard]] std::string screen() const;
    // The line that the cursor is in.
    [[nodiscard]] std::string line() const;
    [[nodiscard]] bool on_other_screen() const { return other_screen_; }
    // Something was drawn in a colour or otherwise set off.
    [[nodiscard]] bool coloured() const { return coloured_; }
    // Waits for the program's end: what it returned, minus the signal that killed it, or -1000 when it goes on.
    [[nodiscard]] int finish(std::chrono::milliseconds limit = std::chrono::seconds(20));

  private:
    using Cells = std::vector<std::string>;

    bool read_some(std::chrono::milliseconds limit); // false: the program has ended
    void take(char byte);
    void take_sequence(char last);
    void put(const std::string& character);
    void next_line();
    void erase(int row, int from, int to);

    pid_t id_ = -1;
    int master_ = -1;
    std::vector<Cells> cells_;
    std::vector<Cells> kept_; // the main screen, while the other is shown
    int kept_row_ = 0;        // of its cursor
    int kept_column_ = 0;
    int row_ = 0;
    int column_ = 0;
    bool other_screen_ = false;
    bool coloured_ = false;
    std::string pending_; // an escape sequence or a character that has begun
};

} // namespace plugbay::end_to_end
