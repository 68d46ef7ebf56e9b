// What of a file was ever written.
#pragma once

#include <cstdint>

namespace plugbay::core {

// The end of the run of data, or of nothing, that `offset` lies in; `limit` at most. A file system that knows no holes has
// nothing but data.
struct FileRun {
    bool data = true;
    std::uint64_t end = 0;
};
[[nodiscard]] FileRun run_at(int file, std::uint64_t offset, std::uint64_t limit);

} // namespace plugbay::core
