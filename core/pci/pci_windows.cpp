#include "core/pci/pci_windows.hpp"

#include <fmt/format.h>

#include <string_view>

namespace plugbay::core {

namespace {

constexpr std::uint64_t four_gib = std::uint64_t{1} << 32;

// Ports or addresses first .. first + size - 1.
struct Range {
    std::string_view what;
    std::uint64_t first;
    std::uint64_t size;
};

constexpr Range configuration_ports{"the configuration ports", 0xcf8, 8};
constexpr Range interrupt_controllers{"the interrupt controllers' addresses", 0xfec00000, 0x300000};

std::string text_of(const Range& range) {
    return fmt::format("{} {:#x}-{:#x}", range.what, range.first, range.first + range.size - 1);
}

// Inside begin .. end - 1. `end` is 0 where the space ends with the last number of 64 bits.
Result<void> check_within(const Range& window, std::uint64_t begin, std::uint64_t end) {
    if (window.first >= begin && window.size <= end - window.first && (end == 0 || window.first < end))
        return {};
    return Error{fmt::format("{:#x} bytes from {:#x} for the {} are no part of {:#x}-{:#x}", window.size,
                             window.first, window.what, begin, end - 1),
                 "move the window, or make it smaller"};
}

// Both have been checked for overflow.
Result<void> check_apart(const Range& window, const Range& other) {
    if (other.size == 0 || window.first + (window.size - 1) < other.first ||
        other.first + (other.size - 1) < window.first)
        return {};
    return Error{fmt::format("the {} overlaps {}", text_of(window), text_of(other)),
                 "move the window, or make it smaller"};
}

Result<void> check_ram(const Range& window, const GuestMemory& memory) {
    for (const auto& ram : memory.ranges()) {
        const Range range{"the machine's RAM at", ram.address, ram.size};
        if (auto done = check_apart(window, range); !done) {
            return Error{done.error().message, "move the window, or give the machine less memory"};
        }
    }
    return {};
}

} // namespace

Result<void> check_pci_windows(const plugbay_pci_bus& bus, const GuestMemory& memory) {
    const Range ports{"port window", bus.port_window, bus.port_window_size};
    const Range low{"32-bit memory window", bus.memory32_window, bus.memory32_window_size};
    const Range high{"64-bit memory window", bus.memory64_window, bus.memory64_window_size};
    Result<void> done;
    if (ports.size != 0) {
        done = check_within(ports, 0, 0x10000);
        if (done) done = check_apart(ports, configuration_ports);
    }
    if (done && low.size != 0) {
        done = check_within(low, 0, four_gib);
        if (done) done = check_apart(low, interrupt_controllers);
        if (done) done = check_ram(low, memory);
    }
    if (done && high.size != 0) {
        done = check_within(high, four_gib, 0);
        if (done) done = check_ram(high, memory);
    }
    return done;
}

} // namespace plugbay::core
