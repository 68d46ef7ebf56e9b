// "plugbay devices": what can be put into a machine file, read from the plugins' files without running them.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/master_device_table.hpp"

#include <iosfwd>
#include <string>

namespace plugbay::core {

struct DevicesOptions {
    std::string type;    // empty: list all types; else everything about this one
    bool json = false;   // for programs; the keys are part of the command's interface
    PluginSearch search; // --plugin FILE adds to search.files
};

// Builds the table and prints. Refused plugins are listed at the end and are no failure, unless the type
// asked for is not there.
[[nodiscard]] Result<void> devices_command(std::ostream& out, const DevicesOptions& options);

// The parts, for a table that exists already.
void print_device_list(std::ostream& out, const MasterDeviceTable& table, bool json);
void print_device_type(std::ostream& out, const MasterDeviceTable::Entry& entry, bool json);

} // namespace plugbay::core
