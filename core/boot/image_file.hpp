// A file the user named: opened once, read piecewise straight to where its bytes are wanted.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace plugbay::core {

// Reads with pread rather than through a mapping: a file truncated by somebody else while it is loaded then
// is an error and not a SIGBUS.
class ImageFile {
  public:
    // `role` ("kernel", "initrd") is for messages. Refuses what is not a regular file, and an empty one.
    [[nodiscard]] static Result<ImageFile> open(const std::string& path, std::string_view role);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::uint64_t size() const { return size_; } // bytes

    [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t length) const {
        return offset <= size_ && length <= size_ - offset;
    }

    // Fills all of `target` from `offset`. `what` names the part in the error when the file is too short.
    [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> target,
                                    std::string_view what) const;

    template <typename T>
    [[nodiscard]] Result<T> read_value(std::uint64_t offset, std::string_view what) const {
        static_assert(std::is_trivially_copyable_v<T>);
        T value{};
        auto done = read(offset, std::as_writable_bytes(std::span{&value, 1}), what);
        if (!done) return std::move(done).error();
        return value;
    }

    // "path: message", with the hint that suits a damaged file unless another is given.
    [[nodiscard]] Error refuse(std::string_view message,
                               std::string hint = "fetch or build the file again") const;

  private:
    ImageFile(std::string path, UniqueFd file, std::uint64_t size);

    std::string path_;
    UniqueFd file_;
    std::uint64_t size_;
};

} // namespace plugbay::core
