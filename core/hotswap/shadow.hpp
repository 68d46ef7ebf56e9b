// Shadows: another build of a device is given what the guest does with the one that runs, in a process of its own, and their
// answers and states are compared. The guest sees the build that runs only. docs/hot-swap.md tells how.
#pragma once

#include "core/base/result.hpp"
#include "core/hotswap/staging.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

class Machine;

struct ShadowRequest {
    std::string device;         // an id
    std::filesystem::path file; // absolute
    std::chrono::milliseconds duration = std::chrono::seconds(5);
};

struct ShadowReport {
    enum class Outcome : std::uint8_t {
        running,
        equal,     // as far as the guest has gone
        different, // in what nothing but the builds can be the reason for
        crashed,
        hung,
        not_comparable,
    };
    // Accesses of one kind to one place, answered otherwise by the new build.
    struct Difference {
        std::string access; // "read ports 0x3f8 + 0x5"
        std::string before; // the first of them: the answer that the guest has got
        std::string after;  // what the new build has said
        std::uint64_t count = 0;
    };
    // What was certain, and what came after something that the new build was not given as it was.
    struct Findings {
        std::vector<Difference> answers = {};
        std::vector<std::string> fields = {}; // of states at the ends of rounds: sentences, each once
        [[nodiscard]] bool empty() const { return answers.empty() && fields.empty(); }
    };

    Outcome outcome = Outcome::running;
    std::string device = {};
    std::string file = {};
    std::string before = {}; // the build that runs: plugin, version and build id
    std::string after = {};
    std::uint64_t accesses = 0; // done again
    std::uint64_t compared = 0; // of those, that have an answer
    std::uint64_t by_clock =
        0;                    // of the answers, that depend on the clock: the two builds' may differ a little
    std::uint64_t inputs = 0; // that were not done again
    std::uint64_t lost = 0;   // accesses that came too fast
    std::uint64_t rounds = 0;
    std::uint64_t uncertain_rounds = 0; // in which something was not done again as it was
    Findings certain = {};
    Findings uncertain = {};
    std::string why = {};  // unless equal
    std::string hint = {}; // what to do about it
    std::vector<std::string> notes = {};
};

// Thread: [control]. The machine outlives it.
class Shadow {
  public:
    explicit Shadow(Machine& machine);
    Shadow(const Shadow&) = delete;
    Shadow& operator=(const Shadow&) = delete;
    // Ends the replay that is under way.
    ~Shadow();

    // Begins; goes on until the time is over, the new build has failed, or the device is another one. One at a time for each
    // device.
    [[nodiscard]] Result<void> start(const ShadowRequest& request);
    // Ends with the round.
    [[nodiscard]] Result<void> stop(std::string_view device);
    // Of the last shadow of that device; null: there was none.
    [[nodiscard]] const ShadowReport* last(std::string_view device) const;
    // Has `over` called when one has ended.
    void observe(std::function<void(const ShadowReport&)> over) { over_ = std::move(over); }

  private:
    class Run;
    void look(const std::string& device);
    void look_later(const std::string& device);

    Machine& machine_;
    Staging staging_;
    std::map<std::string, std::unique_ptr<Run>, std::less<>> runs_;             // by device
    std::map<std::string, std::shared_ptr<ShadowReport>, std::less<>> reports_; // the last of each device
    std::function<void(const ShadowReport&)> over_ = [](const ShadowReport&) {};
    // For looks that are under way on the control thread when this is gone.
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace plugbay::core
