// Records on their way from where a device is entered to whoever reads them: bounded, in memory that is there from the
// beginning, without a lock.
#pragma once

#include "core/trace/access_record.hpp"

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace plugbay::core {

// Any number of writers, one reader. Each cell's sequence number says whose turn it is: the writer's of position n when it is
// n, the reader's when it is n + 1.
class AccessRing {
  public:
    // At least as many records as `capacity` wait.
    explicit AccessRing(std::size_t capacity) : cells_(std::bit_ceil(capacity)) {
        for (std::size_t i = 0; i < cells_.size(); ++i)
            cells_[i].sequence.store(i, std::memory_order_relaxed);
    }

    // Any thread. Never waits: when the ring is full the record is counted instead, and false comes back.
    bool write(const AccessRecord& record) {
        std::uint64_t position = written_.load(std::memory_order_relaxed);
        for (;;) {
            Cell& cell = cell_at(position);
            const std::uint64_t turn = cell.sequence.load(std::memory_order_acquire);
            if (turn == position) {
                if (!written_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed))
                    continue;
                cell.record = record;
                cell.sequence.store(position + 1, std::memory_order_release);
                return true;
            }
            if (turn < position) { // what was written here a round ago has not been read
                lost_.fetch_add(1, std::memory_order_relaxed);
                return false;
            }
            position = written_.load(std::memory_order_relaxed);
        }
    }
    // The reader. False: nothing is there yet.
    [[nodiscard]] bool read(AccessRecord& record) {
        Cell& cell = cell_at(read_);
        if (cell.sequence.load(std::memory_order_acquire) != read_ + 1) return false;
        record = cell.record;
        cell.sequence.store(read_ + cells_.size(), std::memory_order_release);
        ++read_;
        return true;
    }

    // Any thread: how many were written, and how many were not because the ring was full. Exact while nobody writes.
    [[nodiscard]] std::uint64_t written() const { return written_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_acquire); }
    // The reader: how many it has read.
    [[nodiscard]] std::uint64_t taken() const { return read_; }

  private:
    struct alignas(64) Cell {
        std::atomic<std::uint64_t> sequence;
        AccessRecord record;
    };
    [[nodiscard]] Cell& cell_at(std::uint64_t position) { return cells_[position & (cells_.size() - 1)]; }

    std::vector<Cell> cells_;
    alignas(64) std::atomic<std::uint64_t> written_{0};
    alignas(64) std::atomic<std::uint64_t> lost_{0};
    alignas(64) std::uint64_t read_ = 0; // the reader's
};

} // namespace plugbay::core
