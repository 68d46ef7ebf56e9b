// What `plugbay dev` prints: lines that begin with what they are about.
#pragma once

#include "core/cli/dev/build_cycle.hpp"
#include "core/cli/dev/plugin_checks.hpp"
#include "core/cli/dev/swap_job.hpp"
#include "core/cli/terminal_text.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core::dev {

using Duration = std::chrono::steady_clock::duration;

class DevText {
  public:
    DevText();

    // "build   failed after 0.61 s". `text` may be anything.
    void line(std::string_view topic, std::string_view text, Colour colour = Colour::none) const;
    // "machine  message", and the hint below it.
    void error(std::string_view topic, const Error& error) const;
    // As it was written, but see shown_output().
    void output(std::string_view text) const;
    // What became of a build that is not done, or its warnings.
    void build(const BuildCycle& cycle) const;
    // What became of swaps. `live`: since the save, with `swap` for the swap; 0: it was no save.
    void swaps(const std::vector<SwapResult>& results, const BuildCycle& cycle, Duration live,
               Duration swap) const;
    void checks(const PluginChecks::Outcome& outcome) const;
    void back(const std::vector<SwapResult>& results) const;
    void keys() const;

  private:
    void swap(const SwapResult& result) const;

    bool colours_;
};

} // namespace plugbay::core::dev
