#include "core/device/interrupt_lines.hpp"

namespace plugbay::core {

Result<std::unique_ptr<InterruptLines::Claim>> InterruptLines::claim(std::uint32_t gsi, bool shared,
                                                                     const std::string& owner) {
    if (gsi >= count) {
        return Error{"interrupt line " + std::to_string(gsi) + " does not exist",
                     "choose one from 0 to " + std::to_string(count - 1)};
    }
    Line& line = lines_[gsi];
    const std::lock_guard guard(line.mutex);
    if (!line.owners.empty() && !(shared && line.shared)) {
        return Error{"interrupt line " + std::to_string(gsi) + " is taken by device \"" +
                         line.owners.front() + "\"",
                     "choose another line for \"" + owner + "\" or the other device"};
    }
    line.shared = shared;
    line.owners.push_back(owner);
    return std::make_unique<Claim>(*this, gsi);
}

InterruptLines::Claim::~Claim() {
    set(false);
    lines_.release(gsi_);
}

void InterruptLines::Claim::set(bool high) {
    if (high_.exchange(high, std::memory_order_acq_rel) != high) lines_.change(gsi_, high);
}

void InterruptLines::change(std::uint32_t gsi, bool high) {
    Line& line = lines_[gsi];
    const std::lock_guard guard(line.mutex); // keeps the order of the levels KVM sees
    const bool was_high = line.high_count != 0;
    line.high_count += high ? 1U : ~0U;
    const bool is_high = line.high_count != 0;
    if (was_high != is_high) platform_.set_line(gsi, is_high);
}

void InterruptLines::release(std::uint32_t gsi) {
    Line& line = lines_[gsi];
    const std::lock_guard guard(line.mutex);
    // Which name goes matters only for messages; with one claimant it is the right one.
    line.owners.pop_back();
}

} // namespace plugbay::core
