#include "core/device/device.hpp"
#include "core/device/handover_store.hpp"
#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/handover.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <string_view>
#include <utility>

#include <fcntl.h>

namespace plugbay::core {

namespace {

// Empty when the device passed none that can be one.
std::string_view checked(const char* name) {
    if (name == nullptr) return {};
    const std::size_t length = ::strnlen(name, PLUGBAY_HANDOVER_LONGEST_NAME + 1);
    const std::string_view text(name, length);
    const bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
    return printable && length <= PLUGBAY_HANDOVER_LONGEST_NAME ? text : std::string_view();
}

plugbay_status bad_name(Device& device) {
    return device.refuse(
        PLUGBAY_INVALID,
        fmt::format("the name of a descriptor to hand over has 1 to {} bytes of printable ASCII",
                    PLUGBAY_HANDOVER_LONGEST_NAME));
}

plugbay_status no_duplicate(Device& device, std::string_view name, int error) {
    return device.refuse(PLUGBAY_NO_MEMORY,
                         fmt::format("descriptor \"{}\" cannot be duplicated: {}; raise the limit of "
                                     "open files (ulimit -n)",
                                     name, std::strerror(error)));
}

plugbay_status put(const plugbay_host* host, const char* name, int fd) {
    Device& device = Device::of(host);
    const std::string_view text = checked(name);
    if (text.empty()) return bad_name(device);
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy && errno == EBADF)
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("{}, to be handed over as \"{}\", is no open descriptor", fd, text));
    if (!copy) return no_duplicate(device, text, errno);
    if (device.handover()->put(&device, text, std::move(copy))) return PLUGBAY_OK;
    return device.refuse(PLUGBAY_NO_MEMORY,
                         fmt::format("\"{}\" is one descriptor too many: a device hands over at most "
                                     "{}",
                                     text, PLUGBAY_HANDOVER_MOST));
}

plugbay_status take(const plugbay_host* host, const char* name, int* fd) {
    Device& device = Device::of(host);
    const std::string_view text = checked(name);
    if (text.empty()) return bad_name(device);
    if (fd == nullptr) return device.refuse(PLUGBAY_INVALID, "no place was given to store the descriptor");
    UniqueFd copy;
    const plugbay_status status = device.handover()->take(&device, text, copy);
    if (status == PLUGBAY_NO_MEMORY) return no_duplicate(device, text, errno);
    if (status == PLUGBAY_OK) *fd = copy.release();
    return status; // not found is common: without a text
}

plugbay_status remove(const plugbay_host* host, const char* name) {
    Device& device = Device::of(host);
    const std::string_view text = checked(name);
    if (text.empty()) return bad_name(device);
    return device.handover()->remove(&device, text) ? PLUGBAY_OK : PLUGBAY_NOT_FOUND;
}

std::uint32_t standing(const plugbay_host* host) {
    const Device& device = Device::of(host);
    const HandoverStore& store = *device.handover();
    using Successor = HandoverStore::Successor;
    const Successor expected = store.expected();
    return (store.in_place(&device) ? PLUGBAY_HANDOVER_IN_PLACE : 0) |
           (expected != Successor::none ? PLUGBAY_HANDOVER_EXPECTED : 0) |
           (expected == Successor::elsewhere ? PLUGBAY_HANDOVER_ELSEWHERE : 0);
}

} // namespace

const void* handover_host_table() {
    static constexpr plugbay_handover_host table{sizeof table, 0, &put, &take, &remove, &standing};
    return &table;
}

} // namespace plugbay::core
