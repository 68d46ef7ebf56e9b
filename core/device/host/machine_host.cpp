#include "core/device/device.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/memory/guest_memory.hpp"

#include <plugbay/abi/machine.h>

#include <algorithm>
#include <cstring>

namespace plugbay::core {

namespace {

void facts(const plugbay_host* host, plugbay_machine_facts* target) {
    const MachineServices& services = Device::of(host).services();
    plugbay_machine_facts known{};
    known.size = std::min<std::uint32_t>(target->size, sizeof known);
    known.cpu_count = services.cpu_count;
    known.memory_size = services.memory.size();
    known.memory_below_4gb = services.memory.ranges().front().size;
    std::memcpy(target, &known, known.size);
}

plugbay_status request(const plugbay_host* host, std::uint32_t request, std::uint32_t argument) {
    Device& device = Device::of(host);
    MachineRequest made{.device = device.id()};
    switch (request) {
    case PLUGBAY_REQUEST_POWER_OFF:
        made.kind = MachineRequest::Kind::power_off;
        break;
    case PLUGBAY_REQUEST_RESET:
        made.kind = MachineRequest::Kind::reset;
        break;
    case PLUGBAY_REQUEST_EXIT:
        made.kind = MachineRequest::Kind::exit;
        made.status = argument & 0xff;
        break;
    default:
        return device.refuse(PLUGBAY_INVALID, "unknown request " + std::to_string(request));
    }
    device.services().request(std::move(made));
    return PLUGBAY_OK;
}

} // namespace

const void* machine_host_table() {
    static constexpr plugbay_machine_host table{sizeof table, 0, &facts, &request};
    return &table;
}

} // namespace plugbay::core
