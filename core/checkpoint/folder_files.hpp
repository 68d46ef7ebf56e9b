// The files of a checkpoint's folder: opened without following links, read and written with bounds.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace plugbay::core {

// A file that is open for reading, and its size at that time.
struct OpenFile {
    UniqueFd file = {};
    std::uint64_t size = 0;
};

// Refuses what is no regular file. `shown` names it in errors.
[[nodiscard]] Result<OpenFile> open_regular(int folder, const char* name, const std::string& shown);

// Makes a file that nobody else may read, which must not exist.
[[nodiscard]] Result<UniqueFd> make_file(int folder, const char* name, const std::string& shown);

// All of `bytes`, or an error, which the end of the file is too.
[[nodiscard]] Result<void> read_at(int file, std::span<std::byte> bytes, std::uint64_t offset,
                                   const std::string& shown);
[[nodiscard]] Result<void> write_at(int file, std::span<const std::byte> bytes, std::uint64_t offset,
                                    const std::string& shown);
[[nodiscard]] Result<void> make_durable(int file, const std::string& shown);

// CRC-32C of the first `size` bytes.
[[nodiscard]] Result<std::uint32_t> checksum_of_file(int file, std::uint64_t size, const std::string& shown);

} // namespace plugbay::core
