#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/work_queue.hpp"

#include <plugbay/abi/worker.h>

#include <fmt/format.h>

namespace plugbay::core {

namespace {

plugbay_status create(const plugbay_host* host, std::uint32_t capacity, plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (device.callbacks<plugbay_worker_callbacks>(PLUGBAY_WORKER) == nullptr) {
        return device.refuse(PLUGBAY_INVALID,
                             "a work queue was asked for, but the device has no work and done callbacks");
    }
    if (capacity == 0 || capacity > PLUGBAY_WORKER_MOST_JOBS) {
        return device.refuse(PLUGBAY_INVALID, fmt::format("a work queue holds 1 to {} jobs, not {}",
                                                          PLUGBAY_WORKER_MOST_JOBS, capacity));
    }
    auto queue = WorkQueue::create(device, capacity);
    if (!queue) return device.refuse(PLUGBAY_NO_MEMORY, queue.error().text());
    return hold(device, std::move(*queue), handle);
}

plugbay_status submit(const plugbay_host* host, plugbay_handle handle, std::uint64_t token) {
    Device& device = Device::of(host);
    auto* queue = device.resources().find<WorkQueue>(handle);
    if (queue == nullptr) return device.refuse(PLUGBAY_STALE, "no such work queue");
    return queue->submit(token) ? PLUGBAY_OK : PLUGBAY_NO_MEMORY; // common: without a text
}

plugbay_status destroy(const plugbay_host* host, plugbay_handle handle) {
    return give_back<WorkQueue>(Device::of(host), handle);
}

} // namespace

const void* worker_host_table() {
    static constexpr plugbay_worker_host table{sizeof table, 0, &create, &submit, &destroy};
    return &table;
}

} // namespace plugbay::core
