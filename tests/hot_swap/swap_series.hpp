// Swaps devices of a running machine between two builds, by turns and again and again, and keeps what the machine told:
// how long the guest may have seen each one, and what each build did before the next one came.
#pragma once

#include "core/control/control_client.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace plugbay::end_to_end {

// A device to swap.
struct SwapSubject {
    std::string id;
    std::array<std::string, 2> files; // absolute; the machine begins with the first
    // The number of the device's own that tells what a build did, since it begins at 0 with the instance ("requests").
    // Empty: the guest accesses and events that the monitor counts for the device.
    std::string number;
};

struct SwapSeriesOptions {
    bool rehearse = false;
    // Every build has to do something before the next one comes, in this time; 0: it need not.
    std::chrono::milliseconds patience{0};
    // How often it is looked whether it has.
    std::chrono::milliseconds between_looks{2};
};

// A device goes through the phases of its series in one thread.
class SwapSeries {
  public:
    SwapSeries(core::ControlClient& client, std::vector<SwapSubject> subjects, SwapSeriesOptions options)
        : client_(client), options_(options), subjects_(subjects.begin(), subjects.end()) {}

    // One swap, of the next device. Throws std::runtime_error that says what went wrong.
    void swap_next();
    // What all swaps so far took and what every build did, as lines of text. Once, at the end: ends the counting.
    void print(std::ostream& out);

  private:
    struct Subject : SwapSubject {
        explicit Subject(SwapSubject subject) : SwapSubject(std::move(subject)) {}
        std::size_t swaps = 0;
        std::vector<double> pauses = {}; // microseconds, one a swap
        std::vector<std::pair<std::string, std::vector<double>>> steps =
            {};                                                 // likewise, by name, in their order
        std::string build = {};                                 // the one that runs; empty: not known yet
        std::uint64_t counted = 0;                              // by the monitor, when that build came
        std::map<std::string, std::vector<std::uint64_t>> done; // by build: what each instance did
    };
    [[nodiscard]] nlohmann::json call(const std::string& method, const nlohmann::json& params);
    // What the build that runs has done so far.
    [[nodiscard]] std::uint64_t work_of(const Subject& subject);
    [[nodiscard]] std::uint64_t counted_for(const Subject& subject, const nlohmann::json& device) const;
    void wait_for_work(Subject& subject);

    core::ControlClient& client_;
    const SwapSeriesOptions options_;
    std::vector<Subject> subjects_;
    std::size_t swaps_ = 0;
};

} // namespace plugbay::end_to_end
