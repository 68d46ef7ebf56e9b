#include "core/boot/guest_space.hpp"

#include <algorithm>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

GuestSpace::GuestSpace(const GuestMemory& memory) : memory_(memory), end_(memory.ranges().front().size) {}

const ClaimedRange* GuestSpace::overlapping(std::uint64_t address, std::uint64_t size) const {
    for (const auto* list : {&claimed_, &blocked_}) {
        for (const auto& range : *list) {
            const bool apart = range.address >= address ? range.address - address >= size
                                                        : address - range.address >= range.size;
            if (!apart) return &range;
        }
    }
    return nullptr;
}

Result<std::span<std::byte>> GuestSpace::claim(std::uint64_t address, std::uint64_t size,
                                               std::string_view owner) {
    if (size == 0) return Error{fmt::format("{} is empty", owner)};
    if (address >= end_ || size > end_ - address) {
        return Error{
            fmt::format("{} needs {:#x} bytes of guest memory at {:#x}, but low memory ends at {:#x}", owner,
                        size, address, end_),
            "give the VM more memory, or check the addresses in the image"};
    }
    if (const auto* other = overlapping(address, size)) {
        return Error{fmt::format("{} at {:#x} ({:#x} bytes) overlaps {} at {:#x} ({:#x} bytes)", owner,
                                 address, size, other->owner, other->address, other->size),
                     "link or load the image elsewhere; docs/boot.md has the memory layout"};
    }
    const auto bytes = memory_.map(address, size);
    if (bytes.empty()) return Error{fmt::format("{} at {:#x} is not in guest memory", owner, address)};
    claimed_.push_back({.address = address, .size = size, .owner = std::string(owner)});
    return bytes;
}

void GuestSpace::block(std::uint64_t address, std::uint64_t size, std::string_view owner) {
    blocked_.push_back({.address = address, .size = size, .owner = std::string(owner)});
}

std::optional<std::uint64_t> GuestSpace::find_lowest(std::uint64_t size, std::uint64_t alignment,
                                                     std::uint64_t minimum, std::uint64_t limit) const {
    limit = std::min(limit, end_);
    std::uint64_t start = minimum;
    for (;;) {
        if (start > limit) return std::nullopt;
        start += (alignment - start % alignment) % alignment; // cannot wrap: limit is below 4 GiB
        if (start > limit || limit - start < size) return std::nullopt;
        const auto* other = overlapping(start, size);
        if (other == nullptr) return start;
        if (other->size > limit || other->address > limit) return std::nullopt;
        start = other->address + other->size;
    }
}

std::optional<std::uint64_t> GuestSpace::find_highest(std::uint64_t size, std::uint64_t alignment,
                                                      std::uint64_t minimum, std::uint64_t limit) const {
    limit = std::min(limit, end_);
    while (size <= limit) {
        const std::uint64_t start = (limit - size) / alignment * alignment;
        if (start < minimum) return std::nullopt;
        const auto* other = overlapping(start, size);
        if (other == nullptr) return start;
        limit = other->address;
    }
    return std::nullopt;
}

} // namespace plugbay::core
