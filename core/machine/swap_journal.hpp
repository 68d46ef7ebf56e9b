// What a hot swap did and how long each step took.
#pragma once

#include "core/io/io_loop.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace plugbay::core {

// The steps, in the order in which they happen; see docs/hot-swap.md.
enum class SwapStep : std::uint8_t {
    stage,    // copy the file, read what it says of itself, compare that with the build that runs
    rehearse, // try it in a process of its own, with a snapshot of the state
    prepare,  // load it, create the device beside the one that runs
    quiesce,  // close the gate; what is in flight ends
    connect,  // tell the new build of the device's links
    save,
    load,
    validate, // it asks for the same resources
    exchange, // the guest's accesses and the peers' calls go to the new build
    resume,   // and the gate opens
    reclaim,  // the build before is destroyed
};
[[nodiscard]] constexpr std::string_view step_name(SwapStep step) {
    constexpr std::string_view names[] = {"stage", "rehearse", "prepare", "quiesce", "connect", "save",
                                          "load",  "validate", "switch",  "resume",  "reclaim"};
    return names[static_cast<std::size_t>(step)];
}

// Thread: one at a time.
class SwapJournal {
  public:
    struct Entry {
        SwapStep step;
        std::uint64_t began; // host time, nanoseconds
        std::uint64_t took = 0;
    };
    // Ends the step before, unless it is the same.
    void begin(SwapStep step) {
        if (open_ && entries_.back().step == step) return;
        end();
        entries_.push_back({.step = step, .began = IoLoop::now()});
        open_ = true;
    }
    void end() {
        if (open_) entries_.back().took = IoLoop::now() - entries_.back().began;
        open_ = false;
    }
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    // The last step that began.
    [[nodiscard]] SwapStep last() const { return entries_.empty() ? SwapStep::stage : entries_.back().step; }
    // From gate closed to gate open, nanoseconds; 0: it was not closed.
    [[nodiscard]] std::uint64_t pause() const {
        std::uint64_t total = 0;
        for (const Entry& entry : entries_) {
            if (entry.step >= SwapStep::quiesce && entry.step <= SwapStep::resume) total += entry.took;
        }
        return total;
    }

  private:
    std::vector<Entry> entries_;
    bool open_ = false;
};

} // namespace plugbay::core
