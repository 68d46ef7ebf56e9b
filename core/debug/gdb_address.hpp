// Where the GDB server listens, as the command line says it.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace plugbay::core {

struct GdbAddress {
    std::string path = {};          // of a Unix socket; empty: TCP
    std::string host = "127.0.0.1"; // numeric, IPv4 or IPv6
    std::uint16_t port = 0;         // 0: any that is free
};

// [ADDRESS:]PORT, [IPV6]:PORT with the brackets, or unix:PATH.
[[nodiscard]] Result<GdbAddress> parse_gdb_address(std::string_view text);

} // namespace plugbay::core
