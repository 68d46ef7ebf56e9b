// A life at random, for as long as somebody wants.
#include "core/validate/subject.hpp"

#include <array>
#include <optional>

namespace plugbay::core::validation {

namespace {

// One life of a device, the same for the same seed.
void random_life(Trial& trial, std::uint32_t seed) {
    Made subject(trial, seeded(seed));
    testkit::Bench& bench = subject->bench;
    const bool stateful = has_state(trial);
    std::optional<StateImage> saved;
    if (subject->random() % 4 == 0) subject->scramble_memory();
    bench.start();
    constexpr int deeds = 40;
    for (int deed = 0; deed < deeds; ++deed) {
        switch (subject->random() % 10) {
        case 0:
            subject->settle();
            bench.quiesce();
            if (stateful && subject->random() % 2 == 0) saved = subject->device().save();
            bench.resume();
            break;
        case 1:
            subject->settle();
            bench.reset();
            break;
        case 2:
            subject->settle();
            bench.quiesce();
            if (saved) static_cast<void>(subject->device().try_load(*saved));
            bench.resume();
            break;
        case 3: {
            subject->settle();
            const testkit::Outcome outcome = bench.try_swap("subject", trial.file);
            require(static_cast<bool>(outcome), "a swap to the same build fails: " + outcome.text);
            break;
        }
        case 4:
            bench.advance(std::chrono::microseconds(subject->random() % 1'000'000));
            break;
        default:
            for (std::uint32_t accesses = subject->random() % 64; accesses > 0; --accesses)
                subject->poke_once();
        }
    }
    subject->settle();
}

void survives_random_lives(Trial& trial) {
    if (trial.fuzz.count() == 0) throw CheckSkipped("it is done with --fuzz SECONDS");
    const auto end = std::chrono::steady_clock::now() + trial.fuzz;
    std::uint32_t seed = trial.seed;
    do {
        trial.step("--fuzz 1 --seed " + std::to_string(seed) + " repeats it");
        random_life(trial, seed++);
    } while (std::chrono::steady_clock::now() < end);
}

constexpr std::array list{
    Check{"PB-FUZZ-001", "any life is survived",
          "repeat it with the seed that is shown, under a debugger with --in-process", Check::Scope::type,
          survives_random_lives},
};

} // namespace

std::span<const Check> fuzz_checks() {
    return list;
}

} // namespace plugbay::core::validation
