// Writing everything, however the kernel divides it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <unistd.h>

namespace plugbay::core {

// False: errno says why, and a part may be written. For descriptors that wait.
[[nodiscard]] inline bool write_all(int file, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
}

} // namespace plugbay::core
