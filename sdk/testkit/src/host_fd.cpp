// plugbay.fd/1
#include "host_call.hpp"

#include <sys/stat.h>

namespace plugbay::testkit::detail {
namespace {

constexpr std::uint32_t known_events = PLUGBAY_FD_READABLE | PLUGBAY_FD_WRITABLE | PLUGBAY_FD_HANGUP;

plugbay_status watch(const plugbay_host* host, int fd, std::uint32_t events, std::uint64_t token,
                     plugbay_handle* handle) noexcept {
    HostCall call(host, "fd watch");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr || (events & ~known_events) != 0)
        return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL or unknown events are wanted");
    if (call.device.fd == nullptr || call.device.fd->ready == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_FD " callbacks");
    struct stat facts {};
    if (fstat(fd, &facts) != 0) return call.violate(PLUGBAY_INVALID, "this is not an open file descriptor");
    if (S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode))
        return call.refuse(PLUGBAY_UNSUPPORTED, "regular files and directories cannot be watched");
    for (const auto& [other_handle, other] : call.machine.watches) {
        if (other.fd == fd)
            return call.refuse(PLUGBAY_TAKEN, "\"" + other.owner->id + "\" watches this descriptor already");
    }
    *handle =
        HostCall::store(call.machine, call.machine.watches, WatchRecord{&call.device, fd, events, token});
    return PLUGBAY_OK;
}

plugbay_status change(const plugbay_host* host, plugbay_handle handle, std::uint32_t events) noexcept {
    HostCall call(host, "fd change");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if ((events & ~known_events) != 0) return call.violate(PLUGBAY_INVALID, "unknown events are wanted");
    WatchRecord* record = call.find(call.machine.watches, handle);
    if (record == nullptr) return PLUGBAY_STALE;
    record->events = events;
    return PLUGBAY_OK;
}

plugbay_status unwatch(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "fd unwatch");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    const WatchRecord* record = call.find(call.machine.watches, handle);
    if (record == nullptr) return PLUGBAY_STALE;
    struct stat facts {};
    if (fstat(record->fd, &facts) != 0)
        call.violate(PLUGBAY_INVALID, "the descriptor was closed before it was unwatched");
    call.machine.watches.erase(handle);
    return PLUGBAY_OK;
}

} // namespace

constinit const plugbay_fd_host fd_host{sizeof(plugbay_fd_host), 0, watch, change, unwatch};

} // namespace plugbay::testkit::detail
