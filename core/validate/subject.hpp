// What the checks of a device share: its Exerciser, its state, comparisons in words.
#pragma once

#include "core/validate/check.hpp"
#include "core/validate/exerciser.hpp"

#include <plugbay/state_image.hpp>

#include <set>
#include <string>

namespace plugbay::core::validation {

[[nodiscard]] Subject subject_of(const Trial& trial);

// A device that was created and has all the peers that it needs; CheckSkipped otherwise: PB-PROP-001 tells of it.
class Made {
  public:
    explicit Made(const Trial& trial, const ExerciserOptions& options = {});
    Exerciser& operator*() { return exerciser_; }
    Exerciser* operator->() { return &exerciser_; }

  private:
    Exerciser exerciser_;
};

// With that seed and nothing else out of the ordinary.
[[nodiscard]] ExerciserOptions seeded(std::uint32_t seed);

[[nodiscard]] bool has_state(const Trial& trial);
// CheckSkipped.
void need_state(const Trial& trial);

// "": the same fields with the same elements, but for those that are kept over a reset. What a device learned from
// its peers may be as it was when it was created or when they were connected.
[[nodiscard]] std::string reset_difference(const StateImage& created, const StateImage& connected,
                                           const StateImage& reset,
                                           const std::set<std::string, std::less<>>& kept);
// "": the same; else a line for each field that differs.
[[nodiscard]] std::string difference(const StateImage& before, const StateImage& after);

} // namespace plugbay::core::validation
