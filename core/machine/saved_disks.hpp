// The files of a machine's disks, which no checkpoint holds: what they were when it was saved, and whether they still are that.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/config/machine_config.hpp"
#include "core/config/type_catalog.hpp"

#include <string>
#include <vector>

namespace plugbay::core {

// Files whose contents the guest takes for its own: those of devices that serve disks.
[[nodiscard]] std::vector<HostFile> disk_files(const MachineConfig& config, const TypeCatalog& catalog);

// Adds what is in the disks' files, which takes as long as reading them.
[[nodiscard]] Result<void> add_disk_checksums(Manifest& manifest);

// The disks that `config` gives the guest and that are not what it knows, one a line. Where a disk has the path of then, its time
// counts, unless checksums were saved; a copy at another path has another time. Sizes have to be the same in any case.
[[nodiscard]] std::vector<std::string> find_changed_disks(const Manifest& manifest,
                                                          const MachineConfig& config,
                                                          const TypeCatalog& catalog, bool accept_changed);

} // namespace plugbay::core
