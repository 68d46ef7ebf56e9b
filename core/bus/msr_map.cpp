#include "core/bus/msr_map.hpp"

#include "core/base/log.hpp"
#include "core/bus/gate.hpp"
#include "core/device/platform.hpp"
#include "core/device/slot.hpp"

#include <plugbay/abi/msr.h>

#include <fmt/format.h>
#include <vector>

namespace plugbay::core {

namespace {

// KVM and the processor serve these without asking a filter (KVM API 4.97).
constexpr std::uint64_t local_apic_first = 0x800;
constexpr std::uint64_t local_apic_count = 0x100;

std::string range_text(const Region& region) {
    return fmt::format("MSRs {:#x}-{:#x}", region.base, region.base + region.length - 1);
}

std::vector<MsrInterception> interceptions(const RangeMap::Table& regions, const Region* added) {
    std::vector<MsrInterception> result;
    const auto add = [&](const Region& region) {
        const bool deny = (region.flags & PLUGBAY_MSR_DENY) != 0;
        result.push_back({.first = static_cast<std::uint32_t>(region.base),
                          .count = static_cast<std::uint32_t>(region.length),
                          .read = deny || (region.flags & PLUGBAY_MSR_READ) != 0,
                          .write = deny || (region.flags & PLUGBAY_MSR_WRITE) != 0});
    };
    for (const Region* region : regions)
        add(*region);
    if (added != nullptr) add(*added);
    return result;
}

} // namespace

bool MsrMap::read(Presence& presence, std::uint32_t index, std::uint64_t& value) {
    presence.begin_lookup(presences_.epoch());
    bool answered = false;
    const Region* region = map_.find(index, 1);
    if (region != nullptr && (region->flags & PLUGBAY_MSR_READ) != 0) {
        inside_slot(presence, *region->slot, AccessKind::read, [&](const Binding& binding) {
            value = 0;
            answered = binding.msr->read(binding.instance, region->token, index, &value) == PLUGBAY_OK;
        });
    }
    presence.end_lookup();
    return answered;
}

bool MsrMap::write(Presence& presence, std::uint32_t index, std::uint64_t value) {
    presence.begin_lookup(presences_.epoch());
    bool taken = false;
    const Region* region = map_.find(index, 1);
    if (region != nullptr && (region->flags & PLUGBAY_MSR_WRITE) != 0) {
        inside_slot(presence, *region->slot, AccessKind::write, [&](const Binding& binding) {
            taken = binding.msr->write(binding.instance, region->token, index, value) == PLUGBAY_OK;
        });
    }
    presence.end_lookup();
    return taken;
}

std::optional<Refusal> MsrMap::check(const Region& region) const {
    if (region.base < local_apic_first + local_apic_count && local_apic_first < region.base + region.length) {
        return Refusal{PLUGBAY_INVALID, range_text(region) +
                                            " touch those of the local APIC (0x800-0x8ff), which the "
                                            "hypervisor keeps for itself; choose others"};
    }
    if (const Region* other = map_.overlap(region.base, region.length)) {
        return Refusal{PLUGBAY_TAKEN,
                       fmt::format("{}, wanted by device \"{}\", overlap {} of device \"{}\"; an MSR has one "
                                   "owner",
                                   range_text(region), region.slot->id, range_text(*other), other->slot->id)};
    }
    return std::nullopt;
}

std::optional<Refusal> MsrMap::place(const Region& region, Platform& platform) {
    const std::lock_guard guard(mutex_);
    if (auto refusal = check(region)) return refusal;
    if (auto done = platform.intercept_msrs(interceptions(map_.regions(), &region)); !done) {
        return Refusal{PLUGBAY_UNSUPPORTED, range_text(region) + ": " + done.error().text()};
    }
    map_.insert(region);
    return std::nullopt;
}

void MsrMap::remove(const std::shared_ptr<const Region>& region, Platform& platform) {
    const std::lock_guard guard(mutex_);
    map_.remove(*region);
    if (auto done = platform.intercept_msrs(interceptions(map_.regions(), nullptr)); !done) {
        // The accesses still come and find nobody.
        log_for(Subsystem::bus)
            .warn("{} stay inaccessible to the guest: {}", range_text(*region), done.error().text());
    }
    presences_.retire(region);
}

} // namespace plugbay::core
