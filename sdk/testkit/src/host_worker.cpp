// plugbay.worker/1. Jobs are worked by run(), one after the other, on the test's own thread.
#include "host_call.hpp"

namespace plugbay::testkit::detail {

int Machine::serve_workers() {
    int served = 0;
    std::vector<plugbay_handle> handles;
    for (const auto& [handle, queue] : work_queues)
        handles.push_back(handle);
    for (const plugbay_handle handle : handles) {
        const auto place = work_queues.find(handle); // an earlier callback may have destroyed it
        if (place == work_queues.end()) continue;
        WorkQueueRecord& queue = place->second;
        DeviceRecord& owner = *queue.owner;
        if (owner.phase != Phase::running && owner.phase != Phase::quiescing) continue;
        if (!queue.worked.empty()) {
            const std::uint64_t token = queue.worked.front();
            queue.worked.pop_front();
            Callback callback(*this, owner, "done");
            owner.worker->done(owner.instance, token);
            ++served;
        } else if (!queue.submitted.empty()) {
            const std::uint64_t token = queue.submitted.front();
            queue.submitted.pop_front();
            queue.worked.push_back(token);
            Callback callback(*this, owner, "work");
            owner.worker->work(owner.instance, token);
            ++served;
        }
    }
    return served;
}

namespace {

plugbay_status create(const plugbay_host* host, std::uint32_t capacity, plugbay_handle* handle) noexcept {
    HostCall call(host, "worker create");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr) return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL");
    if (call.device.worker == nullptr || call.device.worker->work == nullptr ||
        call.device.worker->done == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_WORKER " callbacks");
    if (capacity == 0 || capacity > PLUGBAY_WORKER_MOST_JOBS)
        return call.refuse(PLUGBAY_INVALID, "a queue holds 1 to 4096 jobs");
    *handle =
        HostCall::store(call.machine, call.machine.work_queues, WorkQueueRecord{&call.device, capacity});
    return PLUGBAY_OK;
}

plugbay_status submit(const plugbay_host* host, plugbay_handle handle, std::uint64_t token) noexcept {
    HostCall call(host, "worker submit");
    WorkQueueRecord* queue = call.find(call.machine.work_queues, handle);
    if (queue == nullptr) return PLUGBAY_STALE;
    if (queue->submitted.size() + queue->worked.size() >= queue->capacity)
        return call.refuse(PLUGBAY_NO_MEMORY, "the queue is full");
    queue->submitted.push_back(token);
    return PLUGBAY_OK;
}

plugbay_status destroy(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "worker destroy");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    return call.give_back(call.machine.work_queues, handle);
}

} // namespace

constinit const plugbay_worker_host worker_host{sizeof(plugbay_worker_host), 0, create, submit, destroy};

} // namespace plugbay::testkit::detail
