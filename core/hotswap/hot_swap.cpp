#include "core/hotswap/hot_swap.hpp"

#include "core/base/log.hpp"
#include "core/hotswap/build_fit.hpp"
#include "core/hotswap/live_rehearsal.hpp"
#include "core/machine/machine.hpp"
#include "core/plugin/mapped_image.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/eventfd.h>
#include <system_error>
#include <utility>

namespace plugbay::core {

namespace {

// Errors of its own in this time make a build a bad one.
constexpr std::uint64_t most_errors = 10;
constexpr std::chrono::milliseconds between_looks(20);
// For what is in flight to end, on the way back.
constexpr std::chrono::seconds way_back_limit(5);

// Where the error has nothing better to say.
const char* what_to_do(const SwapRequest& request) {
    return request.rehearse
               ? "mend the new build and swap again"
               : "mend the new build and swap again, with a rehearsal: it fails there without harm";
}

} // namespace

HotSwap::HotSwap(Machine& machine, MasterDeviceTable& device_types)
    : machine_(machine), device_types_(device_types),
      crashed_(std::make_shared<const UniqueFd>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
    if (!*crashed_) throw std::system_error(errno, std::system_category(), "eventfd");
}

HotSwap::~HotSwap() {
    *alive_ = false;
}

const SwapReport* HotSwap::last(std::string_view device) const {
    const auto found = reports_.find(device);
    return found == reports_.end() ? nullptr : found->second.get();
}

Result<std::vector<std::string>> HotSwap::devices_of_plugin(std::string_view id) const {
    const auto first = machine_.devices().find_named(id);
    if (!first) return first.error();
    std::vector<std::string> ids{std::string(id)};
    for (const auto& each : machine_.devices().devices()) {
        const bool same = each->plugin()->description().name == (*first)->plugin()->description().name;
        if (each.get() != *first && same) ids.push_back(each->id());
    }
    return ids;
}

const SwapReport& HotSwap::swap(const SwapRequest& request) {
    auto report = std::make_shared<SwapReport>();
    report->devices = request.devices;
    report->file = request.file.string();
    for (const std::string& id : request.devices)
        reports_[id] = report;
    auto done = attempt(request, *report);
    report->journal.end();
    if (!done) {
        report->why = done.error().message;
        report->hint = done.error().hint.empty() ? what_to_do(request) : done.error().hint;
        log_for(Subsystem::devices)
            .warn("swap of \"{}\" refused at step {}: {}", fmt::join(request.devices, "\", \""),
                  step_name(report->journal.last()), done.error().text());
    }
    return *reports_.at(request.devices.front());
}

Result<void> HotSwap::attempt(const SwapRequest& request, SwapReport& report) {
    report.journal.begin(SwapStep::stage);
    static_cast<void>(judge_all({})); // what is no good is not what the new build has to fit
    const auto staged = staging_.stage(request.file);
    if (!staged) return staged.error();
    report.after = build_name((*staged)->description());
    std::vector<DeviceManager::Replacement> replacements;
    for (const std::string& id : request.devices) {
        if (const Device* const device = machine_.devices().find(id))
            report.before = build_name(device->plugin()->description());
        auto fitted = fit_build(machine_.devices(), id, (*staged)->description());
        if (!fitted) return std::move(fitted).error();
        report.notes.insert(report.notes.end(), fitted->notes.begin(), fitted->notes.end());
        replacements.push_back(std::move(fitted->replacement));
    }

    if (request.rehearse || request.dry_run) {
        report.journal.begin(SwapStep::rehearse);
        for (const auto& each : replacements) {
            if (auto done = try_out(each, *staged, request, report); !done) return done;
        }
    }
    if (request.dry_run) {
        report.outcome = SwapReport::Outcome::tried;
        return {};
    }

    report.journal.begin(SwapStep::prepare);
    auto loaded = staging_.load(*staged);
    if (!loaded) return std::move(loaded).error();
    Trial trial{.report = reports_.at(request.devices.front()), .build = *loaded};
    for (auto& each : replacements) {
        Device& device = *machine_.devices().find(each.id);
        trial.back.push_back({.id = each.id,
                              .type = device.loaded(),
                              .properties = machine_.devices().config(device).properties});
        each.type = {.plugin = *loaded, .type = (*loaded)->find_type(device.type().name)};
        each.crashed = [this, report = trial.report, alive = alive_, event = crashed_,
                        crashed = trial.crashed] {
            crashed->store(true);
            static_cast<void>(::eventfd_write(event->get(), 1));
            machine_.post([this, report, alive](Machine&) {
                if (*alive) look_at(report);
            });
        };
    }
    for (const auto& link : machine_.devices().registry().links()) {
        for (auto& each : trial.back) {
            if (link->frontend().device->id() != each.id) continue;
            each.options[link->frontend().port] =
                machine_.devices().config(*link->backend().device).link->options;
        }
    }
    if (auto serving = judge_all(request.devices); !serving) return serving;
    auto states = machine_.devices().replace(replacements, report.journal, request.limit);
    if (!states) return std::move(states).error();
    for (const std::string& id : request.devices) {
        Trial* const before = trial_of(id);
        if (before == nullptr) continue;
        if (before->crashed->load()) { // since it was judged: no build to come back to
            before->report->why = "it crashed while the next build took its place";
            for (auto& each : trial.back) {
                const auto better = std::ranges::find(before->back, each.id, &DeviceManager::Replacement::id);
                if (better != before->back.end()) each = *better;
            }
        }
        commit(*before, request.devices);
    }
    report.journal.end();
    trial.states_at_exchange = *std::move(states);
    begin_probation(std::move(trial), request.probation);
    return {};
}

// A crash on probation ends it, so that nobody waits for the way back, and it begins anew where that does not concern it.
Result<void> HotSwap::try_out(const DeviceManager::Replacement& replacement,
                              const std::shared_ptr<const StagedPlugin>& plugin, const SwapRequest& request,
                              SwapReport& report) {
    for (;;) {
        eventfd_t count = 0;
        static_cast<void>(::eventfd_read(crashed_->get(), &count));
        if (auto serving = judge_all(request.devices); !serving) return serving;
        const auto rehearsed = rehearse_live(machine_, replacement, plugin, request.limit, crashed_->get());
        if (!rehearsed) return rehearsed.error();
        report.snapshot = std::max(report.snapshot, rehearsed->held);
        if (rehearsed->called_off) continue;
        for (const auto& list : {rehearsed->differences, rehearsed->not_rehearsed})
            report.notes.insert(report.notes.end(), list.begin(), list.end());
        if (rehearsed->passed) return {};
        return Error{fmt::format("device \"{}\" failed its rehearsal, in {}: {}", replacement.id,
                                 rehearsed->step, rehearsed->why),
                     rehearsed->hint};
    }
}

// --- probation

void HotSwap::begin_probation(Trial trial, std::chrono::milliseconds length) {
    trial.report->outcome = SwapReport::Outcome::probation;
    trial.end = std::chrono::steady_clock::now() + length;
    for (const auto& each : trial.back)
        trial.errors_at_exchange.push_back(machine_.devices().find(each.id)->counts().errors.value());
    trials_.push_back(std::make_unique<Trial>(std::move(trial)));
    look_at(trials_.back()->report);
}

HotSwap::Trial* HotSwap::trial_of(const SwapReport& report) {
    const auto found =
        std::ranges::find_if(trials_, [&](const auto& each) { return each->report.get() == &report; });
    return found == trials_.end() ? nullptr : found->get();
}

// Comes again and again until the probation is over, or the trial with it.
void HotSwap::look_at(const std::shared_ptr<SwapReport>& report) {
    if (Trial* const trial = trial_of(*report)) {
        judge(*trial);
    } else if (report->outcome == SwapReport::Outcome::lost) {
        vacate_crashed(*report); // one more of its devices
    }
    if (trial_of(*report) == nullptr) return;
    machine_.post_later(between_looks, [this, report, alive = alive_](Machine&) {
        if (*alive) look_at(report);
    });
}

// Ends the trial if it is over.
void HotSwap::judge(Trial& trial) {
    for (const auto& each : trial.back) {
        const Device* const device = machine_.devices().find(each.id);
        // Removed meanwhile, and perhaps added anew.
        if (device == nullptr || device->loaded().plugin != trial.build) return end_trial(trial);
    }
    if (const std::string crash = crash_of(trial); !crash.empty()) return go_back(trial, crash);
    for (std::size_t i = 0; i < trial.back.size(); ++i) {
        const std::string& id = trial.back[i].id;
        const std::uint64_t errors =
            machine_.devices().find(id)->counts().errors.value() - trial.errors_at_exchange[i];
        if (errors < most_errors) continue;
        return go_back(trial, fmt::format("device \"{}\" reported {} errors", id, errors));
    }
    if (std::chrono::steady_clock::now() >= trial.end) commit(trial);
}

// For whoever keeps the control thread busy. An error when a build of one of `devices` was taken back.
Result<void> HotSwap::judge_all(std::span<const std::string> devices) {
    std::vector<std::shared_ptr<SwapReport>> all;
    for (const auto& trial : trials_)
        all.push_back(trial->report);
    Result<void> result;
    for (const auto& report : all) {
        judge(*trial_of(*report));
        const bool bad = report->outcome == SwapReport::Outcome::rolled_back ||
                         report->outcome == SwapReport::Outcome::lost;
        const bool concerned = std::ranges::any_of(devices, [&](const std::string& id) {
            return std::ranges::find(report->devices, id) != report->devices.end();
        });
        if (!bad || !concerned) continue;
        result = Error{"the build before, which was on probation, was taken back meanwhile: " + report->why,
                       "swap again"};
    }
    return result;
}

HotSwap::Trial* HotSwap::trial_of(std::string_view device) {
    for (const auto& trial : trials_) {
        if (std::ranges::find(trial->report->devices, device) != trial->report->devices.end())
            return trial.get();
    }
    return nullptr;
}

// Of the devices `replaced` the next build has just taken the place of the trial's.
void HotSwap::commit(Trial& trial, std::span<const std::string> replaced) {
    for (const auto& each : trial.back) {
        const Device* const device = machine_.devices().find(each.id);
        const bool served = std::ranges::find(replaced, each.id) != replaced.end() ||
                            (device != nullptr && device->loaded().plugin == trial.build);
        if (served && !trial.crashed->load()) device_types_.keep(each.type.type->name, trial.build);
    }
    end_trial(trial, replaced);
}

// The new build stays where it is.
void HotSwap::end_trial(Trial& trial, std::span<const std::string> replaced) {
    trial.report->outcome = SwapReport::Outcome::committed;
    for (const auto& each : trial.back) {
        if (std::ranges::find(replaced, each.id) != replaced.end()) continue; // another's probation
        if (Device* const device = machine_.devices().find(each.id))
            machine_.devices().end_probation(*device);
    }
    const std::weak_ptr<const LoadedPlugin> library = trial.back.front().type.plugin;
    const std::filesystem::path image = library.lock()->image();
    trial.back.clear();
    trial.build.reset();
    if (!library.expired()) {
        trial.report->notes.push_back("the build before stays in memory: it is still in use");
    } else if (const auto why = still_mapped(image)) {
        trial.report->notes.push_back("the build before is pinned: " + *why);
    } else {
        trial.report->notes.push_back("the build before is reclaimed");
    }
    finish(trial);
}

// Empty: none of its devices has crashed.
std::string HotSwap::crash_of(const Trial& trial) const {
    for (const auto& each : trial.back) {
        const Device* const device = machine_.devices().find(each.id);
        if (device == nullptr || device->loaded().plugin != trial.build) continue;
        if (const std::string crash = device->crash(); !crash.empty())
            return fmt::format("device \"{}\": {}", each.id, crash);
    }
    return {};
}

// What was set meanwhile stays set. An error, and nothing has changed, when the builds before cannot have that.
Result<void> HotSwap::bring_up_to_date(Trial& trial) const {
    std::vector<CarriedConfiguration> now;
    for (const auto& each : trial.back) {
        const auto device = machine_.devices().find_named(each.id);
        if (!device) return device.error();
        const TypeDescription& type = *each.type.plugin->describe_type(each.type.type->name);
        now.push_back(carry_configuration(machine_.devices(), **device, type));
        if (!now.back().mistakes.empty())
            return Error{fmt::format("device \"{}\": {}", each.id, fmt::join(now.back().mistakes, "; "))};
    }
    for (std::size_t i = 0; i < now.size(); ++i) {
        trial.back[i].properties = std::move(now[i].properties);
        trial.back[i].options = std::move(now[i].options);
    }
    return {};
}

// The new build is no good: also an old state is better than that.
void HotSwap::go_back(Trial& trial, const std::string& why) {
    SwapReport& report = *trial.report;
    report.why = why;
    if (auto set = bring_up_to_date(trial); !set)
        report.notes.push_back("what was set meanwhile is lost: " + set.error().text());
    SwapJournal journal;
    auto back = machine_.devices().replace(trial.back, journal, way_back_limit);
    // What cannot hold still does not do so for another state either.
    if (!back && journal.last() != SwapStep::quiesce) {
        report.notes.push_back("its state could not be carried back: " + back.error().text());
        for (std::size_t i = 0; i < trial.back.size(); ++i)
            trial.back[i].state = trial.states_at_exchange[i];
        back = machine_.devices().replace(trial.back, journal, way_back_limit);
        if (back) report.notes.push_back("the build before goes on from where it was replaced");
    }
    const auto tell = [&](const std::string& what) {
        log_for(Subsystem::devices)
            .warn("swap of \"{}\": {}; {}", fmt::join(report.devices, "\", \""), why, what);
    };
    if (!back && crash_of(trial).empty()) {
        tell("the new build stays, the way back failed: " + back.error().text());
        report.notes.push_back("it could not be taken back: " + back.error().text());
        return end_trial(trial);
    }
    if (back) {
        report.outcome = SwapReport::Outcome::rolled_back;
        tell("the build before serves again");
    } else {
        report.outcome = SwapReport::Outcome::lost;
        report.hint = back.error().text();
        tell("the way back failed: " + back.error().text());
        vacate_crashed(report);
    }
    finish(trial);
}

// The guest finds nobody there from now on.
void HotSwap::vacate_crashed(const SwapReport& report) {
    for (const std::string& id : report.devices) {
        Device* const device = machine_.devices().find(id);
        if (device != nullptr && !device->crash().empty()) device->vacate_slot();
    }
}

void HotSwap::finish(Trial& trial) {
    const auto report = trial.report;
    std::erase_if(trials_, [&](const auto& each) { return each.get() == &trial; });
    change_(*report);
}

Result<void> HotSwap::roll_back(std::string_view device) {
    Trial* const trial = trial_of(device);
    if (trial == nullptr) {
        return Error{fmt::format("device \"{}\" has no build on probation", device),
                     "swap it to the build that is wanted"};
    }
    const auto report = trial->report; // not the last one, if a build after it was refused
    if (crash_of(*trial).empty()) {
        // It serves: that is worth more than the way back.
        if (auto set = bring_up_to_date(*trial); !set)
            return with_context("the new build serves on", set.error());
        SwapJournal journal;
        const auto back = machine_.devices().replace(trial->back, journal, way_back_limit);
        if (back) {
            report->outcome = SwapReport::Outcome::rolled_back;
            report->why = "it was asked for";
            finish(*trial);
            return {};
        }
        if (crash_of(*trial).empty()) {
            return Error{fmt::format("refused at step {}: {}; the new build serves on",
                                     step_name(journal.last()), back.error().message),
                         back.error().hint};
        }
    }
    go_back(*trial, crash_of(*trial));
    if (report->outcome != SwapReport::Outcome::rolled_back)
        return Error{"the way back failed: " + report->hint};
    return {};
}

} // namespace plugbay::core
