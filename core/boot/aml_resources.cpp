#include "core/boot/aml.hpp"

#include <cassert>

namespace plugbay::core::aml {

namespace {

// 6.4.3.5: resource types, and flags of a window which the bridge passes on (producer) at fixed ends.
constexpr std::uint8_t memory_type = 0;
constexpr std::uint8_t io_type = 1;
constexpr std::uint8_t bus_type = 2;
constexpr std::uint8_t fixed_window = 0x0c;
constexpr std::uint8_t writable_uncached = 0x01;
constexpr std::uint8_t whole_range = 0x03; // both ISA and other ports

// One address space descriptor; T is the width of its fields.
template <typename T>
void append_window(Bytes& bytes, std::uint8_t tag, std::uint8_t type, std::uint8_t type_flags, T first,
                   T last) {
    assert(first <= last);
    append(bytes, tag);
    append(bytes, static_cast<std::uint16_t>(3 + 5 * sizeof(T)));
    append(bytes, type);
    append(bytes, fixed_window);
    append(bytes, type_flags);
    append(bytes, T{0}); // granularity
    append(bytes, first);
    append(bytes, last);
    append(bytes, T{0}); // translation offset
    append(bytes, static_cast<T>(last - first + 1));
}

} // namespace

// 6.4.2.5
ResourceTemplate& ResourceTemplate::io(std::uint16_t port, std::uint8_t length) {
    append(descriptors_, std::uint8_t{0x47});
    append(descriptors_, std::uint8_t{1}); // 16-bit decode
    append(descriptors_, port);
    append(descriptors_, port);
    append(descriptors_, std::uint8_t{1}); // alignment
    append(descriptors_, length);
    return *this;
}

ResourceTemplate& ResourceTemplate::word_bus_number(std::uint16_t first, std::uint16_t last) {
    append_window(descriptors_, 0x88, bus_type, 0, first, last);
    return *this;
}

ResourceTemplate& ResourceTemplate::word_io(std::uint16_t first, std::uint16_t last) {
    append_window(descriptors_, 0x88, io_type, whole_range, first, last);
    return *this;
}

ResourceTemplate& ResourceTemplate::dword_memory(std::uint32_t first, std::uint32_t last) {
    append_window(descriptors_, 0x87, memory_type, writable_uncached, first, last);
    return *this;
}

ResourceTemplate& ResourceTemplate::qword_memory(std::uint64_t first, std::uint64_t last) {
    append_window(descriptors_, 0x8a, memory_type, writable_uncached, first, last);
    return *this;
}

// 6.4.3.6
ResourceTemplate& ResourceTemplate::interrupt(std::uint32_t gsi, Trigger trigger, bool shared) {
    constexpr std::uint8_t consumer = 0x01;
    constexpr std::uint8_t edge = 0x02;
    constexpr std::uint8_t shared_line = 0x08;
    unsigned flags = consumer;
    if (trigger == Trigger::edge_high) flags |= edge;
    if (shared) flags |= shared_line;
    append(descriptors_, std::uint8_t{0x89});
    append(descriptors_, std::uint16_t{6});
    append(descriptors_, static_cast<std::uint8_t>(flags));
    append(descriptors_, std::uint8_t{1}); // number of interrupts
    append(descriptors_, gsi);
    return *this;
}

Code ResourceTemplate::code() const {
    Bytes bytes = descriptors_;
    append(bytes, std::uint8_t{0x79}); // end tag
    append(bytes, std::uint8_t{0});    // no checksum
    return buffer(bytes);
}

} // namespace plugbay::core::aml
