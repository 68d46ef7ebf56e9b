#include "core/memory/dirty_pages.hpp"

namespace plugbay::core {

void DirtyPages::start(std::uint64_t pages) {
    if (storage_ == nullptr) {
        words_ = (pages + 63) / 64;
        storage_ = std::make_unique<std::atomic<std::uint64_t>[]>(words_);
    }
    for (std::uint64_t i = 0; i < words_; ++i)
        storage_[i].store(0, std::memory_order_relaxed);
    bits_.store(storage_.get(), std::memory_order_release);
}

std::vector<std::uint64_t> DirtyPages::take() {
    std::vector<std::uint64_t> taken;
    if (bits_.load(std::memory_order_acquire) == nullptr) return taken;
    taken.resize(words_);
    for (std::uint64_t i = 0; i < words_; ++i)
        taken[i] = storage_[i].exchange(0, std::memory_order_acq_rel);
    return taken;
}

void DirtyPages::mark(std::atomic<std::uint64_t>* bits, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t page = first; page <= last; ++page) {
        std::atomic<std::uint64_t>& word = bits[page / 64];
        const std::uint64_t bit = std::uint64_t{1} << page % 64;
        // Released, so that whoever takes the bit sees the bytes too.
        word.fetch_or(bit, std::memory_order_release);
    }
}

} // namespace plugbay::core
