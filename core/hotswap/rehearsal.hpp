// A new build of a device tried out in a process of its own, without KVM and with fakes for peers, before the machine
// relies on it: what crashes, hangs or loses state there costs the guest nothing. docs/hot-swap.md says what is tried
// and what that may touch.
#pragma once

#include "core/base/result.hpp"
#include "core/config/machine_config.hpp"
#include "core/hotswap/replay.hpp"
#include "core/hotswap/staging.hpp"

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/interface/net.h>
#include <plugbay/state_image.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace plugbay::core {

// A port that is connected in the machine: a fake takes the peer's place.
struct RehearsedLink {
    std::uint32_t port = 0;                  // index into TypeDescription::ports
    std::vector<PropertyValue> options = {}; // of a frontend, in declared order
    // What the peer is: a device may refuse a state that does not go with its peers.
    std::variant<std::monostate, plugbay_blk_facts, plugbay_net_facts> peer = {};
};

// A descriptor that the old build left for the new one. The caller keeps it.
struct HandedDescriptor {
    std::string name;
    int descriptor = -1;
};

// The machine as the device sees it.
struct RehearsedMachine {
    int memory = -1; // the guest's RAM, of which the child gets a private copy, page by page; -1: zeros
    std::uint64_t memory_below_4gb = 16 << 20; // bytes
    std::uint64_t memory_above_4gb = 0;
    std::uint32_t cpus = 1;
    std::uint64_t guest_time = 0;                       // PLUGBAY_CLOCK_GUEST, ns
    std::uint64_t calendar = 1'000'000'000'000'000'000; // PLUGBAY_CLOCK_CALENDAR, ns
};

struct RehearsalRequest {
    std::shared_ptr<const StagedPlugin> plugin;
    std::string type;
    std::string id;
    std::vector<PropertyValue> properties = {}; // one a property of the new type, in its order
    std::vector<RehearsedLink> links = {};      // ports that need a peer get one anyway
    std::optional<StateImage> state = {}; // nothing: the device begins with start, not with load and resume
    bool beside = false; // the state is of a device that goes on, saved for another build of it
    std::vector<HandedDescriptor> handover = {};
    // Ranges and interrupt lines that the guest knows the device by, as Resource::describe() names them: the build has to ask for
    // these and no others. Nothing: it may ask for what it likes.
    std::optional<std::vector<std::string>> resources = {};
    RehearsedMachine machine = {};
    // In place of the other steps, what came to the device is done again. `state` is the one at the beginning.
    std::optional<Replay> replay = {};
    std::chrono::milliseconds limit = std::chrono::seconds(5);
    int call_off =
        -1; // once it is readable, the rehearsal ends without a finding; -1: nothing calls it off. The caller keeps it
    std::filesystem::path executable = "/proc/self/exe"; // a plugbay
};

struct RehearsalReport {
    bool passed = false;
    bool killed = false;     // it did not end by itself, or not in order
    bool late = false;       // it did not end within the limit
    bool called_off = false; // see RehearsalRequest::call_off; nothing is known of the build
    std::string step;        // the last one that began: "open", "create", "load", ...
    std::string why = {};    // a sentence, unless passed
    std::string hint = {};   // what to do
    std::vector<std::string> differences = {}; // between the state that was loaded and the one saved from it
    std::vector<std::string> not_rehearsed = {}; // sentences
    ReplayReport replay = {};
    std::string output = {}; // the end of what it printed
    std::chrono::nanoseconds duration{};
    std::chrono::nanoseconds held{}; // the device that runs, for the snapshot; see live_rehearsal.hpp
};

// Ends within the limit and little more, whatever the plugin does; blocks meanwhile. An error when it could not be tried.
// All texts are fit for a terminal. Any thread, which lives until the return.
[[nodiscard]] Result<RehearsalReport> rehearse(const RehearsalRequest& request);

} // namespace plugbay::core
