#include "core/device/interrupt_lines.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace plugbay::core {

Result<std::unique_ptr<InterruptLines::Claim>> InterruptLines::claim(std::uint32_t gsi, bool shared,
                                                                     const std::string& owner) {
    if (gsi >= count) {
        return Error{"interrupt line " + std::to_string(gsi) + " does not exist",
                     "choose one from 0 to " + std::to_string(count - 1)};
    }
    for (const OwnRange& own : platform_.own_ranges()) {
        if (own.space != OwnRange::Space::lines || !own.overlaps(gsi, gsi)) continue;
        return Error{
            fmt::format("interrupt line {} is that of the machine's own {}, which the hypervisor drives", gsi,
                        own.what),
            "choose another line for \"" + owner + "\""};
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
    return std::make_unique<Claim>(*this, gsi, owner);
}

InterruptLines::Claim::~Claim() {
    set(false);
    lines_.release(*this);
}

bool InterruptLines::Claim::set(bool high) {
    return high_.load(std::memory_order_acquire) != high && lines_.change(*this, high);
}

bool InterruptLines::change(Claim& claim, bool high) {
    Line& line = lines_[claim.gsi_];
    const std::lock_guard guard(line.mutex); // keeps the order of the levels KVM sees
    if (claim.high_.exchange(high, std::memory_order_acq_rel) == high)
        return false; // another thread was faster
    const bool was_high = line.high_count != 0;
    line.high_count += high ? 1U : ~0U;
    const bool is_high = line.high_count != 0;
    if (was_high != is_high) platform_.set_line(claim.gsi_, is_high);
    return high;
}

void InterruptLines::release(const Claim& claim) {
    Line& line = lines_[claim.gsi_];
    const std::lock_guard guard(line.mutex);
    line.owners.erase(std::find(line.owners.begin(), line.owners.end(), claim.owner_));
}

} // namespace plugbay::core
