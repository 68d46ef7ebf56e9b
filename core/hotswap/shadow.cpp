#include "core/hotswap/shadow.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/thread_setup.hpp"
#include "core/device/handover_store.hpp"
#include "core/hotswap/build_fit.hpp"
#include "core/hotswap/live_rehearsal.hpp"
#include "core/hotswap/shadow_recording.hpp"
#include "core/machine/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <sys/eventfd.h>
#include <thread>
#include <utility>

namespace plugbay::core {

namespace {

using Outcome = ShadowReport::Outcome;

constexpr std::chrono::milliseconds between_looks(10);
// Short, so that something that cannot be done again spoils little; a child takes about as long to begin.
constexpr std::chrono::milliseconds round_length(250);
constexpr std::chrono::milliseconds hold_limit(5000); // of a snapshot
// Longer than a rehearsal's: a machine that is busy elsewhere must not make a build look as if it hung.
constexpr std::chrono::seconds replay_limit(15);
constexpr std::size_t waiting_records = std::size_t{1} << 16;
constexpr std::size_t waiting_inputs = 1 << 12; // of peers
constexpr std::size_t most_differences = 32;

void add_once(std::vector<std::string>& texts, const std::string& text) {
    if (texts.size() < most_differences && std::ranges::find(texts, text) == texts.end())
        texts.push_back(text);
}

// Why no build could be compared with the one that runs; empty: there is nothing known against it.
std::string obstacle(const Device& device) {
    std::string found;
    device.resources().each([&](const Resource& resource) {
        if (resource.kind() == ResourceKind::pci_bus) found = "other devices answer through it";
        if (resource.kind() == ResourceKind::ram_watch) found = "it answers for the guest's RAM";
    });
    return found;
}

} // namespace

class Shadow::Run {
  public:
    Run(Machine& machine, std::shared_ptr<const StagedPlugin> plugin, DeviceManager::Replacement replacement,
        std::chrono::milliseconds duration, std::shared_ptr<ShadowReport> report)
        : machine_(machine), plugin_(std::move(plugin)), replacement_(std::move(replacement)),
          end_(std::chrono::steady_clock::now() + duration), report_(std::move(report)) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
        for (const auto& each : machine_.devices().devices()) {
            each->untap(*tap_);
            each->untap(*peers_);
        }
        static_cast<void>(::eventfd_write(call_off_.get(), 1));
        if (replaying_.joinable()) replaying_.join();
    }

    [[nodiscard]] Result<void> begin() {
        if (!call_off_) return errno_error("a replay cannot be called off: eventfd");
        device()->tap(tap_);
        for (const auto& link : machine_.devices().registry().links()) {
            if (link->frontend().device == device()) link->backend().device->tap(peers_);
            if (link->backend().device == device()) link->frontend().device->tap(peers_);
        }
        build_ = tap_->build();
        names_ = tap_->names(build_);
        auto begun = take_snapshot();
        if (!begun) return std::move(begun).error();
        static_cast<void>(recording_.take(begun->cut));
        beginning_ = *std::move(begun);
        round_end_ = std::chrono::steady_clock::now() + round_length;
        return {};
    }
    void stop() { end_ = std::chrono::steady_clock::now(); }
    // False when it is over, with the report complete.
    [[nodiscard]] bool look();

  private:
    struct Snapshot {
        ShadowRecording::Cut cut;
        RehearsedMachine early; // the machine before the state was saved
        RehearsedMachine late;  // and after
        StateImage state;
    };
    // Of a round: what was asked of the child, what that was made from, and what came of it.
    struct Round {
        RehearsalRequest request;
        std::vector<AccessRecord> records;
        UniqueFd memory; // of the request
        std::optional<Result<RehearsalReport>> result = {};
    };

