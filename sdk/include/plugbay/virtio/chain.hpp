// A chain of descriptors as a device works with it: checked, bounded, the device-readable part first and the
// device-writable part after it (virtio 1.2, section 2.7.4.2). Framing carries no meaning (section 2.7.4), so
// devices copy by offsets that count over all buffers of a part.
#pragma once

#include <plugbay/host.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::virtio {

// Bytes of guest memory; not yet known to be RAM. Never empty.
struct Buffer {
    std::uint64_t address;
    std::uint32_t length;
    bool writable;
};

namespace detail {

// Calls copy(guest address, piece of bytes) for the bytes [offset, offset + bytes.size()) of the buffers;
// false when they are shorter or a copy fails.
template <typename Byte, typename Copy>
bool copy_pieces(std::span<const Buffer> buffers, std::uint64_t offset, std::span<Byte> bytes, Copy copy) {
    for (const Buffer& buffer : buffers) {
        if (bytes.empty()) break;
        if (offset >= buffer.length) {
            offset -= buffer.length;
            continue;
        }
        const auto count = std::min<std::uint64_t>(buffer.length - offset, bytes.size());
        if (buffer.address + offset < buffer.address) return false;
        if (!copy(buffer.address + offset, bytes.first(static_cast<std::size_t>(count)))) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset = 0;
    }
    return bytes.empty();
}

} // namespace detail

// What Queue::pop gives: valid until the next pop of that queue.
class Chain {
  public:
    [[nodiscard]] std::uint16_t head() const { return head_; }
    [[nodiscard]] std::span<const Buffer> readable() const { return std::span(buffers_).first(readable_); }
    [[nodiscard]] std::span<const Buffer> writable() const { return std::span(buffers_).subspan(readable_); }
    [[nodiscard]] std::uint64_t readable_length() const { return readable_length_; }
    [[nodiscard]] std::uint64_t writable_length() const { return writable_length_; }

    // Copies from the readable part, or to the writable part; false when that is shorter or not RAM.
    [[nodiscard]] bool read(const Memory& memory, std::uint64_t offset, std::span<std::byte> bytes) const {
        return detail::copy_pieces(readable(), offset, bytes, [&](std::uint64_t address, auto piece) {
            return memory.read(address, piece);
        });
    }
    [[nodiscard]] bool write(const Memory& memory, std::uint64_t offset,
                             std::span<const std::byte> bytes) const {
        return detail::copy_pieces(writable(), offset, bytes, [&](std::uint64_t address, auto piece) {
            return memory.write(address, piece);
        });
    }
    template <typename T>
    [[nodiscard]] bool read_object(const Memory& memory, std::uint64_t offset, T& object) const {
        return read(memory, offset, std::as_writable_bytes(std::span(&object, 1)));
    }

    // For Queue: room for `most` buffers is made once.
    explicit Chain(std::size_t most) { buffers_.reserve(most); }
    void begin(std::uint16_t head) {
        head_ = head;
        readable_ = 0;
        readable_length_ = writable_length_ = 0;
        buffers_.clear();
    }
    // False when a readable buffer follows a writable one.
    [[nodiscard]] bool add(const Buffer& buffer) {
        if (!buffer.writable && readable_ != buffers_.size()) return false;
        buffers_.push_back(buffer);
        (buffer.writable ? writable_length_ : readable_length_) += buffer.length;
        if (!buffer.writable) ++readable_;
        return true;
    }

  private:
    std::uint16_t head_ = 0;
    std::size_t readable_ = 0;
    std::uint64_t readable_length_ = 0;
    std::uint64_t writable_length_ = 0;
    std::vector<Buffer> buffers_;
};

} // namespace plugbay::virtio
