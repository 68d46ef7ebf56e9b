// Which parts of the guest's RAM hold something.
#include "core/base/file_run.hpp"
#include "core/memory/guest_memory.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

constexpr std::uint64_t page_size = 4096;
constexpr std::size_t entries_at_once = 8192;

// The kernel's Documentation/admin-guide/mm/pagemap.rst: these bits are there for everybody.
constexpr std::uint64_t present = std::uint64_t{1} << 63;
constexpr std::uint64_t swapped = std::uint64_t{1} << 62;
constexpr std::uint64_t of_file = std::uint64_t{1} << 61;

// Whether a page of a private mapping is this process's own, because it was written: in memory or in the swap space.
bool is_own(std::uint64_t entry) {
    return (entry & (present | swapped)) != 0 && (entry & of_file) == 0;
}

bool read_entries(int map, std::uint64_t first, std::span<std::uint64_t> entries) {
    const auto bytes = std::as_writable_bytes(entries);
    return ::pread(map, bytes.data(), bytes.size(), static_cast<off_t>(first * sizeof(std::uint64_t))) ==
           static_cast<ssize_t>(bytes.size());
}

} // namespace

// Where the kernel does not tell, all pages are.
PageSet GuestMemory::used_pages() const {
    const std::uint64_t pages = size_ / page_size;
    const std::uint64_t base = reinterpret_cast<std::uintptr_t>(base_) / page_size;
    const UniqueFd map(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::vector<std::uint64_t> block(entries_at_once);
    PageSet used(pages);
    for (std::uint64_t page = 0; page < pages;) {
        const std::uint64_t zero = zeros_.next_in(page);
        used.add(page, zero - page);
        const std::uint64_t end = zeros_.next_out(zero);
        for (page = zero; page < end;) {
            const auto entries = std::span(block).first(std::min<std::uint64_t>(end - page, block.size()));
            if (!read_entries(map.get(), base + page, entries)) std::ranges::fill(entries, present);
            for (const std::uint64_t entry : entries) {
                if (is_own(entry)) used.add(page);
                ++page;
            }
        }
    }
    return used;
}

Result<void> GuestMemory::for_each_used(const Visit& visit) const {
    if (file_) {
        for (std::uint64_t at = 0; at < size_;) {
            const FileRun run = run_at(file_.get(), at, size_);
            if (run.data) {
                if (auto done = visit(at, run.end); !done) return done;
            }
            at = run.end;
        }
        return {};
    }
    const PageSet used = used_pages();
    for (std::uint64_t page = used.next_in(0); page < used.pages();) {
        const std::uint64_t end = used.next_out(page);
        if (auto done = visit(page * page_size, end * page_size); !done) return done;
        page = used.next_in(end);
    }
    return {};
}

} // namespace plugbay::core
