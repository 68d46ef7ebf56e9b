// A state's fields as JSON, for `plugbay inspect` and the control socket.
#pragma once

#include <plugbay/state_image.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>

namespace plugbay::core {

// {"name", "kind", "optional", "count", "value"} for each. A value is an array where there are several, of which `most` are
// there at the most. Kinds are "boolean", "u8", "u16", "u32", "u64", "i64" and "text". Texts may be no UTF-8.
[[nodiscard]] nlohmann::ordered_json state_fields_json(const StateImage& image,
                                                       std::uint64_t most = UINT64_MAX);

} // namespace plugbay::core
