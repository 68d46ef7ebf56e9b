// Which windows a host bridge may pass on to its bus.
#pragma once

#include "core/base/result.hpp"
#include "core/memory/guest_memory.hpp"

#include <plugbay/abi/pci_bus.h>

namespace plugbay::core {

// Refuses windows that pass the end of their space, or lie on RAM, on the configuration ports 0xcf8-0xcff or on
// the interrupt controllers' addresses. A window of size 0 is none.
[[nodiscard]] Result<void> check_pci_windows(const plugbay_pci_bus& bus, const GuestMemory& memory);

} // namespace plugbay::core
