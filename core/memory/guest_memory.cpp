#include "core/memory/guest_memory.hpp"

#include "core/base/errno_error.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>

namespace plugbay::core {

namespace {
constexpr std::uint64_t page_size = 4096;
constexpr std::uint64_t minimum_size = 1 << 20;
} // namespace

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(std::uint64_t size) {
    if (size < minimum_size || size % page_size != 0) {
        return Error{"guest memory of " + std::to_string(size) + " bytes is not possible",
                     "choose at least 1M, in whole 4K pages"};
    }
    UniqueFd file(::memfd_create("plugbay-guest-memory", MFD_CLOEXEC));
    if (!file) return errno_error("memfd_create for guest memory");
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
        return errno_error("cannot size guest memory to " + std::to_string(size) + " bytes");
    }
    void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (base == MAP_FAILED) {
        return errno_error("cannot map " + std::to_string(size) + " bytes of guest memory", errno,
                           "choose a smaller \"memory\"");
    }
    return std::unique_ptr<GuestMemory>(
        new GuestMemory(std::move(file), static_cast<std::byte*>(base), size));
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
    if (::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_)) !=
        0) {
        return errno_error("cannot clear guest memory");
    }
    return {};
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
