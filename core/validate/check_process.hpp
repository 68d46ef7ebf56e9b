// A check in a process of its own, `plugbay validate-check`, in which a plugin may do what it likes. The child gets its
// request as a file and reports in lines of JSON, each an object with one key:
//
//     {"step": "..."}
//     {"warning": "..."}
//     {"end": {"verdict": "passed" | "failed" | "skipped", "why": "...", "hint": "...",
//              "lacks_peer": true | false}}
//
// The plugin can write to the pipe as well, so the parent believes nothing of the form and bounds everything.
#pragma once

#include "core/validate/validate.hpp"

namespace plugbay::core::validation {

inline constexpr const char* check_command = "validate-check";

// What one check is asked.
struct CheckRequest {
    const Check* check = nullptr;
    Trial trial;
    std::chrono::seconds limit{60};
    std::filesystem::path executable;
};

// Never fails itself: what went wrong with the process is in the result.
[[nodiscard]] CheckResult check_in_process_of_its_own(const CheckRequest& request);

// In this process: what a check says becomes a result, and a crash is one.
[[nodiscard]] CheckResult check_here(const CheckRequest& request);

// The child's main; ends the process. Returns an exit status only when nothing was asked.
[[nodiscard]] int check_as_child();

} // namespace plugbay::core::validation
