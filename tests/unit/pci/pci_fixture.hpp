// Functions on a bus, as a guest and a bridge reach them.
#pragma once

#include "core/pci/pci_bus.hpp"
#include "core/pci/pci_function.hpp"
#include "tests/unit/device/device_fixture.hpp"

#include <plugbay/abi/pci_bus.h>

#include <string>

namespace plugbay::core {

class PciTest : public DeviceTest {
  protected:
    static plugbay_pci_function description() {
        plugbay_pci_function function{};
        function.size = sizeof function;
        function.class_code = 0x010802;
        function.slot = -1;
        function.vendor_id = 0x1af4;
        function.device_id = 0x1042;
        function.interrupt_pin = 1;
        return function;
    }
    static plugbay_pci_bus bus_description() {
        plugbay_pci_bus bus{};
        bus.size = sizeof bus;
        for (std::uint32_t i = 0; i < 4; ++i)
            bus.lines[i] = 16 + i;
        return bus;
    }
    static plugbay_status add(const plugbay_host* host, const plugbay_pci_function& function,
                              plugbay_handle* handle) {
        return static_cast<const plugbay_pci_host*>(host->extension(host, PLUGBAY_PCI))
            ->add_function(host, &function, handle);
    }
    static plugbay_status add(const plugbay_host* host, const plugbay_pci_bus& bus, plugbay_handle* handle) {
        return static_cast<const plugbay_pci_bus_host*>(host->extension(host, PLUGBAY_PCI_BUS))
            ->add_bus(host, &bus, handle);
    }

    // A device with one function, or with one bus; started.
    struct Made {
        Script script;
        plugbay_handle handle = PLUGBAY_NO_HANDLE;
        std::unique_ptr<Device> device;
    };
    template <typename Description>
    std::unique_ptr<Made> made(const std::string& id, const Description& what) {
        auto result = std::make_unique<Made>();
        result->script.create = [&, raw = result.get()](const plugbay_host* host) {
            return add(host, what, &raw->handle);
        };
        result->device = run(id, result->script);
        return result;
    }
    static PciFunction& function_of(Made& made) {
        return *made.device->resources().find<PciFunction>(made.handle);
    }
};

} // namespace plugbay::core
