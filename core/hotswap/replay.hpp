// What came to a device for a while, to be done again to another build of it in a rehearsal, and what became of that.
#pragma once

#include <plugbay/state_image.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace plugbay::core {

// The child is the same program and reads it as it is.
struct ReplayEntry {
    enum class Kind : std::uint8_t {
        ports, // an access, as are the next three
        memory,
        bar,
        msr,
        timer, // one of the device's has expired
        input, // something that cannot be done again
    };
    Kind kind = Kind::input;
    std::uint8_t write = 0;      // 0: a read
    std::uint8_t width = 0;      // bytes, of ports, memory and BARs
    std::uint8_t faulted = 0;    // of MSRs
    std::uint8_t overlapped = 0; // with another access: nobody knows which came first
    std::uint32_t took = 0;      // ns
    std::uint64_t time = 0;      // the guest's clock, ns
    std::uint64_t base = 0;      // the first port or address of the place; a BAR's number
    std::uint64_t offset = 0;    // in the place; an MSR's index
    std::uint64_t value = 0;     // written, or what the build that ran has answered
};
static_assert(std::is_trivially_copyable_v<ReplayEntry>);

// A moment of a machine by two of its clocks, ns.
struct ReplayMoment {
    std::uint64_t guest_time = 0;
    std::uint64_t calendar = 0;
};

struct Replay {
    std::vector<ReplayEntry> entries = {}; // in the order in which they came
    // The state that the build that ran had afterwards; nothing: nobody knows it.
    std::optional<StateImage> end = {};
    // The states at the beginning and at the end were saved between two moments each.
    ReplayMoment late_beginning = {}; // the early one is RehearsedMachine's
    ReplayMoment early_end = {};
    ReplayMoment late_end = {};
};

struct ReplayReport {
    struct Answer {
        std::size_t entry = 0;
        std::uint64_t value = 0; // what the new build has answered
        bool faulted = false;
        bool certain = false; // no: after something that was not done again, or not as it was
    };
    struct StateField {
        std::string text; // a sentence
        bool certain = false;
    };
    bool whole = false;               // all was done, and what follows is what came of it
    std::uint64_t compared = 0;       // answers
    std::uint64_t by_clock = 0;       // of those, that depended on the moment within the access
    bool certain = false;             // everything until the end was done as it was
    std::vector<Answer> answers = {}; // that differ: the first of them
    std::uint64_t more_answers = 0;
    std::vector<StateField> fields = {};     // that differ at the end: the first of them
    std::string not_comparable = {};         // why nothing was tried; empty: something was
    std::optional<std::size_t> reached = {}; // the entry at which it was when it ended
};

} // namespace plugbay::core
