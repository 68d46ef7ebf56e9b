// What devices hook of the guest's processor: plugbay.msr/1.
#include "host_call.hpp"

#include <plugbay/testkit/error.hpp>

namespace plugbay::testkit::detail {

bool Machine::access_msr(std::uint32_t index, std::uint64_t& value, bool write) {
    require_running("an access to an MSR");
    for (const auto& [handle, record] : msrs) {
        if (index < record.first || index - record.first >= record.count) continue;
        if ((record.flags & (write ? PLUGBAY_MSR_WRITE : PLUGBAY_MSR_READ)) == 0) return false;
        DeviceRecord& owner = *record.owner;
        const std::uint64_t token = record.token; // the callback may unhook it
        Callback callback(*this, owner, write ? "msr write" : "msr read");
        const plugbay_status status = write ? owner.msr->write(owner.instance, token, index, value)
                                            : owner.msr->read(owner.instance, token, index, &value);
        return status == PLUGBAY_OK;
    }
    return false;
}

namespace {

plugbay_status hook_msrs(const plugbay_host* host, std::uint32_t first, std::uint32_t count,
                         std::uint32_t flags, std::uint64_t token, plugbay_handle* handle) noexcept {
    HostCall call(host, "msr hook");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    constexpr std::uint32_t known = PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE | PLUGBAY_MSR_DENY;
    if (handle == nullptr || flags == 0 || (flags & ~known) != 0)
        return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL or the flags make no sense");
    const auto* callbacks = call.device.msr;
    if ((flags & ~PLUGBAY_MSR_DENY) != 0 &&
        (callbacks == nullptr || callbacks->read == nullptr || callbacks->write == nullptr))
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_MSR " callbacks");
    const std::string what = std::to_string(count) + " MSRs from " + std::to_string(first);
    if (count == 0 || count - 1 > ~first) return call.refuse(PLUGBAY_INVALID, what + " do not exist");
    if (first < 0x900 && 0x800 <= first + (count - 1))
        return call.refuse(PLUGBAY_INVALID, what + " touch those of the local APIC");
    for (const auto& [other_handle, other] : call.machine.msrs) {
        if (first <= other.first + (other.count - 1) && other.first <= first + (count - 1))
            return call.refuse(PLUGBAY_TAKEN, what + ", wanted by \"" + call.device.id + "\", overlap " +
                                                  std::to_string(other.count) + " from " +
                                                  std::to_string(other.first) + " of \"" + other.owner->id +
                                                  "\"");
    }
    *handle =
        HostCall::store(call.machine, call.machine.msrs, MsrRecord{&call.device, first, count, flags, token});
    return PLUGBAY_OK;
}

plugbay_status unhook_msrs(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "msr unhook");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (call.find(call.machine.msrs, handle) == nullptr) return PLUGBAY_STALE;
    call.machine.msrs.erase(handle);
    return PLUGBAY_OK;
}

} // namespace

constinit const plugbay_msr_host msr_host{sizeof(plugbay_msr_host), 0, hook_msrs, unhook_msrs};

} // namespace plugbay::testkit::detail
