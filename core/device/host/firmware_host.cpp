#include "core/device/device.hpp"
#include "core/device/firmware_records.hpp"
#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/firmware.h>

#include <algorithm>
#include <cstring>

namespace plugbay::core {

namespace {

constexpr std::uint64_t largest_table = std::uint64_t{64} * 1024; // half of the room that all tables have

// What the device's struct says, with zeros where it is shorter than ours.
template <typename T>
T sized_copy(const T& source) {
    T copy{};
    std::memcpy(&copy, &source, std::min<std::size_t>(source.size, sizeof copy));
    return copy;
}

plugbay_status refuse_unless_creating(Device& device) {
    if (device.phase() == Phase::creating) return PLUGBAY_OK;
    return device.refuse(PLUGBAY_FORBIDDEN, "firmware tables can be added only while the device is created");
}

// Of a build that replaces another: the guest has read the tables of the one before.
plugbay_status same_as_before(Device& device, bool same) {
    if (same) return PLUGBAY_OK;
    return device.refuse(
        PLUGBAY_FORBIDDEN,
        "it adds to the ACPI tables what the build that it replaces does not, and the guest has "
        "read these: remove the device and add it again, or restart the machine");
}

plugbay_status set_fixed_hardware(const plugbay_host* host, const plugbay_acpi_fixed_hardware* hardware) {
    Device& device = Device::of(host);
    if (const auto status = refuse_unless_creating(device); status != PLUGBAY_OK) return status;
    FirmwareRecords& records = device.services().firmware;
    if (device.detached())
        return same_as_before(device, records.has_fixed_hardware(device.id(), sized_copy(*hardware)));
    auto done = records.set_fixed_hardware(device.id(), sized_copy(*hardware));
    return done ? PLUGBAY_OK : device.refuse(PLUGBAY_TAKEN, done.error().text());
}

plugbay_status add_legacy_device(const plugbay_host* host, const plugbay_acpi_legacy_device* legacy) {
    Device& device = Device::of(host);
    if (const auto status = refuse_unless_creating(device); status != PLUGBAY_OK) return status;
    FirmwareRecords::LegacyDevice record{.owner = device.id(), .device = sized_copy(*legacy)};
    if (device.detached()) return same_as_before(device, device.services().firmware.has(record));
    device.services().firmware.add(std::move(record));
    return PLUGBAY_OK;
}

plugbay_status add_table(const plugbay_host* host, const void* table, std::uint64_t length) {
    Device& device = Device::of(host);
    if (const auto status = refuse_unless_creating(device); status != PLUGBAY_OK) return status;
    if (length > largest_table) return device.refuse(PLUGBAY_INVALID, "the ACPI table is larger than 64 KiB");
    const auto* bytes = static_cast<const std::byte*>(table);
    FirmwareRecords::Table record{.owner = device.id(), .bytes = {bytes, bytes + length}};
    if (device.detached()) return same_as_before(device, device.services().firmware.has(record));
    device.services().firmware.add(std::move(record));
    return PLUGBAY_OK;
}

} // namespace

const void* firmware_host_table() {
    static constexpr plugbay_firmware_host table{sizeof table, 0, &set_fixed_hardware, &add_legacy_device,
                                                 &add_table};
    return &table;
}

} // namespace plugbay::core
