// plugbay.handover/1. What a successor puts and removes is in its own map until it has the place.
#include "host_call.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>

namespace plugbay::testkit::detail {
namespace {

constexpr const char* about_names = "the name is NULL, or has other than 1 to 64 bytes of printable ASCII";

bool valid(const char* name) {
    const std::string_view text(name == nullptr ? "" : name);
    if (text.empty() || text.size() > PLUGBAY_HANDOVER_LONGEST_NAME) return false;
    return text.find_first_not_of(" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                                  "abcdefghijklmnopqrstuvwxyz{|}~") == std::string_view::npos;
}

// -1: nothing has that name, for this build.
int find(const DeviceRecord& device, const char* name) {
    for (const DeviceRecord* build = &device; build != nullptr; build = build->predecessor) {
        if (const auto place = build->left.find(name); place != build->left.end()) return place->second.get();
    }
    return -1;
}

std::size_t count(const DeviceRecord& device) {
    std::size_t all = device.predecessor == nullptr ? 0 : device.predecessor->left.size();
    for (const auto& [name, descriptor] : device.left) {
        const bool there = device.predecessor != nullptr && device.predecessor->left.contains(name);
        if (descriptor && !there) ++all;
        if (!descriptor && there) --all;
    }
    return all;
}

plugbay_status put(const plugbay_host* host, const char* name, int fd) noexcept {
    HostCall call(host, "handover put");
    if (!valid(name)) return call.violate(PLUGBAY_INVALID, about_names);
    UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy && errno == EBADF) return call.violate(PLUGBAY_INVALID, "this is not an open file descriptor");
    if (!copy) return call.refuse(PLUGBAY_NO_MEMORY, std::strerror(errno));
    if (call.device.replaced) return PLUGBAY_OK; // nobody comes after it
    if (find(call.device, name) < 0 && count(call.device) >= PLUGBAY_HANDOVER_MOST)
        return call.refuse(PLUGBAY_NO_MEMORY, "a device hands over at most 64 descriptors");
    call.device.left.insert_or_assign(name, std::move(copy));
    return PLUGBAY_OK;
}

plugbay_status take(const plugbay_host* host, const char* name, int* fd) noexcept {
    HostCall call(host, "handover take");
    if (!valid(name)) return call.violate(PLUGBAY_INVALID, about_names);
    if (fd == nullptr) return call.violate(PLUGBAY_INVALID, "the place for the descriptor is NULL");
    const int found = find(call.device, name);
    if (found < 0) return PLUGBAY_NOT_FOUND;
    *fd = fcntl(found, F_DUPFD_CLOEXEC, 0);
    return *fd >= 0 ? PLUGBAY_OK : call.refuse(PLUGBAY_NO_MEMORY, std::strerror(errno));
}

plugbay_status remove(const plugbay_host* host, const char* name) noexcept {
    HostCall call(host, "handover remove");
    if (!valid(name)) return call.violate(PLUGBAY_INVALID, about_names);
    if (find(call.device, name) < 0) return PLUGBAY_NOT_FOUND;
    if (call.device.predecessor != nullptr)
        call.device.left.insert_or_assign(name, UniqueFd());
    else
        call.device.left.erase(name);
    return PLUGBAY_OK;
}

std::uint32_t standing(const plugbay_host* host) noexcept {
    const HostCall call(host, "handover standing");
    const bool beside = call.device.predecessor != nullptr || call.device.beside_another;
    const bool in_place = !beside && !call.device.replaced;
    const bool expected = beside || call.device.expects_successor;
    return (in_place ? PLUGBAY_HANDOVER_IN_PLACE : 0) | (expected ? PLUGBAY_HANDOVER_EXPECTED : 0);
}

} // namespace

constinit const plugbay_handover_host handover_host{
    sizeof(plugbay_handover_host), 0, put, take, remove, standing};

} // namespace plugbay::testkit::detail
