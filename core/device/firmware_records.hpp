// What the devices of a machine add to the firmware tables, collected while they are created.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/abi/firmware.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

// Filled on the control thread while devices are created; read when the tables are built.
class FirmwareRecords {
  public:
    struct LegacyDevice {
        std::string owner;
        plugbay_acpi_legacy_device device;
    };
    struct Table {
        std::string owner;
        std::vector<std::byte> bytes;
    };

    [[nodiscard]] Result<void> set_fixed_hardware(const std::string& owner,
                                                  const plugbay_acpi_fixed_hardware& hardware) {
        if (fixed_hardware_) {
            return Error{"ACPI fixed hardware is provided by device \"" + fixed_owner_ + "\" already",
                         "remove one of the two devices"};
        }
        fixed_hardware_ = hardware;
        fixed_owner_ = owner;
        return {};
    }
    void add(LegacyDevice device) { legacy_devices_.push_back(std::move(device)); }
    void add(Table table) { tables_.push_back(std::move(table)); }
    // Whether the owner provides just this already.
    [[nodiscard]] bool has_fixed_hardware(const std::string& owner,
                                          const plugbay_acpi_fixed_hardware& hardware) const {
        return fixed_hardware_ && fixed_owner_ == owner && same_bytes(*fixed_hardware_, hardware);
    }
    [[nodiscard]] bool has(const LegacyDevice& wanted) const {
        return std::ranges::any_of(legacy_devices_, [&](const LegacyDevice& each) {
            return each.owner == wanted.owner && same_bytes(each.device, wanted.device);
        });
    }
    [[nodiscard]] bool has(const Table& wanted) const {
        return std::ranges::any_of(tables_, [&](const Table& each) {
            return each.owner == wanted.owner && each.bytes == wanted.bytes;
        });
    }
    // Forgets what `owner` added.
    void remove(const std::string& owner) {
        if (fixed_owner_ == owner) {
            fixed_hardware_.reset();
            fixed_owner_.clear();
        }
        std::erase_if(legacy_devices_, [&](const auto& each) { return each.owner == owner; });
        std::erase_if(tables_, [&](const auto& each) { return each.owner == owner; });
    }

    [[nodiscard]] const std::optional<plugbay_acpi_fixed_hardware>& fixed_hardware() const {
        return fixed_hardware_;
    }
    // The id of the device that provides it; empty: none.
    [[nodiscard]] const std::string& fixed_hardware_owner() const { return fixed_owner_; }
    [[nodiscard]] const std::vector<LegacyDevice>& legacy_devices() const { return legacy_devices_; }
    [[nodiscard]] const std::vector<Table>& tables() const { return tables_; }

  private:
    template <typename T>
    [[nodiscard]] static bool same_bytes(const T& one, const T& other) {
        return std::memcmp(&one, &other, sizeof one) == 0;
    }

    std::optional<plugbay_acpi_fixed_hardware> fixed_hardware_;
    std::string fixed_owner_;
    std::vector<LegacyDevice> legacy_devices_;
    std::vector<Table> tables_;
};

} // namespace plugbay::core
