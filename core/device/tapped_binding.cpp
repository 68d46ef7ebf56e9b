#include "core/device/tapped_binding.hpp"

#include "core/bus/presence.hpp"
#include "core/device/guest_clock.hpp"
#include "core/trace/access_tap.hpp"

#include <algorithm>
#include <utility>

namespace plugbay::core {

// Makes the access by call(build, record), which completes the record, and notes it.
template <typename Call>
void TappedBinding::pass(void* instance, AccessRecord record, Call&& call) {
    TappedBinding& self = *static_cast<TappedBinding*>(instance);
    const bool others = self.inside_.fetch_add(1, std::memory_order_acq_rel) != 0;
    const std::uint32_t turn = self.entered_.fetch_add(1, std::memory_order_acq_rel) + 1;
    record.time = self.clock_.now();
    call(*self.next_.load(std::memory_order_acquire), record);
    record.took = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(self.clock_.now() - record.time, ~std::uint32_t{0}));
    record.overlapped = others || self.entered_.load(std::memory_order_acquire) != turn;
    record.build = self.build_;
    const Presence* const presence = Presence::of_this_thread();
    const bool again =
        presence != nullptr && presence->repeats(); // the build crashed: noted when it is made again
    if (presence != nullptr) record.vcpu = static_cast<std::int16_t>(presence->number());
    if (!again) {
        for (const auto& tap : self.taps_)
            tap->note(record);
    }
    self.inside_.fetch_sub(1, std::memory_order_acq_rel);
}

struct TappedBinding::Tables {
    static std::uint64_t read(void* instance, std::uint64_t token, std::uint64_t offset,
                              std::uint32_t width) {
        std::uint64_t value = ~std::uint64_t{0};
        pass(instance,
             {.kind = AccessRecord::Kind::read,
              .width = static_cast<std::uint8_t>(width),
              .token = token,
              .offset = offset},
             [&](const Binding& build, AccessRecord& record) {
                 value = build.access->read(build.instance, token, offset, width);
                 record.value = width >= 8 ? value : value & ((std::uint64_t{1} << (8 * width)) - 1);
             });
        return value;
    }
    static void write(void* instance, std::uint64_t token, std::uint64_t offset, std::uint32_t width,
                      std::uint64_t value) {
        pass(instance,
             {.kind = AccessRecord::Kind::write,
              .width = static_cast<std::uint8_t>(width),
              .token = token,
              .offset = offset,
              .value = value},
             [&](const Binding& build, AccessRecord&) {
                 build.access->write(build.instance, token, offset, width, value);
             });
    }
    static plugbay_status msr_read(void* instance, std::uint64_t token, std::uint32_t index,
                                   std::uint64_t* value) {
        plugbay_status status = PLUGBAY_FAILED;
        pass(instance, {.kind = AccessRecord::Kind::msr_read, .token = token, .offset = index},
             [&](const Binding& build, AccessRecord& record) {
                 status = build.msr->read(build.instance, token, index, value);
                 record.answered = status == PLUGBAY_OK;
                 record.value = record.answered ? *value : 0;
             });
        return status;
    }
    static plugbay_status msr_write(void* instance, std::uint64_t token, std::uint32_t index,
                                    std::uint64_t value) {
        plugbay_status status = PLUGBAY_FAILED;
        pass(instance,
             {.kind = AccessRecord::Kind::msr_write, .token = token, .offset = index, .value = value},
             [&](const Binding& build, AccessRecord& record) {
                 status = build.msr->write(build.instance, token, index, value);
                 record.answered = status == PLUGBAY_OK;
             });
        return status;
    }
    static void call(void* instance, std::uint64_t token, plugbay_hypercall_registers* registers) {
        pass(instance, {.kind = AccessRecord::Kind::call, .token = token, .offset = registers->number},
             [&](const Binding& build, AccessRecord& record) {
                 build.hypercall->call(build.instance, token, registers);
                 record.value = registers->rax;
             });
    }

    static constexpr plugbay_access_callbacks access_table{sizeof(plugbay_access_callbacks), 0, &read,
                                                           &write};
    static constexpr plugbay_msr_callbacks msr_table{sizeof(plugbay_msr_callbacks), 0, &msr_read, &msr_write};
    static constexpr plugbay_hypercall_callbacks hypercall_table{sizeof(plugbay_hypercall_callbacks), 0,
                                                                 &call};
};

TappedBinding::TappedBinding(const Binding& next, std::uint16_t build, const GuestClock& clock,
                             std::vector<std::shared_ptr<AccessTap>> taps)
    : binding_{.type = next.type,
               .instance = this,
               .access = next.access == nullptr ? nullptr : &Tables::access_table,
               .msr = next.msr == nullptr ? nullptr : &Tables::msr_table,
               .hypercall = next.hypercall == nullptr ? nullptr : &Tables::hypercall_table},
      next_(&next), build_(build), clock_(clock), taps_(std::move(taps)) {}

void TappedBinding::note_input(AccessRecord::Kind kind, const char* what) {
    AccessRecord record{.kind = kind, .build = build_, .time = clock_.now(), .what = what};
    if (const Presence* const presence = Presence::of_this_thread())
        record.vcpu = static_cast<std::int16_t>(presence->number());
    for (const auto& tap : taps_)
        tap->note(record);
}

} // namespace plugbay::core
