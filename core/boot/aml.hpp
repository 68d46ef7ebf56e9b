// Encoder for the part of ACPI Machine Language that the DSDT needs (ACPI specification 6.5, chapter 20.2).
// Every function gives the encoding of one term; terms nest by being passed on. Names and identifiers are
// written by this program, not by users: malformed ones are asserted against.
#pragma once

#include "core/boot/bytes.hpp"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace plugbay::core::aml {

using Code = Bytes;

// The terms one after the other.
[[nodiscard]] Code join(std::initializer_list<Code> terms);

// PkgLength for `content` bytes that follow it; its own size, which it includes, is 1 to 4 bytes (20.2.4).
// `content` is below 2^28 - 4.
[[nodiscard]] Code package_length(std::size_t content);

// NameString: segments of up to four characters parted by '.', with an optional '\' or '^'s in front.
[[nodiscard]] Code name_string(std::string_view path);

// The shortest constant that holds the value.
[[nodiscard]] Code integer(std::uint64_t value);
[[nodiscard]] Code string(std::string_view text);
[[nodiscard]] Code eisa_id(std::string_view id); // "PNP0A03"
[[nodiscard]] Code buffer(std::span<const std::byte> bytes);
[[nodiscard]] Code package(std::span<const Code> elements);
[[nodiscard]] Code package(std::initializer_list<Code> elements);

[[nodiscard]] Code name(std::string_view path, const Code& value);
[[nodiscard]] Code scope(std::string_view path, const Code& body);
[[nodiscard]] Code device(std::string_view path, const Code& body);
[[nodiscard]] Code method(std::string_view path, unsigned arguments, const Code& body);
[[nodiscard]] Code return_value(const Code& value);

// Inside methods (20.2.5.3, 20.2.5.4, 20.2.6).
[[nodiscard]] Code argument(unsigned number); // 0 to 6
[[nodiscard]] Code call(std::string_view method, std::initializer_list<Code> arguments);
[[nodiscard]] Code store(const Code& value, std::string_view target);
[[nodiscard]] Code bitwise_and(const Code& left, const Code& right);
[[nodiscard]] Code when(const Code& condition, const Code& body);
[[nodiscard]] Code notify(std::string_view device, const Code& value);

// Ports as 32-bit registers, by their names in order; a register that is written has no other bits to keep.
[[nodiscard]] Code port_registers(std::string_view region, std::uint16_t port,
                                  std::initializer_list<std::string_view> registers);

// The value of a _CRS: resource descriptors (6.4) in the order added, and the end tag.
class ResourceTemplate {
  public:
    // `length` ports from `port`, decoded with 16 address bits.
    ResourceTemplate& io(std::uint16_t port, std::uint8_t length);

    // Windows a bridge passes on, both ends included.
    ResourceTemplate& word_bus_number(std::uint16_t first, std::uint16_t last);
    ResourceTemplate& word_io(std::uint16_t first, std::uint16_t last);
    ResourceTemplate& dword_memory(std::uint32_t first, std::uint32_t last);
    ResourceTemplate& qword_memory(std::uint64_t first, std::uint64_t last);

    enum class Trigger { level_high, edge_high };
    ResourceTemplate& interrupt(std::uint32_t gsi, Trigger trigger, bool shared = false);

    [[nodiscard]] Code code() const; // as a Buffer

  private:
    Bytes descriptors_;
};

} // namespace plugbay::core::aml
