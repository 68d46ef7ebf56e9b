// The functions of struct plugbay_host itself.
#include "host_call.hpp"

#include <string_view>

namespace plugbay::testkit::detail {
namespace {

const void* extension(const plugbay_host* host, const char* id) noexcept {
    HostCall call(host, "extension");
    if (id == nullptr) {
        call.violate(PLUGBAY_INVALID, "the id is NULL");
        return nullptr;
    }
    static constexpr struct {
        std::string_view id;
        const void* table;
    } tables[] = {
        {PLUGBAY_ACCESS, &access_host},
        {PLUGBAY_DOORBELL, &doorbell_host},
        {PLUGBAY_MSR, &msr_host},
        {PLUGBAY_CPUID, &cpuid_host},
        {PLUGBAY_HYPERCALL, &hypercall_host},
        {PLUGBAY_REGION, &region_host},
        {PLUGBAY_WORKER, &worker_host},
        {PLUGBAY_HOST_EVENT, &host_event_host},
        {PLUGBAY_TIMER, &timer_host},
        {PLUGBAY_FD, &fd_host},
        {PLUGBAY_HANDOVER, &handover_host},
        {PLUGBAY_INTERRUPT, &interrupt_host},
        {PLUGBAY_MEMORY, &memory_host},
        {PLUGBAY_MACHINE, &machine_host},
        {PLUGBAY_FIRMWARE, &firmware_host},
        {PLUGBAY_PCI, &pci_host},
        {PLUGBAY_PCI_BUS, &pci_bus_host},
    };
    for (const auto& table : tables) {
        if (table.id == id) return table.table;
    }
    return nullptr;
}

void log(const plugbay_host* host, std::uint32_t level, const char* message) noexcept {
    HostCall call(host, "log");
    if (message == nullptr || level > PLUGBAY_LOG_ERROR) {
        call.violate(PLUGBAY_INVALID, message == nullptr ? "the message is NULL" : "unknown level");
        return;
    }
    if (std::string_view(message).find('\n') != std::string_view::npos)
        call.violate(PLUGBAY_INVALID, "the message has a newline");
    call.machine.log.push_back({call.device.id, level, message});
}

void set_error(const plugbay_host* host, const char* message) noexcept {
    HostCall call(host, "set_error");
    if (message == nullptr || *message == '\0') {
        call.violate(PLUGBAY_INVALID, "the text is NULL or empty");
        return;
    }
    if (call.in_callback()) call.device.error = message;
}

void quiesced(const plugbay_host* host) noexcept {
    HostCall call(host, "quiesced");
    if (!call.in_callback()) return;
    if (call.device.phase != Phase::quiescing) {
        call.violate(PLUGBAY_FORBIDDEN, "no quiesce is pending");
    } else if (call.machine.callback_name() == "quiesce") {
        call.device.quiesced_early = true;
    } else {
        call.machine.mark_stopped(call.device);
    }
}

} // namespace

void fill_host_table(plugbay_host& table, const char* device_id) {
    table.size = sizeof table;
    table.abi_major = PLUGBAY_ABI_MAJOR;
    table.abi_minor = PLUGBAY_ABI_MINOR;
    table.name = "plugbay-testkit";
    table.version = "0.1.0";
    table.device_id = device_id;
    table.extension = extension;
    table.log = log;
    table.set_error = set_error;
    table.quiesced = quiesced;
}

} // namespace plugbay::testkit::detail
