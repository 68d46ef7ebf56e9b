// A set of the guest's pages: a bit a page, bit 0 of word 0 the first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::core {

class PageSet {
  public:
    PageSet() = default;
    // Of `pages` pages, none of them in it.
    explicit PageSet(std::uint64_t pages) : pages_(pages), words_((pages + 63) / 64) {}
    // `words` has a bit for each of `pages` pages.
    PageSet(std::uint64_t pages, std::vector<std::uint64_t> words)
        : pages_(pages), words_(std::move(words)) {}

    [[nodiscard]] std::uint64_t pages() const { return pages_; }
    [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }
    [[nodiscard]] bool has(std::uint64_t page) const { return (words_[page / 64] >> (page % 64) & 1) != 0; }
    void add(std::uint64_t page) { words_[page / 64] |= std::uint64_t{1} << (page % 64); }
    void remove(std::uint64_t page) { words_[page / 64] &= ~(std::uint64_t{1} << (page % 64)); }
    void add(std::uint64_t first, std::uint64_t count);
    [[nodiscard]] std::uint64_t count() const;
    // Whether bits are set that stand for no page.
    [[nodiscard]] bool passes_end() const;
    // The first page from `page` on that is (not) in the set, or pages().
    [[nodiscard]] std::uint64_t next_in(std::uint64_t page) const { return next(page, 0); }
    [[nodiscard]] std::uint64_t next_out(std::uint64_t page) const { return next(page, ~std::uint64_t{0}); }

  private:
    [[nodiscard]] std::uint64_t next(std::uint64_t page, std::uint64_t inversion) const;

    std::uint64_t pages_ = 0;
    std::vector<std::uint64_t> words_;
};

} // namespace plugbay::core
