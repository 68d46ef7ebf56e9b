#include "tests/hot_swap/swap_series.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <ostream>
#include <stdexcept>
#include <thread>

namespace plugbay::end_to_end {

using nlohmann::json;
using namespace std::chrono_literals;

namespace {

// Of values in ascending order, by the nearest rank.
double percentile(const std::vector<double>& sorted, std::size_t percent) {
    const std::size_t rank = (sorted.size() * percent + 99) / 100;
    return sorted[std::max<std::size_t>(rank, 1) - 1];
}

std::string spread(std::vector<double> values) {
    std::ranges::sort(values);
    return fmt::format("p50 {:9.1f}  p99 {:9.1f}  max {:9.1f}", percentile(values, 50),
                       percentile(values, 99), values.back());
}

} // namespace

json SwapSeries::call(const std::string& method, const json& params) {
    auto result = client_.call(method, params, 120s);
    if (!result) throw std::runtime_error(method + " " + params.dump() + ": " + result.error().text());
    return std::move(*result);
}

std::uint64_t SwapSeries::counted_for(const Subject& subject, const json& device) const {
    if (!subject.number.empty()) return device["numbers"].at(subject.number).get<std::uint64_t>();
    std::uint64_t sum = 0;
    for (const char* name : {"reads", "writes", "doorbells", "timers", "descriptors"})
        sum += device[name].get<std::uint64_t>();
    return sum;
}

std::uint64_t SwapSeries::work_of(const Subject& subject) {
    const json all = call("stats", {{"device", subject.id}});
    // The monitor's counts are the slot's, which all builds share.
    return counted_for(subject, all["devices"][0]) - (subject.number.empty() ? subject.counted : 0);
}

void SwapSeries::wait_for_work(Subject& subject) {
    const auto deadline = std::chrono::steady_clock::now() + options_.patience;
    while (work_of(subject) == 0) {
        if (std::chrono::steady_clock::now() >= deadline)
            throw std::runtime_error(fmt::format("device \"{}\": build {} did nothing in {} ms", subject.id,
                                                 subject.build, options_.patience.count()));
        std::this_thread::sleep_for(options_.between_looks);
    }
}

void SwapSeries::swap_next() {
    Subject& subject = subjects_[swaps_++ % subjects_.size()];
    if (options_.patience > 0ms) wait_for_work(subject);
    const std::uint64_t done = work_of(subject);
    const json report = call("swap", {{"device", subject.id},
                                      {"file", subject.files[++subject.swaps % 2]},
                                      {"rehearse", options_.rehearse},
                                      {"probation", 0}});
    if (report["outcome"] != "committed")
        throw std::runtime_error(
            fmt::format("swap {} of \"{}\": {}", subject.swaps, subject.id, report.dump()));
    if (report["before"] == report["after"] || (!subject.build.empty() && report["before"] != subject.build))
        throw std::runtime_error(
            fmt::format("swap {} of \"{}\" replaced a build that is not the one before: {}", subject.swaps,
                        subject.id, report.dump()));
    subject.done[report["before"]].push_back(done);
    subject.build = report["after"];
    subject.counted += subject.number.empty() ? done : 0;
    subject.pauses.push_back(report["pause_microseconds"]);
    for (const json& step : report["steps"]) {
        const std::string name = step["step"];
        auto known = std::ranges::find(subject.steps, name, [](const auto& each) { return each.first; });
        if (known == subject.steps.end()) known = subject.steps.insert(known, {name, {}});
        known->second.push_back(step["microseconds"]);
    }
}

void SwapSeries::print(std::ostream& out) {
    for (Subject& subject : subjects_) {
        if (subject.pauses.empty()) continue;
        subject.done[subject.build].push_back(work_of(subject));
        out << fmt::format("{}: {} swaps; pause in microseconds: {}\n", subject.id, subject.swaps,
                           spread(subject.pauses));
        for (const auto& [step, took] : subject.steps)
            out << fmt::format("    {:<10} {}\n", step, spread(took));
        for (const auto& [build, work] : subject.done) {
            out << fmt::format("    {}: {} instances, {} of which did something; {} {}\n", build, work.size(),
                               work.size() - static_cast<std::size_t>(std::ranges::count(work, 0U)),
                               std::accumulate(work.begin(), work.end(), std::uint64_t{0}),
                               subject.number.empty() ? "accesses and events" : subject.number);
        }
    }
    out << std::flush;
}

} // namespace plugbay::end_to_end
