// What every device type of every shipped plugin has to do, whatever it is. A new plugin is tested here by
// lying in plugins/.
#include "exerciser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <plugbay/abi/statistics.h>

#include <optional>
#include <set>
#include <span>
#include <sstream>

namespace plugbay::testkit {
namespace {

std::vector<Subject> shipped() {
    std::vector<Subject> subjects;
    std::istringstream files(SHIPPED_PLUGINS "," PLUGBAY_PLUGIN_FILE);
    for (std::string file; std::getline(files, file, ',');) {
        if (file.empty()) continue;
        const PluginFile plugin(file);
        for (std::uint32_t i = 0; i < plugin.plugin().type_count; ++i) {
            const std::string type = plugin.plugin().types[i]->name;
            if (type != "probe-rogue") subjects.push_back({file, type});
        }
    }
    return subjects;
}

// "<type>.<field>" that a reset does not bring back, and why that is right.
const std::set<std::string, std::less<>> kept_over_reset = {
    "char-file.truncate",   // the file is emptied once, not by each reset of the guest
    "char-ring.ring.bytes", // why the guest restarted
    // A clock with a battery goes on.
    "cmos-rtc.memory",
    "cmos-rtc.offset_seconds",
    "cmos-rtc.offset_nanoseconds",
    "cmos-rtc.day_of_week_shift",
    "cmos-rtc.seen_second",
    "cmos-rtc.seen_period",
    "cmos-rtc.stopped",
    // Bytes that a FIFO does not hold any more.
    "serial-16550.receive_fifo.bytes",
    "serial-16550.transmit_fifo.bytes",
};

std::string hexadecimal(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 64))) {
        constexpr std::string_view digits = "0123456789abcdef";
        text += digits[std::to_integer<unsigned>(byte) >> 4];
        text += digits[std::to_integer<unsigned>(byte) & 15];
    }
    return text;
}

// "": the same fields with the same elements, but for those in kept_over_reset. What a device learned from
// its peers may be as it was when it was created or when they were connected.
std::string difference(const StateImage& created, const StateImage& connected, const StateImage& reset) {
    std::string text;
    for (const StateField& field : connected.fields()) {
        if (kept_over_reset.contains(connected.type() + "." + field.name)) continue;
        const StateField* const other = reset.find(field.name);
        const StateField* const first = created.find(field.name);
        const std::string before = hexadecimal(connected.elements(field));
        const std::string after = other == nullptr ? "missing" : hexadecimal(reset.elements(*other));
        if (after == before || (first != nullptr && after == hexadecimal(created.elements(*first)))) continue;
        text += field.name + ": " + before + " when fresh, " + after + " after reset\n";
    }
    if (connected.fields().size() != reset.fields().size()) text += "other fields are there";
    return text;
}

class Conformance : public testing::TestWithParam<Subject> {
  protected:
    void SetUp() override {
        Exerciser probe(GetParam());
        ASSERT_TRUE(probe.created) << probe.created.text << "; what it needs belongs into chosen_properties";
        if (!probe.complete()) GTEST_SKIP() << "no fake for an interface that it needs";
    }
    [[nodiscard]] bool has_state() const {
        return PluginFile(GetParam().file).find(GetParam().type)->state_version != 0;
    }
};

TEST_P(Conformance, ExportsOneSymbol) {
    EXPECT_THAT(PluginFile::exported_symbols(GetParam().file), testing::ElementsAre(PLUGBAY_PLUGIN_SYMBOL));
}

TEST_P(Conformance, GivesEverythingBack) {
    for (const bool used : {false, true}) {
        SCOPED_TRACE(used ? "after use" : "before start");
        Exerciser subject(GetParam());
        if (used) {
            subject.bench.start();
            subject.poke(1);
            subject.bench.quiesce();
        }
        const bool sets_cpuid = subject.bench.device("subject").holdings().cpuid != 0;
        EXPECT_EQ(subject.bench.remove("subject").total(), 0u);
        if (used && sets_cpuid) continue;    // a machine that has run has its CPUID
        const Outcome again = subject.add(); // all that it had, on the same machine
        EXPECT_TRUE(again) << again.text;
    }
}

TEST_P(Conformance, SurvivesAnyAccess) {
    for (const std::uint32_t seed : {1u, 2u}) {
        Exerciser subject(GetParam(), seed);
        subject.bench.start();
        subject.poke();
        subject.bench.advance(std::chrono::seconds(2));
    }
}

TEST_P(Conformance, SurvivesAnyOrderOfLife) {
    Exerciser subject(GetParam());
    Bench& bench = subject.bench;
    bench.reset(); // before power-on
    bench.start();
    bench.quiesce();
    bench.resume();
    bench.quiesce();
    bench.reset();
    bench.reset();
    bench.resume();
    bench.reset();
    subject.poke(1);
    bench.reset();
    subject.poke(1);
    bench.quiesce();
    bench.advance(std::chrono::seconds(1));
    bench.resume();
    subject.settle();
}

