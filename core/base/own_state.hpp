// States of things that the core keeps itself (a vCPU, a PCI function's configuration), in the encoding of devices' states,
// docs/state-format.md. A struct declares its fields once, in `void state(auto& fields)`, as a device does; see
// plugbay/state.hpp.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/state.hpp>
#include <plugbay/state_image.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace plugbay::core {

// `type` says what it is a state of.
template <typename State>
[[nodiscard]] Result<StateImage> save_own_state(std::string_view type, std::uint32_t version, State& state) {
    StateBuilder builder(type, version);
    try {
        plugbay::detail::StateSaver(builder.writer()).all_of(state);
    } catch (const Failure&) { // finish() says which field
    }
    std::string why;
    auto image = builder.finish(why);
    if (!image) return Error{"the state of a " + std::string(type) + " cannot be saved: " + why};
    return *std::move(image);
}

// On failure `state` is as it was. Versions up to `newest` are read.
template <typename State>
[[nodiscard]] Result<void> load_own_state(const StateImage& image, std::string_view type,
                                          std::uint32_t newest, State& state) {
    const auto refused = [&](const std::string& why) {
        return Error{"the state of a " + std::string(type) + " cannot be loaded: " + why};
    };
    if (image.type() != type) return refused("it is one of a " + image.type());
    if (image.version() > newest)
        return refused("it has version " + std::to_string(image.version()) + ", and this build reads 1 to " +
                       std::to_string(newest));
    StateReading reading(image);
    try {
        plugbay::detail::StateLoader(reading.reader(), plugbay::detail::StateLoader::Pass::check)
            .all_of(state);
        if (const auto unread = reading.unread(); !unread.empty())
            return refused("nobody knows its field " + unread.front());
        plugbay::detail::StateLoader(reading.reader(), plugbay::detail::StateLoader::Pass::store)
            .all_of(state);
    } catch (const Failure& failure) {
        return refused(failure.what());
    }
    return {};
}

} // namespace plugbay::core
