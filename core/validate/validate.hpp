// The conformance suite over one plugin file: each check in a process of its own.
#pragma once

#include "core/base/result.hpp"
#include "core/validate/check.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core::validation {

struct ValidateOptions {
    std::filesystem::path file;
    std::vector<std::string> include;  // patterns of ids, as the shell's; none: all
    std::vector<std::string> types;    // patterns of device types; none: all
    std::vector<std::string> settings; // "[TYPE.]NAME=VALUE"
    std::vector<std::string> kept;     // "[TYPE.]FIELD" that a reset does not bring back
    std::vector<std::string> peers;    // "FILE[:TYPE]" of devices for ports
    std::uint32_t seed = 1;
    std::chrono::seconds fuzz{0};
    std::chrono::seconds limit{60}; // for one check, beside what it was asked to fuzz
    bool in_process = false;        // in this process, for debuggers: nothing is limited or caught
    std::filesystem::path executable = "/proc/self/exe"; // a plugbay
};

enum class Verdict { passed, failed, crashed, skipped, warned };

[[nodiscard]] std::string_view verdict_name(Verdict verdict);

struct CheckResult {
    const Check* check = nullptr;
    std::string type; // empty: of the file
    Verdict verdict = Verdict::passed;
    std::string why;         // failed, crashed, skipped
    std::string hint;        // failed, crashed
    std::string step;        // where it was then
    bool lacks_peer = false; // skipped: a port that needs a peer has none
    std::vector<std::string> warnings;
    std::string output; // the end of what the plugin printed
    std::chrono::milliseconds duration{0};
};

// Tells of each result as it comes. An error: nothing could be checked, such as an unknown pattern or type.
[[nodiscard]] Result<std::vector<CheckResult>> validate(const ValidateOptions& options,
                                                        const std::function<void(const CheckResult&)>& tell);

// Whether nothing failed or crashed.
[[nodiscard]] bool all_good(const std::vector<CheckResult>& results);

// How many checks were skipped for the lack of a peer.
[[nodiscard]] std::size_t lacking_peers(const std::vector<CheckResult>& results);

} // namespace plugbay::core::validation