    [[nodiscard]] Device* device() const { return machine_.devices().find(report_->device); }
    [[nodiscard]] Result<Snapshot> take_snapshot();
    void replay_round();
    void read_peers();
    // Puts those of the round, which ends at `end`, among its records.
    void add_inputs_of_peers(std::vector<AccessRecord>& records, std::uint64_t end);
    // False when there is nothing more to find out.
    [[nodiscard]] bool take(Round round);
    [[nodiscard]] bool take_failure(const Round& round, const RehearsalReport& result);
    void add(ShadowReport::Findings& findings, const Round& round, const ReplayReport::Answer& answer) const;
    void conclude();
    // What is known by now stands; with nothing known this is the reason.
    [[nodiscard]] bool give_up(const std::string& why, std::string hint) {
        conclude();
        if (report_->accesses == 0) {
            report_->why = why;
            report_->hint = std::move(hint);
        }
        report_->notes.push_back("it ended early: " + why);
        return false;
    }

    Machine& machine_;
    const std::shared_ptr<const StagedPlugin> plugin_;
    const DeviceManager::Replacement replacement_;
    std::chrono::steady_clock::time_point end_;
    const std::shared_ptr<ShadowReport> report_;
    const std::shared_ptr<AccessTap> tap_ = std::make_shared<AccessTap>(waiting_records);
    ShadowRecording recording_{tap_};
    // What the device's peers are entered for may lead to calls of the device, which its own tap does not see.
    const std::shared_ptr<AccessTap> peers_ = std::make_shared<AccessTap>(waiting_inputs);
    std::vector<std::uint64_t> inputs_of_peers_; // when, on the guest's clock; ascending
    std::uint64_t lost_inputs_ = 0;
    std::uint16_t build_ = 0; // the one that it is a shadow of
    std::shared_ptr<const AccessNames> names_;
    std::optional<Snapshot> beginning_; // of the round that is recorded
    std::chrono::steady_clock::time_point round_end_;
    bool last_ = false; // no further round is recorded
    const UniqueFd call_off_{
        ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}; // readable: nobody waits for the replay any more
    // One round is replayed while the next is recorded.
    std::optional<Round> round_;
    std::thread replaying_;
    std::atomic<bool> replayed_{false};
};

Result<Shadow::Run::Snapshot> Shadow::Run::take_snapshot() {
    std::vector<RehearsedMachine> seen;
    ShadowRecording::Cut cut;
    auto state = machine_.devices().snapshot(report_->device, hold_limit, [&] {
        cut = recording_.cut();
        seen.push_back(as_seen(machine_));
    });
    if (!state) return std::move(state).error();
    std::string why;
    auto image = StateImage::parse(*std::move(state), why);
    if (!image) return Error{"the build that runs saved no good state: " + why};
    const auto left = device()->handover()->duplicate_all();
    if (!left) return left.error();
    if (!left->empty()) return Error{"it has descriptors that only one build can have"};
    return Snapshot{.cut = cut, .early = seen.front(), .late = seen.back(), .state = *std::move(image)};
}

bool Shadow::Run::look() {
    if (replayed_.exchange(false, std::memory_order_acquire)) {
        replaying_.join();
        if (!take(*std::exchange(round_, std::nullopt))) return false;
    }
    if (tap_->ended()) return give_up("the device is gone", "");
    if (tap_->build() != build_) return give_up("the device has another build now", "begin again");
    recording_.read();
    read_peers();
    const auto now = std::chrono::steady_clock::now();
    const bool over = now >= end_;
    if (last_ && !round_) {
        conclude();
        return false;
    }
    if (last_ || round_ || !(over || recording_.full() || now >= round_end_)) return true;
    last_ = over;
    auto snapshot = take_snapshot();
    if (!snapshot) return give_up(snapshot.error().message, snapshot.error().hint);
    auto part = recording_.take(snapshot->cut);
    add_inputs_of_peers(part.records, snapshot->early.guest_time);
    auto request = rehearsal_of(machine_, replacement_, plugin_);
    if (!request) return give_up(request.error().message, request.error().hint);
    Replay replay{.late_beginning = {beginning_->late.guest_time, beginning_->late.calendar},
                  .early_end = {snapshot->early.guest_time, snapshot->early.calendar},
                  .late_end = {snapshot->late.guest_time, snapshot->late.calendar}};
    for (const AccessRecord& record : part.records)
        replay.entries.push_back(replay_entry(record, *names_));
    if (part.whole) replay.end = snapshot->state;
    report_->lost = tap_->ring().lost();
    request->limit = replay_limit;
    request->call_off = call_off_.get();
    auto memory = machine_.memory().share();
    if (!memory) return give_up(memory.error().message, memory.error().hint);
    request->machine = beginning_->early;
    request->machine.memory = memory->get();
    request->state = std::move(beginning_->state);
    request->replay = std::move(replay);
    beginning_ = *std::move(snapshot);
    round_end_ = now + round_length;
    round_.emplace(Round{
        .request = *std::move(request), .records = std::move(part.records), .memory = *std::move(memory)});
    replay_round();
    return true;
}

