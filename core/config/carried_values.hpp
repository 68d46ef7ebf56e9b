// Values of one declaration of properties under another: what a new build of a device makes of the configuration that the
// build before was made with.
#pragma once

#include "core/config/machine_config.hpp"
#include "core/plugin/description.hpp"

#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

struct CarriedValues {
    std::vector<PropertyValue> values = {}; // one a property of `after`, in its order
    std::vector<std::string> notes = {};    // what is different and does no harm
    std::vector<std::string> mistakes = {}; // what cannot be carried over; not empty: the values mean nothing
};

// By name. Values that nobody gave become the new defaults; one that was given has to have its place in `after`.
[[nodiscard]] CarriedValues carry_over(std::span<const PropertyDescription> before,
                                       std::span<const PropertyDescription> after,
                                       std::span<const PropertyValue> values);

} // namespace plugbay::core
