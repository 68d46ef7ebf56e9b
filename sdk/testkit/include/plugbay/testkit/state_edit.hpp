// Saved states with other contents: for tests of what a device does with a state that it did not write.
#pragma once

#include <plugbay/state_image.hpp>
#include <plugbay/testkit/error.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace plugbay::testkit {

// A copy of `image` in which `edit(const StateField&, std::span<std::byte> elements)` has changed the elements of
// each field, in the machine's byte order. Throws Error when no state can hold them.
template <typename Edit>
[[nodiscard]] StateImage edited(const StateImage& image, Edit edit) {
    StateBuilder builder(image.type(), image.version());
    for (const StateField& field : image.fields()) {
        const auto saved = image.elements(field);
        std::vector<std::byte> elements(saved.begin(), saved.end());
        plugbay::detail::state_swap_elements(elements, plugbay::detail::state_element_size(field.kind));
        edit(field, std::span(elements));
        builder.put(field.name.c_str(), field.kind, elements.data(), field.count, field.flags);
    }
    std::string error;
    auto result = builder.finish(error);
    if (!result) throw Error("the edited state cannot be: " + error, PLUGBAY_INVALID);
    return *std::move(result);
}

} // namespace plugbay::testkit
