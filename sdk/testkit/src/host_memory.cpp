// plugbay.memory/1
#include "host_call.hpp"

#include <algorithm>
#include <cstring>

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

} // namespace

constinit const plugbay_memory_host memory_host{sizeof(plugbay_memory_host), 0, read, write, map, unmap};

} // namespace plugbay::testkit::detail
