#include "core/boot/aml.hpp"

#include <array>
#include <cassert>
#include <string>

namespace plugbay::core::aml {

namespace {

// 20.2, table 20.1.
constexpr std::uint8_t zero_op = 0x00;
constexpr std::uint8_t one_op = 0x01;
constexpr std::uint8_t name_op = 0x08;
constexpr std::uint8_t byte_prefix = 0x0a;
constexpr std::uint8_t word_prefix = 0x0b;
constexpr std::uint8_t dword_prefix = 0x0c;
constexpr std::uint8_t string_prefix = 0x0d;
constexpr std::uint8_t qword_prefix = 0x0e;
constexpr std::uint8_t scope_op = 0x10;
constexpr std::uint8_t buffer_op = 0x11;
constexpr std::uint8_t package_op = 0x12;
constexpr std::uint8_t var_package_op = 0x13;
constexpr std::uint8_t method_op = 0x14;
constexpr std::uint8_t dual_name_prefix = 0x2e;
constexpr std::uint8_t multi_name_prefix = 0x2f;
constexpr std::uint8_t extended_prefix = 0x5b;
constexpr std::uint8_t argument_0 = 0x68;
constexpr std::uint8_t store_op = 0x70;
constexpr std::uint8_t and_op = 0x7b;
constexpr std::uint8_t region_op = 0x80; // these three after extended_prefix
constexpr std::uint8_t field_op = 0x81;
constexpr std::uint8_t device_op = 0x82;
constexpr std::uint8_t notify_op = 0x86;
constexpr std::uint8_t if_op = 0xa0;
constexpr std::uint8_t return_op = 0xa4;

Code with_length(std::initializer_list<std::uint8_t> operation, const Code& content) {
    Code code;
    for (const std::uint8_t byte : operation)
        append(code, byte);
    append(code, package_length(content.size()));
    append(code, content);
    return code;
}

Code named_body(std::string_view path, const Code& body) {
    return join({name_string(path), body});
}

} // namespace

Code join(std::initializer_list<Code> terms) {
    Code code;
    for (const auto& term : terms)
        append(code, term);
    return code;
}

Code package_length(std::size_t content) {
    constexpr std::array<std::size_t, 5> limits{0, 0x3f, 0xfff, 0xf'ffff, 0xfff'ffff};
    std::size_t size = 1;
    while (size < 4 && content + size > limits[size])
        ++size;
    const std::size_t total = content + size;
    assert(total <= limits[size]);
    Code code;
    if (size == 1) {
        append(code, static_cast<std::uint8_t>(total));
        return code;
    }
    append(code, static_cast<std::uint8_t>((size - 1) << 6 | (total & 0x0f)));
    for (std::size_t i = 1; i < size; ++i)
        append(code, static_cast<std::uint8_t>(total >> (8 * i - 4) & 0xff));
    return code;
}

Code name_string(std::string_view path) {
    Code code;
    while (!path.empty() && (path.front() == '\\' || path.front() == '^')) {
        append(code, static_cast<std::uint8_t>(path.front()));
        path.remove_prefix(1);
    }
    Code segments;
    std::size_t count = 0;
    while (!path.empty()) {
        const auto segment = path.substr(0, path.find('.'));
        assert(!segment.empty() && segment.size() <= 4);
        append_text(segments, segment, 4, '_');
        ++count;
        path.remove_prefix(segment.size() == path.size() ? path.size() : segment.size() + 1);
    }
    assert(count <= 255);
    if (count == 0) append(code, zero_op);
    if (count == 2) append(code, dual_name_prefix);
    if (count > 2) {
        append(code, multi_name_prefix);
        append(code, static_cast<std::uint8_t>(count));
    }
    append(code, segments);
    return code;
}

Code integer(std::uint64_t value) {
    Code code;
    if (value <= 1) {
        append(code, value == 0 ? zero_op : one_op);
    } else if (value <= 0xff) {
        append(code, byte_prefix);
        append(code, static_cast<std::uint8_t>(value));
    } else if (value <= 0xffff) {
        append(code, word_prefix);
        append(code, static_cast<std::uint16_t>(value));
    } else if (value <= 0xffff'ffff) {
        append(code, dword_prefix);
        append(code, static_cast<std::uint32_t>(value));
    } else {
        append(code, qword_prefix);
        append(code, value);
    }
    return code;
}

Code string(std::string_view text) {
    Code code;
    append(code, string_prefix);
    append_text(code, text, text.size() + 1, '\0');
    return code;
}

// 19.3.4: three letters of five bits and four hexadecimal digits, most significant byte first.
Code eisa_id(std::string_view id) {
    assert(id.size() == 7);
    const auto letter = [id](std::size_t i) { return static_cast<unsigned>(id[i] - '@') & 0x1f; };
    const unsigned letters = letter(0) << 10 | letter(1) << 5 | letter(2);
    const unsigned digits = static_cast<unsigned>(std::stoul(std::string(id.substr(3)), nullptr, 16));
    Code code;
    append(code, dword_prefix);
    for (const unsigned value : {letters, digits}) {
        append(code, static_cast<std::uint8_t>(value >> 8));
        append(code, static_cast<std::uint8_t>(value & 0xff));
    }
    return code;
}

Code buffer(std::span<const std::byte> bytes) {
    Code content = integer(bytes.size());
    append(content, bytes);
    return with_length({buffer_op}, content);
}

Code package(std::span<const Code> elements) {
    const bool many = elements.size() > 255;
    Code content;
    if (many) {
        content = integer(elements.size());
    } else {
        append(content, static_cast<std::uint8_t>(elements.size()));
    }
    for (const auto& element : elements)
        append(content, element);
    return with_length({many ? var_package_op : package_op}, content);
}

Code package(std::initializer_list<Code> elements) {
    return package(std::span(elements.begin(), elements.size()));
}

Code name(std::string_view path, const Code& value) {
    Code code;
    append(code, name_op);
    append(code, named_body(path, value));
    return code;
}

Code scope(std::string_view path, const Code& body) {
    return with_length({scope_op}, named_body(path, body));
}

Code device(std::string_view path, const Code& body) {
    return with_length({extended_prefix, device_op}, named_body(path, body));
}

Code method(std::string_view path, unsigned arguments, const Code& body) {
    assert(arguments <= 7);
    Code content = name_string(path);
    append(content, static_cast<std::uint8_t>(arguments));
    append(content, body);
    return with_length({method_op}, content);
}

Code argument(unsigned number) {
    assert(number <= 6);
    Code code;
    append(code, static_cast<std::uint8_t>(argument_0 + number));
    return code;
}

Code call(std::string_view method, std::initializer_list<Code> arguments) {
    return join({name_string(method), join(arguments)});
}

Code store(const Code& value, std::string_view target) {
    Code code;
    append(code, store_op);
    append(code, value);
    append(code, name_string(target));
    return code;
}

Code bitwise_and(const Code& left, const Code& right) {
    Code code;
    append(code, and_op);
    append(code, left);
    append(code, right);
    append(code, zero_op); // the result goes nowhere else
    return code;
}

Code when(const Code& condition, const Code& body) {
    return with_length({if_op}, join({condition, body}));
}

Code notify(std::string_view device, const Code& value) {
    Code code;
    append(code, notify_op);
    append(code, name_string(device));
    append(code, value);
    return code;
}

Code port_registers(std::string_view region, std::uint16_t port,
                    std::initializer_list<std::string_view> registers) {
    constexpr std::uint8_t system_io = 1;
    constexpr std::uint8_t doublewords_written_whole =
        0x43; // access type 3, no lock, other bits written as zeros
    constexpr std::uint8_t bits = 32;
    Code code;
    append(code, extended_prefix);
    append(code, region_op);
    append(code, name_string(region));
    append(code, system_io);
    append(code, integer(port));
    append(code, integer(registers.size() * bits / 8));
    Code field = name_string(region);
    append(field, doublewords_written_whole);
    for (const std::string_view each : registers) {
        append(field, name_string(each));
        append(field, bits);
    }
    append(code, with_length({extended_prefix, field_op}, field));
    return code;
}

Code return_value(const Code& value) {
    Code code;
    append(code, return_op);
    append(code, value);
    return code;
}

} // namespace plugbay::core::aml
