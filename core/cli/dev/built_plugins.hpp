// The plugin files that a build has made.
#pragma once

#include "core/cli/dev/build_plan.hpp"
#include "core/plugin/description.hpp"

#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

namespace plugbay::core::dev {

struct BuiltPlugin {
    PluginDescription description;
    timespec written{}; // when its file was

    [[nodiscard]] bool has_type(std::string_view type) const;
};

// All that can be read, in the order of their files' names; of two that provide the same type, the newer one. `refused`: why
// others cannot be read.
[[nodiscard]] std::vector<BuiltPlugin> find_built_plugins(const BuildPlan& plan,
                                                          std::vector<std::string>& refused);

} // namespace plugbay::core::dev
