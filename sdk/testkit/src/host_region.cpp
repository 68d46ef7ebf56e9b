// plugbay.region/1
#include "host_call.hpp"

#include <algorithm>
#include <cstring>

namespace plugbay::testkit::detail {
namespace {
constexpr std::uint64_t page = 4096;
}

bool Machine::access_region(std::uint64_t address, unsigned width, std::optional<std::uint64_t> value,
                            std::uint64_t& result) {
    const auto call = [&](DeviceRecord& owner, std::uint64_t token, std::uint64_t offset) {
        Callback callback(*this, owner, value ? "write" : "read");
        if (value)
            owner.access->write(owner.instance, token, offset, width, *value);
        else
            result = owner.access->read(owner.instance, token, offset, width) &
                     (width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << width * 8) - 1);
    };
    const auto inside = [&](std::uint64_t first, std::uint64_t length) {
        return address >= first && address - first < length && width <= length - (address - first);
    };
    for (auto& [handle, region] : memory_regions) {
        if (!inside(region.address, region.bytes.size())) continue;
        const std::uint64_t offset = address - region.address;
        if (!value) {
            std::memcpy(&result, region.bytes.data() + offset, width);
        } else if (region.kind == PLUGBAY_REGION_WRITE_HOOK) {
            call(*region.owner, region.token, offset);
        } else if (region.kind == PLUGBAY_REGION_RAM) {
            std::memcpy(region.bytes.data() + offset, &*value, width);
            for (const std::uint64_t each : {offset / page, (offset + width - 1) / page})
                region.dirty[each / 64] |= std::uint64_t{1} << each % 64;
        }
        return true;
    }
    for (const auto& [handle, watch] : ram_watches) {
        if (!inside(watch.address, watch.length)) continue;
        if (!value && watch.what == PLUGBAY_WATCH_WRITES) return false;
        call(*watch.owner, watch.token, address - watch.address);
        return true;
    }
    return false;
}

namespace {

bool whole_pages(std::uint64_t address, std::uint64_t length) {
    return length != 0 && (address | length) % page == 0 && length - 1 <= ~address;
}

bool overlap(std::uint64_t first, std::uint64_t length, std::uint64_t other, std::uint64_t other_length) {
    return first <= other + (other_length - 1) && other <= first + (length - 1);
}

bool answers(const DeviceRecord& device) {
    return device.access != nullptr && device.access->read != nullptr && device.access->write != nullptr;
}

plugbay_status taken(HostCall& call, const DeviceRecord& owner) {
    return call.refuse(PLUGBAY_TAKEN, "the addresses wanted by \"" + call.device.id +
                                          "\" overlap those of \"" + owner.id + "\"");
}

plugbay_status create(const plugbay_host* host, std::uint32_t kind, std::uint32_t flags,
                      std::uint64_t address, std::uint64_t length, std::uint64_t token,
                      plugbay_handle* handle, void** pointer) noexcept {
    HostCall call(host, "region create");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    const bool tracks = (flags & PLUGBAY_REGION_TRACK_DIRTY) != 0;
    if (handle == nullptr || kind < PLUGBAY_REGION_RAM || kind > PLUGBAY_REGION_WRITE_HOOK ||
        (flags & ~PLUGBAY_REGION_TRACK_DIRTY) != 0 || (tracks && kind != PLUGBAY_REGION_RAM))
        return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL, or kind or flags make no sense");
    if (kind == PLUGBAY_REGION_WRITE_HOOK && !answers(call.device))
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_ACCESS " callbacks");
    if (!whole_pages(address, length))
        return call.refuse(PLUGBAY_INVALID, "a region is whole pages of 4096 bytes");
    Machine& machine = call.machine;
    const auto same = [&](const MemoryRegionRecord& other) {
        return other.kind == kind && other.flags == flags && other.address == address &&
               other.bytes.size() == length;
    };
    if (const auto status = call.inherit(machine.memory_regions, handle, token, same)) {
        if (*status == PLUGBAY_OK && pointer != nullptr)
            *pointer = machine.memory_regions.at(*handle).bytes.data();
        return *status;
    }
    if (machine.ram.touches(address, length)) return call.refuse(PLUGBAY_TAKEN, "the addresses touch RAM");
    for (const auto& [other_handle, other] : machine.memory_regions) {
        if (overlap(address, length, other.address, other.bytes.size())) return taken(call, *other.owner);
    }
    for (const auto& [other_handle, other] : machine.regions) {
        if (other.space == MappedRange::Space::memory && other.bar < 0 &&
            overlap(address, length, other.address, other.length))
            return taken(call, *other.owner);
    }
    MemoryRegionRecord record{&call.device, kind, flags, address, token};
    record.bytes.resize(length);
    record.dirty.resize((length / page + 63) / 64);
    *handle = HostCall::store(machine, machine.memory_regions, std::move(record));
    if (pointer != nullptr) *pointer = machine.memory_regions.at(*handle).bytes.data();
    return PLUGBAY_OK;
}

plugbay_status take_dirty(const plugbay_host* host, plugbay_handle handle, std::uint64_t* bitmap,
                          std::uint64_t words) noexcept {
    HostCall call(host, "region take_dirty");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    MemoryRegionRecord* region = call.find(call.machine.memory_regions, handle);
    if (region == nullptr) return PLUGBAY_STALE;
    if (bitmap == nullptr || words != region->dirty.size() ||
        (region->flags & PLUGBAY_REGION_TRACK_DIRTY) == 0)
        return call.violate(PLUGBAY_INVALID, "the region does not track, or the bitmap has another size");
    std::copy(region->dirty.begin(), region->dirty.end(), bitmap);
    std::fill(region->dirty.begin(), region->dirty.end(), 0);
    return PLUGBAY_OK;
}

plugbay_status watch_ram(const plugbay_host* host, std::uint32_t what, std::uint64_t address,
                         std::uint64_t length, std::uint64_t token, plugbay_handle* handle) noexcept {
    HostCall call(host, "region watch_ram");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr || (what != PLUGBAY_WATCH_WRITES && what != PLUGBAY_WATCH_ALL) ||
        !answers(call.device))
        return call.violate(
            PLUGBAY_INVALID,
            "the handle pointer is NULL, unknown accesses are wanted, or the device has no " PLUGBAY_ACCESS
            " callbacks");
    if (!whole_pages(address, length) || call.machine.ram.range(address, length).empty())
        return call.refuse(PLUGBAY_INVALID, "a watch is on whole pages of RAM");
    const auto same = [&](const RamWatchRecord& other) {
        return other.what == what && other.address == address && other.length == length;
    };
    if (const auto status = call.inherit(call.machine.ram_watches, handle, token, same)) return *status;
    for (const auto& [other_handle, other] : call.machine.ram_watches) {
        if (overlap(address, length, other.address, other.length)) return taken(call, *other.owner);
    }
    *handle = HostCall::store(call.machine, call.machine.ram_watches,
                              RamWatchRecord{&call.device, what, address, length, token});
    return PLUGBAY_OK;
}

plugbay_status remove(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "region remove");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (call.device.phase == Phase::running || call.device.phase == Phase::quiescing)
        return call.violate(PLUGBAY_FORBIDDEN, "only allowed while creating or quiesced");
    if (call.machine.ram_watches.contains(handle)) return call.give_back(call.machine.ram_watches, handle);
    return call.give_back(call.machine.memory_regions, handle);
}

} // namespace

constinit const plugbay_region_host region_host{
    sizeof(plugbay_region_host), 0, create, take_dirty, watch_ram, remove};

} // namespace plugbay::testkit::detail
