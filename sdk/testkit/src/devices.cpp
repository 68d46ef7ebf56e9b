// Making and ending devices.
#include "host_call.hpp"
#include "machine.hpp"
#include "properties.hpp"

#include <algorithm>

namespace plugbay::testkit::detail {
namespace {

template <typename Map>
std::size_t count_owned(const Map& records, const DeviceRecord& device) {
    return static_cast<std::size_t>(std::count_if(
        records.begin(), records.end(), [&](const auto& pair) { return pair.second.owner == &device; }));
}

template <typename Map>
void erase_owned(Map& records, const DeviceRecord& device) {
    std::erase_if(records, [&](const auto& pair) { return pair.second.owner == &device; });
}

} // namespace

std::shared_ptr<const PluginFile> Machine::open(const std::filesystem::path& file) {
    auto& plugin = plugins_[std::filesystem::absolute(file).lexically_normal().string()];
    if (!plugin) plugin = std::make_shared<PluginFile>(file);
    return plugin;
}

void Machine::resolve_tables(DeviceRecord& device) {
    const auto resolve = [&](auto& target, const char* id) {
        using Table = std::remove_reference_t<decltype(*target)>;
        target = static_cast<const Table*>(device.type->extension(id));
        if (target != nullptr && target->size < sizeof(Table)) {
            violation(&device, std::string("its ") + id + " table is smaller than ABI 1.0's");
            target = nullptr;
        }
    };
    resolve(device.access, PLUGBAY_ACCESS);
    resolve(device.doorbell, PLUGBAY_DOORBELL);
    resolve(device.timer, PLUGBAY_TIMER);
    resolve(device.fd, PLUGBAY_FD);
    resolve(device.link, PLUGBAY_LINK);
    resolve(device.state, PLUGBAY_STATE);
    resolve(device.statistics, PLUGBAY_STATISTICS);
    resolve(device.pci, PLUGBAY_PCI);
    resolve(device.pci_bus, PLUGBAY_PCI_BUS);
    resolve(device.firmware, PLUGBAY_FIRMWARE);
    resolve(device.msr, PLUGBAY_MSR);
    resolve(device.hypercall, PLUGBAY_HYPERCALL);
    resolve(device.worker, PLUGBAY_WORKER);
    resolve(device.host_event, PLUGBAY_HOST_EVENT);
    if ((device.type->state_version != 0) != (device.state != nullptr))
        violation(&device, "state_version says otherwise than whether there is a " PLUGBAY_STATE " table");
}

DeviceRecord& Machine::add(const std::filesystem::path& file, std::string_view type, std::string_view id,
                           const Properties& properties) {
    require_stopped("adding a device");
    for (const auto& other : devices) {
        if (other->id == id) throw Error("there is a device \"" + other->id + "\" already", PLUGBAY_TAKEN);
    }
    const auto plugin = open(file);
    const plugbay_device_type* const declared = plugin->find(type);
    if (declared == nullptr)
        throw Error(file.string() + " has no device type \"" + std::string(type) + "\"", PLUGBAY_NOT_FOUND);

    devices.push_back(std::make_unique<DeviceRecord>(*this, std::string(id)));
    DeviceRecord& device = *devices.back();
    device.plugin = plugin;
    device.type = declared;
    if (auto left = left_elsewhere.extract(device.id)) {
        device.left = std::move(left.mapped());
        device.beside_another = true;
    }
    try {
        create(device, properties);
    } catch (...) {
        devices.pop_back();
        throw;
    }
    return device;
}

void Machine::create(DeviceRecord& device, const Properties& properties) {
    const plugbay_device_type& type = *device.type;
    const Values values({type.properties, type.property_count}, properties, "device \"" + device.id + "\"");
    device.properties = properties;
    device.host.record = &device;
    fill_host_table(device.host.raw, device.id.c_str());
    resolve_tables(device);

    const auto legacy_count = legacy_devices.size();
    const auto table_count = acpi_tables.size();
    plugbay_status status = PLUGBAY_OK;
    {
        Callback callback(*this, device, "create");
        status = type.create(&device.host.raw, values.data(), values.count(), &device.instance);
    }
    if (status > 0) violation(&device, "create returned a positive status");
    if (status < 0) {
        if (device.error.empty()) violation(&device, "create failed without explaining why");
        Error error("device \"" + device.id + "\": " + device.error, status);
        release_everything(device);
        legacy_devices.resize(legacy_count);
        acpi_tables.resize(table_count);
        throw error;
    }
    device.error.clear();
    device.phase = Phase::stopped;
}

DeviceRecord& Machine::find(std::string_view id) const {
    for (const auto& device : devices) {
        if (device->id == id) return *device;
    }
    throw Error("there is no device \"" + std::string(id) + "\"", PLUGBAY_NOT_FOUND);
}

Holdings Machine::holdings(const DeviceRecord& device) const {
    Holdings held;
    held.regions =
        static_cast<std::size_t>(std::count_if(regions.begin(), regions.end(), [&](const auto& pair) {
            return pair.second.owner == &device &&
                   pair.second.bar < 0; // BARs come and go with their function
        }));
    held.doorbells = count_owned(doorbells, device);
    held.msrs = count_owned(msrs, device);
    held.cpuid = count_owned(cpuid, device);
    held.hypercalls = count_owned(hypercalls, device);
    held.memory_regions = count_owned(memory_regions, device);
    held.ram_watches = count_owned(ram_watches, device);
    held.work_queues = count_owned(work_queues, device);
    held.subscriptions = count_owned(subscriptions, device);
    held.lines = count_owned(claims, device);
    held.timers = count_owned(timers, device);
    held.watches = count_owned(watches, device);
    held.functions = count_owned(functions, device);
    held.maps =
        static_cast<std::size_t>(std::count_if(maps.begin(), maps.end(), [&](const MapRecord& record) {
            return record.owner == &device && !record.expired;
        }));
    return held;
}

void Machine::forget_heir(const DeviceRecord& device) {
    each_inheritance([&](const char*, auto& records) {
        for (auto& [handle, record] : records) {
            if (record.heir.device == &device) record.heir = {};
        }
    });
}

void Machine::release_everything(DeviceRecord& device) {
    forget_heir(device);
    erase_owned(doorbells, device);
    erase_owned(msrs, device);
    erase_owned(cpuid, device);
    erase_owned(hypercalls, device);
    erase_owned(memory_regions, device);
    erase_owned(ram_watches, device);
    erase_owned(work_queues, device);
    erase_owned(subscriptions, device);
    erase_owned(timers, device);
    erase_owned(watches, device);
    std::erase_if(maps, [&](const MapRecord& record) { return record.owner == &device; });
    for (auto place = functions.begin(); place != functions.end();) {
        const plugbay_handle handle = place->first;
        const bool mine = place->second.owner == &device;
        ++place;
        if (mine) remove_function(handle);
    }
    erase_owned(regions, device);
    for (auto& [handle, bus] : buses) {
        if (bus.owner != &device) continue;
        while (!bus.slots.empty())
            remove_function(bus.slots.begin()->second);
    }
    erase_owned(buses, device);
    erase_owned(claims, device);
    for (unsigned gsi = 0; gsi < line_count; ++gsi)
        update_line(gsi);
    if (fixed_hardware_owner == device.id && device.predecessor == nullptr && !device.replaced) {
        fixed_hardware.reset();
        fixed_hardware_owner.clear();
    }
}

void Machine::call_destroy(DeviceRecord& device) {
    device.phase = Phase::destroying;
    Callback callback(*this, device, "destroy");
    device.type->destroy(device.instance);
}

Holdings Machine::destroy(DeviceRecord& device) {
    call_destroy(device);
    const Holdings left = holdings(device);
    release_everything(device);
    std::erase_if(devices, [&](const auto& other) { return other.get() == &device; });
    return left;
}

Holdings Machine::remove(DeviceRecord& device) {
    require_stopped("removing a device");
    for (const auto& [handle, bus] : buses) {
        for (const auto& [slot, function] : bus.slots) {
            const DeviceRecord& user = *functions.at(function).owner;
            if (bus.owner == &device && &user != &device)
                throw Error("\"" + user.id + "\" is on the bus of \"" + device.id + "\": remove it first");
        }
    }
    for (std::size_t i = connections.size(); i-- > 0;) {
        if (connections[i]->frontend.device == &device || connections[i]->backend.device == &device)
            disconnect(*connections[i]);
    }
    return destroy(device);
}

} // namespace plugbay::testkit::detail
