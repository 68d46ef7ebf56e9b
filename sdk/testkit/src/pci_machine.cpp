// PCI buses and functions on a Machine.
#include "host_call.hpp"
#include "machine.hpp"

#include <algorithm>

namespace plugbay::testkit::detail {
namespace {

// What the bus that is built in offers; a bridge plugin brings its own.
constexpr plugbay_pci_bus built_in_facts{sizeof(plugbay_pci_bus),
                                         {16, 17, 18, 19},
                                         0xc000,
                                         0x2000,
                                         0,
                                         0xc0000000,
                                         0x10000000,
                                         0x1000000000,
                                         0x1000000000,
                                         0,
                                         0};

std::uint64_t align(std::uint64_t value, std::uint64_t to) {
    return (value + to - 1) & ~(to - 1);
}

} // namespace

PciBus& Machine::bus(std::string_view name) {
    for (auto& [handle, candidate] : buses) {
        if (name.empty() ? true : candidate.name == name) return candidate;
    }
    throw Error(name.empty() ? "there is no PCI bus" : "there is no PCI bus \"" + std::string(name) + "\"",
                PLUGBAY_NOT_FOUND);
}

PciFunction& Machine::function_of(std::string_view device) {
    DeviceRecord& owner = find(device);
    for (auto& [handle, function] : functions) {
        if (function.owner == &owner) return function;
    }
    throw Error("device \"" + owner.id + "\" has no PCI function", PLUGBAY_NOT_FOUND);
}

plugbay_status Machine::add_function(DeviceRecord& device, const plugbay_pci_function& description,
                                     plugbay_handle& result, std::string& why) {
    for (const auto& [handle, other] : functions) {
        if (other.owner == &device) {
            why = "a device has one function, and this one has it already";
            return PLUGBAY_TAKEN;
        }
    }
    PciFunction function;
    why = function.describe(description);
    if (why.empty() && description.slot < -1) why = "slot is 0 to 31, or -1 for the next free one";
    if (!why.empty()) return PLUGBAY_INVALID;

    plugbay_handle bus_handle = PLUGBAY_NO_HANDLE;
    for (const auto& [handle, candidate] : buses) {
        const bool wanted = description.bus == nullptr || candidate.name == description.bus;
        if (wanted && bus_handle == PLUGBAY_NO_HANDLE) bus_handle = handle;
    }
    if (bus_handle == PLUGBAY_NO_HANDLE) {
        if (description.bus != nullptr && !options.any_pci_bus) {
            why = "there is no PCI bus \"" + std::string(description.bus) + "\"";
            return PLUGBAY_NOT_FOUND;
        }
        bus_handle = built_in_bus = next_handle();
        buses.emplace(bus_handle, PciBus{nullptr, "", built_in_facts, {}});
    }
    PciBus& its_bus = buses.at(bus_handle);
    unsigned slot = 1; // 0 is the bridge's by custom
    if (description.slot >= 0) {
        slot = static_cast<unsigned>(description.slot);
    } else {
        while (its_bus.slots.contains(slot))
            ++slot;
    }
    if (slot > 31) {
        why = "there is no slot " + std::to_string(slot) + ": 0 to 31";
        return description.slot >= 0 ? PLUGBAY_INVALID : PLUGBAY_NO_MEMORY;
    }
    if (const auto taken = its_bus.slots.find(slot); taken != its_bus.slots.end()) {
        why = "slot " + std::to_string(slot) + ", wanted by \"" + device.id + "\", belongs to \"" +
              functions.at(taken->second).owner->id + "\"";
        return PLUGBAY_TAKEN;
    }
    result = next_handle();
    function.owner = &device;
    function.bus = bus_handle;
    function.slot = slot;
    for (unsigned i = 0; i < function.bars.size(); ++i) {
        auto& bar = function.bars[i];
        if (bar.length == 0) continue;
        Region region;
        region.owner = &device;
        region.space = (bar.kind & ~PLUGBAY_BAR_PREFETCHABLE) == PLUGBAY_BAR_PORTS
                           ? MappedRange::Space::ports
                           : MappedRange::Space::memory;
        region.length = bar.length;
        region.token = description.bars[i].token;
        region.active = false;
        region.function = result;
        region.bar = static_cast<int>(i);
        region.msix = (bar.kind & ~PLUGBAY_BAR_PREFETCHABLE) == PLUGBAY_BAR_MSIX;
        bar.region = HostCall::store(*this, regions, region);
    }
    function.power_on();
    its_bus.slots.emplace(slot, result);
    functions.emplace(result, std::move(function));
    return PLUGBAY_OK;
}

void Machine::pass_bars(plugbay_handle handle, DeviceRecord& heir, const plugbay_pci_function& description) {
    const PciFunction& function = functions.at(handle);
    for (unsigned i = 0; i < function.bars.size(); ++i) {
        if (const plugbay_handle region = function.bars[i].region; region != 0)
            regions.at(region).heir = {&heir, description.bars[i].token};
    }
}

void Machine::remove_function(plugbay_handle handle) {
    const auto place = functions.find(handle);
    for (const auto& bar : place->second.bars) {
        std::erase_if(doorbells,
                      [&](const auto& pair) { return bar.region != 0 && pair.second.region == bar.region; });
        regions.erase(bar.region);
    }
    buses.at(place->second.bus).slots.erase(place->second.slot);
    functions.erase(place);
    for (unsigned gsi = 0; gsi < line_count; ++gsi)
        update_line(gsi);
}

void Machine::function_changed(PciFunction& function) {
    for (unsigned i = 0; i < function.bars.size(); ++i) {
        if (function.bars[i].region == 0) continue;
        Region& region = regions.at(function.bars[i].region);
        region.active = function.bar_decoded(i);
        region.address = function.bar_address(i);
    }
    if (function.msix_enabled()) {
        for (unsigned vector = 0; vector < function.registers.vectors.size(); ++vector) {
            MsixEntry& entry = function.registers.vectors[vector];
            if (!entry.pending || function.msix_masked(vector)) continue;
            entry.pending = false;
            function.delivered.push_back({vector, entry.address, entry.data});
        }
    }
    if (function.interrupt_pin != 0)
        update_line(buses.at(function.bus).facts.lines[(function.slot + function.interrupt_pin - 1) % 4]);
}

void Machine::tell_bridge(std::string_view bus_name, SlotEvent plugbay_pci_bus_callbacks::*event,
                          const char* name, unsigned slot) {
    DeviceRecord* const bridge = bus(bus_name).owner;
    if (bridge == nullptr || bridge->pci_bus == nullptr || slot > 31)
        throw Error("the bus has no bridge with hot plug, or no such slot", PLUGBAY_INVALID);
    Callback callback(*this, *bridge, name);
    (bridge->pci_bus->*event)(bridge->instance, slot);
}

void Machine::raise_acpi_event(std::string_view provider, unsigned event) {
    DeviceRecord& device = find(provider);
    if (device.firmware == nullptr) throw Error("the device raises no ACPI events", PLUGBAY_INVALID);
    Callback callback(*this, device, "raise_event");
    device.firmware->raise_event(device.instance, event);
}

std::uint32_t Machine::config_read(PciBus& its_bus, unsigned slot, unsigned offset, unsigned width) {
    const std::uint32_t nobody = width == 4 ? 0xffffffffu : (1u << width * 8) - 1;
    const auto place = its_bus.slots.find(slot);
    if (place == its_bus.slots.end() || offset > 256 - width) return nobody;
    PciFunction& function = functions.at(place->second);
    const auto call = [&](const PciHook& hook, unsigned at, unsigned bytes) {
        DeviceRecord& owner = *function.owner;
        Callback callback(*this, owner, "config_read");
        return owner.pci->config_read(owner.instance, hook.capability, at - hook.first, bytes);
    };
    const PciHook* hook = function.hook(offset);
    if (hook != nullptr && offset + width <= hook->first + hook->length)
        return call(*hook, offset, width) & nobody;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < width; ++i) {
        hook = function.hook(offset + i);
        const std::uint32_t byte =
            hook != nullptr ? call(*hook, offset + i, 1) & 0xff : function.read_byte(offset + i);
        value |= byte << 8 * i;
    }
    return value;
}

