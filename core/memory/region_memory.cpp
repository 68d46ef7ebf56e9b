#include "core/memory/region_memory.hpp"

#include "core/base/errno_error.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace plugbay::core {

Result<std::shared_ptr<RegionMemory>> RegionMemory::create(std::uint64_t size) {
    const std::string what = "memory of " + std::to_string(size) + " bytes for a device";
    UniqueFd file(::memfd_create("plugbay-region", MFD_CLOEXEC));
    if (!file) return errno_error(what + ": memfd_create");
    if (size > INT64_MAX || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
        return errno_error(what, errno, "choose a smaller one");
    void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (base == MAP_FAILED) return errno_error(what, errno, "choose a smaller one");
    return std::shared_ptr<RegionMemory>(
        new RegionMemory(std::move(file), static_cast<std::byte*>(base), size));
}

RegionMemory::~RegionMemory() {
    ::munmap(base_, size_);
}

} // namespace plugbay::core
