#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/cpuid.h>
#include <plugbay/abi/doorbell.h>
#include <plugbay/abi/fd.h>
#include <plugbay/abi/firmware.h>
#include <plugbay/abi/handover.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/machine.h>
#include <plugbay/abi/memory.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/abi/region.h>
#include <plugbay/abi/timer.h>
#include <plugbay/abi/worker.h>

#include <string_view>

namespace plugbay::core {

const void* find_host_extension(const plugbay_host*, const char* id) {
    if (id == nullptr) return nullptr;
    struct Entry {
        std::string_view id;
        const void* (*table)();
    };
    static constexpr Entry entries[] = {
        {PLUGBAY_ACCESS, &access_host_table},         {PLUGBAY_CPUID, &cpuid_host_table},
        {PLUGBAY_DOORBELL, &doorbell_host_table},     {PLUGBAY_FD, &fd_host_table},
        {PLUGBAY_FIRMWARE, &firmware_host_table},     {PLUGBAY_HANDOVER, &handover_host_table},
        {PLUGBAY_HOST_EVENT, &host_event_host_table}, {PLUGBAY_HYPERCALL, &hypercall_host_table},
        {PLUGBAY_INTERRUPT, &interrupt_host_table},   {PLUGBAY_MACHINE, &machine_host_table},
        {PLUGBAY_MEMORY, &memory_host_table},         {PLUGBAY_MSR, &msr_host_table},
        {PLUGBAY_PCI_BUS, &pci_bus_host_table},       {PLUGBAY_PCI, &pci_host_table},
        {PLUGBAY_REGION, &region_host_table},         {PLUGBAY_TIMER, &timer_host_table},
        {PLUGBAY_WORKER, &worker_host_table},
    };
    for (const Entry& entry : entries) {
        if (entry.id == id) return entry.table();
    }
    return nullptr;
}

} // namespace plugbay::core
