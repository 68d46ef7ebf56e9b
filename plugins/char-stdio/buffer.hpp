// Bytes on their way, never more than `capacity`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

template <std::size_t capacity>
class Buffer {
  public:
    [[nodiscard]] bool empty() const { return first_ == bytes_.size(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size() - first_; }
    [[nodiscard]] std::size_t room() const { return capacity - std::min(size(), capacity); }
    [[nodiscard]] std::span<const std::uint8_t> contents() const { return std::span(bytes_).subspan(first_); }

    // Returns how many of the bytes had room.
    std::size_t append(std::span<const std::uint8_t> bytes) {
        const std::size_t taken = std::min(bytes.size(), room());
        if (taken == 0) return 0;
        if (bytes_.size() + taken > capacity) compact();
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
        return taken;
    }
    void drop(std::size_t count) {
        first_ += std::min(count, size());
        if (empty()) clear();
    }
    void clear() {
        bytes_.clear();
        first_ = 0;
    }
    void state(auto& fields) {
        compact();
        fields("bytes", bytes_, capacity);
    }

  private:
    void compact() {
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }

    std::vector<std::uint8_t> bytes_;
    std::size_t first_ = 0;
};
