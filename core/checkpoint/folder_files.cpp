#include "core/checkpoint/folder_files.hpp"

#include "core/base/errno_error.hpp"
#include "core/checkpoint/checksum.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace plugbay::core {

namespace {

std::string write_hint(int error_number) {
    if (error_number == ENOSPC || error_number == EDQUOT)
        return "make room on that disk, or choose another place";
    if (error_number == EFBIG) return "a limit on the size of files is too small for this checkpoint";
    return {};
}

} // namespace

Result<OpenFile> open_regular(int folder, const char* name, const std::string& shown) {
    // Not to wait for the other end of a FIFO.
    OpenFile opened{
        UniqueFd(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC))};
    if (!opened.file) {
        const int why = errno;
        if (why == ELOOP)
            return Error{shown + " is a symbolic link, which is not followed", "put the file itself there"};
        return errno_error(shown + " cannot be opened", why);
    }
    struct stat status {};
    if (::fstat(opened.file.get(), &status) != 0) return errno_error(shown + " cannot be examined");
    if (!S_ISREG(status.st_mode))
        return Error{shown + " is no regular file", "a checkpoint consists of regular files only"};
    opened.size = static_cast<std::uint64_t>(status.st_size);
    return opened;
}

Result<UniqueFd> make_file(int folder, const char* name, const std::string& shown) {
    UniqueFd file(::openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
        const int why = errno;
        return errno_error(shown + " cannot be made", why, write_hint(why));
    }
    return file;
}

Result<void> read_at(int file, std::span<std::byte> bytes, std::uint64_t offset, const std::string& shown) {
    while (!bytes.empty()) {
        const ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error(shown + " cannot be read at offset " + std::to_string(offset));
        if (got == 0)
            return Error{shown + " ends at offset " + std::to_string(offset) + ", although it was longer",
                         "nobody may change a checkpoint while it is read"};
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    return {};
}

Result<void> write_at(int file, std::span<const std::byte> bytes, std::uint64_t offset,
                      const std::string& shown) {
    while (!bytes.empty()) {
        const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0) {
            const int why = errno;
            if (why == EINTR) continue;
            return errno_error(shown + " cannot be written at offset " + std::to_string(offset), why,
                               write_hint(why));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

Result<void> make_durable(int file, const std::string& shown) {
    if (::fsync(file) != 0) {
        const int why = errno;
        return errno_error(shown + " cannot be put on the disk", why, write_hint(why));
    }
    return {};
}

Result<std::uint32_t> checksum_of_file(int file, std::uint64_t size, const std::string& shown) {
    constexpr std::size_t block_size = 1 << 18;
    std::vector<std::byte> block(static_cast<std::size_t>(std::min<std::uint64_t>(size, block_size)));
    Checksum checksum;
    for (std::uint64_t at = 0; at < size;) {
        const auto part =
            std::span(block).first(static_cast<std::size_t>(std::min<std::uint64_t>(size - at, block_size)));
        if (auto read = read_at(file, part, at, shown); !read) return std::move(read).error();
        checksum.add(part);
        at += part.size();
    }
    return checksum.value();
}

} // namespace plugbay::core
