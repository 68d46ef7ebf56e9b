#include "core/checkpoint/memory_file.hpp"

#include "core/base/errno_error.hpp"
#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/checkpoint/checksum.hpp"
#include "core/checkpoint/folder_files.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

static_assert(std::endian::native == std::endian::little, "memory.pages and memory.sums are little-endian");

bool is_zero(std::span<const std::byte> page) {
    return page.front() == std::byte{0} && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

Result<UniqueFd> make_sized(int folder, const char* name, std::uint64_t size, const std::string& shown) {
    auto file = make_file(folder, name, shown);
    if (file && ::ftruncate(file->get(), static_cast<off_t>(size)) != 0)
        return errno_error(shown + " cannot have " + std::to_string(size) + " bytes", errno,
                           "choose a file system that takes large sparse files");
    return file;
}

Error not_pages(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
    return Error{std::to_string(length) + " bytes at offset " + std::to_string(offset) +
                 " are not whole pages of a memory of " + std::to_string(size) + " bytes"};
}

} // namespace

Result<MemoryFile> MemoryFile::create(int folder, std::string shown, std::uint64_t size, LayerKind kind) {
    MemoryFile result;
    result.folder_ = folder;
    result.folder_shown_ = std::move(shown);
    result.size_ = size;
    result.kind_ = kind;
    const std::uint64_t pages = size / checkpoint_page_size;
    auto memory = make_sized(folder, memory_file, size, result.shown(memory_file));
    if (!memory) return std::move(memory).error();
    auto sums = make_sized(folder, memory_sums_file, pages * 4, result.shown(memory_sums_file));
    if (!sums) return std::move(sums).error();
    result.memory_ = *std::move(memory);
    result.sums_ = *std::move(sums);
    result.stored_ = PageSet(pages);
    if (kind == LayerKind::incremental) result.decided_ = PageSet(pages);
    result.words_.resize(pages_at_once);
    return result;
}

Result<void> MemoryFile::write_pages(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (!are_pages(offset, bytes.size(), size_)) return not_pages(offset, bytes.size(), size_);
    const std::size_t count = bytes.size() / checkpoint_page_size;
    const auto part = [bytes](std::size_t page, std::size_t pages) {
        return bytes.subspan(page * checkpoint_page_size, pages * checkpoint_page_size);
    };
    for (std::size_t page = 0; page < count;) {
        const bool zeros = is_zero(part(page, 1));
        std::size_t end = page + 1;
        while (end < count && (zeros || end - page < pages_at_once) && is_zero(part(end, 1)) == zeros)
            ++end;
        const std::uint64_t place = offset + page * checkpoint_page_size;
        auto written = zeros ? write_zeros(place, (end - page) * checkpoint_page_size)
                             : store(place / checkpoint_page_size, part(page, end - page));
        if (!written) return written;
        page = end;
    }
    return {};
}

Result<void> MemoryFile::store(std::uint64_t first, std::span<const std::byte> bytes) {
    const auto words = std::span(words_).first(bytes.size() / checkpoint_page_size);
    page_checksums(bytes, words);
    stored_.add(first, words.size());
    if (kind_ == LayerKind::incremental) decided_.add(first, words.size());
    if (auto done = write_at(memory_.get(), bytes, first * checkpoint_page_size, shown(memory_file)); !done)
        return done;
    return write_at(sums_.get(), std::as_bytes(words), first * 4, shown(memory_sums_file));
}

Result<void> MemoryFile::write_zeros(std::uint64_t offset, std::uint64_t length) {
    if (!are_pages(offset, length, size_)) return not_pages(offset, length, size_);
    const std::uint64_t first = offset / checkpoint_page_size;
    const std::uint64_t end = first + length / checkpoint_page_size;
    if (kind_ == LayerKind::incremental) decided_.add(first, end - first);
    for (std::uint64_t page = stored_.next_in(first); page < end;) {
        const std::uint64_t run_end = std::min(stored_.next_out(page), end);
        if (auto done = take_back(page, run_end - page); !done) return done;
        page = stored_.next_in(run_end);
    }
    return {};
}

Result<void> MemoryFile::take_back(std::uint64_t first, std::uint64_t count) {
    const auto offset = static_cast<off_t>(first * checkpoint_page_size);
    const auto length = static_cast<off_t>(count * checkpoint_page_size);
    const bool punched =
        ::fallocate(memory_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0;
    const std::vector<std::byte> zeros(checkpoint_page_size);
    for (std::uint64_t page = first; page < first + count; ++page) {
        // Not every file system makes holes.
        if (!punched) {
            if (auto done = write_at(memory_.get(), zeros, page * checkpoint_page_size, shown(memory_file));
                !done)
                return done;
        }
        if (auto done = write_at(sums_.get(), std::span(zeros).first(4), page * 4, shown(memory_sums_file));
            !done)
            return done;
        stored_.remove(page);
    }
    return {};
}

Result<SavedMemory> MemoryFile::finish(std::map<std::string, StoredFile>& files) {
    const std::uint64_t pages = size_ / checkpoint_page_size;
    SavedMemory saved{.size = size_, .kind = kind_, .decided = pages, .stored = stored_.count()};
    if (auto done = make_durable(memory_.get(), shown(memory_file)); !done) return std::move(done).error();
    if (auto done = make_durable(sums_.get(), shown(memory_sums_file)); !done) return std::move(done).error();
    const auto sums = checksum_of_file(sums_.get(), pages * 4, shown(memory_sums_file));
    if (!sums) return sums.error();
    files[memory_file] = {.size = size_};
    files[memory_sums_file] = {.size = pages * 4, .checksum = *sums};
    if (kind_ == LayerKind::full) return saved;
    saved.decided = decided_.count();
    const auto file = make_file(folder_, memory_pages_file, shown(memory_pages_file));
    if (!file) return file.error();
    const auto bytes = std::as_bytes(decided_.words());
    if (auto done = write_at(file->get(), bytes, 0, shown(memory_pages_file)); !done)
        return std::move(done).error();
    if (auto done = make_durable(file->get(), shown(memory_pages_file)); !done)
        return std::move(done).error();
    files[memory_pages_file] = {.size = bytes.size(), .checksum = checksum_of(bytes)};
    return saved;
}

} // namespace plugbay::core
