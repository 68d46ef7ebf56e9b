// What becomes of a device's state: saved, loaded, and a build that takes over from another.
#include "core/device/device.hpp"
#include "core/device/host_events.hpp"
#include "core/device/tapped_binding.hpp"

#include <plugbay/abi/state.h>
#include <plugbay/state_image.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace plugbay::core {

namespace {

Error no_state(const Device& device) {
    return Error{
        fmt::format("device \"{}\" ({}) has no state that could be saved", device.id(), device.type().name),
        "declare it: void state(auto& fields), with an empty body when there is nothing to keep"};
}

} // namespace

Result<std::vector<std::byte>> Device::save() {
    const auto* table = callbacks<plugbay_state_callbacks>(PLUGBAY_STATE);
    if (table == nullptr) return no_state(*this);
    StateBuilder builder(type().name, type().state_version);
    plugbay_status status = PLUGBAY_FAILED;
    {
        const std::lock_guard guard(*lock_);
        forget_error();
        const auto save = [&] { status = table->save(binding_.instance, builder.writer()); };
        // What a build that crashed still knows is worth trying.
        if (!crash().empty()) {
            if (run_guarded(save) != 0) status = refuse(PLUGBAY_FAILED, crash());
        } else if (!protect("save", save)) {
            status = refuse(PLUGBAY_FAILED, crash());
        }
    }
    if (status != PLUGBAY_OK) return explain("could not be saved", status);
    std::string why;
    const auto image = builder.finish(why);
    if (!image)
        return Error{fmt::format("device \"{}\" ({}) saved no good state: {}", id(), type().name, why)};
    return std::vector<std::byte>(image->bytes().begin(), image->bytes().end());
}

Result<void> Device::load(std::span<const std::byte> state) {
    const auto* table = callbacks<plugbay_state_callbacks>(PLUGBAY_STATE);
    if (table == nullptr) return no_state(*this);
    const auto refused = [&](std::string why, std::string hint = {}) {
        return Error{fmt::format("device \"{}\" ({}) cannot load a state: {}", id(), type().name, why),
                     std::move(hint)};
    };
    std::string why;
    const auto image = StateImage::parse({state.begin(), state.end()}, why);
    if (!image) return refused(why);
    if (image->type() != type().name) return refused("it is one of a " + std::string(image->type()));
    if (image->version() < type().state_version_oldest || image->version() > type().state_version) {
        return refused(
            fmt::format("it has version {}, and this build reads {} to {}", image->version(),
                        type().state_version_oldest, type().state_version),
            image->version() > type().state_version
                ? "new fields that older builds may ignore are optional ones, without a new version"
                : "lower state_version_oldest and convert the old state");
    }
    StateReading reading(*image);
    {
        const std::lock_guard guard(*lock_);
        forget_error();
        const plugbay_status status =
            ask("load", [&] { return table->load(binding_.instance, reading.reader()); });
        if (status != PLUGBAY_OK) return explain("cannot load a state", status);
    }
    if (const auto unread = reading.unread(); !unread.empty()) {
        return refused(fmt::format("it does not know the field{} {}", unread.size() == 1 ? "" : "s",
                                   fmt::join(unread, ", ")),
                       "read them, rename them, or let the build that saves make them optional");
    }
    return {};
}

void Device::go_on() {
    resume();
    slot_->binding.store(slot_binding(), std::memory_order_release);
    for (const auto& each : resources_.all())
        each->restored();
}

std::vector<std::string> Device::left_out() const {
    std::vector<std::string> names;
    for (const auto& each : predecessor_->resources_.all()) {
        if (each->guest_visible() && resources_.handle_of(*each) == PLUGBAY_NO_HANDLE)
            names.push_back(each->describe());
    }
    return names;
}

void Device::take_over() {
    const std::lock_guard guard(*lock_);
    {
        const std::lock_guard own(mutex_);
        standing_.store(Standing::serving, std::memory_order_release);
    }
    predecessor_->standing_.store(Standing::succeeded, std::memory_order_release);
    for (const auto& each : resources_.all()) {
        const auto served = adopted_.find(each.get());
        if (served != adopted_.end())
            each->serve(served->second);
        else
            each->begin();
    }
    adopted_.clear();
    handover_->pass_to(this);
    services_.events.hand_over(*predecessor_, *this);
    pauses_ = predecessor_->pauses_;
    enter_slot();
    take_taps_of(*predecessor_);
    slot_->binding.store(slot_binding(), std::memory_order_release);
    predecessor_ = nullptr;
}

} // namespace plugbay::core
