#include "core/pci/config_space.hpp"

namespace plugbay::core {

std::uint32_t ConfigSpace::read(std::uint32_t offset, std::uint32_t width) const {
    std::uint32_t value = 0;
    for (std::uint32_t i = 0; i < width; ++i)
        value |= std::uint32_t{bytes_[offset + i]} << (8 * i);
    return value;
}

void ConfigSpace::write(std::uint32_t offset, std::uint32_t width, std::uint32_t value) {
    for (std::uint32_t i = 0; i < width; ++i) {
        const std::uint8_t mask = writable_[offset + i];
        const auto byte = static_cast<std::uint8_t>(value >> (8 * i));
        bytes_[offset + i] = static_cast<std::uint8_t>((bytes_[offset + i] & ~mask) | (byte & mask));
    }
}

void ConfigSpace::set(std::uint32_t offset, std::uint32_t width, std::uint32_t value) {
    for (std::uint32_t i = 0; i < width; ++i)
        bytes_[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

void ConfigSpace::set_writable(std::uint32_t offset, std::uint32_t width, std::uint32_t mask) {
    for (std::uint32_t i = 0; i < width; ++i)
        writable_[offset + i] = static_cast<std::uint8_t>(mask >> (8 * i));
}

std::uint32_t ConfigSpace::add_capability(std::uint8_t id, std::span<const std::uint8_t> body,
                                          const std::uint8_t* writable) {
    constexpr std::uint32_t header_size = 2; // id, next
    const std::uint32_t offset = next_capability_;
    if (offset + header_size + body.size() > size) return 0;
    bytes_[offset] = id;
    for (std::size_t i = 0; i < body.size(); ++i) {
        bytes_[offset + header_size + i] = body[i];
        if (writable != nullptr) writable_[offset + header_size + i] = writable[i];
    }
    bytes_[last_link_] = static_cast<std::uint8_t>(offset);
    last_link_ = offset + 1;
    constexpr std::uint32_t has_capabilities = 1 << 4;
    set(pci_register::status, 2, read(pci_register::status, 2) | has_capabilities);
    next_capability_ = (offset + header_size + static_cast<std::uint32_t>(body.size()) + 3) & ~3U;
    return offset;
}

} // namespace plugbay::core
