#include "core/bus/hypercall_map.hpp"

#include "core/bus/gate.hpp"
#include "core/device/slot.hpp"

#include <fmt/format.h>

namespace plugbay::core {

namespace {

std::string range_text(const Region& region) {
    return fmt::format("hypercalls {:#x}-{:#x}", region.base, region.base + region.length - 1);
}

} // namespace

void HypercallMap::call(Presence& presence, plugbay_hypercall_registers& registers) {
    presence.begin_lookup(presences_.epoch());
    registers.rax = registers.number == 0 ? PLUGBAY_HYPERCALL_VERSION : PLUGBAY_HYPERCALL_UNKNOWN;
    if (const Region* region = map_.find(registers.number, 1)) {
        inside_slot(presence, *region->slot, AccessKind::call, [&](const Binding& binding) {
            registers.rax = 0;
            binding.hypercall->call(binding.instance, region->token, &registers);
        });
    }
    presence.end_lookup();
}

std::optional<Refusal> HypercallMap::place(const Region& region) {
    if (region.base < PLUGBAY_HYPERCALL_FIRST) {
        return Refusal{PLUGBAY_INVALID, fmt::format("{} are the host's; choose numbers from {:#x}",
                                                    range_text(region), PLUGBAY_HYPERCALL_FIRST)};
    }
    const std::lock_guard guard(mutex_);
    if (const Region* other = map_.overlap(region.base, region.length)) {
        return Refusal{PLUGBAY_TAKEN,
                       fmt::format("{}, wanted by device \"{}\", overlap {} of device \"{}\"; choose others",
                                   range_text(region), region.slot->id, range_text(*other), other->slot->id)};
    }
    map_.insert(region);
    return std::nullopt;
}

void HypercallMap::remove(const std::shared_ptr<const Region>& region) {
    const std::lock_guard guard(mutex_);
    map_.remove(*region);
    presences_.retire(region);
}

} // namespace plugbay::core
