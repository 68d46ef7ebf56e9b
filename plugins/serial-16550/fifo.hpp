// A queue of at most 16 bytes: the 16550's receive or transmit FIFO.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

class Fifo {
  public:
    static constexpr std::uint8_t capacity = 16;

    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::uint8_t count() const { return count_; }
    [[nodiscard]] std::uint8_t& front() { return bytes_[first_]; }
    [[nodiscard]] std::uint8_t& back() { return bytes_[(first_ + count_ - 1) % capacity]; }

    // Not when it is full.
    void push(std::uint8_t byte) { bytes_[(first_ + count_++) % capacity] = byte; }
    void drop(std::uint8_t how_many) {
        first_ = (first_ + how_many) % capacity;
        count_ = static_cast<std::uint8_t>(count_ - how_many);
    }
    void clear() { first_ = count_ = 0; }
    // The oldest bytes, as many as lie in one piece.
    [[nodiscard]] std::span<const std::uint8_t> contiguous() const {
        return std::span(bytes_).subspan(first_, std::min<std::size_t>(count_, capacity - first_));
    }
    [[nodiscard]] bool any_nonzero() const {
        for (std::uint8_t i = 0; i < count_; ++i)
            if (bytes_[(first_ + i) % capacity] != 0) return true;
        return false;
    }

    void state(auto& fields) {
        fields("bytes", bytes_);
        fields("first", first_, std::uint8_t{0}, std::uint8_t{capacity - 1});
        fields("count", count_, std::uint8_t{0}, capacity);
    }

  private:
    std::array<std::uint8_t, capacity> bytes_{};
    std::uint8_t first_ = 0;
    std::uint8_t count_ = 0;
};
