// A range of ports, guest-physical addresses, MSRs or hypercalls and who answers for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace plugbay::core {

struct Slot;

// Something inside the core that answers guest accesses, such as an MSI-X table. Called on vCPU threads,
// several at once. `width` is 1, 2, 4 or 8; offset + width never passes the region's end.
class AccessHandler {
  public:
    virtual ~AccessHandler() = default;
    [[nodiscard]] virtual std::uint64_t read(std::uint64_t offset, std::uint32_t width) = 0;
    virtual void write(std::uint64_t offset, std::uint32_t width, std::uint64_t value) = 0;
};

// Immutable while any map points at it, but for its token. At least one of `slot`, `handler` and `backing` is set.
struct Region {
    std::uint64_t base = 0;
    std::uint64_t length = 0;
    mutable std::uint64_t token =
        0;                   // read inside the slot's gate; changes only while that is closed, with the build
    std::uint32_t flags = 0; // of the map it is in
    Slot* slot = nullptr;
    AccessHandler* handler = nullptr;
    // Memory that reads see. Writes go to the slot, else to the memory if it is writable, else nowhere.
    // Keeping it mapped is the garbage's part, see AccessBus::remove_memory.
    std::byte* backing = nullptr;
    bool writable = false;
    std::shared_ptr<const Slot> owner = {}; // for reports, where `slot` is not set
    // Keeps the slot or the handler: a reader may reach for it after the device has gone.
    std::shared_ptr<const void> keeps = {};

    // Whether all of [address, address + width) is inside.
    [[nodiscard]] bool holds(std::uint64_t address, std::uint64_t width) const {
        const std::uint64_t offset = address - base;
        return address >= base && offset < length && width <= length - offset;
    }
};

} // namespace plugbay::core
