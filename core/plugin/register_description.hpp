// A declared register map; the members mean what sdk/include/plugbay/abi/registers.h says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plugbay::core {

struct RegisterValueDescription {
    std::uint64_t value = 0;
    std::string name;

    friend bool operator==(const RegisterValueDescription&, const RegisterValueDescription&) = default;
};

struct RegisterFieldDescription {
    std::uint32_t first_bit = 0;
    std::uint32_t bit_count = 0;
    std::uint32_t access = 0;
    std::string name;
    std::string help;
    std::vector<RegisterValueDescription> values;

    friend bool operator==(const RegisterFieldDescription&, const RegisterFieldDescription&) = default;
};

struct RegisterDescription {
    std::uint64_t offset = 0;
    std::uint64_t stride = 0;
    std::uint32_t width = 0;
    std::uint32_t count = 0;
    std::uint32_t access = 0;
    std::uint32_t flags = 0;
    std::uint64_t reset = 0;
    std::uint64_t writable = 0;
    std::string name;
    std::string help;
    std::string when;  // empty: always
    std::string state; // empty: none
    std::vector<RegisterFieldDescription> fields;

    friend bool operator==(const RegisterDescription&, const RegisterDescription&) = default;
};

struct RegisterBlockDescription {
    std::uint32_t flags = 0;
    std::uint64_t token = 0;
    std::uint64_t length = 0;
    std::string name;
    std::vector<RegisterDescription> registers;

    friend bool operator==(const RegisterBlockDescription&, const RegisterBlockDescription&) = default;
};

} // namespace plugbay::core
