// plugbay.pci/1 and plugbay.pci-bus/1
#include "host_call.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <tuple>

namespace plugbay::testkit::detail {
namespace {

plugbay_status add_function(const plugbay_host* host, const plugbay_pci_function* description,
                            plugbay_handle* handle) noexcept {
    HostCall call(host, "pci add_function");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr || description == nullptr || description->size < sizeof *description)
        return call.violate(PLUGBAY_INVALID, "an argument is NULL or the description's size is too small");
    for (const auto& bar : description->bars) {
        const std::uint32_t kind = bar.kind & ~PLUGBAY_BAR_PREFETCHABLE;
        if (kind == PLUGBAY_BAR_NONE || kind == PLUGBAY_BAR_MSIX) continue;
        if (call.device.access == nullptr || call.device.access->read == nullptr ||
            call.device.access->write == nullptr)
            return call.violate(PLUGBAY_INVALID, "a BAR needs " PLUGBAY_ACCESS " callbacks");
    }
    for (std::uint32_t i = 0; i < description->capability_count && description->capabilities != nullptr;
         ++i) {
        if (description->capabilities[i].hook_length != 0 &&
            (call.device.pci == nullptr || call.device.pci->config_read == nullptr ||
             call.device.pci->config_write == nullptr))
            return call.violate(PLUGBAY_INVALID, "a hooked capability needs " PLUGBAY_PCI " callbacks");
    }
    std::string why;
    PciFunction wanted;
    if (call.device.predecessor != nullptr) why = wanted.describe(*description);
    if (!why.empty()) return call.refuse(PLUGBAY_INVALID, why);
    const auto same = [&](const PciFunction& other) {
        return wanted.same_kind(other) &&
               (description->slot < 0 || static_cast<unsigned>(description->slot) == other.slot) &&
               (description->bus == nullptr || call.machine.buses.at(other.bus).name == description->bus);
    };
    if (const auto status = call.inherit(call.machine.functions, handle, 0, same)) {
        if (*status == PLUGBAY_OK) call.machine.pass_bars(*handle, call.device, *description);
        return *status;
    }
    const plugbay_status status = call.machine.add_function(call.device, *description, *handle, why);
    return status == PLUGBAY_OK ? status : call.refuse(status, why);
}

plugbay_status bar_region(const plugbay_host* host, plugbay_handle handle, std::uint32_t bar,
                          plugbay_handle* region) noexcept {
    HostCall call(host, "pci bar_region");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    const PciFunction* function = call.find(call.machine.functions, handle);
    if (function == nullptr) return PLUGBAY_STALE;
    if (region == nullptr) return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL");
    if (bar >= function->bars.size() || function->bars[bar].region == 0)
        return call.refuse(PLUGBAY_NOT_FOUND, "the function has no BAR " + std::to_string(bar));
    *region = function->bars[bar].region;
    return PLUGBAY_OK;
}

plugbay_status notify(const plugbay_host* host, plugbay_handle handle, std::uint32_t vector) noexcept {
    HostCall call(host, "pci notify");
    PciFunction* function = call.find(call.machine.functions, handle);
    if (function == nullptr) return call.stale();
    if (vector >= function->registers.vectors.size())
        return call.violate(PLUGBAY_INVALID, "the function has no vector " + std::to_string(vector));
    if (!function->msix_enabled()) return PLUGBAY_UNSUPPORTED;
    return call.affect([function, vector, &machine = call.machine] {
        function->registers.vectors[vector].pending = true;
        machine.function_changed(*function);
    });
}

plugbay_status set_pin(const plugbay_host* host, plugbay_handle handle, std::uint32_t level) noexcept {
    HostCall call(host, "pci set_pin");
    PciFunction* function = call.find(call.machine.functions, handle);
    if (function == nullptr) return call.stale();
    if (level > 1 || function->interrupt_pin == 0)
        return call.violate(PLUGBAY_INVALID, "the function has no pin, or the level is not 0 or 1");
    return call.affect([function, level, &machine = call.machine] {
        function->registers.pin = level != 0;
        machine.function_changed(*function);
    });
}

plugbay_status remove_function(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "pci remove_function");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    PciFunction* const function = call.find(call.machine.functions, handle);
    if (function == nullptr) return PLUGBAY_STALE;
    if (function->owner == &call.device)
        call.machine.remove_function(handle);
    else
        function->heir = {};
    return PLUGBAY_OK;
}

