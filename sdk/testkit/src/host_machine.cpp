// plugbay.machine/1 and plugbay.firmware/1
#include "host_call.hpp"

#include <algorithm>
#include <cstring>

namespace plugbay::testkit::detail {
namespace {

void facts(const plugbay_host* host, plugbay_machine_facts* target) noexcept {
    HostCall call(host, "machine facts");
    if (target == nullptr || target->size < sizeof(std::uint32_t)) {
        call.violate(PLUGBAY_INVALID, "facts is NULL or its size is not set");
        return;
    }
    plugbay_machine_facts all{};
    all.size = std::min<std::uint32_t>(target->size, sizeof all);
    all.cpu_count = call.machine.options.cpu_count;
    all.memory_size = call.machine.ram.total();
    all.memory_below_4gb = call.machine.ram.below_4gb();
    std::memcpy(target, &all, all.size);
}

plugbay_status request(const plugbay_host* host, std::uint32_t kind, std::uint32_t argument) noexcept {
    HostCall call(host, "machine request");
    if (kind < PLUGBAY_REQUEST_POWER_OFF || kind > PLUGBAY_REQUEST_EXIT)
        return call.violate(PLUGBAY_INVALID, "unknown request");
    if (kind == PLUGBAY_REQUEST_EXIT && argument > 255)
        return call.violate(PLUGBAY_INVALID, "an exit status is 0 to 255");
    call.machine.requests.push_back({call.device.id, kind, argument});
    return PLUGBAY_OK;
}

plugbay_status set_fixed_hardware(const plugbay_host* host,
                                  const plugbay_acpi_fixed_hardware* hardware) noexcept {
    HostCall call(host, "set_acpi_fixed_hardware");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    if (hardware == nullptr || hardware->size < sizeof *hardware)
        return call.violate(PLUGBAY_INVALID, "hardware is NULL or its size is too small");
    auto& machine = call.machine;
    // The guest has read its tables long ago.
    if (call.device.predecessor != nullptr && machine.fixed_hardware_owner == call.device.id)
        return PLUGBAY_OK;
    if (machine.fixed_hardware)
        return call.refuse(PLUGBAY_TAKEN,
                           "\"" + machine.fixed_hardware_owner + "\" provides ACPI's fixed hardware already");
    machine.fixed_hardware = *hardware;
    machine.fixed_hardware_owner = call.device.id;
    return PLUGBAY_OK;
}

plugbay_status add_legacy_device(const plugbay_host* host,
                                 const plugbay_acpi_legacy_device* device) noexcept {
    HostCall call(host, "add_acpi_legacy_device");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    if (device == nullptr || device->size < sizeof *device)
        return call.violate(PLUGBAY_INVALID, "device is NULL or its size is too small");
    const auto& id = device->hardware_id;
    const std::size_t length = strnlen(id, sizeof id);
    const auto capital = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    if (length < 7 || !std::all_of(id, id + length, capital))
        return call.violate(PLUGBAY_INVALID, "the hardware id is not like \"PNP0501\" or \"QEMU0001\"");
    if (call.device.predecessor != nullptr) return PLUGBAY_OK;
    call.machine.legacy_devices.push_back(*device);
    return PLUGBAY_OK;
}

plugbay_status add_table(const plugbay_host* host, const void* table, std::uint64_t length) noexcept {
    HostCall call(host, "add_acpi_table");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    constexpr std::uint64_t header = 36;
    if (table == nullptr || length < header || length > (1 << 20))
        return call.violate(PLUGBAY_INVALID, "an ACPI table has 36 bytes to 1 MiB");
    const auto* bytes = static_cast<const std::byte*>(table);
    std::uint32_t stated = 0;
    std::memcpy(&stated, bytes + 4, sizeof stated);
    if (stated != length) return call.violate(PLUGBAY_INVALID, "the table's header states another length");
    unsigned sum = 0;
    for (std::uint64_t i = 0; i < length; ++i)
        sum += std::to_integer<unsigned>(bytes[i]);
    if ((sum & 0xff) != 0) return call.violate(PLUGBAY_INVALID, "the table's checksum is wrong");
    if (call.device.predecessor != nullptr) return PLUGBAY_OK;
    call.machine.acpi_tables.emplace_back(bytes, bytes + length);
    return PLUGBAY_OK;
}

} // namespace

constinit const plugbay_machine_host machine_host{sizeof(plugbay_machine_host), 0, facts, request};
constinit const plugbay_firmware_host firmware_host{sizeof(plugbay_firmware_host), 0, set_fixed_hardware,
                                                    add_legacy_device, add_table};

} // namespace plugbay::testkit::detail
