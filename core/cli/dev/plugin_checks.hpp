// `plugbay validate` of what was built, plugin after plugin, beside everything else: nothing here waits.
#pragma once

#include "core/cli/dev/tool_run.hpp"

#include <filesystem>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace plugbay::core::dev {

class PluginChecks {
  public:
    // Of these files, the first one at once; what runs is ended.
    void start(std::vector<std::filesystem::path> files);
    // Ends what runs.
    void abandon();

    // What is to be waited for, before proceed().
    void add_sources(std::vector<pollfd>& sources) const;
    struct Outcome {
        std::filesystem::path file;
        std::string sum;      // "41 checks: 40 passed, 1 failed"; why it did not run, if it did not
        std::string findings; // as `plugbay validate` prints them; empty: all is well
        bool good = false;
    };
    // Takes what is there. An outcome when a file is done.
    [[nodiscard]] std::optional<Outcome> proceed();

  private:
    [[nodiscard]] std::optional<Outcome> begin_next();

    std::vector<std::filesystem::path> files_; // the next one last
    std::filesystem::path file_;               // that is checked
    std::optional<ToolRun> run_;
    bool output_open_ = false;
};

} // namespace plugbay::core::dev
