#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/region_resource.hpp"

#include <plugbay/abi/doorbell.h>

namespace plugbay::core {

namespace {

plugbay_status create(const plugbay_host* host, plugbay_handle region, std::uint64_t offset,
                      std::uint32_t width, std::uint32_t flags, std::uint64_t value, std::uint64_t token,
                      plugbay_handle* doorbell) {
    Device& device = Device::of(host);
    auto* target = device.resources().find<RegionResource>(region);
    if (target == nullptr)
        return device.refuse(PLUGBAY_STALE, "a doorbell needs one of the device's own regions");
    if (device.callbacks<plugbay_doorbell_callbacks>(PLUGBAY_DOORBELL) == nullptr) {
        return device.refuse(PLUGBAY_INVALID,
                             "a doorbell was asked for, but the device has no rung callback");
    }
    if ((width != 1 && width != 2 && width != 4 && width != 8) || offset >= target->length() ||
        width > target->length() - offset) {
        return device.refuse(PLUGBAY_INVALID, "the doorbell is not inside its region");
    }
    DoorbellResource::Spec spec{.offset = offset, .width = width, .value = {}, .token = token};
    if ((flags & PLUGBAY_DOORBELL_ANY_VALUE) == 0) spec.value = value;
    if (device.detached()) {
        const auto adopted = device.adopt({token}, [&](const Resource& each) {
            return each.kind() == ResourceKind::doorbell &&
                   static_cast<const DoorbellResource&>(each).is(*target, spec);
        });
        if (adopted != nullptr) return hold(device, adopted, doorbell);
    }
    auto resource = DoorbellResource::create(device, *target, spec);
    if (!resource) return device.refuse(PLUGBAY_NO_MEMORY, resource.error().text());
    return hold(device, std::move(*resource), doorbell);
}

plugbay_status ring(const plugbay_host* host, plugbay_handle handle) {
    Device& device = Device::of(host);
    auto* doorbell = device.resources().find<DoorbellResource>(handle);
    if (doorbell == nullptr) return device.refuse(PLUGBAY_STALE, "no such doorbell");
    doorbell->ring();
    return PLUGBAY_OK;
}

plugbay_status destroy(const plugbay_host* host, plugbay_handle doorbell) {
    return give_back<DoorbellResource>(Device::of(host), doorbell);
}

} // namespace

const void* doorbell_host_table() {
    static constexpr plugbay_doorbell_host table{sizeof table, 0, &create, &ring, &destroy};
    return &table;
}

} // namespace plugbay::core
