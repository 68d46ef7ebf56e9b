// Guest accesses and interrupt lines.
#include "machine.hpp"

#include <algorithm>

namespace plugbay::testkit::detail {
namespace {

std::uint64_t all_ones(unsigned width) {
    return width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << width * 8) - 1;
}

std::uint64_t access_ram(std::span<std::byte> bytes, std::optional<std::uint64_t> value) {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (value)
            bytes[i] = static_cast<std::byte>(*value >> 8 * i & 0xff);
        else
            result |= std::uint64_t{std::to_integer<std::uint8_t>(bytes[i])} << 8 * i;
    }
    return result;
}

} // namespace

Region* Machine::find_region(MappedRange::Space space, std::uint64_t address, unsigned width,
                             plugbay_handle& found) {
    Region* best = nullptr;
    for (auto& [handle, region] : regions) {
        if (!region.active || region.space != space || address < region.address) continue;
        const std::uint64_t offset = address - region.address;
        if (offset >= region.length || width > region.length - offset) continue;
        if (best != nullptr && region.bar >= 0) continue; // what is mapped wins over a BAR that lies on it
        best = &region;
        found = handle;
    }
    return best;
}

std::uint64_t Machine::access(MappedRange::Space space, std::uint64_t address, unsigned width,
                              std::optional<std::uint64_t> value) {
    require_running("a guest access");
    const bool ports = space == MappedRange::Space::ports;
    if ((width != 1 && width != 2 && width != 4 && width != 8) || (ports && width == 8))
        throw Error("guest accesses have 1, 2, 4 or, to memory, 8 bytes", PLUGBAY_INVALID);
    if (value) *value &= all_ones(width);
    if (!ports) {
        std::uint64_t result = 0;
        if (access_region(address, width, value, result)) return result;
        if (const auto bytes = ram.range(address, width); !bytes.empty()) return access_ram(bytes, value);
    }
    plugbay_handle handle = 0;
    Region* const found = find_region(space, address, width, handle);
    if (found == nullptr) return all_ones(width);
    const std::uint64_t offset = address - found->address;
    if (found->msix) return msix_access(*found, offset, width, value);
    if (value) {
        for (auto& [doorbell_handle, doorbell] : doorbells) {
            if (doorbell.region != handle || doorbell.offset != offset || doorbell.width != width) continue;
            const bool any = (doorbell.flags & PLUGBAY_DOORBELL_ANY_VALUE) != 0;
            if (!any && (doorbell.value & all_ones(width)) != *value) continue;
            ring(doorbell, doorbell_handle);
            return 0;
        }
    }
    const Region region = *found; // the callback may unmap it
    Callback callback(*this, *region.owner, value ? "write" : "read");
    if (!value)
        return region.owner->access->read(region.owner->instance, region.token, offset, width) &
               all_ones(width);
    region.owner->access->write(region.owner->instance, region.token, offset, width, *value);
    return 0;
}

std::vector<MappedRange> Machine::ranges(const DeviceRecord& device) const {
    std::vector<MappedRange> result;
    for (const auto& [handle, region] : regions) {
        if (region.owner == &device && region.active)
            result.push_back({region.space, region.address, region.length, region.bar});
    }
    return result;
}

void Machine::update_line(unsigned gsi) {
    bool level = std::any_of(claims.begin(), claims.end(),
                             [&](const auto& pair) { return pair.second.gsi == gsi && pair.second.level; });
    for (const auto& [handle, function] : functions) {
        if (!function.pin_asserted()) continue;
        const PciBus& its_bus = buses.at(function.bus);
        if (its_bus.facts.lines[(function.slot + function.interrupt_pin - 1) % 4] == gsi) level = true;
    }
    if (level && !levels[gsi]) ++edges[gsi];
    levels[gsi] = level;
}

} // namespace plugbay::testkit::detail
