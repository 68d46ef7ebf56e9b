// Whether a library that nobody needs any more is gone, and why not.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace plugbay::core {

// Nothing when no image of `file`, as the dynamic loader was asked for it, is in the process. Else what keeps it there,
// as far as the file tells: "it is linked with -z nodelete". Unloading is the dynamic loader's decision, so nothing may depend on it.
// [any]
[[nodiscard]] std::optional<std::string> still_mapped(const std::filesystem::path& file);

} // namespace plugbay::core
