#include "guest_ram.hpp"

#include <plugbay/testkit/error.hpp>

#include <sys/mman.h>

namespace plugbay::testkit::detail {
namespace {
constexpr std::size_t page = 4096;
}

GuestRam::GuestRam(std::uint64_t below_4gb, std::uint64_t above_4gb, int file) {
    if (below_4gb == 0 || below_4gb % page != 0 || above_4gb % page != 0 || below_4gb > four_gib - (1 << 30))
        throw Error("a bench's RAM is whole pages, at least one below 4 GiB and at most 3 GiB there");
    add(0, below_4gb, file, 0);
    if (above_4gb != 0) add(four_gib, above_4gb, file, below_4gb);
}

GuestRam::~GuestRam() {
    for (const Block& block : blocks_)
        munmap(block.bytes.data() - page, block.bytes.size() + 2 * page);
}

void GuestRam::add(std::uint64_t address, std::uint64_t length, int file, std::uint64_t offset) {
    void* all =
        mmap(nullptr, length + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) throw Error("no memory for the bench's RAM", PLUGBAY_NO_MEMORY);
    auto* const bytes = static_cast<std::byte*>(all) + page;
    blocks_.push_back({address, {bytes, static_cast<std::size_t>(length)}});
    const int source = file < 0 ? MAP_ANONYMOUS : 0;
    if (mmap(bytes, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | source, file,
             static_cast<off_t>(offset)) == MAP_FAILED)
        throw Error("no memory for the bench's RAM", PLUGBAY_NO_MEMORY);
}

std::span<std::byte> GuestRam::range(std::uint64_t address, std::uint64_t length) const {
    for (const Block& block : blocks_) {
        const std::uint64_t size = block.bytes.size();
        if (address < block.address) continue;
        const std::uint64_t offset = address - block.address;
        if (offset < size && length <= size - offset) return block.bytes.subspan(offset, length);
    }
    return {};
}

bool GuestRam::touches(std::uint64_t address, std::uint64_t length) const {
    for (const Block& block : blocks_) {
        const std::uint64_t size = block.bytes.size();
        const bool begins_before_end = address < block.address + size;
        const bool ends_after_begin = address >= block.address || length > block.address - address;
        if (begins_before_end && ends_after_begin) return true;
    }
    return false;
}

std::uint64_t GuestRam::total() const {
    std::uint64_t sum = 0;
    for (const Block& block : blocks_)
        sum += block.bytes.size();
    return sum;
}

} // namespace plugbay::testkit::detail