// At any time of its life; counts only grow, names and kinds stay. What makes no sense the Bench finds out.
TEST_P(Conformance, StatisticsAreReadableAtAnyTime) {
    Exerciser subject(GetParam());
    const std::vector<Statistic> first = subject.device().statistics();
    std::vector<Statistic> last = first;
    const auto read = [&](const char* when) {
        SCOPED_TRACE(when);
        const std::vector<Statistic> now = subject.device().statistics();
        ASSERT_EQ(now.size(), last.size());
        for (std::size_t i = 0; i < now.size(); ++i) {
            EXPECT_EQ(now[i].name, last[i].name);
            EXPECT_EQ(now[i].kind, last[i].kind);
            if (now[i].kind == PLUGBAY_STATISTIC_COUNT) {
                EXPECT_GE(now[i].value, last[i].value) << now[i].name;
            }
        }
        last = now;
    };
    for (const Statistic& each : first) {
        if (each.kind == PLUGBAY_STATISTIC_COUNT) {
            EXPECT_EQ(each.value, 0u) << each.name;
        }
    }
    subject.bench.start();
    read("started");
    subject.poke(1);
    read("used");
    subject.bench.quiesce();
    read("quiesced");
    if (has_state()) {
        const StateImage before = subject.device().save();
        read("saved");
        EXPECT_EQ(subject.device().save(), before) << "reading changes nothing";
    }
    subject.bench.reset();
    read("reset");
    subject.bench.resume();
    read("resumed");
}

TEST_P(Conformance, LoadsWhatItSaves) {
    if (!has_state()) GTEST_SKIP() << "it has no state";
    Exerciser subject(GetParam());
    subject.bench.start();
    for (int round = 0; round < 3; ++round) {
        subject.poke(1);
        subject.bench.quiesce();
        const StateImage saved = subject.device().save();
        EXPECT_EQ(subject.device().save(), saved) << "saving changes nothing";
        Exerciser fresh(GetParam());
        fresh.bench.load(*subject.bench.save()); // with RAM and clocks
        EXPECT_EQ(fresh.device().save(), saved);
        fresh.bench.start();
        fresh.poke(1);
        subject.device().load(saved);
        EXPECT_EQ(subject.device().save(), saved);
        subject.bench.resume();
    }
}

// To its own build in the middle of its work: it has all that it had, in the same state, and goes on.
TEST_P(Conformance, SurvivesASwap) {
    Exerciser subject(GetParam());
    Bench& bench = subject.bench;
    const auto swap = [&] {
        const Outcome outcome = bench.try_swap("subject", GetParam().file);
        ASSERT_TRUE(outcome) << outcome.text;
    };
    swap(); // before power-on
    bench.start();
    for (int round = 0; round < 3; ++round) {
        subject.poke(1);
        bench.quiesce();
        const auto held = subject.device().holdings().total();
        const auto ranges = subject.device().ranges();
        const auto saved = has_state() ? std::optional(subject.device().save()) : std::nullopt;
        swap();
        EXPECT_EQ(subject.device().ranges().size(), ranges.size());
        if (has_state()) {
            EXPECT_EQ(subject.device().save(), *saved);
        }
        bench.resume();
        EXPECT_EQ(subject.device().holdings().total(), held);
        subject.poke(1);
        swap(); // while it runs
    }
    subject.poke(1);
    bench.reset();
    subject.poke(1);
    bench.quiesce();
    EXPECT_EQ(bench.remove("subject").total(), 0u);
}

// What a guest and its peers do to a device that is replaced again and again has the same effects as on one that is
// merely paused as often.
TEST_P(Conformance, NobodyNoticesASwap) {
    if (!has_state()) GTEST_SKIP() << "it has no state";
    const auto states = [&](bool swapped) {
        Exerciser subject(GetParam());
        std::vector<StateImage> seen;
        subject.bench.start();
        for (int round = 0; round < 4; ++round) {
            subject.poke(1);
            subject.bench.quiesce();
            if (swapped) {
                const Outcome outcome = subject.bench.try_swap("subject", GetParam().file);
                EXPECT_TRUE(outcome) << outcome.text;
            }
            seen.push_back(subject.device().save());
            subject.bench.resume();
        }
        return seen;
    };
    const auto paused = states(false);
    const auto swapped = states(true);
    for (std::size_t i = 0; i < paused.size(); ++i) {
        SCOPED_TRACE(i);
        EXPECT_EQ(difference(paused[i], paused[i], swapped[i]), "");
    }
}

TEST_P(Conformance, ResetEqualsFresh) {
    if (!has_state()) GTEST_SKIP() << "it has no state";
    Exerciser alone(GetParam(), 1, false);
    Exerciser subject(GetParam());
    const StateImage fresh = subject.device().save();
    subject.bench.start();
    subject.poke(1);
    subject.bench.quiesce();
    subject.bench.reset(); // stays quiesced: nothing comes from the peers yet
    EXPECT_EQ(difference(alone.device().save(), fresh, subject.device().save()), "");
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
    EXPECT_TRUE(result) << error;
    return *std::move(result);
}

// A refused state leaves the device as it was (the Bench compares), an accepted one leaves it alive.
TEST_P(Conformance, SurvivesAnyState) {
    if (!has_state()) GTEST_SKIP() << "it has no state";
    Exerciser source(GetParam());
    source.bench.start();
    source.poke(1);
    source.bench.quiesce();
    const StateImage saved = source.device().save();
    std::mt19937 random(7);
    const int rounds = saved.bytes().size() > (1 << 20) ? 6 : 60;
    for (int round = 0; round < rounds; ++round) {
        Exerciser subject(GetParam(), 100u + static_cast<unsigned>(round));
        for (int attempt = 0; attempt < 10; ++attempt) {
            if (subject.device().try_load(mutated(saved, random))) break;
        }
        subject.bench.start();
        if (round % 4 == 0) subject.poke(1);
        subject.bench.advance(std::chrono::milliseconds(100));
        subject.bench.reset();
    }
}

std::string subject_name(const testing::TestParamInfo<Subject>& info) {
    std::string name = info.param.type;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conformance);
INSTANTIATE_TEST_SUITE_P(Shipped, Conformance, testing::ValuesIn(shipped()), subject_name);

} // namespace
} // namespace plugbay::testkit
