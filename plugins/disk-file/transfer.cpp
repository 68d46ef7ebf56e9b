#include "transfer.hpp"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t alignment = 4096; // suffices for every O_DIRECT
// A guest can have as many requests copied at once as it likes, so only the first have large buffers, and only so many
// bytes stay for the next requests.
constexpr std::size_t large_bounce = 1 << 20;
constexpr std::size_t small_bounce = 64 << 10;
constexpr std::size_t most_kept = 16 * large_bounce;
constexpr std::size_t zeros_size = 64 << 10;
alignas(alignment) std::byte zeros[zeros_size];

} // namespace

void Transfer::Free::operator()(std::byte* bytes) const {
    std::free(bytes);
}

plugbay_status Transfer::begin(const plugbay_blk_request& request) noexcept {
    try {
        return take(request);
    } catch (const std::bad_alloc&) {
        return finish(PLUGBAY_FAILED);
    }
}

plugbay_status Transfer::advance() noexcept {
    try {
        return next();
    } catch (const std::bad_alloc&) {
        return finish(PLUGBAY_FAILED);
    }
}

plugbay_status Transfer::take(const plugbay_blk_request& request) {
    tag_ = request.tag;
    request_ = request.operation;
    offset_ = request.offset;
    length_ = request.length;
    done_ = 0;
    operation_ = {};
    operation_.owner = this;
    switch (request.operation) {
    case PLUGBAY_BLK_READ:
    case PLUGBAY_BLK_WRITE:
        segments_.assign(request.segments, request.segments + request.segment_count);
        memory_ = map_segments() ? Memory::mapped : Memory::copied;
        operation_.kind = reads() ? Operation::Kind::read : Operation::Kind::write;
        return prepare();
    case PLUGBAY_BLK_FLUSH:
        operation_.kind = Operation::Kind::sync;
        return PLUGBAY_PENDING;
    case PLUGBAY_BLK_DISCARD:
    case PLUGBAY_BLK_WRITE_ZEROES:
        if (length_ == 0) return PLUGBAY_OK;
        operation_.kind = Operation::Kind::allocate;
        operation_.offset = offset_;
        operation_.length = length_;
        operation_.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        if (request.operation == PLUGBAY_BLK_WRITE_ZEROES) {
            if (!context_.zero_range_works) {
                memory_ = Memory::zeros;
                operation_.kind = Operation::Kind::write;
                return prepare();
            }
            if ((request.flags & PLUGBAY_BLK_MAY_UNMAP) == 0)
                operation_.mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
        }
        return PLUGBAY_PENDING;
    default:
        return PLUGBAY_UNSUPPORTED;
    }
}

plugbay_status Transfer::next() {
    if (operation_.result == -EINTR || operation_.result == -EAGAIN) return PLUGBAY_PENDING;
    if (operation_.kind == Operation::Kind::allocate) return allocated();
    if (operation_.result < 0) return finish(PLUGBAY_FAILED);
    if (operation_.kind == Operation::Kind::sync) return PLUGBAY_OK;

    auto moved = static_cast<std::uint64_t>(operation_.result);
    // The file has become shorter than the disk, or the kernel makes no progress.
    if (moved == 0) return finish(PLUGBAY_FAILED);
    if (moved < length_ - done_ && context_.image.memory_alignment > 1) {
        // O_DIRECT goes on at a block's beginning only.
        moved -= moved % context_.image.logical_block_size;
        if (moved == 0) return finish(PLUGBAY_FAILED);
    }
    if (memory_ == Memory::copied && reads() &&
        !copy(done_, std::span(bounce_.get(), static_cast<std::size_t>(moved)), true))
        return finish(PLUGBAY_INVALID);
    done_ += moved;
    for (; memory_ == Memory::mapped && moved > 0; ++first_vector_) {
        iovec& vector = vectors_[first_vector_];
        if (moved < vector.iov_len) {
            vector.iov_base = static_cast<std::byte*>(vector.iov_base) + moved;
            vector.iov_len -= moved;
            break;
        }
        moved -= vector.iov_len;
    }
    return prepare();
}

// The next operation of a read or write.
plugbay_status Transfer::prepare() {
    if (done_ == length_) return finish(PLUGBAY_OK);
    operation_.offset = offset_ + done_;
    if (memory_ == Memory::copied) return prepare_copied();
    if (memory_ == Memory::zeros) return prepare_zeros();
    operation_.vectors = vectors_.data() + first_vector_;
    operation_.vector_count =
        static_cast<unsigned>(std::min<std::size_t>(vectors_.size() - first_vector_, IOV_MAX));
    return PLUGBAY_PENDING;
}

