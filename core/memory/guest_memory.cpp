#include "core/memory/guest_memory.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/file_run.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

namespace plugbay::core {

namespace {
constexpr std::uint64_t page_size = 4096;
constexpr std::uint64_t minimum_size = 1 << 20;
constexpr std::size_t most_mapped_parts = 4096;
constexpr std::uint64_t always_mapped = 1 << 20;
constexpr int private_zeroes = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

Result<void> check_size(std::uint64_t size) {
    if (size >= minimum_size && size % page_size == 0) return {};
    return Error{"guest memory of " + std::to_string(size) + " bytes is not possible",
                 "choose at least 1M, in whole 4K pages"};
}

Result<UniqueFd> memory_file(std::uint64_t size) {
    UniqueFd file(::memfd_create("plugbay-guest-memory", MFD_CLOEXEC));
    if (!file) return errno_error("memfd_create for guest memory");
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
        return errno_error("cannot size guest memory to " + std::to_string(size) + " bytes");
    return file;
}

bool fits(const MemoryPart& part, std::uint64_t size) {
    return (part.memory_offset | part.file_offset | part.length) % page_size == 0 &&
           part.memory_offset <= size && part.length <= size - part.memory_offset;
}
Error misplaced() {
    return Error{"a part of guest memory is not in whole pages inside it"};
}

Error map_error(std::uint64_t size) {
    return errno_error("cannot map " + std::to_string(size) + " bytes of guest memory", errno,
                       "choose a smaller \"memory\"");
}
} // namespace

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(std::uint64_t size) {
    if (auto possible = check_size(size); !possible) return std::move(possible).error();
    auto file = memory_file(size);
    if (!file) return std::move(file).error();
    void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file->get(), 0);
    if (base == MAP_FAILED) return map_error(size);
    return std::unique_ptr<GuestMemory>(
        new GuestMemory(std::move(*file), static_cast<std::byte*>(base), size));
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(std::uint64_t size,
                                                         std::span<const MemoryPart> parts) {
    if (auto possible = check_size(size); !possible) return std::move(possible).error();
    void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, private_zeroes, -1, 0);
    if (base == MAP_FAILED) return map_error(size);
    std::unique_ptr<GuestMemory> memory(new GuestMemory({}, static_cast<std::byte*>(base), size));
    memory->zeros_ = PageSet(size / page_size);
    memory->zeros_.add(0, size / page_size);
    for (const MemoryPart& part : parts) {
        if (!fits(part, size)) return misplaced();
        // The kernel allows 65,530 mappings by default, and a chain of checkpoints may have more pieces than that.
        const bool map = parts.size() <= most_mapped_parts || part.length >= always_mapped;
        if (auto done = map ? memory->map_part(part) : memory->read_part(part); !done)
            return std::move(done).error();
    }
    return memory;
}

Result<void> GuestMemory::map_part(const MemoryPart& part) {
    if (part.length == 0) return {};
    void* const mapped =
        ::mmap(base_ + part.memory_offset, part.length, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, part.file, static_cast<off_t>(part.file_offset));
    if (mapped == MAP_FAILED) return errno_error("cannot map a part of guest memory from its file");
    find_zeros(part);
    return {};
}

// The holes of its file, as far as they are whole pages.
void GuestMemory::find_zeros(const MemoryPart& part) {
    const auto page_of = [&](std::uint64_t place) {
        return (place - part.file_offset + part.memory_offset) / page_size;
    };
    const std::uint64_t end = part.file_offset + part.length;
    for (std::uint64_t page = page_of(part.file_offset); page < page_of(end); ++page)
        zeros_.remove(page);
    for (std::uint64_t at = part.file_offset; at < end;) {
        const FileRun run = run_at(part.file, at, end);
        const std::uint64_t first = page_of(at + page_size - 1);
        const std::uint64_t behind = page_of(run.end);
        if (!run.data && first < behind) zeros_.add(first, behind - first);
        at = run.end;
    }
}