void Shadow::Run::read_peers() {
    AccessRecord record;
    while (peers_->read(record))
        inputs_of_peers_.push_back(record.time);
    // Of what was lost nobody knows when it was: since the beginning of the round.
    if (const std::uint64_t lost = peers_->ring().lost(); std::exchange(lost_inputs_, lost) != lost)
        inputs_of_peers_.push_back(0);
    std::ranges::sort(inputs_of_peers_);
}

void Shadow::Run::add_inputs_of_peers(std::vector<AccessRecord>& records, std::uint64_t end) {
    read_peers();
    const auto of_round = std::ranges::lower_bound(inputs_of_peers_, end);
    for (auto time = inputs_of_peers_.begin(); time != of_round; ++time) {
        const auto place = std::ranges::lower_bound(records, *time, {}, &AccessRecord::time);
        const AccessRecord input{.kind = AccessRecord::Kind::input,
                                 .build = build_,
                                 .time = place == records.end() ? *time : std::min(*time, place->time),
                                 .what = "what its peer was entered for"};
        records.insert(place, input);
    }
    inputs_of_peers_.erase(inputs_of_peers_.begin(), of_round);
}

void Shadow::Run::replay_round() {
    replaying_ = std::thread([this] {
        set_up_thread("shadow");
        round_->result = rehearse(round_->request);
        replayed_.store(true, std::memory_order_release);
    });
}

bool Shadow::Run::take(Round round) {
    if (!*round.result) return give_up((*round.result).error().message, (*round.result).error().hint);
    const RehearsalReport& result = **round.result;
    const ReplayReport& replay = result.replay;
    if (!replay.not_comparable.empty())
        return give_up(replay.not_comparable, "swap it with a rehearsal instead");
    ++report_->rounds;
    if (replay.whole && !replay.certain) ++report_->uncertain_rounds;
    const std::size_t begun = replay.reached ? *replay.reached + 1 : 0;
    const std::size_t done = replay.whole ? round.records.size() : begun;
    for (std::size_t i = 0; i < done; ++i) {
        const ReplayEntry::Kind kind = round.request.replay->entries[i].kind;
        if (kind == ReplayEntry::Kind::input)
            ++report_->inputs;
        else if (kind != ReplayEntry::Kind::timer)
            ++report_->accesses;
    }
    report_->compared += replay.compared;
    report_->by_clock += replay.by_clock;
    for (const auto& answer : replay.answers)
        add(answer.certain ? report_->certain : report_->uncertain, round, answer);
    for (const auto& field : replay.fields)
        add_once((field.certain ? report_->certain : report_->uncertain).fields, field.text);
    return replay.whole || take_failure(round, result);
}

bool Shadow::Run::take_failure(const Round& round, const RehearsalReport& result) {
    report_->why = result.why.empty() ? "it ended before the round did" : result.why;
    report_->hint = result.hint;
    const auto reached = result.replay.reached;
    if (reached && result.step == "replay") {
        const AccessRecord& record = round.records[*reached];
        report_->why += fmt::format(", at {} {}", kind_name(record.kind), names_->access_name(record));
        if (record.kind == AccessRecord::Kind::write)
            report_->why += " = " + names_->value_name(record, record.value);
    }
    report_->outcome = result.late               ? Outcome::hung
                       : result.killed           ? Outcome::crashed
                       : result.step == "replay" ? Outcome::different
                                                 : Outcome::not_comparable;
    return false;
}

