#include "core/hotswap/rehearsal_watch.hpp"

#include "core/base/utf8.hpp"
#include "core/hotswap/rehearsal_protocol.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

using nlohmann::json;

constexpr std::size_t longest_output = 4096; // of the end, that is kept
constexpr std::size_t most_sentences = rehearsal::most_differences + 1;
constexpr int most_reads = 64; // of a pipe, before looking at the others and the time

// The JSON text is at most rehearsal::longest_report bytes; deeper than this it is no report of ours.
json parse_line(std::string_view line) {
    constexpr int deepest = 4;
    bool too_deep = false;
    json value = json::parse(
        line,
        [&](int depth, json::parse_event_t, json&) {
            too_deep = too_deep || depth > deepest;
            return !too_deep;
        },
        false);
    return too_deep ? json() : value;
}

// Nothing: not there, or no text.
std::string text_of(const json& object, const char* key) {
    const auto member = object.find(key);
    if (member == object.end() || !member->is_string()) return {};
    return printable_text(member->get_ref<const std::string&>(), rehearsal::longest_text);
}

void add_sentence(std::vector<std::string>& sentences, const json& object, const char* key) {
    if (sentences.size() < most_sentences && object.contains(key)) sentences.push_back(text_of(object, key));
}

// Nothing: not there, or no such number.
std::uint64_t number_of(const json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_number_unsigned() ? member->get<std::uint64_t>() : 0;
}

bool is_true(const json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && *member == true;
}

// What a replay tells.
void take_replay(ReplayReport& replay, const json& value) {
    const auto object = [&](const char* key) -> const json* {
        const auto member = value.find(key);
        return member != value.end() && member->is_object() ? &*member : nullptr;
    };
    if (const json* const answer = object("answer");
        answer && replay.answers.size() < rehearsal::most_differences) {
        replay.answers.push_back({.entry = number_of(*answer, "entry"),
                                  .value = number_of(*answer, "value"),
                                  .faulted = is_true(*answer, "faulted"),
                                  .certain = is_true(*answer, "certain")});
    }
    if (const json* const state = object("state");
        state && replay.fields.size() < rehearsal::most_differences)
        replay.fields.push_back({.text = text_of(*state, "text"), .certain = is_true(*state, "certain")});
    if (const json* const replayed = object("replayed")) {
        replay.whole = true;
        replay.compared = number_of(*replayed, "compared");
        replay.by_clock = number_of(*replayed, "by_clock");
        replay.more_answers = number_of(*replayed, "more");
        replay.certain = is_true(*replayed, "certain");
    }
    if (value.contains("not_comparable")) replay.not_comparable = text_of(value, "not_comparable");
}

std::string in_step(const std::string& step) {
    return step.empty() ? " before it began" : " in " + step;
}

std::string seconds(std::chrono::milliseconds limit) {
    return fmt::format("{:g} s", static_cast<double>(limit.count()) / 1000);
}

} // namespace

RehearsalReport RehearsalWatch::wait(std::chrono::steady_clock::time_point deadline,
                                     std::chrono::milliseconds limit, int call_off) {
    const Ended how = listen(deadline, call_off);
    const auto status = child_.end();
    read_report();
    read_output();
    conclude(how, status, limit);
    result_.output = printable_text(output_);
    return std::move(result_);
}

RehearsalWatch::Ended RehearsalWatch::listen(std::chrono::steady_clock::time_point deadline, int call_off) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return Ended::late;
        // A closed pipe is not waited for: -1 in its place.
        std::array<pollfd, 4> sources{{{child_.descriptor(), POLLIN, 0},
                                       {report_pipe_.get(), POLLIN, 0},
                                       {output_pipe_.get(), POLLIN, 0},
                                       {call_off, POLLIN, 0}}};
        const auto patience = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
        if (::poll(sources.data(), sources.size(), patience) < 0) continue; // a signal
        if (sources[1].revents != 0) read_report();
        if (sources[2].revents != 0) read_output();
        if (reported_ > rehearsal::longest_report) return Ended::talkative;
        if (sources[0].revents != 0) return Ended::by_itself;
        if (sources[3].revents != 0) return Ended::called_off;
    }
}

