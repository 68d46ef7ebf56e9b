// Where the plugins of tests/plugins are.
#pragma once

#include "tests/temporary_folder.hpp"

#include <filesystem>
#include <string>

namespace plugbay::core {

inline std::filesystem::path test_plugin(const std::string& name) {
    return std::filesystem::path(PLUGBAY_TEST_PLUGINS) / (name + ".so");
}

} // namespace plugbay::core
