#include "core/device/host/guest_range.hpp"

#include "core/memory/guest_memory.hpp"

#include <fmt/format.h>

namespace plugbay::core {

std::string range_text(std::uint64_t first, std::uint64_t length) {
    return fmt::format("{:#x}-{:#x}", first, first + (length - 1));
}

plugbay_status keep_off_ram(Device& device, std::uint64_t address, std::uint64_t length) {
    for (const MemoryRange& range : device.services().memory.ranges()) {
        if (address >= range.address + range.size || range.address > address + (length - 1)) continue;
        return device.refuse(PLUGBAY_TAKEN,
                             fmt::format("addresses {} overlap the machine's RAM at {}; choose others or "
                                         "give the machine less memory",
                                         range_text(address, length), range_text(range.address, range.size)));
    }
    return PLUGBAY_OK;
}

plugbay_status keep_off_own(Device& device, OwnRange::Space space, std::uint64_t first,
                            std::uint64_t length) {
    if (length == 0) return PLUGBAY_OK; // refused for that
    for (const OwnRange& own : device.services().platform.own_ranges()) {
        if (own.space != space || !own.overlaps(first, first + (length - 1))) continue;
        return device.refuse(
            PLUGBAY_TAKEN,
            fmt::format("{} {} overlap the machine's own {} ({:#x}-{:#x}), which the hypervisor "
                        "answers; choose others",
                        space == OwnRange::Space::ports ? "ports" : "addresses", range_text(first, length),
                        own.what, own.first, own.last));
    }
    return PLUGBAY_OK;
}

plugbay_status refuse_unplaced(Device& device, const char* what, const Region& wanted,
                               const AccessBus::Placement& placement) {
    if (!placement.obstacle) {
        return device.refuse(PLUGBAY_INVALID, fmt::format("{:#x} {} from {:#x} do not exist", wanted.length,
                                                          what, wanted.base));
    }
    const AccessBus::Obstacle& obstacle = *placement.obstacle;
    return device.refuse(PLUGBAY_TAKEN,
                         fmt::format("{} {} overlap {} of device \"{}\"; move one of the two", what,
                                     range_text(wanted.base, wanted.length),
                                     range_text(obstacle.base, obstacle.length), obstacle.owner));
}

} // namespace plugbay::core
