// What a shadow's tap notes of a device, cut into rounds.
#pragma once

#include "core/hotswap/replay.hpp"
#include "core/trace/access_tap.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace plugbay::core {

class ShadowRecording {
  public:
    // A round ends when this many are there, and what comes before it has ended is not looked at.
    static constexpr std::size_t most_records = std::size_t{1} << 17;

    explicit ShadowRecording(std::shared_ptr<AccessTap> tap) : tap_(std::move(tap)) {}

    // Takes what has been noted since the last time. Often enough, and nothing is lost.
    void read();
    // The round had better end: it has as much as it can have.
    [[nodiscard]] bool full() const { return broken_ || records_.size() >= most_records; }

    // Where a round ends; taken while nothing can be noted.
    struct Cut {
        std::uint64_t written = 0;
        std::uint64_t lost = 0;
    };
    [[nodiscard]] Cut cut() const { return {tap_->ring().written(), tap_->ring().lost()}; }

    struct Part {
        std::vector<AccessRecord> records = {};
        bool whole = false; // false: more came, which is not known
    };
    // Ends the round there and gives it; the next one begins there.
    [[nodiscard]] Part take(const Cut& cut);

  private:
    const std::shared_ptr<AccessTap> tap_;
    std::vector<AccessRecord> records_; // of this round, and, when it is being taken, after it
    std::uint64_t first_ = 0;           // the first one's position in the ring
    std::size_t gapless_ = 0;           // of the records, from the first on: nothing is missing between these
    std::uint64_t lost_ = 0;            // by the ring, before this round
    bool broken_ = false;               // something is missing after those
};

// The access for a replay; what cannot be done again is an input.
[[nodiscard]] ReplayEntry replay_entry(const AccessRecord& record, const AccessNames& names);

} // namespace plugbay::core
