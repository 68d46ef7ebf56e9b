// The life of a device, in each order that the contract allows; what it gives back; being replaced.
#include "core/validate/subject.hpp"

#include <plugbay/abi/statistics.h>
#include <plugbay/testkit/plugin_file.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace plugbay::core::validation {

namespace {

using testkit::Bench;
using testkit::Outcome;
using testkit::Statistic;

void lives_in_any_order(Trial& trial) {
    Made subject(trial, seeded(trial.seed));
    Bench& bench = subject->bench;
    trial.step("reset before power-on");
    bench.reset();
    trial.step("start, quiesce, resume, quiesce");
    bench.start();
    bench.quiesce();
    bench.resume();
    bench.quiesce();
    trial.step("reset twice while quiesced");
    bench.reset();
    bench.reset();
    bench.resume();
    trial.step("reset while running");
    bench.reset();
    subject->poke(1);
    bench.reset();
    subject->poke(1);
    trial.step("time passes while quiesced");
    bench.quiesce();
    bench.advance(std::chrono::seconds(1));
    bench.resume();
    subject->settle();
}

void stops_again_and_again(Trial& trial) {
    Made subject(trial, seeded(trial.seed));
    subject->bench.start();
    constexpr int rounds = 20;
    for (int round = 0; round < rounds; ++round) {
        trial.step("quiesce " + std::to_string(round + 1));
        for (int i = 0; i < 50; ++i)
            subject->poke_once();
        subject->settle();
        subject->bench.quiesce();
        subject->bench.resume();
    }
}

void gives_everything_back(Trial& trial) {
    for (const bool used : {false, true}) {
        trial.step(used ? "after use" : "before start");
        Made subject(trial, seeded(trial.seed));
        if (used) {
            subject->bench.start();
            subject->poke(1);
            subject->bench.quiesce();
        }
        const bool sets_cpuid = subject->device().holdings().cpuid != 0;
        const auto left = subject->bench.remove("subject").total();
        require(left == 0, std::to_string(left) + " handles were not given back by destroy");
        if (used && sets_cpuid) continue; // a machine that has run has its CPUID
        const Outcome again = subject->add();
        require(static_cast<bool>(again),
                "it cannot be made a second time on the same machine: " + again.text);
    }
}

void ends_at_any_time(Trial& trial) {
    trial.step("destroyed at once");
    { Made subject(trial); }
    trial.step("destroyed after start");
    {
        Made subject(trial);
        subject->bench.start();
    }
    trial.step("destroyed while it is busy");
    {
        Made subject(trial, seeded(trial.seed));
        subject->bench.start();
        for (int i = 0; i < 300; ++i)
            subject->poke_once();
    }
    trial.step("peers leave before it");
    {
        Made subject(trial, seeded(trial.seed));
        subject->bench.start();
        subject->poke(1);
        subject->bench.quiesce();
        subject->disconnect_peers();
        subject->bench.remove("subject");
    }
}

// What they share, one would show the other.
void is_alone(Trial& trial) {
    need_state(trial);
    Made quiet(trial);
    const StateImage before = quiet->device().save();
    {
        Made busy(trial, seeded(trial.seed));
        busy->bench.start();
        busy->poke(1);
        busy->bench.quiesce();
        const std::string change = difference(before, quiet->device().save());
        require(change.empty(), "another device of the type was used, and this one changed: " + change);
    }
    require(quiet->device().save() == before,
            "another device of the type was destroyed, and this one changed");
    quiet->bench.start();
    quiet->poke(1);
}

void works_without_peers(Trial& trial) {
    const testkit::PluginFile plugin(trial.file);
    const plugbay_device_type& type = *plugin.find(trial.type);
    const auto may_be_without = [](const plugbay_port* port) {
        return (port->flags & PLUGBAY_PORT_OPTIONAL) != 0;
    };
    if (std::none_of(type.ports, type.ports + type.port_count, may_be_without))
        throw CheckSkipped("it has no port that may be without a peer");
    trial.step("without the peers that it may be without");
    {
        ExerciserOptions options = seeded(trial.seed);
        options.peers = Peers::needed;
        Made subject(trial, options);
        subject->bench.start();
        subject->poke(1);
        subject->bench.quiesce();
        if (has_state(trial)) subject->device().load(subject->device().save());
        subject->bench.reset();
        subject->bench.resume();
        subject->poke(1);
    }
    trial.step("after they have left");
    Made subject(trial, seeded(trial.seed));
    subject->bench.start();
    subject->poke(1);
    subject->bench.quiesce();
    subject->disconnect_optional_peers();
    subject->bench.resume();
    subject->poke(1);
    subject->bench.advance(std::chrono::seconds(1));
}

// At any time of its life; counts only grow, names and kinds stay. What makes no sense the Bench finds out.
class StatisticsReader {
  public:
    explicit StatisticsReader(Exerciser& subject) : subject_(subject), last_(subject.device().statistics()) {
        for (const Statistic& each : last_)
            require(each.kind != PLUGBAY_STATISTIC_COUNT || each.value == 0,
                    "the count \"" + each.name + "\" does not begin at 0");
    }
    [[nodiscard]] bool empty() const { return last_.empty(); }
    void read(const std::string& when) {
        const std::vector<Statistic> now = subject_.device().statistics();
        require(now.size() == last_.size(), "other statistics are there when it is " + when);
        for (std::size_t i = 0; i < now.size(); ++i) {
            require(now[i].name == last_[i].name && now[i].kind == last_[i].kind,
                    "\"" + last_[i].name + "\" is another statistic when it is " + when);
            require(now[i].kind != PLUGBAY_STATISTIC_COUNT || now[i].value >= last_[i].value,
                    "the count \"" + now[i].name + "\" falls when it is " + when);
        }
        last_ = now;
    }

