// Saving and loading.
#include "checkpoint.hpp"
#include "machine.hpp"

#include <algorithm>

namespace plugbay::testkit::detail {

StateImage Machine::save(DeviceRecord& device) {
    require_stopped("saving");
    if (device.state == nullptr)
        throw Error("device \"" + device.id + "\" has no state to save", PLUGBAY_UNSUPPORTED);
    StateBuilder builder(device.type->name, device.type->state_version);
    device.error.clear();
    plugbay_status status = PLUGBAY_OK;
    {
        Callback callback(*this, device, "save");
        status = device.state->save(device.instance, builder.writer());
    }
    if (status > 0) violation(&device, "save returned a positive status");
    if (!builder.error().empty()) violation(&device, "save: " + builder.error());
    if (status < 0) throw Error("device \"" + device.id + "\": " + device.error, status);
    std::string error;
    auto image = builder.finish(error);
    if (!image) throw Error("device \"" + device.id + "\": " + error, PLUGBAY_INVALID);
    return *std::move(image);
}

void Machine::load(DeviceRecord& device, const StateImage& image) {
    require_stopped("loading");
    const std::string whose = "device \"" + device.id + "\": ";
    if (device.state == nullptr) throw Error(whose + "it has no state to load", PLUGBAY_UNSUPPORTED);
    if (image.type() != device.type->name)
        throw Error(whose + "the state is of a " + image.type() + ", not of a " + device.type->name,
                    PLUGBAY_INVALID);
    if (image.version() < device.type->state_version_oldest || image.version() > device.type->state_version)
        throw Error(whose + "the state has version " + std::to_string(image.version()) +
                        ", this build loads " + std::to_string(device.type->state_version_oldest) + " to " +
                        std::to_string(device.type->state_version),
                    PLUGBAY_UNSUPPORTED);
    const StateImage before = save(device);
    device.error.clear();
    const auto attempt = [&](StateReading& reading) {
        Callback callback(*this, device, "load");
        return device.state->load(device.instance, reading.reader());
    };
    StateReading reading(image);
    const plugbay_status status = attempt(reading);
    if (status > 0) violation(&device, "load returned a positive status");
    if (status < 0) {
        if (device.error.empty()) violation(&device, "load failed without explaining why");
        const std::string why = device.error;
        if (save(device) != before) violation(&device, "a load that was refused changed the device");
        throw Error(whose + why, status);
    }
    const auto unread = reading.unread();
    if (unread.empty()) return;
    StateReading back(before);
    if (attempt(back) < 0) violation(&device, "does not load what it saved: " + device.error);
    throw Error(whose + "the state has a field \"" + unread.front() + "\" that this build does not know",
                PLUGBAY_INVALID);
}

std::shared_ptr<const Bench::Checkpoint> Machine::save_all() {
    require_stopped("saving");
    auto checkpoint = std::make_shared<Bench::Checkpoint>();
    for (const auto& block : ram.blocks())
        checkpoint->ram.emplace_back(block.bytes.begin(), block.bytes.end());
    checkpoint->guest_time = guest_time;
    checkpoint->host_time = host_time;
    for (const auto& device : devices) {
        if (device->state != nullptr) checkpoint->states.emplace(device->id, save(*device));
    }
    for (const auto& [handle, function] : functions)
        checkpoint->functions.emplace(function.owner->id, function.registers);
    return checkpoint;
}

void Machine::load_all(const Bench::Checkpoint& checkpoint) {
    require_stopped("loading");
    const auto blocks = ram.blocks();
    if (blocks.size() != checkpoint.ram.size()) throw Error("the checkpoint is of a bench with other RAM");
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].bytes.size() != checkpoint.ram[i].size())
            throw Error("the checkpoint is of a bench with other RAM");
        std::copy(checkpoint.ram[i].begin(), checkpoint.ram[i].end(), blocks[i].bytes.begin());
    }
    guest_time = checkpoint.guest_time;
    host_time = std::max(host_time, checkpoint.host_time);
    for (const auto& [id, registers] : checkpoint.functions) {
        PciFunction& function = function_of(id);
        if (function.registers.vectors.size() != registers.vectors.size())
            throw Error("the checkpoint's function \"" + id + "\" has other vectors");
        function.registers = registers;
        function_changed(function);
    }
    for (const auto& [id, image] : checkpoint.states)
        load(find(id), image);
}

} // namespace plugbay::testkit::detail
