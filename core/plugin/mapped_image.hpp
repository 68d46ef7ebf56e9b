// Libraries in the process: by what to tell two builds apart, whether one that nobody needs any more is gone, and why not.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace plugbay::core {

// Nothing when no image of `file`, as the dynamic loader was asked for it, is in the process. Else what keeps it there,
// as far as the file tells: "it is linked with -z nodelete". Unloading is the dynamic loader's decision, so nothing may depend on it.
// [any]
[[nodiscard]] std::optional<std::string> still_mapped(const std::filesystem::path& file);

// What the linker called the library that `address` is in, as hexadecimal digits: NT_GNU_BUILD_ID. Empty: nothing. [any]
[[nodiscard]] std::string linker_build_id(const void* address);

} // namespace plugbay::core
