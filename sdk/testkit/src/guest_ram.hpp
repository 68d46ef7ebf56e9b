// The guest's RAM: one or two blocks of host memory, each between inaccessible pages, so that a plugin
// that passes the end of what it mapped stops there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::testkit::detail {

inline constexpr std::uint64_t four_gib = std::uint64_t{1} << 32;

class GuestRam {
  public:
    // Zeros, or a private copy of `file`.
    GuestRam(std::uint64_t below_4gb, std::uint64_t above_4gb, int file);
    ~GuestRam();
    GuestRam(const GuestRam&) = delete;
    GuestRam& operator=(const GuestRam&) = delete;

    // Host memory of exactly the range, or an empty span when a byte of it is not RAM or it is not
    // contiguous.
    [[nodiscard]] std::span<std::byte> range(std::uint64_t address, std::uint64_t length) const;
    // Whether any byte of the range is RAM.
    [[nodiscard]] bool touches(std::uint64_t address, std::uint64_t length) const;
    [[nodiscard]] std::uint64_t below_4gb() const { return blocks_[0].bytes.size(); }
    [[nodiscard]] std::uint64_t total() const;

    struct Block {
        std::uint64_t address = 0;
        std::span<std::byte> bytes;
    };
    [[nodiscard]] std::span<const Block> blocks() const { return blocks_; }

  private:
    void add(std::uint64_t address, std::uint64_t length, int file, std::uint64_t offset);
    std::vector<Block> blocks_;
};

} // namespace plugbay::testkit::detail
