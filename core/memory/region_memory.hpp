// Memory of a device that the guest sees beside its RAM: a memfd of its own, mapped once.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace plugbay::core {

class RegionMemory {
  public:
    // `size` in bytes, whole 4 KiB pages, zeroed; taken from the host as it is used.
    [[nodiscard]] static Result<std::shared_ptr<RegionMemory>> create(std::uint64_t size);
    RegionMemory(const RegionMemory&) = delete;
    RegionMemory& operator=(const RegionMemory&) = delete;
    ~RegionMemory();

    [[nodiscard]] std::byte* data() const { return base_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    RegionMemory(UniqueFd file, std::byte* base, std::uint64_t size)
        : file_(std::move(file)), base_(base), size_(size) {}

    UniqueFd file_;
    std::byte* base_;
    std::uint64_t size_;
};

} // namespace plugbay::core