void Machine::config_write(PciBus& its_bus, unsigned slot, unsigned offset, unsigned width,
                           std::uint32_t value) {
    const auto place = its_bus.slots.find(slot);
    if (place == its_bus.slots.end() || offset > 256 - width) return;
    PciFunction& function = functions.at(place->second);
    if (width < 4) value &= (1u << width * 8) - 1;
    const auto call = [&](const PciHook& hook, unsigned at, unsigned bytes, std::uint32_t part) {
        DeviceRecord& owner = *function.owner;
        Callback callback(*this, owner, "config_write");
        owner.pci->config_write(owner.instance, hook.capability, at - hook.first, bytes, part);
    };
    const PciHook* hook = function.hook(offset);
    if (hook != nullptr && offset + width <= hook->first + hook->length)
        return call(*hook, offset, width, value);
    for (unsigned i = 0; i < width; ++i) {
        const auto byte = static_cast<std::uint8_t>(value >> 8 * i);
        hook = function.hook(offset + i);
        if (hook != nullptr)
            call(*hook, offset + i, 1, byte);
        else
            function.write_byte(offset + i, byte);
    }
    function_changed(function);
}

void Machine::assign_built_in_bus() {
    if (built_in_bus == PLUGBAY_NO_HANDLE) return;
    std::uint64_t port = built_in_facts.port_window, low = built_in_facts.memory32_window,
                  high = built_in_facts.memory64_window;
    for (auto& [slot, handle] : buses.at(built_in_bus).slots) {
        PciFunction& function = functions.at(handle);
        for (unsigned i = 0; i < function.bars.size(); ++i) {
            const std::uint64_t length = function.bars[i].length;
            if (length == 0) continue;
            const std::uint32_t kind = function.bar_kind(i) & ~PLUGBAY_BAR_PREFETCHABLE;
            std::uint64_t& next = kind == PLUGBAY_BAR_PORTS      ? port
                                  : kind == PLUGBAY_BAR_MEMORY64 ? high
                                                                 : low;
            next = align(next, length);
            if (function.bar_address(i) == 0) { // not so when a checkpoint was loaded
                function.set_bar_address(i, next);
                function.enable_decoding(kind == PLUGBAY_BAR_PORTS);
            }
            next += length;
        }
        function_changed(function);
    }
}

