// plugbay(1), from what the program knows of its own command line.
#pragma once

#include <CLI/App.hpp>

#include <string>

namespace plugbay::core {

// In the man macros (man(7)).
[[nodiscard]] std::string man_page(const CLI::App& app);

} // namespace plugbay::core
