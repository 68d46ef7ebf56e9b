#include "core/boot/image_file.hpp"

#include "core/base/errno_error.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plugbay::core {

ImageFile::ImageFile(std::string path, UniqueFd file, std::uint64_t size)
    : path_(std::move(path)), file_(std::move(file)), size_(size) {}

Result<ImageFile> ImageFile::open(const std::string& path, std::string_view role) {
    if (path.empty()) {
        return Error{fmt::format("no {} file is named", role), "give the path of a file"};
    }
    // O_NONBLOCK: opening a FIFO nobody writes to must not hang; it is refused below.
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) {
        return errno_error(fmt::format("cannot open {} {}", role, path), errno,
                           "check the path and that the file may be read by this user");
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0)
        return errno_error(fmt::format("cannot examine {} {}", role, path));
    if (!S_ISREG(status.st_mode)) {
        return Error{fmt::format("{} {} is {}, not a regular file", role, path,
                                 S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket"),
                     "give the path of a file"};
    }
    if (status.st_size <= 0) {
        return Error{fmt::format("{} {} is empty", role, path), "fetch or build the file again"};
    }
    return ImageFile(path, std::move(file), static_cast<std::uint64_t>(status.st_size));
}

Result<void> ImageFile::read(std::uint64_t offset, std::span<std::byte> target, std::string_view what) const {
    if (!contains(offset, target.size())) {
        return refuse(
            fmt::format("truncated: the {} needs {} bytes from offset {:#x}, but the file has {} bytes", what,
                        target.size(), offset, size_));
    }
    while (!target.empty()) {
        const auto count = ::pread(file_.get(), target.data(), target.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error(fmt::format("cannot read the {} of {}", what, path_));
        if (count == 0) return refuse(fmt::format("became shorter while its {} was read", what));
        offset += static_cast<std::uint64_t>(count);
        target = target.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Error ImageFile::refuse(std::string_view message, std::string hint) const {
    return Error{fmt::format("{}: {}", path_, message), std::move(hint)};
}

} // namespace plugbay::core
