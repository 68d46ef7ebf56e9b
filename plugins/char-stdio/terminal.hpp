// The terminal behind standard input, if there is one: raw while the machine runs, and as it was before at
// every other time.
//
// A plugin may be unloaded, so it leaves no atexit or signal handler behind: what ends the monitor in order
// (power-off, SIGTERM, the escape key) restores the terminal; after SIGKILL or a crash `stty sane` does.
#pragma once

#include <termios.h>

class Terminal {
  public:
    explicit Terminal(int descriptor);
    ~Terminal() { restore(); }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    [[nodiscard]] bool present() const { return present_; }
    // False while another job has the terminal: touching it, or reading from it, would then stop this
    // process.
    [[nodiscard]] bool in_foreground() const;
    // Both do nothing in the background; whoever has the terminal then has set it as they like.
    void make_raw();
    void restore();

    [[nodiscard]] bool raw() const { return raw_; }
    // What restore goes back to, while it is raw.
    [[nodiscard]] const termios& former() const { return former_; }
    // Another build has made it raw, and this one goes on.
    void take_over(const termios& former);
    // Another build goes on: restore does nothing.
    void leave() { raw_ = false; }

  private:
    void apply(const termios& settings) const;

    int descriptor_;
    bool present_;
    bool raw_ = false;
    termios former_{};
};
