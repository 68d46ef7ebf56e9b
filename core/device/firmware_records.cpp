#include "core/device/firmware_records.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace plugbay::core {

namespace {

using Record = FirmwareRecords::Record;

// Leaves room for the machine's own tables, however many processors and legacy devices are in them.
constexpr std::size_t most_table_bytes = std::size_t{96} * 1024;

void add_one(AcpiOptions& options, const Record& record) {
    if (const auto* hardware = std::get_if<AcpiFixedHardware>(&record.what)) {
        options.fixed_hardware = *hardware;
    } else if (const auto* legacy = std::get_if<AcpiLegacyDevice>(&record.what)) {
        options.legacy_devices.push_back(*legacy);
    } else {
        options.tables.push_back(std::get<AcpiContribution>(record.what));
    }
}

std::size_t table_bytes(const AcpiOptions& options) {
    std::size_t sum = 0;
    for (const AcpiContribution& table : options.tables)
        sum += table.bytes.size();
    return sum;
}

} // namespace

std::string FirmwareRecords::Record::describe() const {
    if (std::holds_alternative<AcpiFixedHardware>(what)) return "ACPI fixed hardware";
    if (const auto* legacy = std::get_if<AcpiLegacyDevice>(&what))
        return "ACPI device " + legacy->hardware_id;
    return "ACPI table " + acpi_signature(std::get<AcpiContribution>(what).bytes);
}

std::optional<Refusal> FirmwareRecords::add(Record record, const Record*& added) {
    AcpiOptions alone;
    add_one(alone, record);
    if (auto done = check_acpi_options(alone); !done) return Refusal{PLUGBAY_INVALID, done.error().text()};
    if (alone.fixed_hardware && !fixed_hardware_owner().empty()) {
        return Refusal{PLUGBAY_TAKEN,
                       fmt::format("ACPI fixed hardware is provided by device \"{}\" already; remove one of "
                                   "the two devices",
                                   fixed_hardware_owner())};
    }
    AcpiOptions together;
    add_to(together);
    add_one(together, record);
    if (auto done = check_acpi_options(together); !done) return Refusal{PLUGBAY_TAKEN, done.error().text()};
    if (const std::size_t bytes = table_bytes(together); bytes > most_table_bytes) {
        return Refusal{PLUGBAY_TAKEN,
                       fmt::format("the ACPI tables of all devices would have {} bytes together, "
                                   "and there is room for {}; use fewer devices that bring tables",
                                   bytes, most_table_bytes)};
    }
    added = &records_.emplace_back(std::move(record));
    return std::nullopt;
}

void FirmwareRecords::remove(const Record& record) {
    records_.remove_if([&](const Record& each) { return &each == &record; });
}

void FirmwareRecords::add_to(AcpiOptions& options) const {
    for (const Record& record : records_)
        add_one(options, record);
}

const std::string& FirmwareRecords::fixed_hardware_owner() const {
    static const std::string none;
    const auto found = std::ranges::find_if(
        records_, [](const Record& each) { return std::holds_alternative<AcpiFixedHardware>(each.what); });
    return found == records_.end() ? none : found->owner;
}

} // namespace plugbay::core
