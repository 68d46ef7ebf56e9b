// The address of a net/1 frontend, as its machine file says it. A frontend offers its port with
//
//     plugbay::frontend(PLUGBAY_NET).options<plugbay::NetPortOptions>()
//
// so that a backend may say "frontend": {"id": "nic0", "mac": "52:54:00:12:34:56"}, and in on_connect asks
// plugbay::mac_address(link.options<plugbay::NetPortOptions>().mac, host.device_id()).
#pragma once

#include <plugbay/failure.hpp>
#include <plugbay/property.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace plugbay {

using MacAddress = std::array<std::uint8_t, 6>;

struct NetPortOptions {
    std::string_view mac = "";
    static constexpr auto properties() {
        return plugbay::properties(
            property(
                "mac", &NetPortOptions::mac,
                "Ethernet address, such as 52:54:00:12:34:56; empty: one that follows from the device's id")
                .range(0, 17));
    }
};

// Empty: a locally administered address that is always the same for an id. Throws Failure for anything that is
// not an address of one station.
inline MacAddress mac_address(std::string_view text, std::string_view device_id) {
    MacAddress address{};
    if (text.empty()) {
        std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
        for (const char character : device_id)
            hash = (hash ^ static_cast<std::uint8_t>(character)) * 0x100000001b3;
        for (std::uint8_t& byte : address) {
            byte = static_cast<std::uint8_t>(hash >> 56);
            hash <<= 8;
        }
        address[0] = static_cast<std::uint8_t>((address[0] & 0xfc) | 0x02);
        return address;
    }
    const auto digit = [](char character) -> int {
        if (character >= '0' && character <= '9') return character - '0';
        const char lower = static_cast<char>(character | 0x20);
        return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    };
    bool fits = text.size() == 17;
    for (std::size_t i = 0; fits && i < 6; ++i) {
        const int high = digit(text[3 * i]);
        const int low = digit(text[3 * i + 1]);
        fits = high >= 0 && low >= 0 && (i == 5 || text[3 * i + 2] == ':');
        address[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    if (!fits)
        throw Failure("\"mac\" is \"" + std::string(text) + "\"; say six bytes, such as 52:54:00:12:34:56",
                      PLUGBAY_INVALID);
    if ((address[0] & 1) != 0 || address == MacAddress{})
        throw Failure(
            "\"mac\" is \"" + std::string(text) +
                "\", which is a group's or nobody's address; the lowest bit of the first byte has to be 0",
            PLUGBAY_INVALID);
    return address;
}

} // namespace plugbay
