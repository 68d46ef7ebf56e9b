#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/pci/pci_function.hpp"

#include <plugbay/abi/pci.h>

namespace plugbay::core {

namespace {

PciFunction* find(Device& device, plugbay_handle handle) {
    return device.resources().find<PciFunction>(handle);
}

plugbay_status adopt_function(Device& device, const plugbay_pci_function& description,
                              plugbay_handle* handle) {
    std::string difference = "a PCI function";
    std::array<std::uint64_t, 6> tokens{};
    for (std::size_t i = 0; i < tokens.size() && description.size >= sizeof description; ++i)
        tokens[i] = description.bars[i].token;
    const auto adopted = device.adopt(tokens, [&](const Resource& each) {
        if (each.kind() != ResourceKind::pci_function) return false;
        difference = static_cast<const PciFunction&>(each).difference(description, device);
        return difference.empty();
    });
    if (adopted != nullptr) return hold(device, adopted, handle);
    return device.refuse(PLUGBAY_FORBIDDEN, "its PCI function is not the one that the guest knows: " +
                                                difference + " differs; remove the device and add it again");
}

plugbay_status add_function(const plugbay_host* host, const plugbay_pci_function* description,
                            plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (device.phase() != Phase::creating) {
        return device.refuse(PLUGBAY_FORBIDDEN,
                             "a PCI function can be added only while the device is created");
    }
    bool has_one = false;
    device.resources().each(
        [&](const Resource& each) { has_one |= each.kind() == ResourceKind::pci_function; });
    if (has_one)
        return device.refuse(PLUGBAY_TAKEN, "a device has one PCI function, and this one has it already");
    if (device.detached()) return adopt_function(device, *description, handle);
    auto created = PciFunction::create(device, *description);
    if (!created) return device.refuse(PLUGBAY_INVALID, "its PCI function: " + created.error().text());
    const plugbay_status status = hold(device, std::move(*created), handle);
    if (status == PLUGBAY_OK) device.services().pci.add(*find(device, *handle));
    return status;
}

plugbay_status bar_region(const plugbay_host* host, plugbay_handle handle, std::uint32_t bar,
                          plugbay_handle* region) {
    Device& device = Device::of(host);
    PciFunction* function = find(device, handle);
    if (function == nullptr) return device.refuse(PLUGBAY_STALE, "no such PCI function");
    return function->bar_region(device, bar, region);
}

plugbay_status notify(const plugbay_host* host, plugbay_handle handle, std::uint32_t vector) {
    Device& device = Device::of(host);
    PciFunction* function = find(device, handle);
    if (function == nullptr) return device.refuse(PLUGBAY_STALE, "no such PCI function");
    if (!device.serves() && device.defer([&](Served& later) { later.add_message(vector); }, *function))
        return PLUGBAY_OK;
    return function->notify(vector) ? PLUGBAY_OK : PLUGBAY_UNSUPPORTED;
}

plugbay_status set_pin(const plugbay_host* host, plugbay_handle handle, std::uint32_t level) {
    Device& device = Device::of(host);
    PciFunction* function = find(device, handle);
    if (function == nullptr) return device.refuse(PLUGBAY_STALE, "no such PCI function");
    if (!device.serves() && device.defer([&](Served& later) { later.level = level != 0; }, *function))
        return PLUGBAY_OK;
    function->set_pin(level != 0);
    return PLUGBAY_OK;
}

plugbay_status remove_function(const plugbay_host* host, plugbay_handle handle) {
    Device& device = Device::of(host);
    const PciFunction* function = find(device, handle);
    // Taking it off a bus waits for the guest's accesses, and one of them may be what called here.
    if (function != nullptr && function->plugged())
        return device.refuse(PLUGBAY_FORBIDDEN, "a function on a bus goes when its device does");
    return give_back<PciFunction>(device, handle);
}

} // namespace

const void* pci_host_table() {
    static constexpr plugbay_pci_host table{sizeof table, 0,        &add_function,   &bar_region,
                                            &notify,      &set_pin, &remove_function};
    return &table;
}

} // namespace plugbay::core
