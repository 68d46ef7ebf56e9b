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

plugbay_status map(const plugbay_host* host, std::uint64_t address, std::uint64_t length,
                   std::uint32_t access, void** pointer) {
    const GuestMemory& memory = memory_of(host);
    const auto bytes = memory.map(address, length);
    if (bytes.empty()) return PLUGBAY_INVALID;
    if ((access & PLUGBAY_MAP_WRITE) != 0) memory.mark_dirty(address, length);
    *pointer = bytes.data();
    return PLUGBAY_OK;
}

// RAM stays where it is for the machine's life: all there is to do is to say what was written.
plugbay_status unmap(const plugbay_host* host, std::uint64_t address, std::uint64_t length,
                     std::uint32_t access) {
    if ((access & PLUGBAY_MAP_WRITE) != 0) memory_of(host).mark_dirty(address, length);
    return PLUGBAY_OK;
}

plugbay_status read_segments(const plugbay_host* host, const plugbay_segment* segments, std::uint32_t count,
                             void* bytes, std::uint64_t length) {
    if (count > PLUGBAY_MEMORY_MOST_SEGMENTS) return PLUGBAY_INVALID;
    const std::span target(static_cast<std::byte*>(bytes), length);
    return memory_of(host).read(std::span(segments, count), target) ? PLUGBAY_OK : PLUGBAY_INVALID;
}

plugbay_status write_segments(const plugbay_host* host, const plugbay_segment* segments, std::uint32_t count,
                              const void* bytes, std::uint64_t length) {
    if (count > PLUGBAY_MEMORY_MOST_SEGMENTS) return PLUGBAY_INVALID;
    const std::span source(static_cast<const std::byte*>(bytes), length);
    return memory_of(host).write(std::span(segments, count), source) ? PLUGBAY_OK : PLUGBAY_INVALID;
}

} // namespace

const void* memory_host_table() {
    static constexpr plugbay_memory_host table{sizeof table, 0,      &read,          &write,
                                               &map,         &unmap, &read_segments, &write_segments};
    return &table;
}

} // namespace plugbay::core
