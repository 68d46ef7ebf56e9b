// What the device manager needs from the hypervisor, and no more: so that it is tested without one.
#pragma once

#include "core/base/result.hpp"
#include "core/kvm/memory_slot.hpp"
#include "core/kvm/msr_filter.hpp"
#include "core/kvm/own_ranges.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace plugbay::core {

// One message-signalled interrupt. Thread: fire() any; set_message() one at a time.
class MsiVector {
  public:
    virtual ~MsiVector() = default;
    // What fire() delivers from now on.
    virtual Result<void> set_message(std::uint64_t address, std::uint32_t data) = 0;
    virtual void fire() = 0;
};

// A guest write that signals an eventfd inside the kernel; undone when destroyed.
class DoorbellLatch {
  public:
    virtual ~DoorbellLatch() = default;
};

struct LatchRequest {
    bool port = false; // I/O port instead of guest-physical address
    std::uint64_t address = 0;
    std::uint32_t width = 0; // bytes
    std::optional<std::uint64_t> value = {};
    int eventfd = -1; // borrowed; outlives the latch
};

// Host memory that the guest sees until unmap().
class PlatformMemory {
  public:
    virtual ~PlatformMemory() = default;
    // Once, before it is destroyed. An error means that the guest sees it as before: the memory must not be given back.
    [[nodiscard]] virtual Result<void> unmap() = 0;
    // A bit a 4 KiB page that the guest wrote since the last call; an error when that is not logged.
    [[nodiscard]] virtual Result<std::vector<std::uint64_t>> take_dirty() = 0;
};

// Thread: any.
class Platform {
  public:
    virtual ~Platform() = default;
    // What no device gets, because the hypervisor answers or drives it. Lives as long as the platform.
    [[nodiscard]] virtual std::span<const OwnRange> own_ranges() const { return {}; }
    // `gsi` is below 24.
    virtual void set_line(std::uint32_t gsi, bool high) = 0;
    [[nodiscard]] virtual Result<std::unique_ptr<MsiVector>> create_msi_vector() = 0;
    // An error means that the write arrives as an ordinary access instead.
    [[nodiscard]] virtual Result<std::unique_ptr<DoorbellLatch>>
    latch_doorbell(const LatchRequest& request) = 0;
    [[nodiscard]] virtual Result<std::unique_ptr<PlatformMemory>>
    map_memory(const MemorySlotRequest& request) = 0;
    // From now on exactly these pages of the guest's RAM are watched: their accesses come to the bus. No
    // vCPU runs meanwhile. An error leaves it as it was, if that is possible.
    [[nodiscard]] virtual Result<void> watch_ram(std::span<const WatchedRam> watched) = 0;
    // From now on exactly these accesses come to the bus, and those to MSRs that the hypervisor does not
    // have. An error leaves it as it was.
    [[nodiscard]] virtual Result<void> intercept_msrs(std::span<const MsrInterception> interceptions) = 0;
};

} // namespace plugbay::core
