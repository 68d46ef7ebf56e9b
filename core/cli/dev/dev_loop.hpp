// The loop of `plugbay dev`: one thread that waits for files, keys, processes and the machine.
#pragma once

#include "core/cli/dev/build_cycle.hpp"
#include "core/cli/dev/dev_command.hpp"
#include "core/cli/dev/dev_text.hpp"
#include "core/cli/dev/keyboard.hpp"
#include "core/cli/dev/own_machine.hpp"
#include "core/cli/dev/plugin_checks.hpp"
#include "core/cli/dev/source_watch.hpp"
#include "core/cli/dev/swap_job.hpp"
#include "core/control/control_client.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace plugbay::core::dev {

class DevLoop {
  public:
    using Clock = std::chrono::steady_clock;

    // `client`: of the machine that is joined; nothing when it runs its own. Signals that end it are blocked, and come from
    // `signals`, a signalfd(2).
    DevLoop(const DevOptions& options, BuildPlan plan, SourceWatch watch, UniqueFd signals,
            std::optional<ControlClient> client);
    DevLoop(const DevLoop&) = delete;
    DevLoop& operator=(const DevLoop&) = delete;
    ~DevLoop();

    // Returns an exit_status.
    [[nodiscard]] int run();

  private:
    // Waiting.
    [[nodiscard]] std::vector<pollfd> sources() const;
    [[nodiscard]] int time_left() const; // milliseconds; -1: for ever
    void look_at_files();
    void take_keys();
    void take_key(char key);
    void type_to_guest(std::string_view keys);
    void open_console();
    void close_console();

    // Building.
    void begin(Clock::time_point since, bool by_save);
    void finish_build();
    void use_build(bool all);

    // The machine.
    void start_machine(const std::vector<BuiltPlugin>& built);
    [[nodiscard]] std::vector<std::filesystem::path> pass_unknown(const std::vector<BuiltPlugin>& built);
    void look_at_machine();
    void connect();
    [[nodiscard]] bool joined(ControlClient client);
    void take_events();
    void swap(std::vector<BuiltPlugin> built);
    void go_back();
    void finish_job();

    const DevOptions options_;
    DevText text_;
    Keyboard keyboard_;
    SourceWatch watch_;
    UniqueFd signals_;
    std::optional<int> end_; // with this status

    // Of saves that are not built yet.
    std::optional<Clock::time_point> changed_;
    Clock::time_point settled_{}; // when it is taken for all
    std::string changed_file_;
    bool has_built_ = false; // since the watch was looked at

    BuildCycle cycle_;
    PluginChecks checks_;       // of the builds that serve
    Clock::time_point since_{}; // the save, or the key
    bool by_save_ = false;
    bool all_ = false; // also what has not changed is swapped

    std::string name_;                     // of the own machine
    std::filesystem::path copies_;         // a folder with what it was started with
    std::optional<OwnMachine> machine_;    // nothing: it does not run
    std::vector<BuiltPlugin> after_start_; // to be swapped when it answers
    bool console_open_ = false;
    bool escape_begun_ = false; // Ctrl-A in the console

    std::optional<ControlClient> client_;
    std::unique_ptr<SwapJob> job_;
    bool going_back_ = false;
    Clock::time_point swap_began_{};
    std::map<std::filesystem::path, timespec> live_; // files whose builds serve
    std::vector<SwapResult> last_;                   // from which `b` goes back
    std::string why_ended_;
};

} // namespace plugbay::core::dev
