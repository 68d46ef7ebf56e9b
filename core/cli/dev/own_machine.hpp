// The machine that `plugbay dev --machine` runs: a `plugbay run` on a pseudo-terminal of its own.
#pragma once

#include "core/base/result.hpp"
#include "core/cli/dev/tool_output.hpp"
#include "core/hotswap/child_process.hpp"

#include <plugbay/unique_fd.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace plugbay::core::dev {

class OwnMachine {
  public:
    static constexpr std::size_t most_kept = 16 * 1024; // bytes of console output that nobody has seen yet

    // `plugins`: with types that it would not find.
    [[nodiscard]] static Result<OwnMachine> start(const std::filesystem::path& file, const std::string& name,
                                                  const std::vector<std::filesystem::path>& plugins);
    OwnMachine(OwnMachine&&) noexcept = default;
    OwnMachine& operator=(OwnMachine&&) = delete;
    // Ends it as a signal does, and for certain.
    ~OwnMachine();

    // Readable when the guest has printed something, when the monitor has said something, and when it has ended.
    [[nodiscard]] int console() const { return console_.get(); }
    [[nodiscard]] int messages() const { return messages_.get(); }
    [[nodiscard]] int ended() const { return child_.descriptor(); }

    // What the guest has printed and nobody has seen; its end, if that is much.
    [[nodiscard]] std::string take_console();
    // From the descriptor to there. False: nothing more comes.
    [[nodiscard]] bool read_console();
    // Whole lines that the monitor has written to standard error. `all`: and what follows them.
    [[nodiscard]] std::string take_messages(bool all);
    // To the guest; what it does not take at once is lost.
    void type(std::string_view keys) const;
    // Of a process that has ended: "status 3".
    [[nodiscard]] std::string finish();

  private:
    OwnMachine(ChildProcess child, UniqueFd console, UniqueFd terminal, UniqueFd messages)
        : child_(std::move(child)), console_(std::move(console)), terminal_(std::move(terminal)),
          messages_(std::move(messages)) {}

    ChildProcess child_;
    UniqueFd console_;  // the pseudo-terminal's master
    UniqueFd terminal_; // its other end, kept so that the master never hangs up
    UniqueFd messages_;
    std::string unseen_;
    std::string line_;
    bool finished_ = false;
};

} // namespace plugbay::core::dev
