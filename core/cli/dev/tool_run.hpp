// One run of a compiler, a build tool or a test, as a process that is listened to.
#pragma once

#include "core/base/result.hpp"
#include "core/cli/dev/tool_output.hpp"
#include "core/hotswap/child_process.hpp"

#include <plugbay/unique_fd.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace plugbay::core::dev {

class ToolRun {
  public:
    // Finds the program as a shell does, and runs it in `folder`.
    [[nodiscard]] static Result<ToolRun> start(const std::vector<std::string>& words,
                                               const std::filesystem::path& folder);
    ToolRun(ToolRun&&) noexcept = default;
    ToolRun& operator=(ToolRun&&) = delete;
    // Ends it and its process group, if they go on.
    ~ToolRun();

    // Readable when read() has something to take.
    [[nodiscard]] int output() const { return output_.get(); }
    // Readable when it has ended.
    [[nodiscard]] int ended() const { return child_.descriptor(); }
    // Takes what it has written. The descriptor is not to be waited for any more when this is false.
    [[nodiscard]] bool read();

    struct End {
        std::string why; // it failed; empty: it did not
        std::string output;
    };
    // What came of it, once it has ended. What it left running is killed.
    [[nodiscard]] End finish();

  private:
    ToolRun(ChildProcess child, UniqueFd output) : child_(std::move(child)), output_(std::move(output)) {}

    ChildProcess child_;
    UniqueFd output_;
    ToolOutput text_;
    bool finished_ = false;
};

} // namespace plugbay::core::dev
