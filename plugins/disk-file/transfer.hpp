// One blk/1 request on its way through the engine. A request is one operation, or several: long lists of
// segments, short transfers, memory that cannot be handed to the kernel as it is, zeros written by hand.
#pragma once

#include "engine.hpp"
#include "image_file.hpp"

#include <plugbay/abi/interface/blk.h>
#include <plugbay/host.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

// Where a transfer's memory comes from, and what it learns about the file.
struct TransferContext {
    plugbay::Memory memory;
    const ImageFile& image;
    bool zero_range_works = true; // until the file system says otherwise
    std::size_t bounce_bytes = 0; // of all transfers' buffers
};

class Transfer {
  public:
    explicit Transfer(TransferContext& context) : context_(context) {}

    // Takes a request that is inside the disk. PLUGBAY_PENDING: start operation(); anything else is the
    // status of the request, which is over. Without memory for it a request fails.
    plugbay_status begin(const plugbay_blk_request& request) noexcept;
    // After operation() has finished; the same results.
    plugbay_status advance() noexcept;

    [[nodiscard]] Operation& operation() { return operation_; }
    [[nodiscard]] std::uint64_t tag() const { return tag_; }

  private:
    enum class Memory { mapped, copied, zeros };

    struct Free {
        void operator()(std::byte* bytes) const;
    };

    plugbay_status take(const plugbay_blk_request& request);
    plugbay_status next();
    [[nodiscard]] bool reads() const { return request_ == PLUGBAY_BLK_READ; }
    bool map_segments();
    void unmap_segments();
    plugbay_status prepare();
    plugbay_status prepare_copied();
    plugbay_status prepare_zeros();
    plugbay_status allocated();
    bool copy(std::uint64_t offset, std::span<std::byte> bytes, bool to_guest) const;
    bool have_bounce();
    void release_bounce();
    plugbay_status finish(plugbay_status status);

    TransferContext& context_;
    Operation operation_;
    std::uint64_t tag_ = 0;
    std::uint32_t request_ = 0; // PLUGBAY_BLK_...
    std::uint64_t offset_ = 0;
    std::uint64_t length_ = 0;
    std::uint64_t done_ = 0;
    Memory memory_ = Memory::mapped;
    std::vector<plugbay_segment> segments_;
    std::size_t mapped_ = 0; // segments mapped, from the first
    std::vector<iovec> vectors_;
    std::size_t first_vector_ = 0;            // not done yet
    std::unique_ptr<std::byte, Free> bounce_; // for bytes that are copied
    std::size_t bounce_size_ = 0;
};
