// What rehearse() and its child, `plugbay rehearse`, agree on. The child gets descriptors of fixed numbers: a file with
// the request, one line of JSON and then the state image, for a replay the one at its end, and the entries; the pipe for its report; the guest's RAM, if any; those handed
// over. The report is lines of JSON, each an object with one key:
//
//     {"step": "create"}             begins
//     {"difference": "field ..."}
//     {"not_rehearsed": "..."}
//     {"answer": {"entry": 7, "value": 1, "faulted": false, "certain": true}}   of a replay, as are the next three
//     {"state": {"text": "field ...", "certain": true}}
//     {"replayed": {"compared": 9, "by_clock": 0, "more": 0, "certain": true}}
//     {"not_comparable": "..."}
//     {"failed": {"why": "...", "hint": "..."}}   the end
//     {"passed": true}                            the end
//
// The plugin can write to the pipe as well, so the parent believes nothing and bounds everything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace plugbay::core::rehearsal {

inline constexpr const char* command = "rehearse";

inline constexpr int request_descriptor = 3;
inline constexpr int report_descriptor = 4;
inline constexpr int first_free_descriptor = 5; // RAM first, if there is any

inline constexpr std::array<std::string_view, 11> steps{"open",    "create",   "connected", "load",
                                                        "save",    "validate", "start",     "resume",
                                                        "quiesce", "reset",    "replay"};

// In the request's file, over what the child has read by then: how many entries of a replay it has begun, 8 bytes. What is there
// before is greater than any number of entries.
inline constexpr std::int64_t progress_place = 0;

inline constexpr std::size_t most_differences = 32; // reported one by one
inline constexpr std::size_t longest_text = 4096;   // of a report's
inline constexpr std::size_t longest_report = 1 << 20;

} // namespace plugbay::core::rehearsal
