// Numbers that are counted where time matters and read from elsewhere.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace plugbay::core {

// Counts up. add(): one thread at a time, the only one that ever does or whoever holds a lock, so that no bus lock is paid;
// of two threads at once one's count may be lost. value(): any thread.
class Counter {
  public:
    void add(std::uint64_t more = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

// The same for any threads at once.
class SharedCounter {
  public:
    void add() { value_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

// How often something took how long. Bucket 0 counts 0 ns, bucket n from 2^(n-1) ns up to less than 2^n ns, the last one
// also all that is longer. Threads as for Counter.
class LatencyHistogram {
  public:
    static constexpr std::size_t bucket_count = 40; // the last begins at 4.6 minutes
    [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t nanoseconds) {
        return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(nanoseconds)), bucket_count - 1);
    }
    void add(std::uint64_t nanoseconds) { buckets_[bucket_of(nanoseconds)].add(); }
    [[nodiscard]] std::uint64_t bucket(std::size_t number) const { return buckets_[number].value(); }

  private:
    std::array<Counter, bucket_count> buckets_;
};

} // namespace plugbay::core
