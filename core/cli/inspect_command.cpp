#include "core/cli/inspect_command.hpp"

#include "core/cli/exit_status.hpp"
#include "core/cli/inspect_plugin.hpp"

#include <iostream>

namespace plugbay::core {

namespace {

Result<void> inspect(std::ostream& out, const InspectOptions& options) {
    std::error_code ignored;
    if (std::filesystem::is_directory(options.path, ignored))
        return Error{options.path.string() + " is a directory; a plugin file is needed",
                     "name a file, such as one that `plugbay devices TYPE` shows"};
    return inspect_plugin(out, options.path, options.json);
}

} // namespace

int inspect_command(std::ostream& out, const InspectOptions& options) {
    const auto done = inspect(out, options);
    if (done) return exit_status::success;
    std::cerr << "plugbay inspect: " << done.error().text() << '\n';
    return exit_status::failure;
}

} // namespace plugbay::core
