// State: what is saved is loaded, is all that the guest can see, and may come from anybody.
#include "core/base/nearest_name.hpp"
#include "core/validate/subject.hpp"

#include <plugbay/abi/state.h>
#include <plugbay/testkit/state_edit.hpp>

#include <algorithm>
#include <array>
#include <random>

namespace plugbay::core::validation {

namespace {

using testkit::MappedRange;

void loads_what_it_saves(Trial& trial) {
    need_state(trial);
    Made subject(trial, seeded(trial.seed));
    subject->bench.start();
    for (int round = 0; round < 3; ++round) {
        trial.step("round " + std::to_string(round + 1));
        subject->poke(1);
        subject->bench.quiesce();
        const StateImage saved = subject->device().save();
        std::string change = difference(saved, subject->device().save());
        require(change.empty(), "saving changes it: " + change);
        Made fresh(trial, seeded(trial.seed));
        fresh->bench.load(*subject->bench.save()); // with RAM and clocks
        change = difference(saved, fresh->device().save());
        require(change.empty(), "what was saved, loaded and saved again is not the same: " + change);
        fresh->bench.start();
        fresh->poke(1);
        subject->device().load(saved);
        change = difference(saved, subject->device().save());
        require(change.empty(), "loading its own state changes it: " + change);
        subject->bench.resume();
    }
}

// A name that was mistyped would keep nothing, in silence.
void warn_of_unknown_fields(Trial& trial, const StateImage& state) {
    std::vector<std::string> names;
    for (const StateField& field : state.fields())
        names.push_back(field.name);
    for (const std::string& kept : trial.kept) {
        if (state.find(kept) != nullptr) continue;
        const std::string nearest = nearest_name(kept, names);
        trial.warning("--kept " + kept + ": its state has no such field" +
                      (nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?"));
    }
}

void resets_to_fresh(Trial& trial) {
    need_state(trial);
    ExerciserOptions alone_options;
    alone_options.peers = Peers::none;
    Made alone(trial, alone_options);
    Made subject(trial, seeded(trial.seed));
    const StateImage fresh = subject->device().save();
    warn_of_unknown_fields(trial, fresh);
    subject->bench.start();
    subject->poke(1);
    subject->bench.quiesce();
    subject->bench.reset(); // stays quiesced: nothing comes from the peers yet
    const std::string change =
        reset_difference(alone->device().save(), fresh, subject->device().save(), trial.kept);
    require(change.empty(), change);
}

// What the same guest does to two devices, and what it reads.
struct Reading {
    std::uint64_t address;
    unsigned width;
    std::uint64_t value;
    friend bool operator==(const Reading&, const Reading&) = default;
};

class SameGuest {
  public:
    SameGuest(Exerciser& subject, std::uint32_t seed) : subject_(subject), random_(seed) {}

    // Looks at everything first, and then reads and writes at random.
    std::vector<Reading> readings() {
        constexpr std::uint64_t most = 512;
        constexpr int accesses = 2000;
        const auto ranges = subject_.device().ranges();
        for (const MappedRange& range : ranges) {
            for (std::uint64_t offset = 0; offset < std::min(range.length, most); ++offset)
                read(range, offset, 1);
        }
        for (int i = 0; i < accesses && !ranges.empty(); ++i) {
            const MappedRange& range = ranges[random_() % ranges.size()];
            const std::uint64_t offset = random_() % std::min<std::uint64_t>(range.length, 4096);
            const unsigned width = 1u << random_() % 3;
            const std::uint64_t value = random_();
            if (random_() % 4 != 0)
                read(range, offset, width);
            else
                write(range, offset, width, value);
        }
        return std::move(readings_);
    }

  private:
    void read(const MappedRange& range, std::uint64_t offset, unsigned width) {
        const std::uint64_t address = range.first + offset;
        const std::uint64_t value = range.space == MappedRange::Space::memory
                                        ? subject_.bench.read(address, width)
                                        : subject_.bench.in(static_cast<std::uint16_t>(address), width);
        readings_.push_back({address, width, value});
    }
    void write(const MappedRange& range, std::uint64_t offset, unsigned width, std::uint64_t value) {
        const std::uint64_t address = range.first + offset;
        if (range.space == MappedRange::Space::memory)
            subject_.bench.write(address, width, value);
        else
            subject_.bench.out(static_cast<std::uint16_t>(address), width, value);
    }

    Exerciser& subject_;
    std::mt19937 random_;
    std::vector<Reading> readings_;
};

// Of both, after the one has loaded the state of the other.
void compare(Exerciser& original, Exerciser& heir, std::uint32_t seed) {
    const auto before = SameGuest(original, seed).readings();
    const auto after = SameGuest(heir, seed).readings();
    require(before.size() == after.size(), "a device that has loaded the state of another has other ranges");
    const auto [wrong, found] = std::ranges::mismatch(before, after);
    if (wrong == before.end()) return;
    throw CheckFailed("the guest reads " + std::to_string(wrong->value) + " at " +
                      std::to_string(wrong->address) + " (" + std::to_string(wrong->width) + " bytes), and " +
                      std::to_string(found->value) + " at " + std::to_string(found->address) +
                      " from a device that has loaded the state");
}

void saves_all_that_is_seen(Trial& trial) {
    need_state(trial);
    ExerciserOptions calm = seeded(trial.seed);
    calm.lively_peers = false;
    Made subject(trial, calm);
    subject->bench.start();
    if (subject->device().ranges().empty()) throw CheckSkipped("a guest cannot access it");
    constexpr std::uint32_t rounds = 4;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        trial.step("round " + std::to_string(round + 1));
        subject->poke(1);
        subject->bench.quiesce();
        Made heir(trial, calm);
        heir->bench.load(*subject->bench.save());
        heir->bench.start();
        subject->bench.resume();
        compare(*subject, *heir, trial.seed + round);
    }
}

// An image with some elements changed at random, still well-formed.
StateImage mutated(const StateImage& image, std::mt19937& random) {
    StateBuilder builder(image.type(), image.version());
    const std::size_t victim = random() % std::max<std::size_t>(image.fields().size(), 1);
    for (std::size_t i = 0; i < image.fields().size(); ++i) {
        const StateField& field = image.fields()[i];
        const auto elements = image.elements(field);
        std::vector<std::byte> bytes(elements.begin(), elements.end());
        std::uint64_t count = field.count;
        if (i == victim || random() % 8 == 0) {
            const std::size_t size = plugbay::detail::state_element_size(field.kind);
            if (random() % 8 == 0) { // another length
                count = random() % (field.count + 8);
                bytes.resize(static_cast<std::size_t>(count) * size);
            } else if (random() % 16 == 0) {
                continue; // missing
            }
            for (unsigned n = 0; n < 1 + random() % 4 && !bytes.empty(); ++n)
                bytes[random() % bytes.size()] =
                    static_cast<std::byte>(random() % 3 == 0 ? 0xff : random() & 0xff);
            for (std::byte& byte : bytes) {
                if (field.kind == PLUGBAY_FIELD_BOOLEAN) byte &= std::byte{1};
                if (field.kind == PLUGBAY_FIELD_TEXT && byte == std::byte{0}) byte = std::byte{1};
            }
        }
        builder.put(field.name.c_str(), field.kind, bytes.data(), count, field.flags);
    }
    std::string error;
    auto result = builder.finish(error);
    if (!result) throw CheckFailed("a state with other elements cannot be: " + error);
    return *std::move(result);
}

StateImage used_state(Trial& trial, std::uint32_t seed) {
    Made source(trial, seeded(seed));
    source->bench.start();
    source->poke(1);
    source->bench.quiesce();
    return source->device().save();
}

// A refused state leaves the device as it was (the Bench compares), an accepted one leaves it alive.
void survives_any_state(Trial& trial) {
    need_state(trial);
    const StateImage saved = used_state(trial, trial.seed);
    std::mt19937 random(trial.seed + 6);
    const int rounds = saved.bytes().size() > (1 << 20) ? 6 : 60;
    for (int round = 0; round < rounds; ++round) {
        trial.step("round " + std::to_string(round + 1));
        Made subject(trial, seeded(100u + static_cast<unsigned>(round)));
        for (int attempt = 0; attempt < 10; ++attempt) {
            if (subject->device().try_load(mutated(saved, random))) break;
        }
        subject->bench.start();
        if (round % 4 == 0) subject->poke(1);
        subject->bench.advance(std::chrono::milliseconds(100));
        subject->bench.reset();
    }
}

struct Change {
    const char* name;
    // Puts the field differently, or not at all.
    void (*put)(StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes);
};

void put_filled(StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes,
                std::uint64_t count, std::byte value) {
    const bool boolean = field.kind == PLUGBAY_FIELD_BOOLEAN;
    const bool text = field.kind == PLUGBAY_FIELD_TEXT && value == std::byte{0};
    bytes.assign(static_cast<std::size_t>(count) * plugbay::detail::state_element_size(field.kind),
                 boolean ? value & std::byte{1}
                 : text  ? std::byte{'x'}
                         : value);
    builder.put(field.name.c_str(), field.kind, bytes.data(), count, field.flags);
}

constexpr std::array changes{
    Change{"missing", [](StateBuilder&, const StateField&, std::vector<std::byte>) {}},
    Change{"empty",
           [](StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes) {
               put_filled(builder, field, std::move(bytes), 0, std::byte{0});
           }},
    Change{"all zeros",
           [](StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes) {
               put_filled(builder, field, std::move(bytes), field.count, std::byte{0});
           }},
    Change{"all ones",
           [](StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes) {
               put_filled(builder, field, std::move(bytes), field.count, std::byte{0xff});
           }},
    Change{"one element shorter",
           [](StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes) {
               const std::uint64_t count = field.count == 0 ? 0 : field.count - 1;
               builder.put(field.name.c_str(), field.kind, bytes.data(), count, field.flags);
           }},
    Change{"of 70000 elements",
           [](StateBuilder& builder, const StateField& field, std::vector<std::byte> bytes) {
               put_filled(builder, field, std::move(bytes), 70'000, std::byte{0x5a});
           }},
    Change{"of another kind",
           [](StateBuilder& builder, const StateField& field, std::vector<std::byte>) {
               const std::uint32_t kind =
                   field.kind == PLUGBAY_FIELD_U64 ? PLUGBAY_FIELD_U8 : PLUGBAY_FIELD_U64;
               const std::array<std::uint64_t, 2> elements{~std::uint64_t{0}, 1};
               builder.put(field.name.c_str(), kind, elements.data(), 1, field.flags);
           }},
};

// Each field in turn: what random changes may never hit.
void survives_each_field(Trial& trial) {
    need_state(trial);
    constexpr std::size_t most_fields = 64;
    const StateImage saved = used_state(trial, trial.seed);
    std::size_t number = 0;
    for (const StateField& victim : saved.fields()) {
        if (++number > most_fields) return trial.warning("only the first 64 fields were tried");
        for (const Change& change : changes) {
            trial.step("field " + victim.name + " " + change.name);
            StateBuilder builder(saved.type(), saved.version());
            for (const StateField& field : saved.fields()) {
                const auto elements = saved.elements(field);
                std::vector<std::byte> bytes(elements.begin(), elements.end());
                plugbay::detail::state_swap_elements(bytes, plugbay::detail::state_element_size(field.kind));
                if (field.name == victim.name)
                    change.put(builder, field, std::move(bytes));
                else
                    builder.put(field.name.c_str(), field.kind, bytes.data(), field.count, field.flags);
            }
            std::string error;
            const auto image = builder.finish(error);
            if (!image) continue; // the format itself forbids it
            Made subject(trial, seeded(trial.seed));
            if (!subject->device().try_load(*image)) continue;
            subject->bench.start();
            for (int i = 0; i < 40; ++i)
                subject->poke_once();
            subject->bench.advance(std::chrono::milliseconds(10));
            subject->bench.reset();
        }
    }
}

StateImage of_version(const StateImage& image, std::uint32_t version) {
    StateBuilder builder(image.type(), version);
    for (const StateField& field : image.fields()) {
        const auto elements = image.elements(field);
        std::vector<std::byte> bytes(elements.begin(), elements.end());
        plugbay::detail::state_swap_elements(bytes, plugbay::detail::state_element_size(field.kind));
        builder.put(field.name.c_str(), field.kind, bytes.data(), field.count, field.flags);
    }
    std::string error;
    auto result = builder.finish(error);
    if (!result) throw CheckFailed("a state of version " + std::to_string(version) + " cannot be: " + error);
    return *std::move(result);
}

void survives_older_states(Trial& trial) {
    need_state(trial);
    const testkit::PluginFile plugin(trial.file);
    const plugbay_device_type& type = *plugin.find(trial.type);
    if (type.state_version_oldest == type.state_version) throw CheckSkipped("it loads no older state");
    const StateImage saved = used_state(trial, trial.seed);
    std::mt19937 random(trial.seed);
    for (std::uint32_t version = type.state_version_oldest; version < type.state_version; ++version) {
        trial.step("a state of version " + std::to_string(version));
        for (int attempt = 0; attempt < 20; ++attempt) {
            Made subject(trial, seeded(trial.seed));
            const StateImage older = of_version(attempt == 0 ? saved : mutated(saved, random), version);
            if (!subject->device().try_load(older)) continue;
            subject->bench.start();
            subject->poke(1);
            subject->bench.reset();
        }
    }
}

constexpr std::array list{
    Check{"PB-STATE-001", "it loads what it saves",
          "save and load the same fields; saving changes nothing, and loading sets everything",
          Check::Scope::type, loads_what_it_saves},
    Check{"PB-STATE-002", "its state is all that a guest can see",
          "save each register that a guest can read, and what will become of it", Check::Scope::type,
          saves_all_that_is_seen},
    Check{"PB-STATE-003", "any state is refused or harmless",
          "check each field before it is used as an index, a count or a time, and change nothing before all "
          "is checked",
          Check::Scope::type, survives_any_state},
    Check{"PB-STATE-004", "each field may be missing, short, long or extreme",
          "ask for the count of a field before its elements, bound it, and refuse what makes no sense with a "
          "text",
          Check::Scope::type, survives_each_field},
    Check{"PB-STATE-005", "older states are refused or harmless",
          "a state of each version from state_version_oldest on may come; check it like any other",
          Check::Scope::type, survives_older_states},
    Check{"PB-RESET-001", "a reset brings back the beginning",
          "reset sets each field to what create set; --kept FIELD is for what a real device keeps, such as a "
          "clock",
          Check::Scope::type, resets_to_fresh},
};

} // namespace

std::span<const Check> state_checks() {
    return list;
}

} // namespace plugbay::core::validation
