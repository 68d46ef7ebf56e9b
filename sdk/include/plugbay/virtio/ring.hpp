// The memory of a split virtqueue (virtio 1.2, section 2.7) as the device sees it: mapped views of its three
// parts, with every load and store atomic because the guest works on them at the same time.
#pragma once

#include <plugbay/host.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace plugbay::virtio {

static_assert(std::endian::native == std::endian::little, "virtio 1.x is little-endian, as are our hosts");

// One element of a descriptor table, in the guest's layout.
struct Descriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t flags;
    std::uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

class Ring {
  public:
    // Maps the parts for a queue of `size` elements; false when one is misaligned or not RAM. Section 2.7 has
    // the alignments, 2.7.10 says where the event fields are.
    [[nodiscard]] bool map(const Memory& memory, std::uint16_t size, std::uint64_t descriptors,
                           std::uint64_t available, std::uint64_t used) {
        unmap();
        if (descriptors % 16 != 0 || available % 2 != 0 || used % 4 != 0) return false;
        memory_ = memory;
        size_ = size;
        address_[0] = descriptors;
        address_[1] = available;
        address_[2] = used;
        for (unsigned part = 0; part < 3; ++part) {
            if (address_[part] + length(part) < address_[part]) return unmap(), false;
            view_[part] = memory_.map(address_[part], length(part), access(part));
            if (view_[part].empty()) return unmap(), false;
        }
        return true;
    }
    void unmap() {
        for (unsigned part = 0; part < 3; ++part) {
            if (!view_[part].empty()) memory_.unmap(address_[part], length(part), access(part));
            view_[part] = {};
        }
    }
    [[nodiscard]] bool mapped() const { return !view_[2].empty(); }

    // Each field is read once: what the caller checks is what it uses.
    [[nodiscard]] Descriptor descriptor(std::uint16_t index) const {
        const std::size_t at = std::size_t{index} * sizeof(Descriptor);
        return {load<std::uint64_t>(0, at), load<std::uint32_t>(0, at + 8), load<std::uint16_t>(0, at + 12),
                load<std::uint16_t>(0, at + 14)};
    }
    [[nodiscard]] std::uint16_t available_flags() const { return load<std::uint16_t>(1, 0); }
    // What the driver wrote to the ring before this index is visible afterwards.
    [[nodiscard]] std::uint16_t available_index() const {
        return load<std::uint16_t, __ATOMIC_ACQUIRE>(1, 2);
    }
    [[nodiscard]] std::uint16_t available_head(std::uint16_t slot) const {
        return load<std::uint16_t>(1, 4 + std::size_t{slot} * 2);
    }
    [[nodiscard]] std::uint16_t used_event() const {
        return load<std::uint16_t>(1, 4 + std::size_t{size_} * 2);
    }

    void set_used_flags(std::uint16_t flags) const { store(0, flags); }
    void set_used_element(std::uint16_t slot, std::uint32_t head, std::uint32_t written) const {
        store(4 + std::size_t{slot} * 8, head);
        store(4 + std::size_t{slot} * 8 + 4, written);
    }
    // Elements and buffers written before are visible to a driver that sees this index.
    void set_used_index(std::uint16_t index) const { store<__ATOMIC_RELEASE>(2, index); }
    void set_available_event(std::uint16_t index) const { store(4 + std::size_t{size_} * 8, index); }

  private:
    [[nodiscard]] std::uint64_t length(unsigned part) const {
        const std::uint64_t size = size_;
        return part == 0 ? size * 16 : part == 1 ? 4 + size * 2 + 2 : 4 + size * 8 + 2;
    }
    static std::uint32_t access(unsigned part) {
        return part == 2 ? PLUGBAY_MAP_READ | PLUGBAY_MAP_WRITE : PLUGBAY_MAP_READ;
    }
    // The compiler's atomics, because libc++ 14 has no std::atomic_ref.
    template <typename T, int order = __ATOMIC_RELAXED>
    [[nodiscard]] T load(unsigned part, std::size_t at) const {
        return __atomic_load_n(reinterpret_cast<const T*>(view_[part].data() + at), order);
    }
    template <int order = __ATOMIC_RELAXED, typename T>
    void store(std::size_t at, T value) const {
        __atomic_store_n(reinterpret_cast<T*>(view_[2].data() + at), value, order);
    }

    Memory memory_;
    std::uint16_t size_ = 0;
    std::uint64_t address_[3] = {}; // descriptor table, available ring, used ring
    std::span<std::byte> view_[3];
};

} // namespace plugbay::virtio
