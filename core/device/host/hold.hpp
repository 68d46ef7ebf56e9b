// Putting a resource into its device's table, and taking it out again, with the refusals that go with it.
#pragma once

#include "core/device/device.hpp"

#include <memory>

namespace plugbay::core {

// On failure the resource is released at once.
inline plugbay_status hold(Device& device, std::unique_ptr<Resource> resource, plugbay_handle* handle) {
    if (handle == nullptr) return device.refuse(PLUGBAY_INVALID, "no place was given to store the handle");
    *handle = device.resources().add(std::move(resource));
    if (*handle != PLUGBAY_NO_HANDLE) return PLUGBAY_OK;
    return device.refuse(PLUGBAY_NO_MEMORY, "the device holds too many resources");
}

template <typename T>
plugbay_status give_back(Device& device, plugbay_handle handle) {
    if (device.resources().release<T>(handle)) return PLUGBAY_OK;
    return device.refuse(PLUGBAY_STALE, "the handle is not, or no longer, one of this device's");
}

} // namespace plugbay::core
