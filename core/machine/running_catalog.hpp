// Device types as the builds that run declare them: after a hot swap these are not the master device table's.
#pragma once

#include "core/config/table_catalog.hpp"
#include "core/machine/device_manager.hpp"
#include "core/plugin/loaded_plugin.hpp"

#include <string_view>
#include <vector>

namespace plugbay::core {

// For what devices that are there were made from. Of two builds of one type, the older device's counts. Thread: [control];
// used up before a device comes or goes.
class RunningCatalog final : public TypeCatalog {
  public:
    RunningCatalog(const MasterDeviceTable& table, const DeviceManager& devices)
        : table_(table), devices_(devices) {}

    [[nodiscard]] const TypeDescription* find(std::string_view name) const override {
        for (const auto& device : devices_.devices()) {
            if (device->type().name == name) return of(*device);
        }
        return table_.find(name);
    }
    [[nodiscard]] std::vector<KnownType> known_types() const override { return table_.known_types(); }

    // As its own build declares it.
    [[nodiscard]] static const TypeDescription* of(const Device& device) {
        return device.plugin()->describe_type(device.type().name);
    }

  private:
    const TableCatalog table_;
    const DeviceManager& devices_;
};

// For what is added: new devices are made as the table's builds say, and those that are there are as their own say. Thread:
// [control]; used up before a device comes or goes.
class AdditionCatalog final : public TypeCatalog {
  public:
    AdditionCatalog(const MasterDeviceTable& table, const DeviceManager& devices)
        : table_(table), devices_(devices) {}

    [[nodiscard]] const TypeDescription* find(std::string_view name) const override {
        return table_.find(name);
    }
    [[nodiscard]] std::vector<KnownType> known_types() const override { return table_.known_types(); }
    [[nodiscard]] const TypeDescription* find_present(std::string_view id,
                                                      std::string_view name) const override {
        const Device* const device = devices_.find(id);
        return device == nullptr ? find(name) : RunningCatalog::of(*device);
    }

  private:
    const TableCatalog table_;
    const DeviceManager& devices_;
};

} // namespace plugbay::core
