// The host tables that devices ask for by id. One .cpp in this folder for each extension; each function
// checks what the device passed, does it through the machine's services, and explains a refusal.
#pragma once

#include <plugbay/abi/host.h>

namespace plugbay::core {

// plugbay_host::extension. [any]
[[nodiscard]] const void* find_host_extension(const plugbay_host* host, const char* id);

// Defined by the file of that extension.
[[nodiscard]] const void* access_host_table();
[[nodiscard]] const void* cpuid_host_table();
[[nodiscard]] const void* doorbell_host_table();
[[nodiscard]] const void* fd_host_table();
[[nodiscard]] const void* firmware_host_table();
[[nodiscard]] const void* handover_host_table();
[[nodiscard]] const void* host_event_host_table();
[[nodiscard]] const void* hypercall_host_table();
[[nodiscard]] const void* interrupt_host_table();
[[nodiscard]] const void* machine_host_table();
[[nodiscard]] const void* memory_host_table();
[[nodiscard]] const void* msr_host_table();
[[nodiscard]] const void* pci_bus_host_table();
[[nodiscard]] const void* pci_host_table();
[[nodiscard]] const void* region_host_table();
[[nodiscard]] const void* timer_host_table();
[[nodiscard]] const void* worker_host_table();

} // namespace plugbay::core
