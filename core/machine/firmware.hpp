// What firmware would have left in memory: ACPI tables from what the devices added, and the image to boot.
#pragma once

#include "core/base/result.hpp"
#include "core/boot/load_image.hpp"
#include "core/config/machine_config.hpp"
#include "core/device/firmware_records.hpp"
#include "core/memory/guest_memory.hpp"
#include "core/pci/pci_bus.hpp"

namespace plugbay::core {

// [control] Writes guest memory; no vCPU runs. Called again for each reset.
[[nodiscard]] Result<LoadedImage> prepare_boot(const GuestMemory& memory, const MachineConfig& config,
                                               const FirmwareRecords& records, const PciBuses& buses);

} // namespace plugbay::core
