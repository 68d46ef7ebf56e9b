// The moment within an access at which the old build looked at a clock is not known, only when the access came in and when
// it was answered. So the new build is there twice: one that gets everything early, one that gets it late. Where the two
// differ the clock decides, and the old build's answer has to lie between theirs.
#include "core/hotswap/replay_child.hpp"

#include "core/hotswap/rehearsal_protocol.hpp"
#include "core/hotswap/rehearsal_subject.hpp"
#include "core/hotswap/replay.hpp"
#include "core/hotswap/state_difference.hpp"

#include <plugbay/abi/timer.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

namespace plugbay::core {

namespace {

using nlohmann::json;
using rehearsal::begin;
using rehearsal::report;

// A machine's timers expire late, by less than this unless it is overloaded. One that only the new build has armed expires
// nowhere, and is helped.
constexpr std::chrono::milliseconds latest(100);

struct Answer {
    std::uint64_t value = 0;
    bool faulted = false;
    bool operator==(const Answer&) const = default;
};

class Player {
  public:
    Player(const json& request, const plugbay_device_type& type, const ReplayMoment& beginning)
        : subject_(*new RehearsalSubject(request, type, beginning.guest_time, beginning.calendar)) {}

    [[nodiscard]] RehearsalSubject& subject() { return subject_; }
    void load(const StateImage& state) {
        bench().take_over(subject_.id());
        bench().load(subject_.id(), state);
    }
    void resume() {
        bench().start();
        for (const testkit::MappedRange& range : bench().device(subject_.id()).ranges()) {
            if (range.bar >= 0) bars_.push_back(range);
        }
        notice();
    }
    // Everything so far was done as it was.
    [[nodiscard]] bool certain() const { return certain_; }
    [[nodiscard]] std::uint64_t time() const { return bench().now(PLUGBAY_CLOCK_GUEST); }

    void go_to(std::uint64_t time) {
        if (const std::uint64_t now = this->time(); time > now)
            bench().pass(std::chrono::nanoseconds(time - now));
        while (bench().overdue() > latest) {
            certain_ = false;
            bench().expire_timers();
        }
    }
    void expire() {
        // Several that are due at once may have expired with an access between them.
        if (bench().expire_timers() > 1) certain_ = false;
        notice();
    }
    void skip() { certain_ = false; }
    // Nothing: the new build has no such place.
    [[nodiscard]] std::optional<Answer> access(const ReplayEntry& entry) {
        if (entry.overlapped != 0) certain_ = false;
        auto answer = reach(entry);
        notice();
        return answer;
    }
    [[nodiscard]] StateImage save() { return bench().save(subject_.id()); }

  private:
    [[nodiscard]] testkit::Bench& bench() const { return subject_.bench(); }
    // What RAM and peers had to say is not what they said to the old build.
    void notice() { certain_ = certain_ && bench().outside_uses() == 0; }

    [[nodiscard]] std::optional<Answer> reach(const ReplayEntry& entry) {
        const bool write = entry.write != 0;
        const auto ports = [&](std::uint64_t address) {
            const auto port = static_cast<std::uint16_t>(address);
            if (!write) return Answer{.value = bench().in(port, entry.width)};
            bench().out(port, entry.width, entry.value);
            return Answer{};
        };
        const auto memory = [&](std::uint64_t address) {
            if (!write) return Answer{.value = bench().read(address, entry.width)};
            bench().write(address, entry.width, entry.value);
            return Answer{};
        };
        switch (entry.kind) {
        case ReplayEntry::Kind::ports:
            return ports(entry.base + entry.offset);
        case ReplayEntry::Kind::memory:
            return memory(entry.base + entry.offset);
        case ReplayEntry::Kind::bar: {
            const auto bar =
                std::ranges::find(bars_, static_cast<int>(entry.base), &testkit::MappedRange::bar);
            if (bar == bars_.end()) return std::nullopt;
            return bar->space == testkit::MappedRange::Space::ports ? ports(bar->first + entry.offset)
                                                                    : memory(bar->first + entry.offset);
        }
        case ReplayEntry::Kind::msr: {
            const auto index = static_cast<std::uint32_t>(entry.offset);
            if (write) return Answer{.faulted = !bench().wrmsr(index, entry.value)};
            const auto value = bench().rdmsr(index);
            return Answer{.value = value.value_or(0), .faulted = !value};
        }
        default:
            return std::nullopt;
        }
    }

    RehearsalSubject& subject_;
    std::vector<testkit::MappedRange> bars_;
    bool certain_ = true;
};

// Whether `value` is on the way from `early` to `late`, and these as near as a counter gets in `nanoseconds` that counts no
// faster than once in each.
bool between(std::uint64_t early, std::uint64_t value, std::uint64_t late, std::uint8_t width,
             std::uint64_t nanoseconds) {
    const std::uint64_t mask =
        width >= 8 || width == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1;
    const std::uint64_t way = (late - early) & mask;
    return way <= nanoseconds && ((value - early) & mask) <= way;
}

class Stage {
  public:
    Stage(const json& request, const plugbay_device_type& type, std::string_view bytes)
        : facts_(request["replay"]), registers_(rehearsal::declared_registers(request, type)),
          early_(request, type, moment(facts_["early"])), late_(request, type, moment(facts_["late"])),
          bytes_(bytes) {
        if (request["memory_given"]) ::close(rehearsal::first_free_descriptor);
    }
    void set_up();
    void play();
    void compare_ends();
    void tell() const;

