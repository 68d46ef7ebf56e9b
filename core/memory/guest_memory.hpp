// The guest's RAM: one mapping, shown to the guest as one or two ranges around the PCI hole. It is that of a memfd, or, in a
// machine that was restored, a private one of the checkpoint's files.
#pragma once

#include "core/base/result.hpp"
#include "core/memory/dirty_pages.hpp"
#include "core/memory/page_set.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <plugbay/abi/memory.h>
#include <plugbay/unique_fd.hpp>
#include <span>
#include <vector>

namespace plugbay::core {

// Guest-physical addresses from here to 4 GiB never hold RAM: PCI windows, I/O APIC, local APIC, firmware.
inline constexpr std::uint64_t pci_hole_start = 0xC000'0000;
inline constexpr std::uint64_t pci_hole_end = 0x1'0000'0000;

// One run of RAM: guest-physical start, size in bytes, and where the host sees it.
struct MemoryRange {
    std::uint64_t address;
    std::uint64_t size;
    std::byte* host;
    std::uint64_t file_offset;
};

// Some bytes of a file, in whole pages, and where in the guest's RAM they are: counted as in MemoryRange::file_offset.
struct MemoryPart {
    int file; // borrowed
    std::uint64_t file_offset;
    std::uint64_t memory_offset;
    std::uint64_t length;
};

// Sizes and ranges are fixed for the life of the object, so every const member may be called from any thread
// without a lock. The bytes themselves are shared with the running guest: read a value once, then check it.
class GuestMemory {
  public:
    // `size` is in bytes, a multiple of 4 KiB, at least 1 MiB. Bytes past pci_hole_start move up to 4 GiB.
    [[nodiscard]] static Result<std::unique_ptr<GuestMemory>> create(std::uint64_t size);
    // The same with contents: `parts` are mapped privately, so that only what is used is ever read, and overlap nowhere;
    // what is in none of them is zero. The files' contents must stay as they are while the object lives; they may be
    // deleted.
    [[nodiscard]] static Result<std::unique_ptr<GuestMemory>> create(std::uint64_t size,
                                                                     std::span<const MemoryPart> parts);

    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;
    ~GuestMemory();

    [[nodiscard]] std::uint64_t size() const { return size_; }
    // What all ranges are in, one after the other.
    [[nodiscard]] std::span<const std::byte> bytes() const {
        return {base_, static_cast<std::size_t>(size_)};
    }
    [[nodiscard]] int file() const { return file_.get(); } // -1: the mapping is private
    // Runs of whole pages, in order, outside of which RAM is zeros. They are found without reading RAM, which would take
    // memory for pages that have none yet. Bounds count as in MemoryRange::file_offset. A page that is written meanwhile
    // may be missing.
    using Visit = std::function<Result<void>(std::uint64_t offset, std::uint64_t end)>;
    [[nodiscard]] Result<void> for_each_used(const Visit& visit) const;
    // A file with what is in RAM now, to be mapped privately by another process: RAM itself, which may change on, or a
    // copy. No vCPU and no device writes meanwhile, if the copy has to be of one moment.
    [[nodiscard]] Result<UniqueFd> share() const;
    [[nodiscard]] const std::vector<MemoryRange>& ranges() const { return ranges_; }

    // The host's view of [address, address + length), or an empty span when any byte of it is not RAM or when
    // it spans two ranges. An empty request gives an empty span.
    [[nodiscard]] std::span<std::byte> map(std::uint64_t address, std::uint64_t length) const {
        for (const auto& range : ranges_) {
            const std::uint64_t offset = address - range.address;
            if (address >= range.address && offset < range.size && length <= range.size - offset) {
                return {range.host + offset, static_cast<std::size_t>(length)};
            }
        }
        return {};
    }

    // Copy all of `bytes`, or nothing and false when any byte of the range is not RAM.
    [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> bytes) const;
    [[nodiscard]] bool write(std::uint64_t address, std::span<const std::byte> bytes) const;

    // The same for bytes scattered over segments, whose lengths add up to those of `bytes`. All are checked
    // first.
    [[nodiscard]] bool read(std::span<const plugbay_segment> segments, std::span<std::byte> bytes) const;
    [[nodiscard]] bool write(std::span<const plugbay_segment> segments,
                             std::span<const std::byte> bytes) const;

    // --- which pages the host writes. A page's number is its place in the file, so the ranges follow each
    // other.

    // [control] From now on write() and mark_dirty() are remembered.
    void start_dirty_tracking() { dirty_.start(size_ / DirtyPages::page_size); }
    // [control] A bit a page; begins anew. Empty while tracking is off.
    [[nodiscard]] std::vector<std::uint64_t> take_dirty_pages() { return dirty_.take(); }
    void stop_dirty_tracking() { dirty_.stop(); }
    // [any] For who writes through map(): [address, address + length) is RAM of one range.
    void mark_dirty(std::uint64_t address, std::uint64_t length) const;

    // Makes every byte zero and gives the pages back to the host. No vCPU runs meanwhile.
    [[nodiscard]] Result<void> clear() const;
    // The same for whole pages, and other contents for some: `offset` counts as in MemoryRange::file_offset, and what it
    // begins is inside.
    [[nodiscard]] Result<void> clear(std::uint64_t offset, std::uint64_t length) const;
    void fill(std::uint64_t offset, std::span<const std::byte> bytes) const;
    // clear(), then reads what is in `parts`.
    [[nodiscard]] Result<void> replace(std::span<const MemoryPart> parts) const;

    // [control] The host's view outlives the object: somebody who cannot be stopped may still write through it.
    void keep_mapped() { keep_mapped_ = true; }

  private:
    GuestMemory(UniqueFd file, std::byte* base, std::uint64_t size);
    [[nodiscard]] Result<void> map_part(const MemoryPart& part);
    void find_zeros(const MemoryPart& part);
    [[nodiscard]] PageSet used_pages() const;
    [[nodiscard]] Result<void> read_part(const MemoryPart& part) const;

    UniqueFd file_; // none: the mapping is private
    PageSet zeros_; // of a private mapping: pages that are zeros until they are written
    std::byte* base_;
    std::uint64_t size_;
    std::vector<MemoryRange> ranges_;
    bool keep_mapped_ = false;
    mutable DirtyPages dirty_;
};

} // namespace plugbay::core
