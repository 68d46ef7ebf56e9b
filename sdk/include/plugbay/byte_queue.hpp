// Bytes on their way through a device: first in, first out, never more than the capacity. All memory is taken
// by the constructor, so that it may be filled on a guest's access path.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace plugbay {

class ByteQueue {
  public:
    explicit ByteQueue(std::size_t capacity) : storage_(capacity) {}

    [[nodiscard]] std::size_t capacity() const { return storage_.size(); }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t room() const { return storage_.size() - size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    // Returns how many of the bytes, from the first on, had room.
    std::size_t append(std::span<const std::uint8_t> bytes) {
        const std::size_t taken = std::min(bytes.size(), room());
        for (std::span<const std::uint8_t> rest = bytes.first(taken); !rest.empty();) {
            const std::size_t at = (first_ + size_) % storage_.size();
            const std::size_t piece = std::min(rest.size(), storage_.size() - at);
            std::copy_n(rest.data(), piece, storage_.data() + at);
            size_ += piece;
            rest = rest.subspan(piece);
        }
        return taken;
    }
    // Takes all bytes; what has no room pushes the oldest out. Returns how many were lost.
    std::size_t append_over_oldest(std::span<const std::uint8_t> bytes) {
        const std::size_t fitting = std::min(bytes.size(), capacity());
        const std::size_t pushed = fitting - std::min(fitting, room());
        drop(pushed);
        append(bytes.last(fitting));
        return pushed + bytes.size() - fitting;
    }
    // The oldest bytes that lie together: all of them, or those up to where the memory ends. Empty only when
    // the queue is.
    [[nodiscard]] std::span<const std::uint8_t> front() const {
        return std::span(storage_).subspan(first_, std::min(size_, storage_.size() - first_));
    }
    // Takes the oldest `count` away, or all.
    void drop(std::size_t count) {
        count = std::min(count, size_);
        size_ -= count;
        first_ = size_ == 0 ? 0 : (first_ + count) % storage_.size();
    }
    void clear() { first_ = size_ = 0; }

    // Copies the oldest bytes, as many as fit, and leaves them; returns how many.
    std::size_t peek(std::span<std::uint8_t> target) const {
        const std::size_t count = std::min(target.size(), size_);
        const std::size_t head = std::min(count, front().size());
        std::copy_n(storage_.data() + first_, head, target.data());
        std::copy_n(storage_.data(), count - head, target.data() + head);
        return count;
    }

    // As a nested field of a device's state; see state.hpp. A state with more than the capacity is refused.
    void state(auto& fields) {
        std::vector<std::uint8_t> all(size_);
        peek(all);
        fields("bytes", all, capacity());
        clear();
        append(all);
    }

  private:
    std::vector<std::uint8_t> storage_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

} // namespace plugbay