void Shadow::Run::add(ShadowReport::Findings& findings, const Round& round,
                      const ReplayReport::Answer& answer) const {
    if (answer.entry >= round.records.size()) return; // the plugin's invention
    const AccessRecord& record = round.records[answer.entry];
    const std::string access = fmt::format("{} {}", kind_name(record.kind), names_->access_name(record));
    const auto same = std::ranges::find(findings.answers, access, &ShadowReport::Difference::access);
    if (same != findings.answers.end()) {
        ++same->count;
    } else if (findings.answers.size() < most_differences) {
        const auto text = [&](bool faulted, std::uint64_t value) {
            return faulted ? std::string("fault") : names_->value_name(record, value);
        };
        findings.answers.push_back({.access = access,
                                    .before = text(!record.answered, record.value),
                                    .after = text(answer.faulted, answer.value),
                                    .count = 1});
    }
}

void Shadow::Run::conclude() {
    ShadowReport& report = *report_;
    if (!report.certain.empty()) {
        report.outcome = Outcome::different;
        report.why =
            report.certain.answers.empty()
                ? "their states differ: " + report.certain.fields.front()
                : fmt::format("{}: the guest got {}, the new build says {}",
                              report.certain.answers.front().access, report.certain.answers.front().before,
                              report.certain.answers.front().after);
    } else if (!report.uncertain.empty()) {
        report.outcome = Outcome::not_comparable;
        report.why = "they differ only after inputs that the new build was not given";
        report.hint = "look whether the differences can come of these inputs: calls over links, descriptors, "
                      "doorbells, RAM";
    } else if (report.accesses == 0) {
        report.outcome = Outcome::not_comparable;
        report.why = "the guest did nothing with the device";
        report.hint = "use the device in the guest meanwhile, or watch it for longer (--duration)";
    } else {
        report.outcome = Outcome::equal;
    }
}

Shadow::Shadow(Machine& machine) : machine_(machine) {}

Shadow::~Shadow() {
    *alive_ = false;
}

const ShadowReport* Shadow::last(std::string_view device) const {
    const auto found = reports_.find(device);
    return found == reports_.end() ? nullptr : found->second.get();
}

Result<void> Shadow::start(const ShadowRequest& request) {
    const auto device = machine_.devices().find_named(request.device);
    if (!device) return device.error();
    if (runs_.contains(request.device)) {
        return Error{fmt::format("device \"{}\" has a shadow already", request.device),
                     "wait for its end, or stop it"};
    }
    auto staged = staging_.stage(request.file);
    if (!staged) return std::move(staged).error();
    auto fit = fit_build(machine_.devices(), request.device, (*staged)->description());
    if (!fit) return std::move(fit).error();
    auto report = std::make_shared<ShadowReport>();
    report->device = request.device;
    report->file = request.file.string();
    report->before = build_name((*device)->plugin()->description());
    report->after = build_name((*staged)->description());
    report->notes = std::move(fit->notes);
    const std::string against = obstacle(**device);
    if (!against.empty()) {
        return Error{
            fmt::format("device \"{}\" cannot be compared with a shadow: {}", request.device, against),
            "swap it with a rehearsal instead"};
    }
    auto run = std::make_unique<Run>(machine_, *std::move(staged), std::move(fit->replacement),
                                     request.duration, report);
    if (auto begun = run->begin(); !begun) return begun;
    reports_[request.device] = std::move(report);
    runs_[request.device] = std::move(run);
    look_later(request.device);
    return {};
}

Result<void> Shadow::stop(std::string_view device) {
    const auto run = runs_.find(device);
    if (run == runs_.end()) return Error{fmt::format("device \"{}\" has no shadow", device)};
    run->second->stop();
    return {};
}

void Shadow::look(const std::string& device) {
    const auto run = runs_.find(device);
    if (run == runs_.end()) return;
    if (run->second->look()) return look_later(device);
    runs_.erase(run);
    over_(*reports_.at(device));
}

void Shadow::look_later(const std::string& device) {
    machine_.post_later(between_looks, [this, device, alive = alive_](Machine&) {
        if (*alive) look(device);
    });
}

} // namespace plugbay::core