Result<void> GuestMemory::read_part(const MemoryPart& part) const {
    for (std::uint64_t done = 0; done < part.length;) {
        const ssize_t got = ::pread(part.file, base_ + part.memory_offset + done, part.length - done,
                                    static_cast<off_t>(part.file_offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("cannot read a part of guest memory from its file");
        if (got == 0) return Error{"the file of a part of guest memory ends too early"};
        done += static_cast<std::uint64_t>(got);
    }
    return {};
}

GuestMemory::GuestMemory(UniqueFd file, std::byte* base, std::uint64_t size)
    : file_(std::move(file)), base_(base), size_(size) {
    const std::uint64_t low = std::min(size, pci_hole_start);
    ranges_.push_back({.address = 0, .size = low, .host = base, .file_offset = 0});
    if (size > low) {
        ranges_.push_back(
            {.address = pci_hole_end, .size = size - low, .host = base + low, .file_offset = low});
    }
}

GuestMemory::~GuestMemory() {
    if (!keep_mapped_) ::munmap(base_, size_);
}

Result<void> GuestMemory::clear() const {
    return clear(0, size_);
}

Result<void> GuestMemory::clear(std::uint64_t offset, std::uint64_t length) const {
    const bool cleared = file_ ? ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                             static_cast<off_t>(offset), static_cast<off_t>(length)) == 0
                               : ::mmap(base_ + offset, length, PROT_READ | PROT_WRITE,
                                        private_zeroes | MAP_FIXED, -1, 0) != MAP_FAILED;
    if (!cleared) return errno_error("cannot clear guest memory");
    dirty_.mark(offset, length);
    return {};
}

void GuestMemory::fill(std::uint64_t offset, std::span<const std::byte> bytes) const {
    std::ranges::copy(bytes, base_ + offset);
    dirty_.mark(offset, bytes.size());
}

Result<void> GuestMemory::replace(std::span<const MemoryPart> parts) const {
    if (auto cleared = clear(); !cleared) return cleared;
    for (const MemoryPart& part : parts) {
        if (!fits(part, size_)) return misplaced();
        if (auto read = read_part(part); !read) return read;
    }
    return {};
}

Result<UniqueFd> GuestMemory::share() const {
    if (file_) {
        UniqueFd same(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
        if (!same) return errno_error("cannot duplicate the descriptor of guest memory");
        return same;
    }
    auto copy = memory_file(size_);
    if (!copy) return copy;
    auto copied = for_each_used([&](std::uint64_t offset, std::uint64_t end) -> Result<void> {
        for (; offset < end; offset += page_size) {
            const std::span page(base_ + offset, page_size);
            if (std::ranges::all_of(page, [](std::byte each) { return each == std::byte{0}; })) continue;
            if (::pwrite(copy->get(), page.data(), page.size(), static_cast<off_t>(offset)) !=
                static_cast<ssize_t>(page.size()))
                return errno_error("cannot copy guest memory");
        }
        return {};
    });
    if (!copied) return std::move(copied).error();
    return copy;
}

bool GuestMemory::read(std::uint64_t address, std::span<std::byte> bytes) const {
    if (bytes.empty()) return true;
    const auto source = map(address, bytes.size());
    if (source.empty()) return false;
    std::memcpy(bytes.data(), source.data(), bytes.size());
    return true;
}

bool GuestMemory::write(std::uint64_t address, std::span<const std::byte> bytes) const {
    if (bytes.empty()) return true;
    const auto target = map(address, bytes.size());
    if (target.empty()) return false;
    std::memcpy(target.data(), bytes.data(), bytes.size());
    mark_dirty(address, bytes.size());
    return true;
}

void GuestMemory::mark_dirty(std::uint64_t address, std::uint64_t length) const {
    const auto bytes = map(address, length);
    if (!bytes.empty()) dirty_.mark(static_cast<std::uint64_t>(bytes.data() - base_), length);
}

namespace {

// Whether all segments are RAM and add up to `length` bytes.
bool fit(const GuestMemory& memory, std::span<const plugbay_segment> segments, std::uint64_t length) {
    for (const plugbay_segment& each : segments) {
        if (each.length > length || (each.length != 0 && memory.map(each.address, each.length).empty()))
            return false;
        length -= each.length;
    }
    return length == 0;
}

} // namespace

bool GuestMemory::read(std::span<const plugbay_segment> segments, std::span<std::byte> bytes) const {
    if (!fit(*this, segments, bytes.size())) return false;
    for (const plugbay_segment& each : segments) {
        static_cast<void>(read(each.address, bytes.first(each.length)));
        bytes = bytes.subspan(each.length);
    }
    return true;
}

bool GuestMemory::write(std::span<const plugbay_segment> segments, std::span<const std::byte> bytes) const {
    if (!fit(*this, segments, bytes.size())) return false;
    for (const plugbay_segment& each : segments) {
        static_cast<void>(write(each.address, bytes.first(each.length)));
        bytes = bytes.subspan(each.length);
    }
    return true;
}

} // namespace plugbay::core
