// The near end of a pseudo-terminal. Never blocks.
#pragma once

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

class PseudoTerminal {
  public:
    // Throws plugbay::Failure when there is none left.
    PseudoTerminal();
    // Goes on with one that another build has opened.
    explicit PseudoTerminal(plugbay::UniqueFd descriptor);

    [[nodiscard]] const plugbay::UniqueFd& owner() const { return descriptor_; }
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }
    // Of the far end: what users open.
    [[nodiscard]] const std::string& path() const { return path_; }

    // Undoes what a user may have set, which would stay for the next one.
    void make_raw() const;
    // Whether somebody has the far end open.
    [[nodiscard]] bool has_user() const;

    // Bytes moved; 0: none for now. What a user left behind can be read after it has gone.
    [[nodiscard]] std::size_t read(std::span<std::uint8_t> bytes) const;
    [[nodiscard]] std::size_t write(std::span<const std::uint8_t> bytes) const;

  private:
    void find_path();

    plugbay::UniqueFd descriptor_;
    std::string path_;
};

// A symbolic link to a terminal, removed at the end if it still leads there.
class TerminalLink {
  public:
    // One to `target` is there already, or is made in the place of one to a terminal that is no more; throws for
    // anything else in its place.
    TerminalLink(std::string path, std::string target);
    ~TerminalLink();
    // Another build has the terminal: the link stays.
    void leave() { path_.clear(); }
    TerminalLink(const TerminalLink&) = delete;
    TerminalLink& operator=(const TerminalLink&) = delete;

  private:
    std::string path_;
    std::string target_;
};