void RehearsalWatch::read_report() {
    std::array<char, 16384> chunk;
    for (int i = 0; i < most_reads && report_pipe_; ++i) {
        const ssize_t got = ::read(report_pipe_.get(), chunk.data(), chunk.size());
        if (got < 0) return; // nothing at the moment
        if (got == 0) return report_pipe_.reset();
        reported_ += static_cast<std::size_t>(got);
        if (reported_ > rehearsal::longest_report) return;
        unread_.append(chunk.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = unread_.find('\n', begin)) != std::string::npos; begin = end + 1)
            take_line(std::string_view(unread_).substr(begin, end - begin));
        unread_.erase(0, begin);
    }
}

void RehearsalWatch::read_output() {
    std::array<char, 16384> chunk;
    for (int i = 0; i < most_reads && output_pipe_; ++i) {
        const ssize_t got = ::read(output_pipe_.get(), chunk.data(), chunk.size());
        if (got < 0) return;
        if (got == 0) return output_pipe_.reset();
        output_.append(chunk.data(), static_cast<std::size_t>(got));
        if (output_.size() > longest_output) output_.erase(0, output_.size() - longest_output);
    }
}

void RehearsalWatch::take_line(std::string_view line) {
    const json value = parse_line(line);
    if (!value.is_object() || decided_) return;
    const std::string step = text_of(value, "step");
    if (std::ranges::find(rehearsal::steps, step) != rehearsal::steps.end()) result_.step = step;
    add_sentence(result_.differences, value, "difference");
    add_sentence(result_.not_rehearsed, value, "not_rehearsed");
    take_replay(result_.replay, value);
    if (const auto failed = value.find("failed"); failed != value.end() && failed->is_object()) {
        decided_ = true;
        result_.why = text_of(*failed, "why");
        result_.hint = text_of(*failed, "hint");
    } else if (value.value("passed", json()) == true) {
        decided_ = true;
        result_.passed = true;
    }
}

void RehearsalWatch::conclude(Ended how, std::optional<int> status, std::chrono::milliseconds limit) {
    if (how == Ended::called_off) {
        result_.passed = false;
        result_.called_off = true;
        result_.why = "it was called off";
        return;
    }
    if (decided_ && !result_.passed) return;
    const bool clean = status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
    if (result_.passed && how == Ended::by_itself && clean) return;
    result_.passed = false;
    result_.killed = true;
    result_.late = how == Ended::late;
    if (how == Ended::talkative) {
        result_.why = "it wrote into the rehearsal's report" + in_step(result_.step);
        result_.hint = "a plugin writes to descriptors of its own only";
    } else if (how == Ended::late) {
        result_.why = fmt::format("it did not end within {}{}", seconds(limit), in_step(result_.step));
        result_.hint =
            "these calls run on the control thread and may not wait: look for a loop or a lock, or hand work "
            "that blocks to plugbay.worker/1";
    } else if (status) {
        explain_exit(*status);
    } else {
        result_.why = "its process cannot be ended" + in_step(result_.step);
    }
}

void RehearsalWatch::explain_exit(int status) {
    if (WIFEXITED(status)) {
        result_.why =
            fmt::format("it ended the process with status {}{}", WEXITSTATUS(status), in_step(result_.step));
        result_.hint = "a plugin never calls exit(): it fails with a text";
        return;
    }
    const int signal = WTERMSIG(status);
    const char* name = ::sigabbrev_np(signal);
    result_.why = fmt::format("it was killed by {}{}",
                              name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal),
                              in_step(result_.step));
    switch (signal) {
    case SIGABRT:
        result_.hint = "what it printed last says why: a failed assertion, a damaged heap, an exception that "
                       "nobody caught";
        break;
    case SIGKILL:
    case SIGXCPU:
        result_.hint = "it may have used too much memory or processor time";
        break;
    default:
        result_.hint =
            "build it with -fsanitize=address and run its tests on the testkit, which load the same state";
        break;
    }
}

} // namespace plugbay::core
