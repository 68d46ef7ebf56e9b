#include "core/plugin/file_bytes.hpp"

#include "core/base/errno_error.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plugbay::core {

Result<FileBytes> FileBytes::open(const std::filesystem::path& file) {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!descriptor) return errno_error("cannot be opened");
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return errno_error("cannot be examined");
    if (S_ISDIR(status.st_mode)) return Error{"is a directory, not a plugin file"};
    if (!S_ISREG(status.st_mode)) return Error{"is not a regular file"};
    return FileBytes(std::move(descriptor), static_cast<std::uint64_t>(status.st_size));
}

bool FileBytes::read(std::uint64_t offset, void* target, std::size_t length) {
    if (offset > size_ || length > size_ - offset) return false;
    auto* bytes = static_cast<std::byte*>(target);
    while (length > 0) {
        const Block* source = block(offset / block_size);
        if (source == nullptr) return false;
        const std::size_t start = offset % block_size;
        const std::size_t part = std::min(length, block_size - start);
        std::memcpy(bytes, source->data() + start, part);
        bytes += part;
        offset += part;
        length -= part;
    }
    return true;
}

const FileBytes::Block* FileBytes::block(std::uint64_t number) {
    if (last_ != nullptr && last_number_ == number) return last_;
    auto found = blocks_.find(number);
    if (found == blocks_.end()) {
        auto fresh = std::make_unique<Block>();
        const std::uint64_t start = number * block_size;
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block_size, size_ - start));
        std::size_t have = 0;
        while (have < wanted) {
            const ssize_t got =
                ::pread(file_.get(), fresh->data() + have, wanted - have, static_cast<off_t>(start + have));
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return nullptr;
            have += static_cast<std::size_t>(got);
        }
        if (blocks_.size() >= most_blocks) blocks_.clear();
        found = blocks_.emplace(number, std::move(fresh)).first;
    }
    last_number_ = number;
    last_ = found->second.get();
    return last_;
}

} // namespace plugbay::core
