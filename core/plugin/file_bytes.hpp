// Random access to a file's bytes, in blocks read when first needed. Not a mapping: a mapped file that
// somebody shortens kills the reader with SIGBUS; here the read fails.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <unordered_map>

namespace plugbay::core {

class FileBytes {
  public:
    // Regular files only.
    [[nodiscard]] static Result<FileBytes> open(const std::filesystem::path& file);

    // As it was when opened.
    [[nodiscard]] std::uint64_t size() const { return size_; }

    // False, with `target` in any state, unless all bytes are there.
    [[nodiscard]] bool read(std::uint64_t offset, void* target, std::size_t length);

  private:
    static constexpr std::size_t block_size = 16384;
    static constexpr std::size_t most_blocks = 1024; // kept at a time
    using Block = std::array<std::byte, block_size>;

    FileBytes(UniqueFd file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
    const Block* block(std::uint64_t number);

    UniqueFd file_;
    std::uint64_t size_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Block>> blocks_;
    std::uint64_t last_number_ = 0;
    const Block* last_ = nullptr;
};

} // namespace plugbay::core
