// plugbay.access/1 and plugbay.doorbell/1
#include "host_call.hpp"

#include <cstdio>

namespace plugbay::testkit::detail {
namespace {

std::string range_text(MappedRange::Space space, std::uint64_t first, std::uint64_t length) {
    char text[96];
    std::snprintf(
        text, sizeof text, "%s 0x%llx to 0x%llx", space == MappedRange::Space::ports ? "ports" : "addresses",
        static_cast<unsigned long long>(first), static_cast<unsigned long long>(first + length - 1));
    return text;
}

plugbay_status map(HostCall& call, MappedRange::Space space, std::uint64_t first, std::uint64_t length,
                   std::uint64_t token, plugbay_handle* handle) {
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr) return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL");
    if (call.device.access == nullptr || call.device.access->read == nullptr ||
        call.device.access->write == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_ACCESS " callbacks");
    const auto same = [&](const Region& other) {
        return other.space == space && other.address == first && other.length == length && other.bar < 0;
    };
    if (const auto status = call.inherit(call.machine.regions, handle, token, same)) return *status;
    const std::string what = range_text(space, first, length);
    if (space == MappedRange::Space::memory && call.machine.ram.touches(first, length))
        return call.refuse(PLUGBAY_TAKEN, what + ", wanted by \"" + call.device.id + "\", touch RAM");
    if (space == MappedRange::Space::ports && first <= PLUGBAY_HYPERCALL_PORT + 3 &&
        PLUGBAY_HYPERCALL_PORT <= first + (length - 1))
        return call.refuse(PLUGBAY_TAKEN,
                           what + ", wanted by \"" + call.device.id + "\", are those of hypercalls");
    for (const auto& [other_handle, other] : call.machine.memory_regions) {
        if (space == MappedRange::Space::memory && first <= other.address + (other.bytes.size() - 1) &&
            other.address <= first + (length - 1))
            return call.refuse(PLUGBAY_TAKEN, what + ", wanted by \"" + call.device.id +
                                                  "\", overlap memory of \"" + other.owner->id + "\"");
    }
    for (const auto& [other_handle, other] : call.machine.regions) {
        if (other.space != space || other.bar >= 0) continue;
        if (first <= other.address + (other.length - 1) && other.address <= first + (length - 1))
            return call.refuse(PLUGBAY_TAKEN, what + ", wanted by \"" + call.device.id + "\", overlap " +
                                                  range_text(space, other.address, other.length) + " of \"" +
                                                  other.owner->id + "\"");
    }
    Region region;
    region.owner = &call.device;
    region.space = space;
    region.address = first;
    region.length = length;
    region.token = token;
    *handle = HostCall::store(call.machine, call.machine.regions, region);
    return PLUGBAY_OK;
}

plugbay_status map_ports(const plugbay_host* host, std::uint32_t first, std::uint32_t count,
                         std::uint64_t token, plugbay_handle* region) noexcept {
    HostCall call(host, "map_ports");
    if (count == 0 || count > 65536 || first > 65536 - count)
        return call.refuse(PLUGBAY_INVALID, std::to_string(count) + " ports from " + std::to_string(first) +
                                                " do not fit into 0 to 65535");
    return map(call, MappedRange::Space::ports, first, count, token, region);
}

plugbay_status map_memory(const plugbay_host* host, std::uint64_t address, std::uint64_t length,
                          std::uint64_t token, plugbay_handle* region) noexcept {
    HostCall call(host, "map_memory");
    if (length == 0 || length - 1 > ~address)
        return call.refuse(PLUGBAY_INVALID, "the range is empty or wraps around");
    return map(call, MappedRange::Space::memory, address, length, token, region);
}

plugbay_status unmap(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "unmap");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    const Region* region = call.find(call.machine.regions, handle);
    if (region == nullptr) return PLUGBAY_STALE;
    if (region->bar >= 0)
        return call.violate(PLUGBAY_INVALID, "a BAR is not unmapped but removed with its function");
    return call.give_back(call.machine.regions, handle);
}

plugbay_status create_doorbell(const plugbay_host* host, plugbay_handle region_handle, std::uint64_t offset,
                               std::uint32_t width, std::uint32_t flags, std::uint64_t value,
                               std::uint64_t token, plugbay_handle* doorbell) noexcept {
    HostCall call(host, "doorbell create");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (doorbell == nullptr) return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL");
    if (call.device.doorbell == nullptr || call.device.doorbell->rung == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_DOORBELL " callbacks");
    const Region* region = call.find(call.machine.regions, region_handle);
    if (region == nullptr) return PLUGBAY_STALE;
    if ((width != 1 && width != 2 && width != 4 && width != 8) || offset > region->length ||
        width > region->length - offset || (flags & ~PLUGBAY_DOORBELL_ANY_VALUE) != 0 || region->msix)
        return call.refuse(PLUGBAY_INVALID, "the doorbell does not lie in its region, or has unknown flags");
    const auto same = [&](const DoorbellRecord& other) {
        return other.region == region_handle && other.offset == offset && other.width == width &&
               other.flags == flags && other.value == value;
    };
    if (const auto status = call.inherit(call.machine.doorbells, doorbell, token, same)) return *status;
    for (const auto& [handle, other] : call.machine.doorbells) {
        const bool any = ((other.flags | flags) & PLUGBAY_DOORBELL_ANY_VALUE) != 0;
        if (other.region == region_handle && other.offset == offset && other.width == width &&
            (any || other.value == value))
            return call.refuse(PLUGBAY_TAKEN, "there is such a doorbell already");
    }
    *doorbell =
        HostCall::store(call.machine, call.machine.doorbells,
                        DoorbellRecord{&call.device, region_handle, offset, width, flags, value, token});
    return PLUGBAY_OK;
}

plugbay_status ring_doorbell(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "doorbell ring");
    DoorbellRecord* doorbell = call.find(call.machine.doorbells, handle);
    if (doorbell == nullptr) return call.stale();
    return call.affect([doorbell, handle, &machine = call.machine] { machine.ring(*doorbell, handle); });
}

plugbay_status destroy_doorbell(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "doorbell destroy");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    return call.give_back(call.machine.doorbells, handle);
}

} // namespace

constinit const plugbay_access_host access_host{sizeof(plugbay_access_host), 0, map_ports, map_memory, unmap};
constinit const plugbay_doorbell_host doorbell_host{sizeof(plugbay_doorbell_host), 0, create_doorbell,
                                                    ring_doorbell, destroy_doorbell};

} // namespace plugbay::testkit::detail
