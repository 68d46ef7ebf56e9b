// What the machine is asked to do about new builds, on a thread of its own: it may take seconds.
#pragma once

#include "core/cli/dev/built_plugins.hpp"
#include "core/control/control_client.hpp"

#include <plugbay/unique_fd.hpp>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace plugbay::core::dev {

// Of the devices of one plugin.
struct SwapResult {
    BuiltPlugin plugin;
    std::vector<std::string> devices;     // none: the machine has none of its types
    std::optional<nlohmann::json> report; // what the method `swap` tells
    std::optional<Error> refused;
};

// Swaps every device of these plugins' types.
[[nodiscard]] std::vector<SwapResult> swap_all(ControlClient& client,
                                               const std::vector<BuiltPlugin>& plugins);
// Goes back from those swaps.
[[nodiscard]] std::vector<SwapResult> swap_back(ControlClient& client, std::vector<SwapResult> swaps);

class SwapJob {
  public:
    // The client is the job's own until it has ended.
    SwapJob(ControlClient& client, std::function<std::vector<SwapResult>(ControlClient&)> work);
    SwapJob(const SwapJob&) = delete;
    SwapJob& operator=(const SwapJob&) = delete;
    // Hangs up if it has not ended.
    ~SwapJob();

    // Readable when it has ended.
    [[nodiscard]] int descriptor() const { return done_.get(); }
    // Once, when it has.
    [[nodiscard]] std::vector<SwapResult> take();

  private:
    ControlClient& client_;
    UniqueFd done_;
    std::vector<SwapResult> results_;
    std::thread thread_;
};

} // namespace plugbay::core::dev
