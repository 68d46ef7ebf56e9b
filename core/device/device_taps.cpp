// Devices whose accesses are noted for somebody: the slot leads to the taps first, and they to the build.
#include "core/bus/access_bus.hpp"
#include "core/bus/gate.hpp"
#include "core/device/device.hpp"
#include "core/device/tapped_binding.hpp"
#include "core/trace/access_tap.hpp"

#include <algorithm>

namespace plugbay::core {

const Binding* Device::slot_binding() const {
    return tapped_ != nullptr ? &tapped_->binding() : build_binding();
}

void Device::tap(std::shared_ptr<AccessTap> tap) {
    tap->build_is(build_, std::make_shared<const AccessNames>(AccessNames::of(*this)));
    auto taps = this->taps();
    taps.push_back(std::move(tap));
    change_taps(std::move(taps));
}

void Device::untap(const AccessTap& tap) {
    auto taps = this->taps();
    if (std::erase_if(taps, [&](const auto& each) { return each.get() == &tap; }) != 0)
        change_taps(std::move(taps));
}

std::vector<std::shared_ptr<AccessTap>> Device::taps() const {
    if (tapped_ == nullptr) return {};
    return {tapped_->taps().begin(), tapped_->taps().end()};
}

// An access goes through one binding from its beginning to its end; nobody is inside while they are exchanged.
void Device::change_taps(std::vector<std::shared_ptr<AccessTap>> taps) {
    const GateClosed closed(*slot_, services_.bus.presences());
    const std::lock_guard guard(*lock_);
    const bool in_slot = slot_->binding.load() == slot_binding();
    set_taps(std::move(taps));
    if (in_slot) slot_->binding.store(slot_binding(), std::memory_order_release);
}

// Caller holds the lock, with the gate closed.
void Device::set_taps(std::vector<std::shared_ptr<AccessTap>> taps) {
    tapped_ = taps.empty() ? nullptr
                           : std::make_unique<TappedBinding>(*build_binding(), build_, services_.clock,
                                                             std::move(taps));
    if (tapped_ != nullptr)
        attention_.fetch_or(has_taps, std::memory_order_release);
    else
        attention_.fetch_and(~has_taps, std::memory_order_release);
}

// Caller holds the lock, with the gate closed.
void Device::take_taps_of(Device& predecessor) {
    if (predecessor.tapped_ == nullptr) return;
    auto taps = predecessor.taps();
    const auto names = std::make_shared<const AccessNames>(AccessNames::of(*this));
    for (const auto& tap : taps)
        tap->build_is(build_, names);
    set_taps(std::move(taps));
}

void Device::end_taps() {
    for (const auto& tap : taps())
        tap->end("the device is gone");
}

void Device::note_input(AccessRecord::Kind kind, const char* what) {
    if (tapped_ != nullptr) tapped_->note_input(kind, what);
}

} // namespace plugbay::core
