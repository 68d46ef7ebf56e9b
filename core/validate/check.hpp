// One check of the conformance suite: what it is called, what it does, and how it says what it found.
#pragma once

#include <plugbay/testkit/device.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace plugbay::core::validation {

// Another device for a port of the one that is validated.
struct PeerDevice {
    std::filesystem::path file;
    std::string type;
    testkit::Properties properties; // values where the defaults do not do
};

// What a check is about, and how it reports on its way. It ends by returning (passed) or by throwing CheckFailed or
// CheckSkipped. A testkit::Error, and so a rule of the ABI that was broken, is a failure too.
struct Trial {
    std::filesystem::path file;
    std::string type;               // empty: the check is of the whole file
    testkit::Properties properties; // values where the defaults do not do
    std::set<std::string, std::less<>>
        kept;                      // names of state fields that a reset does not bring back, rightly
    std::vector<PeerDevice> peers; // in the place of fakes, where they fit
    std::uint32_t seed = 1;
    std::chrono::seconds fuzz{0};
    std::function<void(const std::string&)> step;    // what comes next, for the case that nothing comes back
    std::function<void(const std::string&)> warning; // works, and should be changed
};

class CheckFailed : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class CheckSkipped : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A port that needs a peer has none.
class PeerLacking : public CheckSkipped {
  public:
    using CheckSkipped::CheckSkipped;
};

inline void require(bool condition, const std::string& why) {
    if (!condition) throw CheckFailed(why);
}

struct Check {
    enum class Scope { file, type };

    const char* id;     // "PB-LIFE-001"; never given to another check
    const char* title;  // what is right, in a few words
    const char* advice; // what to do when it fails
    Scope scope;
    void (*run)(Trial&);
};

// All, in their order. docs/validate.md lists them.
[[nodiscard]] std::span<const Check> checks();

// The groups that checks() puts together.
[[nodiscard]] std::span<const Check> file_checks();
[[nodiscard]] std::span<const Check> property_checks();
[[nodiscard]] std::span<const Check> life_checks();
[[nodiscard]] std::span<const Check> access_checks();
[[nodiscard]] std::span<const Check> state_checks();
[[nodiscard]] std::span<const Check> process_checks();
[[nodiscard]] std::span<const Check> fuzz_checks();

} // namespace plugbay::core::validation
