// What rehearse() and its child, `plugbay rehearse`, agree on. The child gets descriptors of fixed numbers: a file with
// the request, one line of JSON and then the state image; the pipe for its report; the guest's RAM, if any; those handed
// over. The report is lines of JSON, each an object with one key:
//
//     {"step": "create"}             begins
//     {"difference": "field ..."}
//     {"not_rehearsed": "..."}
//     {"failed": {"why": "...", "hint": "..."}}   the end
//     {"passed": true}                            the end
//
// The plugin can write to the pipe as well, so the parent believes nothing and bounds everything.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace plugbay::core::rehearsal {

inline constexpr const char* command = "rehearse";

inline constexpr int request_descriptor = 3;
inline constexpr int report_descriptor = 4;
inline constexpr int first_free_descriptor = 5; // RAM first, if there is any

inline constexpr std::array<std::string_view, 9> steps{"open",  "create", "connected", "load", "save",
                                                       "start", "resume", "quiesce",   "reset"};

inline constexpr std::size_t most_differences = 32; // reported one by one
inline constexpr std::size_t longest_text = 4096;   // of a report's
inline constexpr std::size_t longest_report = 1 << 20;

} // namespace plugbay::core::rehearsal
