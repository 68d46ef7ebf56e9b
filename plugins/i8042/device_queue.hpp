// Bytes that a PS/2 device has ready for the controller. Bounded like the 16-byte buffer of a real keyboard:
// what does not fit is lost.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

class DeviceQueue {
  public:
    [[nodiscard]] bool empty() const { return count_ == 0; }
    void clear() { first_ = count_ = 0; }
    void push(std::initializer_list<std::uint8_t> bytes) {
        for (const std::uint8_t byte : bytes) {
            if (count_ < capacity) bytes_[(first_ + count_++) % capacity] = byte;
        }
    }
    // Not when it is empty.
    std::uint8_t pop() {
        const std::uint8_t byte = bytes_[first_];
        first_ = static_cast<std::uint8_t>((first_ + 1) % capacity);
        --count_;
        return byte;
    }

    void state(auto& fields) {
        fields("bytes", bytes_);
        fields("first", first_, std::uint8_t{0}, std::uint8_t{capacity - 1});
        fields("count", count_, std::uint8_t{0}, capacity);
    }

  private:
    static constexpr std::uint8_t capacity = 16;
    std::array<std::uint8_t, capacity> bytes_{};
    std::uint8_t first_ = 0;
    std::uint8_t count_ = 0;
};

namespace ps2 {
inline constexpr std::uint8_t acknowledge = 0xfa;
inline constexpr std::uint8_t self_test_passed = 0xaa;
inline constexpr std::uint8_t resend = 0xfe;
} // namespace ps2
