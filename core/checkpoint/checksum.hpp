// CRC-32C of what a checkpoint stores: the same as the SDK's crc32c(), by the processor's instruction where it has one.
// It finds accidents; it is no protection against somebody who computes it anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace plugbay::core {

class Checksum {
  public:
    void add(std::span<const std::byte> bytes);
    // Of all that was added so far.
    [[nodiscard]] std::uint32_t value() const { return ~state_; }

  private:
    std::uint32_t state_ = 0xffffffff;
};

[[nodiscard]] std::uint32_t checksum_of(std::span<const std::byte> bytes);

// One word for each page of 4096 bytes in `pages`: its CRC-32C, exclusive-or that of a page of zeros. So a page of zeros
// has 0, and a hole in the memory goes with a hole in its checksums.
void page_checksums(std::span<const std::byte> pages, std::span<std::uint32_t> words);

} // namespace plugbay::core
