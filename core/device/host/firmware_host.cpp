#include "core/device/device.hpp"
#include "core/device/firmware_records.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/firmware.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace plugbay::core {

namespace {

constexpr std::uint64_t largest_table = std::uint64_t{64} * 1024;
constexpr std::uint32_t no_line = std::numeric_limits<std::uint32_t>::max(); // plugbay_acpi_legacy_device

class FirmwareResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::firmware;
    FirmwareResource(FirmwareRecords& records, const FirmwareRecords::Record& record)
        : records_(records), record_(record) {}
    ~FirmwareResource() override { records_.remove(record_); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return record_.describe(); }
    [[nodiscard]] bool guest_visible() const override { return true; }
    [[nodiscard]] const FirmwareRecords::Record& record() const { return record_; }

  private:
    FirmwareRecords& records_;
    const FirmwareRecords::Record& record_;
};

// What the device's struct says, with zeros where it is shorter than ours.
template <typename T>
T sized_copy(const T& source) {
    T copy{};
    std::memcpy(&copy, &source, std::min<std::size_t>(source.size, sizeof copy));
    return copy;
}

// How errors name a device.
std::string owner_text(const Device& device) {
    return "device \"" + device.id() + "\"";
}

template <typename What>
plugbay_status add(Device& device, What what) {
    if (device.phase() != Phase::creating) {
        return device.refuse(PLUGBAY_FORBIDDEN,
                             "firmware tables can be added only while the device is created");
    }
    FirmwareRecords::Record record{.owner = device.id(), .what = std::move(what)};
    plugbay_handle handle{}; // the device has none: what it added goes with it
    if (device.detached()) {
        return adopt<FirmwareResource>(device, record.describe(), &handle, {},
                                       [&](const FirmwareResource& each) { return each.record() == record; });
    }
    FirmwareRecords& records = device.services().firmware;
    const FirmwareRecords::Record* added = nullptr;
    if (const auto refusal = records.add(std::move(record), added))
        return device.refuse(refusal->status, refusal->why);
    return hold(device, std::make_unique<FirmwareResource>(records, *added), &handle);
}

plugbay_status set_fixed_hardware(const plugbay_host* host, const plugbay_acpi_fixed_hardware* hardware) {
    Device& device = Device::of(host);
    const plugbay_acpi_fixed_hardware given = sized_copy(*hardware);
    return add(device, AcpiFixedHardware{.owner = owner_text(device),
                                         .pm1a_event_port = given.pm1_event_port,
                                         .pm1a_control_port = given.pm1_control_port,
                                         .pm_timer_port = given.pm_timer_port,
                                         .gpe0_port = given.gpe0_port,
                                         .gpe0_length = given.gpe0_length,
                                         .sci_irq = given.sci_line,
                                         .reset_port = given.reset_port,
                                         .reset_value = given.reset_value});
}

plugbay_status add_legacy_device(const plugbay_host* host, const plugbay_acpi_legacy_device* legacy) {
    Device& device = Device::of(host);
    const plugbay_acpi_legacy_device given = sized_copy(*legacy);
    const auto& id = given.hardware_id;
    AcpiLegacyDevice added{.owner = owner_text(device),
                           .hardware_id = std::string(id, strnlen(id, sizeof id))};
    if (given.port_count != 0) added.ports.push_back({.first = given.first_port, .count = given.port_count});
    if (given.second_port_count != 0)
        added.ports.push_back({.first = given.second_port, .count = given.second_port_count});
    if (given.line != no_line) added.irq = given.line;
    return add(device, std::move(added));
}

plugbay_status add_table(const plugbay_host* host, const void* table, std::uint64_t length) {
    Device& device = Device::of(host);
    if (length > largest_table) return device.refuse(PLUGBAY_INVALID, "the ACPI table is larger than 64 KiB");
    const auto* bytes = static_cast<const std::byte*>(table);
    return add(device, AcpiContribution{.owner = owner_text(device), .bytes = {bytes, bytes + length}});
}

} // namespace

const void* firmware_host_table() {
    static constexpr plugbay_firmware_host table{sizeof table, 0, &set_fixed_hardware, &add_legacy_device,
                                                 &add_table};
    return &table;
}

} // namespace plugbay::core
