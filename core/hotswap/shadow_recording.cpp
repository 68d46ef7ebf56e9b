#include "core/hotswap/shadow_recording.hpp"

#include <algorithm>
#include <utility>

namespace plugbay::core {

void ShadowRecording::read() {
    if (records_.empty()) first_ = tap_->ring().taken();
    AccessRecord record;
    while (records_.size() < most_records && tap_->read(record))
        records_.push_back(record);
    // The ring loses what finds it full, so what is missing came after all that was in it then. Nothing was lost until now:
    // nothing is missing in what was read.
    if (tap_->ring().lost() == lost_)
        gapless_ = records_.size();
    else
        broken_ = true;
}

ShadowRecording::Part ShadowRecording::take(const Cut& cut) {
    read();
    // What is left in the ring until the cut is more than a round can have.
    const bool cut_off = first_ + records_.size() < cut.written;
    const std::size_t count = std::min<std::size_t>(records_.size(), cut.written - first_);
    // What was lost after the cut is missing after it.
    const std::size_t gapless = cut.lost == lost_ ? count : std::min(count, gapless_);
    Part part{.whole = !cut_off && cut.lost == lost_};
    part.records.assign(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(gapless));
    AccessRecord skipped;
    while (tap_->ring().taken() < cut.written && tap_->read(skipped)) {
    }
    records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(count));
    first_ = cut.written;
    lost_ = cut.lost;
    broken_ = tap_->ring().lost() != lost_;
    gapless_ = broken_ ? 0 : records_.size();
    return part;
}

ReplayEntry replay_entry(const AccessRecord& record, const AccessNames& names) {
    using Kind = AccessRecord::Kind;
    ReplayEntry entry{.width = record.width,
                      .faulted = static_cast<std::uint8_t>(record.answered ? 0 : 1),
                      .overlapped = static_cast<std::uint8_t>(record.overlapped ? 1 : 0),
                      .took = record.took,
                      .time = record.time,
                      .offset = record.offset,
                      .value = record.value};
    switch (record.kind) {
    case Kind::read:
    case Kind::write: {
        entry.write = record.kind == Kind::write ? 1 : 0;
        const AccessPlace* const place = names.place_of(record);
        if (place == nullptr) return entry; // mapped since: an input
        entry.base = place->base;
        entry.kind = place->kind == AccessPlace::Kind::ports    ? ReplayEntry::Kind::ports
                     : place->kind == AccessPlace::Kind::memory ? ReplayEntry::Kind::memory
                                                                : ReplayEntry::Kind::bar;
        return entry;
    }
    case Kind::msr_read:
    case Kind::msr_write:
        entry.kind = ReplayEntry::Kind::msr;
        entry.write = record.kind == Kind::msr_write ? 1 : 0;
        return entry;
    case Kind::timer:
        entry.kind = ReplayEntry::Kind::timer;
        return entry;
    case Kind::call:
    case Kind::input:
        break;
    }
    return entry;
}

} // namespace plugbay::core
