#include "core/checkpoint/save_memory.hpp"

#include "core/checkpoint/folder_files.hpp"
#include "core/memory/page_set.hpp"

#include <algorithm>
#include <vector>

namespace plugbay::core {

namespace {

// By its file, if it has one, because reading a page through a mapping makes one where there is none yet.
class PageCopier {
  public:
    PageCopier(const GuestMemory& memory, CheckpointSink& sink)
        : memory_(memory), sink_(sink), block_(pages_at_once * checkpoint_page_size) {}

    Result<void> copy(std::uint64_t offset, std::uint64_t end) {
        while (offset < end) {
            const auto part = std::span(block_).first(
                static_cast<std::size_t>(std::min<std::uint64_t>(end - offset, block_.size())));
            if (memory_.file() < 0) {
                const auto from = memory_.bytes().subspan(static_cast<std::size_t>(offset), part.size());
                std::ranges::copy(from, part.begin());
            } else if (auto read = read_at(memory_.file(), part, offset, "the guest's memory"); !read) {
                return read;
            }
            if (auto written = sink_.write_pages(offset, part); !written) return written;
            offset += part.size();
        }
        return {};
    }

  private:
    const GuestMemory& memory_;
    CheckpointSink& sink_;
    std::vector<std::byte> block_;
};

} // namespace

Result<void> save_memory(const GuestMemory& memory, CheckpointSink& sink) {
    PageCopier copier(memory, sink);
    return memory.for_each_used(
        [&](std::uint64_t offset, std::uint64_t end) { return copier.copy(offset, end); });
}

Result<void> save_pages(const GuestMemory& memory, std::span<const std::uint64_t> pages,
                        CheckpointSink& sink) {
    const std::uint64_t count =
        std::min<std::uint64_t>(memory.size() / checkpoint_page_size, pages.size() * 64);
    const PageSet set(count, {pages.begin(), pages.end()});
    PageCopier copier(memory, sink);
    for (std::uint64_t page = set.next_in(0); page < count;) {
        const std::uint64_t end = set.next_out(page);
        if (auto copied = copier.copy(page * checkpoint_page_size, end * checkpoint_page_size); !copied)
            return copied;
        page = set.next_in(end);
    }
    return {};
}

} // namespace plugbay::core
