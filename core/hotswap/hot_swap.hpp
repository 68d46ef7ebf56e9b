// Replaces a device's build in a running machine: takes the file in, tries it, puts it in place, watches it for a while,
// and goes back to the build before when it does badly. docs/hot-swap.md tells the whole story.
#pragma once

#include "core/base/result.hpp"
#include "core/hotswap/staging.hpp"
#include "core/machine/device_manager.hpp"
#include "core/machine/swap_journal.hpp"

#include <plugbay/unique_fd.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

class Machine;
class MasterDeviceTable;

struct SwapRequest {
    std::vector<std::string> devices; // ids; at least one
    std::filesystem::path file = {};  // absolute
    bool rehearse = true;             // in a process of its own, before anything is held
    bool dry_run = false;             // only that
    std::chrono::milliseconds limit = std::chrono::seconds(5);     // for what is in flight to end
    std::chrono::milliseconds probation = std::chrono::seconds(2); // 0: none
};

struct SwapReport {
    enum class Outcome : std::uint8_t {
        refused,     // at the last step; everything is as it was
        tried,       // a dry run went well
        probation,   // the new build serves, and is watched
        committed,   // it stays; with `why`: though it misbehaved, because it could not be taken back
        rolled_back, // it served, and the build before serves again
        lost,        // it crashed, and the way back failed: the guest finds nobody
    };
    Outcome outcome = Outcome::refused;
    std::vector<std::string> devices = {};
    std::string file = {};
    std::string before = {}; // the build that ran: plugin, version and build id
    std::string after = {};
    SwapJournal journal = {};
    std::chrono::nanoseconds snapshot{}; // for which a device was held for its rehearsal; the longest
    std::string why = {};                // of refused, rolled_back and lost; of committed when it misbehaved
    std::string hint = {};               // what to do about it
    // What is different and does no harm, what was not rehearsed, what became of the library of the build before.
    std::vector<std::string> notes = {};
};

// Thread: [control]. The machine and the table outlive it. A build that is kept, past its probation, is the table's from then
// on: what is added later is made from it.
class HotSwap {
  public:
    HotSwap(Machine& machine, MasterDeviceTable& device_types);
    HotSwap(const HotSwap&) = delete;
    HotSwap& operator=(const HotSwap&) = delete;
    ~HotSwap();

    // Returns when the new build serves, or does not. A swap of one of these devices whose probation is not over is
    // committed when the new build has taken its place, and goes on when that is refused. If it turns out meanwhile that its
    // build is no good, that is taken back at once, and the new one refused. Blocks for up to the rehearsal's limit; the guest
    // runs meanwhile.
    const SwapReport& swap(const SwapRequest& request);
    // The last swap of that device; null: there was none.
    [[nodiscard]] const SwapReport* last(std::string_view device) const;
    // Goes back to the build before, with the state of now, while the probation is not over. When that fails and the new build
    // has not crashed, that one serves on, on probation.
    [[nodiscard]] Result<void> roll_back(std::string_view device);

    // Has `change` called when a probation is over.
    void observe(std::function<void(const SwapReport&)> change) { change_ = std::move(change); }

    // Every device whose plugin has the name of that of `id`, whatever the build; `id` first.
    [[nodiscard]] Result<std::vector<std::string>> devices_of_plugin(std::string_view id) const;

  private:
    // A swap whose new build is in place.
    struct Trial {
        std::shared_ptr<SwapReport> report;
        std::shared_ptr<const LoadedPlugin> build; // the new one
        std::chrono::steady_clock::time_point end = {};
        std::vector<DeviceManager::Replacement> back = {}; // the builds before, as they were; without states
        std::shared_ptr<std::atomic<bool>> crashed = std::make_shared<std::atomic<bool>>(false);
        std::vector<std::vector<std::byte>> states_at_exchange = {}; // one a device
        std::vector<std::uint64_t> errors_at_exchange = {};          // one a device
    };

    [[nodiscard]] Result<void> attempt(const SwapRequest& request, SwapReport& report);
    [[nodiscard]] Result<void> try_out(const DeviceManager::Replacement& replacement,
                                       const std::shared_ptr<const StagedPlugin>& plugin,
                                       const SwapRequest& request, SwapReport& report);
    [[nodiscard]] Result<void> judge_all(std::span<const std::string> devices);
    void begin_probation(Trial trial, std::chrono::milliseconds length);
    void look_at(const std::shared_ptr<SwapReport>& report);
    void judge(Trial& trial);
    [[nodiscard]] Trial* trial_of(const SwapReport& report);
    [[nodiscard]] Trial* trial_of(std::string_view device);
    void commit(Trial& trial, std::span<const std::string> replaced = {});
    void end_trial(Trial& trial, std::span<const std::string> replaced = {});
    [[nodiscard]] Result<void> bring_up_to_date(Trial& trial) const;
    [[nodiscard]] std::string crash_of(const Trial& trial) const;
    void go_back(Trial& trial, const std::string& why);
    void vacate_crashed(const SwapReport& report);
    void finish(Trial& trial);

    Machine& machine_;
    MasterDeviceTable& device_types_;
    Staging staging_;
    std::vector<std::unique_ptr<Trial>> trials_;
    std::map<std::string, std::shared_ptr<SwapReport>, std::less<>> reports_; // the last one of each device
    std::function<void(const SwapReport&)> change_ = [](const SwapReport&) {};
    // An eventfd that is readable once a build on probation has crashed, for rehearsals; whoever writes may outlive this.
    const std::shared_ptr<const UniqueFd> crashed_;
    // For looks that are under way on the control thread when this is gone.
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace plugbay::core