  private:
    static ReplayMoment moment(const json& value) {
        return {.guest_time = value["guest_time"], .calendar = value["calendar"]};
    }
    template <typename Call>
    void both(const char* step, Call&& call) {
        begin(step);
        for (Player* each : {&early_, &late_})
            call(*each);
    }
    void compare(std::size_t index, const ReplayEntry& entry);
    [[nodiscard]] bool certain() const { return early_.certain() && late_.certain(); }
    StateImage take_state(const char* size);
    // For a parent that finds the process dead.
    static void tell_progress(std::uint64_t index) {
        static_cast<void>(
            ::pwrite(rehearsal::request_descriptor, &index, sizeof index, rehearsal::progress_place));
    }

    const json& facts_;
    const std::vector<RegisterBlockDescription> registers_;
    Player early_;
    Player late_;
    std::string_view bytes_; // not yet read
    std::uint64_t compared_ = 0;
    std::uint64_t by_clock_ = 0;
    std::uint64_t differing_ = 0;
};

StateImage Stage::take_state(const char* size) {
    const std::string_view part = bytes_.substr(0, facts_[size].get<std::size_t>());
    bytes_.remove_prefix(part.size());
    std::string error;
    const auto bytes = std::as_bytes(std::span(part));
    auto image = StateImage::parse({bytes.begin(), bytes.end()}, error);
    if (!image) rehearsal::fail("its state cannot be given to it: " + error, "");
    return *std::move(image);
}

void Stage::set_up() {
    both("create", [](Player& player) { player.subject().create(); });
    both("connected", [](Player& player) { player.subject().connect(); });
    if (!early_.subject().complete()) {
        report({{"not_comparable", "a port that needs a peer has none: there is no fake for its interface"}});
        rehearsal::pass();
    }
    const StateImage state = take_state("state_size");
    both("load", [&](Player& player) { player.load(state); });
    both("resume", [](Player& player) { player.resume(); });
}

void Stage::play() {
    begin("replay");
    std::string_view entries = bytes_.substr(facts_["end_size"].get<std::size_t>());
    for (std::uint64_t index = 0; entries.size() >= sizeof(ReplayEntry); ++index) {
        ReplayEntry entry;
        std::memcpy(&entry, entries.data(), sizeof entry);
        entries.remove_prefix(sizeof entry);
        tell_progress(index + 1);
        early_.go_to(entry.time);
        late_.go_to(entry.time + entry.took);
        if (entry.kind == ReplayEntry::Kind::input) {
            early_.skip();
            late_.skip();
        } else if (entry.kind == ReplayEntry::Kind::timer) {
            early_.expire();
            late_.expire();
        } else {
            compare(index, entry);
        }
    }
}

void Stage::compare(std::size_t index, const ReplayEntry& entry) {
    const auto early = early_.access(entry);
    const auto late = late_.access(entry);
    if (!early || !late) {
        early_.skip();
        late_.skip();
        return;
    }
    if (entry.write != 0 && entry.kind != ReplayEntry::Kind::msr) return; // nobody is answered
    ++compared_;
    const Answer expected{.value = entry.write != 0 ? 0 : entry.value, .faulted = entry.faulted != 0};
    if (*early != *late) ++by_clock_;
    if (expected == *early || expected == *late) return;
    const std::uint64_t apart = std::max<std::uint64_t>(entry.took, late_.time() - early_.time()) +
                                facts_["calendar_apart"].get<std::uint64_t>();
    const bool answered = !expected.faulted && !early->faulted && !late->faulted;
    if (answered && between(early->value, expected.value, late->value, entry.width, apart)) return;
    if (differing_++ >= rehearsal::most_differences) return;
    report(
        {{"answer",
          {{"entry", index}, {"value", early->value}, {"faulted", early->faulted}, {"certain", certain()}}}});
}

void Stage::compare_ends() {
    if (facts_["end_size"] == 0) return;
    const StateImage end = take_state("end_size");
    early_.go_to(moment(facts_["early_end"]).guest_time);
    late_.go_to(moment(facts_["late_end"]).guest_time);
    both("quiesce", [](Player& player) { player.subject().bench().quiesce(); });
    begin("save");
    const StateImage early = early_.save();
    const StateImage late = late_.save();
    const auto has = [](const std::vector<StateDifference>& all, const std::string& field) {
        return std::ranges::find(all, field, &StateDifference::field) != all.end();
    };
    const auto by_late = state_differences(end, late);
    const auto by_clock = state_differences(early, late);
    std::size_t told = 0;
    for (const StateDifference& each : state_differences(end, early, registers_, ", in the new build ")) {
        if (each.allowed || !has(by_late, each.field) || has(by_clock, each.field)) continue;
        if (told++ < rehearsal::most_differences)
            report({{"state", {{"text", each.text}, {"certain", certain()}}}});
    }
}

void Stage::tell() const {
    const std::uint64_t more = differing_ - std::min<std::uint64_t>(differing_, rehearsal::most_differences);
    report({{"replayed",
             {{"compared", compared_}, {"by_clock", by_clock_}, {"more", more}, {"certain", certain()}}}});
}

} // namespace

void replay(const json& request, const plugbay_device_type& type, std::string_view bytes) {
    if (const std::string tied = rehearsal::tie(request, type); !tied.empty()) {
        report({{"not_comparable", tied + ", and what it does outside of the machine cannot be undone"}});
        rehearsal::pass();
    }
    auto& stage = *new Stage(request, type, bytes);
    stage.set_up();
    stage.play();
    stage.compare_ends();
    stage.tell();
    rehearsal::pass();
}

} // namespace plugbay::core
