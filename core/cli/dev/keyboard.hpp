// The keys of the terminal that a person develops at.
#pragma once

#include <string>
#include <termios.h>

namespace plugbay::core::dev {

// Single keys without echo, while an object lives and standard input and output are a terminal.
class Keyboard {
  public:
    Keyboard();
    ~Keyboard();
    Keyboard(const Keyboard&) = delete;
    Keyboard& operator=(const Keyboard&) = delete;

    // What is to be waited for; -1: there is no terminal, or no more.
    [[nodiscard]] int descriptor() const;
    // What was typed. Nothing: the terminal is gone.
    [[nodiscard]] std::string read();
    // Keys that raise signals, such as Ctrl-C, are keys like others.
    void take_all(bool all) const;

  private:
    bool present_;
    termios before_{};
};

} // namespace plugbay::core::dev
