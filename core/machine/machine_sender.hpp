// A machine sent to another process while its guest runs: as a copy, or to go on there. The bytes: core/checkpoint/; the
// story: docs/checkpoint.md.
//
// A thread sends all pages, then those that were written meanwhile, round by round, until few are left; then the machine
// stands still for those, the states, and, when it moves, for the other side to make it.
#pragma once

#include "core/base/result.hpp"
#include "core/io/socket_address.hpp"
#include "core/machine/machine_checkpoint.hpp"

#include <plugbay/unique_fd.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace plugbay::core {

struct MachineState;
class StreamWriter;

struct SendRequest {
    SocketAddress to = {}; // of a move, a Unix socket
    using Contents = CheckpointRequest::Contents;
    Contents contents = Contents::all;
    bool move = false; // the machine goes on at the other side, and ends here
    // When the guest stands still: when what is left is sent in about this time, or after so many rounds.
    std::chrono::milliseconds pause{20};
    std::uint32_t most_rounds = 20;
};

struct SendReport {
    std::string id = {}; // of what was sent
    bool moved = false;
    std::uint32_t rounds = 0; // while the guest ran
    std::uint64_t bytes = 0;
    std::uint64_t pause = 0; // nanoseconds for which the guest stood still; 0: it was paused before
    // Of them, for the other side to make the machine and to take it; of a move.
    std::uint64_t taking = 0;
};

// Thread: [control]. The machine and the table outlive it.
class MachineSender {
  public:
    MachineSender(Machine& machine, const MasterDeviceTable& device_types)
        : machine_(machine), device_types_(device_types) {}
    MachineSender(const MachineSender&) = delete;
    MachineSender& operator=(const MachineSender&) = delete;
    // Cancels what is under way; nobody is told.
    ~MachineSender();

    // An error when it cannot begin. `over` is called once when it is done or has failed; then the machine runs on as if
    // nothing had been tried. One at a time.
    using Over = std::function<void(const Result<SendReport>&)>;
    [[nodiscard]] Result<void> start(SendRequest request, Over over);
    // What is under way fails; nothing, if nothing is.
    void cancel();
    [[nodiscard]] bool sending() const { return thread_.joinable(); }
    // What was sent so far.
    struct Progress {
        std::uint32_t rounds = 0;
        std::uint64_t bytes = 0;
        std::uint64_t pages_left = 0; // that were written and not sent, when the last round began
    };
    [[nodiscard]] Progress progress() const;

  private:
    using Work = std::function<Result<void>()>;
    void run();
    [[nodiscard]] Result<void> on_control(Work work);
    [[nodiscard]] Result<void> send();
    [[nodiscard]] Result<void> begin(StreamWriter& writer);
    [[nodiscard]] Result<void> send_rounds(StreamWriter& writer);
    [[nodiscard]] Result<void> take_pages();
    [[nodiscard]] Result<void> finish(StreamWriter& writer);
    [[nodiscard]] Result<void> finish_standing(StreamWriter& writer, const MachineState& state);
    void tell(const StreamWriter& writer, std::uint64_t pages_left);
    void end_tracking();

    Machine& machine_;
    const MasterDeviceTable& device_types_;
    SendRequest request_;
    Over over_;
    UniqueFd cancel_; // an eventfd, readable: cancelled
    std::thread thread_;
    bool tracked_before_ = false;      // for checkpoints, which have to get the pages too
    std::vector<std::uint64_t> pages_; // written and not sent yet: a bit a page
    std::vector<std::uint64_t> taken_; // all that were written since it began, for checkpoints
    std::string begun_as_;             // the machine, as the other side was told first
    SendReport report_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool cancelled_ = false; // guarded by mutex_, as is progress_
    Progress progress_;
};

} // namespace plugbay::core