// `first` .. `first + size - 1` has something of `other` .. `other_end - 1`.
bool overlaps(std::uint64_t first, std::uint64_t size, std::uint64_t other, std::uint64_t other_end) {
    return first < other_end && (first >= other || size > other - first);
}

// Why the bus cannot have one of its windows, or nothing.
std::string window_fault(const Machine& machine, const plugbay_pci_bus& bus) {
    const auto [low, low_size] = std::pair(bus.memory32_window, bus.memory32_window_size);
    const auto [high, high_size] = std::pair(bus.memory64_window, bus.memory64_window_size);
    if (bus.port_window_size != 0) {
        if (bus.port_window + std::uint32_t{bus.port_window_size} > 0x10000)
            return "the port window does not end below 0x10000";
        if (overlaps(bus.port_window, bus.port_window_size, 0xcf8, 0xd00))
            return "the port window has the configuration ports 0xcf8-0xcff";
    }
    if (low_size != 0) {
        if (low >= four_gib || low_size > four_gib - low)
            return "the 32-bit memory window does not end below 4 GiB";
        if (overlaps(low, low_size, 0xfec00000, 0xfef00000))
            return "the 32-bit memory window has addresses of the interrupt controllers, "
                   "0xfec00000-0xfeefffff";
        if (overlaps(low, low_size, 0, machine.options.memory))
            return "the 32-bit memory window has addresses of RAM";
    }
    if (high_size != 0) {
        if (high < four_gib || high_size - 1 > ~high)
            return "the 64-bit memory window begins below 4 GiB, or passes the end of addresses";
        if (overlaps(high, high_size, four_gib, four_gib + machine.options.memory_above_4gb))
            return "the 64-bit memory window has addresses of RAM";
    }
    return "";
}

bool same_facts(const plugbay_pci_bus& one, const plugbay_pci_bus& two) {
    const auto rest = [](const plugbay_pci_bus& bus) {
        return std::tie(bus.port_window, bus.port_window_size, bus.memory32_window, bus.memory32_window_size,
                        bus.memory64_window, bus.memory64_window_size, bus.hotplug_port, bus.hotplug_event);
    };
    return std::equal(std::begin(one.lines), std::end(one.lines), std::begin(two.lines)) &&
           rest(one) == rest(two);
}

plugbay_status add_bus(const plugbay_host* host, const plugbay_pci_bus* bus,
                       plugbay_handle* handle) noexcept {
    HostCall call(host, "add_bus");
    if (!call.creating()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr || bus == nullptr || bus->size < offsetof(plugbay_pci_bus, hotplug_port))
        return call.violate(PLUGBAY_INVALID, "an argument is NULL or the bus's size is too small");
    for (const std::uint32_t line : bus->lines) {
        if (line >= line_count)
            return call.refuse(PLUGBAY_INVALID,
                               "there is no line " + std::to_string(line) + ", only 0 to 23");
    }
    const auto same = [&](const PciBus& other) {
        plugbay_pci_bus facts{};
        std::memcpy(&facts, bus, std::min<std::size_t>(bus->size, sizeof facts));
        return same_facts(facts, other.facts);
    };
    if (const auto status = call.inherit(call.machine.buses, handle, 0, same)) return *status;
    for (const auto& [other_handle, other] : call.machine.buses) {
        if (other.owner == nullptr)
            return call.violate(PLUGBAY_FORBIDDEN,
                                "a PCI device took the built-in bus already: add the bridge first");
        if (other.owner == &call.device) return call.refuse(PLUGBAY_TAKEN, "the device has a bus already");
    }
    PciBus made;
    made.owner = &call.device;
    made.name = call.device.id;
    std::memcpy(&made.facts, bus, std::min<std::size_t>(bus->size, sizeof made.facts));
    if (const std::string fault = window_fault(call.machine, made.facts); !fault.empty())
        return call.refuse(PLUGBAY_INVALID, fault);
    *handle = HostCall::store(call.machine, call.machine.buses, std::move(made));
    return PLUGBAY_OK;
}

bool config_access_valid(HostCall& call, std::uint32_t slot, std::uint32_t offset, std::uint32_t width) {
    const bool width_valid = width == 1 || width == 2 || width == 4;
    if (width_valid && slot < 32 && offset % 4 + width <= 4) return true;
    call.violate(PLUGBAY_INVALID, "slot, offset or width is not one that a doubleword can have");
    return false;
}

