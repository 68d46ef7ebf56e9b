// Where a machine is sent to or comes from, as the command line says it: unix:PATH or tcp:ADDRESS:PORT, and for the command
// line itself "-", its standard input or output.
#pragma once

#include "core/io/socket_address.hpp"

#include <string_view>

namespace plugbay::core {

inline constexpr std::string_view standard_stream = "-";

// Whether the text is meant as one, rather than as a folder. A folder of such a name can be given as "./unix:a".
[[nodiscard]] bool names_stream(std::string_view text);

// For all but "-".
[[nodiscard]] Result<SocketAddress> parse_stream_place(std::string_view text);

} // namespace plugbay::core
