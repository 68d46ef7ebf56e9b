// Where BARs go at power-on: naturally aligned, largest first, so that no gap is left between BARs of one
// window.
#pragma once

#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/failure.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

// Addresses first .. first + length - 1 to hand out.
struct Window {
    const char* name; // the property that makes it larger
    std::uint64_t first;
    std::uint64_t length;
    std::uint64_t used = 0;

    // The next free address for a BAR; 0 when it does not fit any more.
    std::uint64_t take(std::uint64_t size) {
        const std::uint64_t start = (first + used + size - 1) / size * size;
        const std::uint64_t offset = start - first;
        if (start < first || offset > length || size > length - offset) return 0;
        used = offset + size;
        return start;
    }
};

struct Windows {
    Window ports;
    Window memory32;
    Window memory64;
};

// Fills in the addresses. 64-bit BARs go below 4 GiB too, where every guest reaches them, as long as there is
// room: the others go first.
inline void assign_bars(std::vector<plugbay_pci_bar_slot>& bars, Windows windows) {
    const auto kind = [](const plugbay_pci_bar_slot& bar) { return bar.kind & ~PLUGBAY_BAR_PREFETCHABLE; };
    std::vector<plugbay_pci_bar_slot*> order;
    for (plugbay_pci_bar_slot& bar : bars)
        order.push_back(&bar);
    std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
        const bool a_wide = kind(*a) == PLUGBAY_BAR_MEMORY64;
        const bool b_wide = kind(*b) == PLUGBAY_BAR_MEMORY64;
        return a_wide != b_wide ? b_wide : a->length > b->length;
    });
    for (plugbay_pci_bar_slot* bar : order) {
        Window& window = kind(*bar) == PLUGBAY_BAR_PORTS ? windows.ports : windows.memory32;
        bar->address = bar->length == 0 ? 0 : window.take(bar->length);
        if (bar->address == 0 && bar->length != 0 && kind(*bar) == PLUGBAY_BAR_MEMORY64)
            bar->address = windows.memory64.take(bar->length);
        if (bar->address == 0) {
            throw plugbay::Failure("BAR " + std::to_string(bar->bar) + " of the device in slot " +
                                   std::to_string(bar->slot) + " (" + std::to_string(bar->length) +
                                   " bytes) does not fit: make the bridge's \"" + window.name +
                                   "_size\" larger or take devices away");
        }
    }
}
