#include "core/device/device.hpp"
#include "core/device/host/guest_range.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/region_resource.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/hypercall.h>

#include <fmt/format.h>

namespace plugbay::core {

namespace {

// Takes the range for `device` and stores the handle; `port` chooses the map.
plugbay_status take(Device& device, bool port, std::uint64_t base, std::uint64_t length, std::uint64_t token,
                    plugbay_handle* handle) {
    const char* const what = port ? "ports" : "addresses";
    if (device.callbacks<plugbay_access_callbacks>(PLUGBAY_ACCESS) == nullptr) {
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("{} {:#x} were asked for, but the device has no read and "
                                         "write callbacks",
                                         what, base));
    }
    if (device.detached()) {
        const std::string wanted = length == 0 ? what : what + (" " + range_text(base, length));
        return adopt<RegionResource>(device, wanted, handle, {token}, [&](const RegionResource& each) {
            const auto* mapped = dynamic_cast<const MappedRegion*>(&each);
            return mapped != nullptr && mapped->is(port, base, length);
        });
    }
    auto region = std::make_shared<Region>(Region{.base = base,
                                                  .length = length,
                                                  .token = token,
                                                  .slot = &device.slot(),
                                                  .keeps = device.shared_slot()});
    AccessBus& bus = device.services().bus;
    const auto placement = port ? bus.place_ports(*region) : bus.place_memory(*region);
    if (!placement.placed) return refuse_unplaced(device, what, *region, placement);
    return hold(device, std::make_unique<MappedRegion>(bus, std::move(region), port), handle);
}

plugbay_status map_ports(const plugbay_host* host, std::uint32_t first, std::uint32_t count,
                         std::uint64_t token, plugbay_handle* region) {
    Device& device = Device::of(host);
    if (first < PLUGBAY_HYPERCALL_PORT + 4 && PLUGBAY_HYPERCALL_PORT < std::uint64_t{first} + count) {
        return device.refuse(
            PLUGBAY_TAKEN,
            fmt::format("ports {:#x}-{:#x} overlap those of hypercalls, {:#x}-{:#x}; choose others", first,
                        std::uint64_t{first} + count - 1, PLUGBAY_HYPERCALL_PORT,
                        PLUGBAY_HYPERCALL_PORT + 3));
    }
    if (const auto status = keep_off_own(device, OwnRange::Space::ports, first, count); status != PLUGBAY_OK)
        return status;
    return take(device, true, first, count, token, region);
}

plugbay_status map_memory(const plugbay_host* host, std::uint64_t address, std::uint64_t length,
                          std::uint64_t token, plugbay_handle* region) {
    Device& device = Device::of(host);
    if (const plugbay_status status = keep_off_ram(device, address, length); status != PLUGBAY_OK)
        return status;
    if (const auto status = keep_off_own(device, OwnRange::Space::memory, address, length);
        status != PLUGBAY_OK)
        return status;
    return take(device, false, address, length, token, region);
}

plugbay_status unmap(const plugbay_host* host, plugbay_handle region) {
    Device& device = Device::of(host);
    const auto* resource = device.resources().find<RegionResource>(region);
    if (resource != nullptr && resource->has_doorbells())
        return device.refuse(PLUGBAY_FORBIDDEN, "the region has doorbells; destroy them first");
    return give_back<RegionResource>(device, region);
}

} // namespace

const void* access_host_table() {
    static constexpr plugbay_access_host table{sizeof table, 0, &map_ports, &map_memory, &unmap};
    return &table;
}

} // namespace plugbay::core