std::uint32_t config_read(const plugbay_host* host, plugbay_handle handle, std::uint32_t slot,
                          std::uint32_t offset, std::uint32_t width) noexcept {
    HostCall call(host, "pci-bus config_read");
    PciBus* bus = call.find(call.machine.buses, handle);
    if (bus == nullptr || !config_access_valid(call, slot, offset, width)) return 0xffffffff;
    return call.machine.config_read(*bus, slot, offset, width);
}

void config_write(const plugbay_host* host, plugbay_handle handle, std::uint32_t slot, std::uint32_t offset,
                  std::uint32_t width, std::uint32_t value) noexcept {
    HostCall call(host, "pci-bus config_write");
    PciBus* bus = call.find(call.machine.buses, handle);
    if (bus == nullptr || !config_access_valid(call, slot, offset, width)) return;
    call.machine.config_write(*bus, slot, offset, width, value);
}

std::uint32_t bars(const plugbay_host* host, plugbay_handle handle, plugbay_pci_bar_slot* target,
                   std::uint32_t capacity) noexcept {
    HostCall call(host, "pci-bus bars");
    const PciBus* bus = call.find(call.machine.buses, handle);
    if (bus == nullptr || !call.in_callback()) return 0;
    if (target == nullptr && capacity != 0) {
        call.violate(PLUGBAY_INVALID, "bars is NULL");
        return 0;
    }
    std::uint32_t count = 0;
    for (const auto& [slot, function_handle] : bus->slots) {
        const PciFunction& function = call.machine.functions.at(function_handle);
        for (unsigned i = 0; i < function.bars.size(); ++i) {
            if (function.bars[i].length == 0) continue;
            if (count < capacity)
                target[count] = {
                    slot, i, function.bar_kind(i), 0, function.bars[i].length, function.bar_address(i)};
            ++count;
        }
    }
    return count;
}

plugbay_status assign(const plugbay_host* host, plugbay_handle handle, std::uint32_t slot, std::uint32_t bar,
                      std::uint64_t address) noexcept {
    HostCall call(host, "pci-bus assign");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    const PciBus* bus = call.find(call.machine.buses, handle);
    if (bus == nullptr) return PLUGBAY_STALE;
    const auto place = bus->slots.find(slot);
    if (place == bus->slots.end()) return call.refuse(PLUGBAY_NOT_FOUND, "the slot is empty");
    PciFunction& function = call.machine.functions.at(place->second);
    if (bar >= function.bars.size() || function.bars[bar].length == 0)
        return call.refuse(PLUGBAY_NOT_FOUND, "the function has no such BAR");
    const std::uint64_t length = function.bars[bar].length;
    const std::uint32_t kind = function.bar_kind(bar) & ~PLUGBAY_BAR_PREFETCHABLE;
    const std::uint64_t limit = kind == PLUGBAY_BAR_PORTS      ? 65536
                                : kind == PLUGBAY_BAR_MEMORY32 ? four_gib
                                                               : 0;
    if (address == 0 || address % length != 0 ||
        (limit != 0 && (address >= limit || length > limit - address)))
        return call.refuse(PLUGBAY_INVALID, "the address is not aligned to the BAR's length or too high");
    function.set_bar_address(bar, address);
    function.enable_decoding(kind == PLUGBAY_BAR_PORTS);
    call.machine.function_changed(function);
    return PLUGBAY_OK;
}

plugbay_status ejected(const plugbay_host* host, plugbay_handle handle, std::uint32_t slots) noexcept {
    HostCall call(host, "pci-bus ejected");
    PciBus* bus = call.find(call.machine.buses, handle);
    if (bus == nullptr) return PLUGBAY_STALE;
    bus->ejected |= slots;
    return PLUGBAY_OK;
}

} // namespace

constinit const plugbay_pci_host pci_host{
    sizeof(plugbay_pci_host), 0, add_function, bar_region, notify, set_pin, remove_function};
constinit const plugbay_pci_bus_host pci_bus_host{
    sizeof(plugbay_pci_bus_host), 0, add_bus, config_read, config_write, bars, assign, ejected};

} // namespace plugbay::testkit::detail
