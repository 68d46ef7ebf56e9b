// Checkpoints of a machine that runs, and what a machine is made from again. The files: core/checkpoint/; the story:
// docs/checkpoint.md.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/memory/guest_memory.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

class CheckpointSink;
class Machine;
class MasterDeviceTable;

struct CheckpointRequest {
    enum class Contents : std::uint8_t { all, devices, memory };
    std::filesystem::path folder = {}; // absolute
    Contents contents = Contents::all;
    bool incremental =
        false; // only the pages that were written since the last checkpoint, which is in the same folder
    bool track = false;          // so that the next one can be incremental; those that are do so anyway
    bool replace = false;        // a checkpoint of that name, if there is one
    bool checksum_disks = false; // so that a restore compares what is in them, and not when they were written
};

struct CheckpointReport {
    std::string id = {};
    std::filesystem::path folder = {};
    std::uint64_t pages = 0; // that are stored, 4 KiB each
    std::uint64_t pause = 0; // nanoseconds for which the guest stood still; 0: it was paused before
};

// Thread: [control]. The machine and the table outlive it.
class MachineCheckpoints {
  public:
    MachineCheckpoints(Machine& machine, const MasterDeviceTable& device_types)
        : machine_(machine), device_types_(device_types) {}
    MachineCheckpoints(const MachineCheckpoints&) = delete;
    MachineCheckpoints& operator=(const MachineCheckpoints&) = delete;

    // On failure there is no checkpoint of that name, or the one that was there, and the machine goes on.
    [[nodiscard]] Result<CheckpointReport> write(const CheckpointRequest& request);

  private:
    // The checkpoint since which writes to memory are tracked.
    struct Base {
        std::string id;
        std::filesystem::path folder;
    };
    [[nodiscard]] Result<Checkpoint> open_base(const CheckpointRequest& request) const;
    [[nodiscard]] Result<CheckpointReport> attempt(const CheckpointRequest& request);

    Machine& machine_;
    const MasterDeviceTable& device_types_;
    std::optional<Base> base_;
    std::vector<std::uint64_t>
        taken_; // pages that are being written, and that the next one has to have if they are not
};

// --- the way back

// Has a machine that runs go back to a checkpoint of it. Its memory is compared with the checksums first.
[[nodiscard]] Result<void> go_back_to(Machine& machine, const Checkpoint& checkpoint,
                                      const MasterDeviceTable& device_types, bool accept_changed_disks);

// For Machine::restore().
[[nodiscard]] Result<std::unique_ptr<GuestMemory>> memory_of(const Checkpoint& checkpoint);

} // namespace plugbay::core
