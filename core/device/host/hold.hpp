// Putting a resource into its device's table, and taking it out again, with the refusals that go with it.
#pragma once

#include "core/device/device.hpp"

#include <array>
#include <memory>
#include <string>

namespace plugbay::core {

// On failure the resource is released at once.
inline plugbay_status hold(Device& device, std::shared_ptr<Resource> resource, plugbay_handle* handle) {
    if (handle == nullptr) return device.refuse(PLUGBAY_INVALID, "no place was given to store the handle");
    *handle = device.resources().add(std::move(resource));
    if (*handle != PLUGBAY_NO_HANDLE) return PLUGBAY_OK;
    return device.refuse(PLUGBAY_NO_MEMORY, "the device holds too many resources");
}

// For a successor (Device::detached()): its share of the resource of the build before it that it describes as `wanted`
// and for which same(const T&) is true. `tokens` are its own.
template <typename T, typename Same>
plugbay_status adopt(Device& device, const std::string& wanted, plugbay_handle* handle,
                     const std::array<std::uint64_t, 6>& tokens, Same&& same) {
    const auto adopted = device.adopt(tokens, [&](const Resource& resource) {
        return resource.kind() == T::resource_kind && same(static_cast<const T&>(resource));
    });
    if (adopted != nullptr) return hold(device, adopted, handle);
    return device.refuse(
        PLUGBAY_FORBIDDEN,
        "it asks for " + wanted +
            ", which the build that it replaces does not hold; what the guest knows of a device "
            "cannot change while it runs: remove the device and add it again");
}

template <typename T>
plugbay_status give_back(Device& device, plugbay_handle handle) {
    if (device.resources().release<T>(handle)) return PLUGBAY_OK;
    return device.refuse(PLUGBAY_STALE, "the handle is not, or no longer, one of this device's");
}

} // namespace plugbay::core
