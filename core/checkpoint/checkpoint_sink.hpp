// Where a machine is saved to: a folder (checkpoint_writer.hpp) or a stream (stream_writer.hpp).
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"

#include <plugbay/state_image.hpp>

#include <cstdint>
#include <span>

namespace plugbay::core {

// Pages first, in any order and as often as they change: later ones win. Then the states, then finish(), once. After an
// error there is nothing left but to destroy the sink. One thread at a time.
class CheckpointSink {
  public:
    virtual ~CheckpointSink() = default;

    // Whole pages of guest memory from `offset` in its file on. `bytes` stay the same during the call, so those of a guest
    // that runs are a copy, as save_memory() makes it.
    [[nodiscard]] virtual Result<void> write_pages(std::uint64_t offset,
                                                   std::span<const std::byte> bytes) = 0;
    // The same for pages that are zero.
    [[nodiscard]] virtual Result<void> write_zeros(std::uint64_t offset, std::uint64_t length) = 0;
    // The place is for the manifest.
    [[nodiscard]] virtual Result<StatePlace> add_state(const StateImage& image) = 0;
    // `manifest` has its first part filled. It is done when this has succeeded.
    [[nodiscard]] virtual Result<void> finish(Manifest manifest) = 0;
};

// Whether [offset, offset + length) is whole pages of a memory of `size` bytes.
[[nodiscard]] constexpr bool are_pages(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
    return offset % checkpoint_page_size == 0 && length % checkpoint_page_size == 0 && offset <= size &&
           length <= size - offset;
}

// 1 MiB: what is copied, checked and written at once.
inline constexpr std::uint64_t pages_at_once = 256;

// Places states behind each other.
class StatePlacer {
  public:
    [[nodiscard]] Result<StatePlace> place(const StateImage& image) {
        const std::uint64_t size = image.bytes().size();
        if (size > largest_states - end_)
            return Error{"the states have more than " + std::to_string(largest_states) + " bytes",
                         "a disk in memory may be too large for a checkpoint"};
        StatePlace place{.type = image.type(),
                         .version = image.version(),
                         .offset = end_,
                         .size = size,
                         .checksum = checksum_in(image)};
        end_ += size;
        return place;
    }
    [[nodiscard]] std::uint64_t end() const { return end_; }

  private:
    std::uint64_t end_ = 0;
};

} // namespace plugbay::core
