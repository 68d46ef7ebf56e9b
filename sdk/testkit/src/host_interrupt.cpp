// plugbay.interrupt/1
#include "host_call.hpp"

namespace plugbay::testkit::detail {
namespace {

plugbay_status claim(const plugbay_host* host, std::uint32_t gsi, std::uint32_t flags,
                     plugbay_handle* line) noexcept {
    HostCall call(host, "interrupt claim");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (line == nullptr || (flags & ~PLUGBAY_INTERRUPT_SHARED) != 0)
        return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL or unknown flags are set");
    if (gsi >= line_count)
        return call.refuse(PLUGBAY_INVALID, "there is no line " + std::to_string(gsi) + ", only 0 to 23");
    const auto same = [&](const LineClaim& other) { return other.gsi == gsi && other.flags == flags; };
    if (const auto status = call.inherit(call.machine.claims, line, 0, same)) return *status;
    for (const auto& [handle, other] : call.machine.claims) {
        if (other.gsi == gsi && (other.flags & flags & PLUGBAY_INTERRUPT_SHARED) == 0)
            return call.refuse(PLUGBAY_TAKEN, "line " + std::to_string(gsi) + ", wanted by \"" +
                                                  call.device.id + "\", belongs to \"" + other.owner->id +
                                                  "\"; both would have to share it");
    }
    *line = HostCall::store(call.machine, call.machine.claims, LineClaim{&call.device, gsi, flags});
    return PLUGBAY_OK;
}

plugbay_status set(const plugbay_host* host, plugbay_handle handle, std::uint32_t level) noexcept {
    HostCall call(host, "interrupt set");
    LineClaim* line = call.find(call.machine.claims, handle);
    if (line == nullptr) return call.stale();
    if (level > 1) return call.violate(PLUGBAY_INVALID, "a level is 0 or 1");
    return call.affect([line, level, &machine = call.machine] {
        line->level = level != 0;
        machine.update_line(line->gsi);
    });
}

plugbay_status release(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "interrupt release");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    const LineClaim* line = call.find(call.machine.claims, handle);
    if (line == nullptr) return PLUGBAY_STALE;
    const unsigned gsi = line->gsi;
    const plugbay_status status = call.give_back(call.machine.claims, handle);
    call.machine.update_line(gsi);
    return status;
}

} // namespace

constinit const plugbay_interrupt_host interrupt_host{sizeof(plugbay_interrupt_host), 0, claim, set, release};

} // namespace plugbay::testkit::detail
