// The files of one layer of memory while they are written: `memory`, `memory.sums`, `memory.pages`.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/memory/page_set.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

class MemoryFile {
  public:
    // Of `size` bytes, in `folder`, which is open while the object lives. `shown` names the folder in errors.
    [[nodiscard]] static Result<MemoryFile> create(int folder, std::string shown, std::uint64_t size,
                                                   LayerKind kind);

    // As CheckpointSink says. Pages of zeros take no place in the files.
    [[nodiscard]] Result<void> write_pages(std::uint64_t offset, std::span<const std::byte> bytes);
    [[nodiscard]] Result<void> write_zeros(std::uint64_t offset, std::uint64_t length);

    // Puts everything on the disk and gives what the manifest says of it.
    [[nodiscard]] Result<SavedMemory> finish(std::map<std::string, StoredFile>& files);

  private:
    MemoryFile() = default;
    // At most pages_at_once, none of which is zeros.
    Result<void> store(std::uint64_t first, std::span<const std::byte> bytes);
    // Makes pages that were stored before zeros.
    Result<void> take_back(std::uint64_t first, std::uint64_t count);
    [[nodiscard]] std::string shown(const char* file) const { return folder_shown_ + '/' + file; }

    int folder_ = -1;
    std::string folder_shown_;
    std::uint64_t size_ = 0;
    LayerKind kind_ = LayerKind::full;
    UniqueFd memory_;
    UniqueFd sums_;
    PageSet decided_; // of an incremental layer
    PageSet stored_;
    std::vector<std::uint32_t> words_; // checksums of a run
};

} // namespace plugbay::core