  private:
    Exerciser& subject_;
    std::vector<Statistic> last_;
};

void counts_truly(Trial& trial) {
    Made subject(trial, seeded(trial.seed));
    StatisticsReader statistics(*subject);
    subject->bench.start();
    statistics.read("started");
    subject->poke(1);
    statistics.read("used");
    subject->bench.quiesce();
    statistics.read("quiesced");
    if (has_state(trial)) {
        const StateImage before = subject->device().save();
        statistics.read("saved");
        const std::string change = difference(before, subject->device().save());
        require(change.empty(), "reading statistics changes it: " + change);
    }
    subject->bench.reset();
    statistics.read("reset");
    subject->bench.resume();
    statistics.read("resumed");
    if (statistics.empty()) throw CheckSkipped("it has no statistics");
}

// To its own build in the middle of its work: it has all that it had, in the same state, and goes on.
void survives_a_swap(Trial& trial) {
    Made subject(trial, seeded(trial.seed));
    Bench& bench = subject->bench;
    const auto swap = [&](const char* when) {
        trial.step(std::string("swap ") + when);
        const Outcome outcome = bench.try_swap("subject", trial.file);
        require(static_cast<bool>(outcome),
                std::string("a swap to the same build ") + when + " fails: " + outcome.text);
    };
    swap("before power-on");
    bench.start();
    for (int round = 0; round < 3; ++round) {
        subject->poke(1);
        bench.quiesce();
        const auto held = subject->device().holdings().total();
        const auto ranges = subject->device().ranges();
        const auto saved = has_state(trial) ? std::optional(subject->device().save()) : std::nullopt;
        swap("while it is quiesced");
        require(subject->device().ranges().size() == ranges.size(), "it has other ranges after a swap");
        if (saved) {
            const std::string change = difference(*saved, subject->device().save());
            require(change.empty(), "a swap changes its state: " + change);
        }
        bench.resume();
        const auto holds = subject->device().holdings().total();
        require(holds == held, "it held " + std::to_string(held) + " handles before a swap and holds " +
                                   std::to_string(holds) + " after it");
        subject->poke(1);
        swap("while it runs");
    }
    subject->poke(1);
    bench.reset();
    subject->poke(1);
    bench.quiesce();
    const auto left = bench.remove("subject").total();
    require(left == 0, std::to_string(left) + " handles were not given back by destroy after swaps");
}

// What a guest and its peers do to a device that is replaced again and again has the same effects as on one that is
// merely paused as often.
void nobody_notices_a_swap(Trial& trial) {
    need_state(trial);
    const auto states = [&](bool swapped) {
        Made subject(trial, seeded(trial.seed));
        std::vector<StateImage> seen;
        subject->bench.start();
        for (int round = 0; round < 4; ++round) {
            trial.step(std::string(swapped ? "swapped" : "paused") + ", round " + std::to_string(round + 1));
            subject->poke(1);
            subject->bench.quiesce();
            if (swapped) {
                const Outcome outcome = subject->bench.try_swap("subject", trial.file);
                require(static_cast<bool>(outcome), "a swap to the same build fails: " + outcome.text);
            }
            seen.push_back(subject->device().save());
            subject->bench.resume();
        }
        return seen;
    };
    const auto paused = states(false);
    const auto swapped = states(true);
    for (std::size_t i = 0; i < paused.size(); ++i) {
        const std::string change = reset_difference(paused[i], paused[i], swapped[i], trial.kept);
        require(change.empty(),
                "after " + std::to_string(i + 1) +
                    " swaps it is not as if it had been paused (fresh: paused; after a reset: "
                    "swapped): " +
                    change);
    }
}

constexpr std::array list{
    Check{"PB-LIFE-001", "it lives in any order that the contract allows",
          "plugbay/abi/plugin.h says in which states each function is called; reset comes before start, too",
          Check::Scope::type, lives_in_any_order},
    Check{
        "PB-LIFE-002", "it stops and goes on, again and again",
        "quiesce ends what is in flight and returns PLUGBAY_OK, or PLUGBAY_PENDING and host->quiesced later",
        Check::Scope::type, stops_again_and_again},
    Check{"PB-LIFE-003", "it gives everything back",
          "destroy gives back each handle that create and later calls obtained", Check::Scope::type,
          gives_everything_back},
    Check{"PB-LIFE-004", "it can end at any time", "destroy may come after any state, with work in flight",
          Check::Scope::type, ends_at_any_time},
    Check{"PB-LIFE-005", "it shares nothing with another of its type",
          "keep all that a device knows in its instance; static variables are shared by all devices of the "
          "plugin",
          Check::Scope::type, is_alone},
    Check{"PB-LIFE-006", "it works without the peers that it may be without",
          "look whether there is a peer before each call, and forget the link in disconnected: it dies when "
          "that returns",
          Check::Scope::type, works_without_peers},
    Check{"PB-STAT-001", "its statistics are true at any time",
          "counts begin at 0, only grow, also over a reset, and reading them changes nothing",
          Check::Scope::type, counts_truly},
    Check{"PB-SWAP-001", "it survives a swap to its own build",
          "ask for the same resources whatever the state; docs/handover.md tells what the two builds do",
          Check::Scope::type, survives_a_swap},
    Check{"PB-SWAP-002", "nobody notices a swap",
          "save all that the guest can see, and set timers and lines from it when it was loaded",
          Check::Scope::type, nobody_notices_a_swap},
};

} // namespace

std::span<const Check> life_checks() {
    return list;
}

} // namespace plugbay::core::validation
