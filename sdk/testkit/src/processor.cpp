// What devices hook of the guest's processor: plugbay.msr/1, plugbay.cpuid/1 and plugbay.hypercall/1.
#include "host_call.hpp"

#include <plugbay/testkit/error.hpp>

#include <algorithm>
#include <iterator>

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

std::array<std::uint32_t, 4> Machine::read_cpuid(std::uint32_t leaf, std::uint32_t subleaf,
                                                 std::array<std::uint32_t, 4> before) const {
    for (const auto& [handle, record] : cpuid) {
        const plugbay_cpuid_bits& bits = record.bits;
        const bool all_subleaves = (bits.flags & PLUGBAY_CPUID_SUBLEAF) == 0;
        if (bits.leaf != leaf || (!all_subleaves && bits.subleaf != subleaf)) continue;
        for (std::size_t i = 0; i < before.size(); ++i)
            before[i] = (before[i] & ~bits.mask[i]) | bits.value[i];
    }
    return before;
}

void Machine::hypercall(plugbay_hypercall_registers& registers) {
    require_running("a hypercall");
    registers.size = sizeof registers;
    registers.number = static_cast<std::uint32_t>(registers.rax);
    for (const auto& [handle, record] : hypercalls) {
        if (registers.number < record.first || registers.number - record.first >= record.count) continue;
        DeviceRecord& owner = *record.owner;
        const std::uint64_t token = record.token; // the callback may release it
        registers.rax = 0;
        Callback callback(*this, owner, "hypercall");
        owner.hypercall->call(owner.instance, token, &registers);
        return;
    }
    registers.rax = registers.number == 0 ? PLUGBAY_HYPERCALL_VERSION : PLUGBAY_HYPERCALL_UNKNOWN;
}

namespace {

bool machines_own(const plugbay_cpuid_bits& bits) {
    return bits.leaf == 0xb || bits.leaf == 0x1f || bits.leaf == 0x8000001e || bits.leaf == 0x40000100 ||
           bits.leaf == 0x40000101 || (bits.leaf == 1 && (bits.mask[PLUGBAY_CPUID_EBX] & 0xffff0000) != 0);
}

bool overlap(const plugbay_cpuid_bits& one, const plugbay_cpuid_bits& other) {
    if (one.leaf != other.leaf) return false;
    const bool both_subleaves = (one.flags & other.flags & PLUGBAY_CPUID_SUBLEAF) != 0;
    if (both_subleaves && one.subleaf != other.subleaf) return false;
    for (std::size_t i = 0; i < 4; ++i) {
        if ((one.mask[i] & other.mask[i]) != 0) return true;
    }
    return false;
}

plugbay_status set_cpuid(const plugbay_host* host, const plugbay_cpuid_bits* bits,
                         plugbay_handle* handle) noexcept {
    HostCall call(host, "cpuid set");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr || bits == nullptr || bits->size < sizeof *bits)
        return call.violate(PLUGBAY_INVALID, "a pointer is NULL or the size is too small");
    bool sense = (bits->flags & ~PLUGBAY_CPUID_SUBLEAF) == 0 && (bits->flags != 0 || bits->subleaf == 0);
    bool any = false;
    for (std::size_t i = 0; i < 4; ++i) {
        sense = sense && (bits->value[i] & ~bits->mask[i]) == 0;
        any = any || bits->mask[i] != 0;
    }
    if (!sense || !any) return call.violate(PLUGBAY_INVALID, "mask, value, flags or subleaf make no sense");
    const std::string what = "CPUID leaf " + std::to_string(bits->leaf);
    const auto same = [&](const CpuidRecord& other) {
        return other.bits.flags == bits->flags && other.bits.leaf == bits->leaf &&
               other.bits.subleaf == bits->subleaf &&
               std::equal(std::begin(bits->mask), std::end(bits->mask), std::begin(other.bits.mask)) &&
               std::equal(std::begin(bits->value), std::end(bits->value), std::begin(other.bits.value));
    };
    if (const auto status = call.inherit(call.machine.cpuid, handle, 0, same)) return *status;
    if (call.machine.started)
        return call.refuse(PLUGBAY_FORBIDDEN, what + " cannot be set: the machine has run");
    if (machines_own(*bits)) return call.refuse(PLUGBAY_TAKEN, what + " belongs to the machine itself");
    for (const auto& [other_handle, other] : call.machine.cpuid) {
        if (overlap(*bits, other.bits))
            return call.refuse(PLUGBAY_TAKEN, "bits of " + what + ", wanted by \"" + call.device.id +
                                                  "\", are set by \"" + other.owner->id + "\" already");
    }
    *handle = HostCall::store(call.machine, call.machine.cpuid, CpuidRecord{&call.device, *bits});
    return PLUGBAY_OK;
}

plugbay_status clear_cpuid(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "cpuid clear");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    return call.give_back(call.machine.cpuid, handle);
}

plugbay_status claim_hypercalls(const plugbay_host* host, std::uint32_t first, std::uint32_t count,
                                std::uint64_t token, plugbay_handle* handle) noexcept {
    HostCall call(host, "hypercall claim");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr) return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL");
    if (call.device.hypercall == nullptr || call.device.hypercall->call == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_HYPERCALL " callbacks");
    const std::string what = std::to_string(count) + " hypercalls from " + std::to_string(first);
    if (count == 0 || count - 1 > ~first || first < PLUGBAY_HYPERCALL_FIRST)
        return call.refuse(PLUGBAY_INVALID, what + " do not exist or are the host's");
    const auto same = [&](const HypercallRecord& other) {
        return other.first == first && other.count == count;
    };
    if (const auto status = call.inherit(call.machine.hypercalls, handle, token, same)) return *status;
    for (const auto& [other_handle, other] : call.machine.hypercalls) {
        if (first <= other.first + (other.count - 1) && other.first <= first + (count - 1))
            return call.refuse(PLUGBAY_TAKEN, what + ", wanted by \"" + call.device.id +
                                                  "\", overlap those of \"" + other.owner->id + "\"");
    }
    *handle = HostCall::store(call.machine, call.machine.hypercalls,
                              HypercallRecord{&call.device, first, count, token});
    return PLUGBAY_OK;
}

plugbay_status release_hypercalls(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "hypercall release");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    return call.give_back(call.machine.hypercalls, handle);
}

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
    const auto same = [&](const MsrRecord& other) {
        return other.first == first && other.count == count && other.flags == flags;
    };
    if (const auto status = call.inherit(call.machine.msrs, handle, token, same)) return *status;
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
    return call.give_back(call.machine.msrs, handle);
}

} // namespace

constinit const plugbay_msr_host msr_host{sizeof(plugbay_msr_host), 0, hook_msrs, unhook_msrs};
constinit const plugbay_cpuid_host cpuid_host{sizeof(plugbay_cpuid_host), 0, set_cpuid, clear_cpuid};
constinit const plugbay_hypercall_host hypercall_host{sizeof(plugbay_hypercall_host), 0, claim_hypercalls,
                                                      release_hypercalls};

} // namespace plugbay::testkit::detail
