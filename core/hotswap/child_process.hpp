// A process that is watched closely: a program run with chosen descriptors and nothing else of ours, which is ended for
// certain, with what it has started in its process group.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace plugbay::core {

struct ChildProgram {
    std::string file;
    std::vector<std::string> arguments; // from argv[0] on
    // What it has as 3, 4, ...; 0 is /dev/null, 1 and 2 are `output`. Stay the caller's.
    std::vector<int> descriptors;
    int output = -1;
};

class ChildProcess {
  public:
    // Signals have their defaults in it and none is blocked; its process group is its own.
    [[nodiscard]] static Result<ChildProcess> start(const ChildProgram& program);
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&&) = delete;
    // Ends it, if it was not ended.
    ~ChildProcess();

    // Readable once it has ended.
    [[nodiscard]] int descriptor() const { return process_.get(); }
    // Asks it and its process group to end (SIGTERM), and gives them that long.
    void ask_to_end(std::chrono::milliseconds limit) const;
    // Kills it and its process group, if it has not ended by itself, and waits, but not for ever: the kernel may hold
    // it. Its status as of waitpid(2).
    [[nodiscard]] std::optional<int> end();

  private:
    ChildProcess(pid_t id, UniqueFd process) : id_(id), process_(std::move(process)) {}

    pid_t id_;
    UniqueFd process_;
};

} // namespace plugbay::core
