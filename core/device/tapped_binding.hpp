// What a slot points at while the accesses to its device are noted: tables of the core's, which lead to the build's. Nobody
// pays for it while nobody looks.
#pragma once

#include "core/device/slot.hpp"
#include "core/trace/access_record.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace plugbay::core {

class AccessTap;
class GuestClock;

class TappedBinding {
  public:
    // `next` outlives it, and has tables of the same kinds whatever it is replaced with; so does `clock`.
    TappedBinding(const Binding& next, std::uint16_t build, const GuestClock& clock,
                  std::vector<std::shared_ptr<AccessTap>> taps);
    TappedBinding(const TappedBinding&) = delete;
    TappedBinding& operator=(const TappedBinding&) = delete;

    [[nodiscard]] const Binding& binding() const { return binding_; }
    [[nodiscard]] std::span<const std::shared_ptr<AccessTap>> taps() const { return taps_; }
    // Any thread. Who is inside comes out of the one before.
    void lead_to(const Binding& next) { next_.store(&next, std::memory_order_release); }
    // Under the device's callback lock: notes that it is entered for something else than an access.
    void note_input(AccessRecord::Kind kind, const char* what);

  private:
    struct Tables;
    template <typename Call>
    static void pass(void* instance, AccessRecord record, Call&& call);

    Binding binding_;
    std::atomic<const Binding*> next_;
    const std::uint16_t build_;
    const GuestClock& clock_;
    const std::vector<std::shared_ptr<AccessTap>> taps_;
    std::atomic<std::uint32_t> inside_{0};  // accesses that are under way
    std::atomic<std::uint32_t> entered_{0}; // accesses that ever were
};

} // namespace plugbay::core
