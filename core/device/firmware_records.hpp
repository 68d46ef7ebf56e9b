// What the devices of a machine add to the firmware tables, while they are created.
#pragma once

#include "core/boot/acpi_tables.hpp"
#include "core/bus/refusal.hpp"

#include <list>
#include <optional>
#include <string>
#include <variant>

namespace plugbay::core {

// Thread: [control].
class FirmwareRecords {
  public:
    struct Record {
        std::string owner; // a device's id
        std::variant<AcpiFixedHardware, AcpiLegacyDevice, AcpiContribution> what;

        bool operator==(const Record&) const = default;
        // "ACPI table HPET".
        [[nodiscard]] std::string describe() const;
    };

    FirmwareRecords() = default;
    FirmwareRecords(const FirmwareRecords&) = delete;
    FirmwareRecords& operator=(const FirmwareRecords&) = delete;

    // Takes the record, or says why no tables can be made with it, alone or beside those that are there. The pointer is for
    // remove().
    [[nodiscard]] std::optional<Refusal> add(Record record, const Record*& added);
    void remove(const Record& record);

    // Puts all of them into `options`.
    void add_to(AcpiOptions& options) const;
    // The id of the device that provides the fixed hardware; empty: none.
    [[nodiscard]] const std::string& fixed_hardware_owner() const;

  private:
    std::list<Record> records_; // addresses stay
};

} // namespace plugbay::core
