// Book-keeping of which guest RAM below the PCI hole the loader has given away, so that nothing it places
// overlaps anything else.
#pragma once

#include "core/base/result.hpp"
#include "core/memory/guest_memory.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

struct ClaimedRange {
    std::uint64_t address; // guest-physical
    std::uint64_t size;    // bytes
    std::string owner;
};

// Used by one thread. Keeps a reference to the memory.
class GuestSpace {
  public:
    explicit GuestSpace(const GuestMemory& memory);

    // Takes [address, address + size) for `owner` and gives the host's view of it. Error when the size is
    // zero, any byte is not low RAM, or a byte is taken already.
    [[nodiscard]] Result<std::span<std::byte>> claim(std::uint64_t address, std::uint64_t size,
                                                     std::string_view owner);

    // Keeps a range from being claimed, whether or not it is RAM. The caller has checked it for overflow.
    void block(std::uint64_t address, std::uint64_t size, std::string_view owner);

    // A free run of `size` bytes with its start a multiple of `alignment` (a power of two) and wholly in
    // [minimum, limit).
    [[nodiscard]] std::optional<std::uint64_t> find_lowest(std::uint64_t size, std::uint64_t alignment,
                                                           std::uint64_t minimum, std::uint64_t limit) const;
    [[nodiscard]] std::optional<std::uint64_t> find_highest(std::uint64_t size, std::uint64_t alignment,
                                                            std::uint64_t minimum, std::uint64_t limit) const;

    // The first guest-physical address past low RAM.
    [[nodiscard]] std::uint64_t end() const { return end_; }
    [[nodiscard]] const std::vector<ClaimedRange>& claimed() const { return claimed_; }

  private:
    [[nodiscard]] const ClaimedRange* overlapping(std::uint64_t address, std::uint64_t size) const;

    const GuestMemory& memory_;
    std::uint64_t end_;
    std::vector<ClaimedRange> claimed_;
    std::vector<ClaimedRange> blocked_;
};

} // namespace plugbay::core
