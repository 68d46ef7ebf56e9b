#include "core/memory/page_set.hpp"

#include <algorithm>
#include <bit>

namespace plugbay::core {

void PageSet::add(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t page = first; page < first + count; ++page)
        add(page);
}

std::uint64_t PageSet::count() const {
    std::uint64_t count = 0;
    for (const std::uint64_t word : words_)
        count += static_cast<std::uint64_t>(std::popcount(word));
    return count;
}

bool PageSet::passes_end() const {
    return pages_ % 64 != 0 && words_.back() >> (pages_ % 64) != 0;
}

std::uint64_t PageSet::next(std::uint64_t page, std::uint64_t inversion) const {
    while (page < pages_) {
        const std::uint64_t rest = (words_[page / 64] ^ inversion) >> (page % 64);
        if (rest != 0) return std::min(page + static_cast<std::uint64_t>(std::countr_zero(rest)), pages_);
        page = (page / 64 + 1) * 64;
    }
    return pages_;
}

} // namespace plugbay::core
