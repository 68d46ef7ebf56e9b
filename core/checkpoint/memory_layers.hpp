// The guest's memory as a chain of checkpoints has it: each page is what the newest layer says that decides it.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/memory/page_set.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace plugbay::core {

// Checkpoints that stand on each other, the full one included.
inline constexpr std::size_t longest_chain = 64;

struct MemoryLayer {
    std::string folder = {};      // as shown to people
    std::string folder_name = {}; // beside the others; the chain's first may have been opened by another name
    std::string id = {};
    SavedMemory memory = {};
    UniqueFd file = {};  // `memory`
    UniqueFd sums = {};  // `memory.sums`
    UniqueFd pages = {}; // `memory.pages`, of an incremental layer
    StoredFile sums_file = {};
    StoredFile pages_file = {};
};

// A run of whole pages. `offset` is the place in guest memory and in `file` alike.
struct MemoryRun {
    int file = -1; // -1: zeros
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::size_t layer = 0; // 0: the newest
};

class MemoryLayers {
  public:
    // Newest first; the last is full, the others are not, all of one size. Reads which pages the layers decide: a byte a
    // page is held in memory when there is more than one.
    [[nodiscard]] static Result<MemoryLayers> create(std::vector<MemoryLayer> layers);

    [[nodiscard]] const std::vector<MemoryLayer>& layers() const { return layers_; }
    [[nodiscard]] std::uint64_t size() const { return layers_.front().memory.size; }

    // All of the memory, in order, without a gap. Files are asked for their holes, not read. One thread at a time.
    using Visit = std::function<Result<void>(const MemoryRun& run)>;
    [[nodiscard]] Result<void> for_each_run(const Visit& visit) const;

    // Reads everything and compares it with the checksums: of all layers, older ones too.
    [[nodiscard]] Result<void> verify() const;

  private:
    MemoryLayers() = default;
    // The end of the run of pages that the layer of `page` decides.
    [[nodiscard]] std::uint64_t end_of_run(std::uint64_t page) const;

    std::vector<MemoryLayer> layers_;
    std::vector<std::uint8_t> deciders_; // of each page, the layer; empty: the only one
};

} // namespace plugbay::core
