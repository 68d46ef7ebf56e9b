#include "core/checkpoint/origin.hpp"

#include "core/version.hpp"

#include <fmt/chrono.h>

#include <ctime>

namespace plugbay::core {

void fill_origin(Manifest& manifest, const std::string& id) {
    manifest.id = id;
    manifest.created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    manifest.plugbay = version_text;
    manifest.holds_states = false;
    manifest.parent.reset();
    manifest.memory.reset();
    manifest.files.clear();
}

} // namespace plugbay::core
