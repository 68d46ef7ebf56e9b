// Which pages of the guest's RAM the host wrote. What the guest writes itself KVM's dirty log knows.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace plugbay::core {

// mark(): any thread, lock-free; costs a load while tracking is off. The others: one thread at a time.
class DirtyPages {
  public:
    static constexpr std::uint64_t page_size = 4096;

    // Of `pages` pages, all clean.
    void start(std::uint64_t pages);
    void stop() { bits_.store(nullptr, std::memory_order_release); }
    // A bit for each page marked since start() or the last take(), bit 0 of word 0 the first; empty while
    // off.
    [[nodiscard]] std::vector<std::uint64_t> take();
    // Bytes offset .. offset + length - 1, inside the pages; `length` is not 0.
    void mark(std::uint64_t offset, std::uint64_t length) {
        std::atomic<std::uint64_t>* const bits = bits_.load(std::memory_order_acquire);
        if (bits != nullptr) [[unlikely]]
            mark(bits, offset / page_size, (offset + length - 1) / page_size);
    }

  private:
    static void mark(std::atomic<std::uint64_t>* bits, std::uint64_t first, std::uint64_t last);

    std::atomic<std::atomic<std::uint64_t>*> bits_{nullptr}; // null: off
    // Stays when tracking stops: somebody may be marking still.
    std::unique_ptr<std::atomic<std::uint64_t>[]> storage_;
    std::uint64_t words_ = 0;
};

} // namespace plugbay::core
