#include "core/device/device.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/memory/guest_memory.hpp"

#include <plugbay/abi/memory.h>

namespace plugbay::core {

namespace {

// These are on the data path of every disk and network request: a refusal says only PLUGBAY_INVALID, without
// a text.
const GuestMemory& memory_of(const plugbay_host* host) {
    return Device::of(host).services().memory;
}

plugbay_status read(const plugbay_host* host, std::uint64_t address, void* bytes, std::uint64_t length) {
    const std::span target(static_cast<std::byte*>(bytes), length);
    return memory_of(host).read(address, target) ? PLUGBAY_OK : PLUGBAY_INVALID;
}

plugbay_status write(const plugbay_host* host, std::uint64_t address, const void* bytes,
                     std::uint64_t length) {
    const std::span source(static_cast<const std::byte*>(bytes), length);
    return memory_of(host).write(address, source) ? PLUGBAY_OK : PLUGBAY_INVALID;
}

plugbay_status map(const plugbay_host* host, std::uint64_t address, std::uint64_t length, std::uint32_t,
                   void** pointer) {
    const auto bytes = memory_of(host).map(address, length);
    if (bytes.empty()) return PLUGBAY_INVALID;
    *pointer = bytes.data();
    return PLUGBAY_OK;
}

// RAM stays where it is for the machine's life and nothing tracks dirty pages yet, so there is nothing to
// undo.
plugbay_status unmap(const plugbay_host*, std::uint64_t, std::uint64_t, std::uint32_t) {
    return PLUGBAY_OK;
}

} // namespace

const void* memory_host_table() {
    static constexpr plugbay_memory_host table{sizeof table, 0, &read, &write, &map, &unmap};
    return &table;
}

} // namespace plugbay::core
