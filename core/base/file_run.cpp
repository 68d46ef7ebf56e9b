#include "core/base/file_run.hpp"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace plugbay::core {

FileRun run_at(int file, std::uint64_t offset, std::uint64_t limit) {
    const off_t data = ::lseek(file, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return {.data = false, .end = limit}; // nothing but a hole is left
    if (data < 0) return {.data = true, .end = limit};
    if (static_cast<std::uint64_t>(data) > offset)
        return {.data = false, .end = std::min(static_cast<std::uint64_t>(data), limit)};
    const off_t hole = ::lseek(file, static_cast<off_t>(offset), SEEK_HOLE);
    if (hole < 0 || static_cast<std::uint64_t>(hole) <= offset) return {.data = true, .end = limit};
    return {.data = true, .end = std::min(static_cast<std::uint64_t>(hole), limit)};
}

} // namespace plugbay::core
