#include "core/checkpoint/memory_layers.hpp"

#include "core/base/file_run.hpp"
#include "core/checkpoint/checksum.hpp"
#include "core/checkpoint/folder_files.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace plugbay::core {

namespace {

constexpr const char* damaged_hint = "the checkpoint is damaged; use another one";

static_assert(std::endian::native == std::endian::little, "memory.pages and memory.sums are little-endian");

Result<PageSet> read_pages(const MemoryLayer& layer) {
    const std::string shown = layer.folder + '/' + memory_pages_file;
    const std::uint64_t pages = layer.memory.size / checkpoint_page_size;
    std::vector<std::uint64_t> words((pages + 63) / 64);
    const auto bytes = std::as_writable_bytes(std::span(words));
    if (auto read = read_at(layer.pages.get(), bytes, 0, shown); !read) return std::move(read).error();
    if (checksum_of(bytes) != layer.pages_file.checksum)
        return Error{shown + ": its checksum is not the one that the manifest has", damaged_hint};
    PageSet set(pages, std::move(words));
    if (set.passes_end())
        return Error{shown + ": has bits after the last page, " + std::to_string(pages - 1), damaged_hint};
    if (set.count() != layer.memory.decided)
        return Error{shown + ": expected " + std::to_string(layer.memory.decided) +
                         " pages, as the manifest says, found " + std::to_string(set.count()),
                     damaged_hint};
    return set;
}

// One layer's memory against its checksums.
class LayerCheck {
  public:
    explicit LayerCheck(const MemoryLayer& layer)
        : layer_(layer), memory_shown_(layer.folder + '/' + memory_file),
          sums_shown_(layer.folder + '/' + memory_sums_file), bytes_(block_pages * checkpoint_page_size),
          expected_(block_pages), found_(block_pages) {}

    Result<void> run() {
        const auto sums = checksum_of_file(layer_.sums.get(), layer_.sums_file.size, sums_shown_);
        if (!sums) return sums.error();
        if (*sums != layer_.sums_file.checksum)
            return Error{sums_shown_ + ": its checksum is not the one that the manifest has",
                         "the memory cannot be checked, and may be right; use another checkpoint"};
        const std::uint64_t pages = layer_.memory.size / checkpoint_page_size;
        for (std::uint64_t page = 0; page < pages; page += block_pages) {
            if (auto checked = check(page, std::min(block_pages, pages - page)); !checked) return checked;
        }
        return {};
    }

  private:
    static constexpr std::uint64_t block_pages = 256;

    Result<void> check(std::uint64_t first, std::uint64_t count) {
        const std::uint64_t offset = first * checkpoint_page_size;
        const std::uint64_t length = count * checkpoint_page_size;
        const auto expected = std::span(expected_).first(static_cast<std::size_t>(count));
        const auto found = std::span(found_).first(expected.size());
        if (auto read = read_at(layer_.sums.get(), std::as_writable_bytes(expected), first * 4, sums_shown_);
            !read)
            return read;
        const FileRun run = run_at(layer_.file.get(), offset, offset + length);
        if (!run.data && run.end == offset + length) {
            std::ranges::fill(found, 0);
        } else {
            const auto bytes = std::span(bytes_).first(static_cast<std::size_t>(length));
            if (auto read = read_at(layer_.file.get(), bytes, offset, memory_shown_); !read) return read;
            page_checksums(bytes, found);
        }
        const auto [wrong, word] = std::ranges::mismatch(expected, found);
        if (wrong == expected.end()) return {};
        const std::uint64_t page = first + static_cast<std::uint64_t>(wrong - expected.begin());
        return Error{memory_shown_ + ": the page at offset " + std::to_string(page * checkpoint_page_size) +
                         " is not what was written: its checksum does not match",
                     damaged_hint};
    }

    const MemoryLayer& layer_;
    std::string memory_shown_;
    std::string sums_shown_;
    std::vector<std::byte> bytes_;
    std::vector<std::uint32_t> expected_;
    std::vector<std::uint32_t> found_;
};

} // namespace

Result<MemoryLayers> MemoryLayers::create(std::vector<MemoryLayer> layers) {
    MemoryLayers result;
    result.layers_ = std::move(layers);
    if (result.layers_.size() == 1) return result;
    const std::uint64_t pages = result.size() / checkpoint_page_size;
    try {
        // Oldest first, so that newer ones overwrite.
        result.deciders_.assign(pages, static_cast<std::uint8_t>(result.layers_.size() - 1));
        for (std::size_t layer = result.layers_.size() - 1; layer-- > 0;) {
            const auto set = read_pages(result.layers_[layer]);
            if (!set) return set.error();
            for (std::uint64_t page = set->next_in(0); page < pages;) {
                const std::uint64_t end = set->next_out(page);
                std::fill(result.deciders_.begin() + static_cast<std::ptrdiff_t>(page),
                          result.deciders_.begin() + static_cast<std::ptrdiff_t>(end),
                          static_cast<std::uint8_t>(layer));
                page = set->next_in(end);
            }
        }
    } catch (const std::bad_alloc&) {
        return Error{"there is no memory to find out which layer has which of " + std::to_string(pages) +
                         " pages",
                     "restore where more memory is free"};
    }
    return result;
}

std::uint64_t MemoryLayers::end_of_run(std::uint64_t page) const {
    if (deciders_.empty()) return size() / checkpoint_page_size;
    const auto begin = deciders_.begin() + static_cast<std::ptrdiff_t>(page);
    const std::uint8_t layer = *begin;
    const auto end =
        std::find_if(begin, deciders_.end(), [layer](std::uint8_t each) { return each != layer; });
    return static_cast<std::uint64_t>(end - deciders_.begin());
}

Result<void> MemoryLayers::for_each_run(const Visit& visit) const {
    for (std::uint64_t at = 0; at < size();) {
        const std::uint64_t page = at / checkpoint_page_size;
        const std::size_t layer = deciders_.empty() ? 0 : deciders_[page];
        const std::uint64_t end = end_of_run(page) * checkpoint_page_size;
        const int file = layers_[layer].file.get();
        while (at < end) {
            const FileRun found = run_at(file, at, end);
            // A hole ends where a file system likes, which need not be where a page does: the rest of its page is data.
            std::uint64_t run_end = found.data
                                        ? (found.end + checkpoint_page_size - 1) & ~(checkpoint_page_size - 1)
                                        : found.end & ~(checkpoint_page_size - 1);
            const bool data = found.data || run_end == at;
            if (run_end == at) run_end = at + checkpoint_page_size;
            run_end = std::min(run_end, end);
            if (auto done =
                    visit({.file = data ? file : -1, .offset = at, .length = run_end - at, .layer = layer});
                !done)
                return done;
            at = run_end;
        }
    }
    return {};
}

Result<void> MemoryLayers::verify() const {
    for (const MemoryLayer& layer : layers_) {
        if (auto checked = LayerCheck(layer).run(); !checked) return checked;
    }
    return {};
}

} // namespace plugbay::core
