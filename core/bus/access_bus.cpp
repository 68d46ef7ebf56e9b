#include "core/bus/access_bus.hpp"

#include "core/bus/gate.hpp"
#include "core/device/slot.hpp"

#include <cstring>

namespace plugbay::core {

namespace {

std::uint64_t all_ones(std::uint32_t width) {
    return width >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1;
}

AccessBus::Placement obstructed(const Region& region) {
    return {.placed = false,
            .obstacle = AccessBus::Obstacle{.base = region.base,
                                            .length = region.length,
                                            .owner = region.owner != nullptr  ? region.owner->id
                                                     : region.slot != nullptr ? region.slot->id
                                                                              : ""}};
}

} // namespace

std::uint64_t AccessBus::read(Presence& presence, const Region& region, std::uint64_t offset,
                              std::uint32_t width) {
    if (region.handler != nullptr) return region.handler->read(offset, width);
    std::uint64_t value = ~std::uint64_t{0};
    if (region.backing != nullptr) {
        std::memcpy(&value, region.backing + offset, width);
        return value & all_ones(width);
    }
    inside_slot(presence, *region.slot, AccessKind::read, [&](const Binding& binding) {
        if (binding.access != nullptr)
            value = binding.access->read(binding.instance, region.token, offset, width);
    });
    return value & all_ones(width);
}

void AccessBus::write(Presence& presence, const Region& region, std::uint64_t offset, std::uint32_t width,
                      std::uint64_t value) {
    value &= all_ones(width);
    if (region.handler != nullptr) {
        region.handler->write(offset, width, value);
        return;
    }
    if (region.slot == nullptr) {
        if (region.writable) std::memcpy(region.backing + offset, &value, width);
        return;
    }
    inside_slot(presence, *region.slot, AccessKind::write, [&](const Binding& binding) {
        if (binding.access != nullptr)
            binding.access->write(binding.instance, region.token, offset, width, value);
    });
}

std::uint64_t AccessBus::read_port(Presence& presence, std::uint16_t port, std::uint32_t width) {
    presence.begin_lookup(presences_.epoch());
    std::uint64_t value = all_ones(width);
    const Region* region = ports_.find(port);
    if (region != nullptr && region->holds(port, width)) {
        value = read(presence, *region, port - region->base, width);
    } else {
        report_unmapped("read of port", port, width);
    }
    presence.end_lookup();
    return value;
}

void AccessBus::write_port(Presence& presence, std::uint16_t port, std::uint32_t width, std::uint64_t value) {
    presence.begin_lookup(presences_.epoch());
    const Region* region = ports_.find(port);
    if (region != nullptr && region->holds(port, width)) {
        write(presence, *region, port - region->base, width, value);
    } else {
        report_unmapped("write to port", port, width);
    }
    presence.end_lookup();
}

std::uint64_t AccessBus::read_memory(Presence& presence, std::uint64_t address, std::uint32_t width) {
    presence.begin_lookup(presences_.epoch());
    std::uint64_t value = all_ones(width);
    if (const Region* region = memory_.find(presence, address, width)) {
        value = read(presence, *region, address - region->base, width);
    } else {
        report_unmapped("read of address", address, width);
    }
    presence.end_lookup();
    return value;
}

void AccessBus::write_memory(Presence& presence, std::uint64_t address, std::uint32_t width,
                             std::uint64_t value) {
    presence.begin_lookup(presences_.epoch());
    if (const Region* region = memory_.find(presence, address, width)) {
        write(presence, *region, address - region->base, width, value);
    } else {
        report_unmapped("write to address", address, width);
    }
    presence.end_lookup();
}

void AccessBus::report_unmapped(const char* what, std::uint64_t address, std::uint32_t width) {
    // Not a warning: probing nothing is what every guest does at boot.
    unmapped_reports_.write(LogLevel::debug, "{} {:#x}, {} bytes: nothing is there", what, address, width);
}

AccessBus::Placement AccessBus::place_ports(const Region& region) {
    constexpr std::uint64_t port_count = 65536;
    if (region.length == 0 || region.base >= port_count || region.length > port_count - region.base) {
        return {};
    }
    const std::lock_guard guard(mutex_);
    const Region* obstacle =
        ports_.overlap(static_cast<std::uint32_t>(region.base), static_cast<std::uint32_t>(region.length));
    if (obstacle != nullptr) return obstructed(*obstacle);
    ports_.insert(region);
    return {.placed = true};
}

AccessBus::Placement AccessBus::place_memory(const Region& region) {
    if (region.length == 0 || region.base + region.length < region.base) return {};
    const std::lock_guard guard(mutex_);
    const Region* obstacle = memory_.overlap(region.base, region.length);
    if (obstacle != nullptr) return obstructed(*obstacle);
    memory_.insert(region);
    return {.placed = true};
}

void AccessBus::remove_ports(const Region& region, std::shared_ptr<const void> garbage) {
    const std::lock_guard guard(mutex_);
    ports_.remove(region);
    presences_.retire(std::move(garbage));
}

void AccessBus::remove_memory(const Region& region, std::shared_ptr<const void> garbage) {
    const std::lock_guard guard(mutex_);
    memory_.remove(region);
    presences_.retire(std::move(garbage));
}

} // namespace plugbay::core