plugbay_status Transfer::prepare_copied() {
    if (!have_bounce()) return finish(PLUGBAY_FAILED);
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(length_ - done_, bounce_size_));
    if (!reads() && !copy(done_, std::span(bounce_.get(), count), false)) return finish(PLUGBAY_INVALID);
    vectors_.assign(1, {bounce_.get(), count});
    operation_.vectors = vectors_.data();
    operation_.vector_count = 1;
    return PLUGBAY_PENDING;
}

bool Transfer::have_bounce() {
    if (bounce_) return true;
    bounce_size_ = context_.bounce_bytes + large_bounce <= most_kept ? large_bounce : small_bounce;
    bounce_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, bounce_size_)));
    if (bounce_) context_.bounce_bytes += bounce_size_;
    return bounce_ != nullptr;
}

void Transfer::release_bounce() {
    if (!bounce_ || context_.bounce_bytes <= most_kept) return;
    bounce_.reset();
    context_.bounce_bytes -= bounce_size_;
}

plugbay_status Transfer::prepare_zeros() {
    std::uint64_t left = std::min<std::uint64_t>(length_ - done_, 16 * zeros_size);
    vectors_.clear();
    for (; left > 0; left -= vectors_.back().iov_len)
        vectors_.push_back({zeros, static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros_size))});
    operation_.vectors = vectors_.data();
    operation_.vector_count = static_cast<unsigned>(vectors_.size());
    return PLUGBAY_PENDING;
}

plugbay_status Transfer::allocated() {
    if (operation_.result >= 0) return PLUGBAY_OK;
    const bool cannot = operation_.result == -EOPNOTSUPP || operation_.result == -ENOSYS;
    if (!cannot) return PLUGBAY_FAILED;
    if (request_ == PLUGBAY_BLK_DISCARD) return PLUGBAY_OK; // contents "may" be forgotten
    context_.zero_range_works = false;
    memory_ = Memory::zeros;
    operation_.kind = Operation::Kind::write;
    return prepare();
}

// False when the kernel cannot have the guest's memory directly: not contiguous, not RAM, or not aligned as
// O_DIRECT wants it. Then the bytes are copied, which also finds out what is not RAM.
bool Transfer::map_segments() {
    const std::uint32_t access = reads() ? PLUGBAY_MAP_WRITE : PLUGBAY_MAP_READ;
    vectors_.clear();
    first_vector_ = 0;
    for (mapped_ = 0; mapped_ < segments_.size();) {
        const plugbay_segment& segment = segments_[mapped_];
        const auto view = context_.memory.map(segment.address, segment.length, access);
        if (view.empty()) return unmap_segments(), false;
        ++mapped_;
        const auto address = reinterpret_cast<std::uintptr_t>(view.data());
        if ((address | view.size()) % context_.image.memory_alignment != 0) return unmap_segments(), false;
        vectors_.push_back({view.data(), view.size()});
    }
    return true;
}

void Transfer::unmap_segments() {
    const std::uint32_t access = reads() ? PLUGBAY_MAP_WRITE : PLUGBAY_MAP_READ;
    for (; mapped_ > 0; --mapped_)
        context_.memory.unmap(segments_[mapped_ - 1].address, segments_[mapped_ - 1].length, access);
}

// Between the segments, from byte `offset` of them all, and `bytes`.
bool Transfer::copy(std::uint64_t offset, std::span<std::byte> bytes, bool to_guest) const {
    for (const plugbay_segment& segment : segments_) {
        if (bytes.empty()) break;
        if (offset >= segment.length) {
            offset -= segment.length;
            continue;
        }
        const auto count = std::min<std::uint64_t>(segment.length - offset, bytes.size());
        const auto piece = bytes.first(static_cast<std::size_t>(count));
        const std::uint64_t address = segment.address + offset;
        if (address < segment.address) return false;
        if (!(to_guest ? context_.memory.write(address, piece) : context_.memory.read(address, piece)))
            return false;
        bytes = bytes.subspan(piece.size());
        offset = 0;
    }
    return bytes.empty();
}

plugbay_status Transfer::finish(plugbay_status status) {
    unmap_segments();
    release_bounce();
    return status;
}