std::uint64_t Machine::msix_access(Region& region, std::uint64_t offset, unsigned width,
                                   std::optional<std::uint64_t> value) {
    PciFunction& function = functions.at(region.function);
    auto& vectors = function.registers.vectors;
    const auto read_word = [&](std::uint64_t at) -> std::uint32_t {
        if (at >= function.pending_offset()) {
            std::uint32_t bits = 0;
            for (unsigned i = 0; i < 32; ++i) {
                const std::uint64_t vector = (at - function.pending_offset()) * 8 + i;
                if (vector < vectors.size() && vectors[vector].pending) bits |= 1u << i;
            }
            return bits;
        }
        if (at / 16 >= vectors.size()) return 0;
        const MsixEntry& entry = vectors[at / 16];
        const std::uint32_t words[] = {static_cast<std::uint32_t>(entry.address),
                                       static_cast<std::uint32_t>(entry.address >> 32), entry.data,
                                       entry.control};
        return words[at % 16 / 4];
    };
    const auto write_word = [&](std::uint64_t at, std::uint32_t word) {
        if (at / 16 >= vectors.size() || at >= function.pending_offset()) return;
        MsixEntry& entry = vectors[at / 16];
        switch (at % 16 / 4) {
        case 0:
            entry.address = (entry.address & ~std::uint64_t{0xffffffff}) | word;
            break;
        case 1:
            entry.address = (entry.address & 0xffffffff) | std::uint64_t{word} << 32;
            break;
        case 2:
            entry.data = word;
            break;
        default:
            entry.control = word & 1;
            break;
        }
    };
    // Drivers access whole, aligned doublewords or quadwords; anything else is not defined.
    if (width < 4 || offset % width != 0) return value ? 0 : ~std::uint64_t{0} >> (64 - 8 * width);
    if (!value) {
        std::uint64_t result = read_word(offset);
        if (width == 8) result |= std::uint64_t{read_word(offset + 4)} << 32;
        return result;
    }
    write_word(offset, static_cast<std::uint32_t>(*value));
    if (width == 8) write_word(offset + 4, static_cast<std::uint32_t>(*value >> 32));
    function_changed(function);
    return 0;
}

} // namespace plugbay::testkit::detail
