// plugbay.memory/1
#include "host_call.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace plugbay::testkit::detail {
namespace {

plugbay_status not_ram(HostCall& call, std::uint64_t address, std::uint64_t length) {
    return call.refuse(PLUGBAY_INVALID, std::to_string(length) + " bytes at address " +
                                            std::to_string(address) + " are not all RAM");
}

// Nothing is copied when any byte is not RAM.
template <typename Copy>
plugbay_status copy(HostCall& call, std::uint64_t address, std::uint64_t length, Copy between) {
    call.machine.expect_awake(call.device, "guest memory");
    if (length == 0) return PLUGBAY_OK;
    const auto bytes = call.machine.ram.range(address, length);
    if (bytes.empty()) return not_ram(call, address, length);
    between(bytes);
    return PLUGBAY_OK;
}

plugbay_status read(const plugbay_host* host, std::uint64_t address, void* bytes,
                    std::uint64_t length) noexcept {
    HostCall call(host, "memory read");
    if (bytes == nullptr && length != 0) return call.violate(PLUGBAY_INVALID, "the buffer is NULL");
    return copy(call, address, length, [&](auto ram) { std::memcpy(bytes, ram.data(), ram.size()); });
}

plugbay_status write(const plugbay_host* host, std::uint64_t address, const void* bytes,
                     std::uint64_t length) noexcept {
    HostCall call(host, "memory write");
    if (bytes == nullptr && length != 0) return call.violate(PLUGBAY_INVALID, "the buffer is NULL");
    return copy(call, address, length, [&](auto ram) { std::memcpy(ram.data(), bytes, ram.size()); });
}

plugbay_status map(const plugbay_host* host, std::uint64_t address, std::uint64_t length,
                   std::uint32_t access, void** pointer) noexcept {
    HostCall call(host, "memory map");
    if (pointer == nullptr || access == 0 || (access & ~(PLUGBAY_MAP_READ | PLUGBAY_MAP_WRITE)) != 0)
        return call.violate(PLUGBAY_INVALID, "the pointer is NULL or the access makes no sense");
    call.machine.expect_awake(call.device, "guest memory");
    const auto bytes = length == 0 ? std::span<std::byte>() : call.machine.ram.range(address, length);
    if (bytes.empty()) return not_ram(call, address, length);
    call.machine.maps.push_back({&call.device, address, length, access});
    *pointer = bytes.data();
    return PLUGBAY_OK;
}

plugbay_status unmap(const plugbay_host* host, std::uint64_t address, std::uint64_t length,
                     std::uint32_t access) noexcept {
    HostCall call(host, "memory unmap");
    auto& maps = call.machine.maps;
    const auto find = [&](bool expired) {
        return std::find_if(maps.begin(), maps.end(), [&](const MapRecord& record) {
            return record.owner == &call.device && record.address == address && record.length == length &&
                   record.access == access && record.expired == expired;
        });
    };
    auto place = find(false);
    if (place == maps.end()) place = find(true);
    if (place == maps.end()) return call.violate(PLUGBAY_INVALID, "nothing is mapped like that");
    maps.erase(place);
    return PLUGBAY_OK;
}

// The segments in host memory, or nothing when one is not RAM or the lengths do not add up.
std::vector<std::span<std::byte>> gather(HostCall& call, const plugbay_segment* segments, std::uint32_t count,
                                         std::uint64_t length) {
    std::vector<std::span<std::byte>> pieces;
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (segments[i].length > length - sum) return {};
        sum += segments[i].length;
        if (segments[i].length == 0) continue;
        pieces.push_back(call.machine.ram.range(segments[i].address, segments[i].length));
        if (pieces.back().empty()) return {};
    }
    if (sum != length) return {};
    return pieces;
}

plugbay_status copy_segments(HostCall& call, const plugbay_segment* segments, std::uint32_t count,
                             std::byte* target, const std::byte* source, std::uint64_t length) {
    if ((segments == nullptr && count != 0) || count > PLUGBAY_MEMORY_MOST_SEGMENTS ||
        (target == nullptr && source == nullptr && length != 0))
        return call.violate(PLUGBAY_INVALID, "a pointer is NULL or there are too many segments");
    call.machine.expect_awake(call.device, "guest memory");
    const auto pieces = gather(call, segments, count, length);
    if (pieces.empty() && (length != 0 || count != 0))
        return call.refuse(PLUGBAY_INVALID, "a segment is not all RAM, or the lengths do not add up");
    for (const auto piece : pieces) {
        std::memcpy(target != nullptr ? target : piece.data(), target != nullptr ? piece.data() : source,
                    piece.size());
        if (target != nullptr)
            target += piece.size();
        else
            source += piece.size();
    }
    return PLUGBAY_OK;
}

plugbay_status read_segments(const plugbay_host* host, const plugbay_segment* segments, std::uint32_t count,
                             void* bytes, std::uint64_t length) noexcept {
    HostCall call(host, "memory read_segments");
    return copy_segments(call, segments, count, static_cast<std::byte*>(bytes), nullptr, length);
}

plugbay_status write_segments(const plugbay_host* host, const plugbay_segment* segments, std::uint32_t count,
                              const void* bytes, std::uint64_t length) noexcept {
    HostCall call(host, "memory write_segments");
    return copy_segments(call, segments, count, nullptr, static_cast<const std::byte*>(bytes), length);
}

} // namespace

constinit const plugbay_memory_host memory_host{
    sizeof(plugbay_memory_host), 0, read, write, map, unmap, read_segments, write_segments};

} // namespace plugbay::testkit::detail
