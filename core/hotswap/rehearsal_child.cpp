#include "core/hotswap/rehearsal_child.hpp"

#include "core/cli/exit_status.hpp"
#include "core/hotswap/rehearsal_protocol.hpp"
#include "core/hotswap/rehearsal_subject.hpp"
#include "core/hotswap/replay_child.hpp"
#include "core/hotswap/state_difference.hpp"

#include <plugbay/testkit/testkit.hpp>
#include <plugbay/unique_fd.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace plugbay::core {

namespace {

using nlohmann::json;
using rehearsal::begin;
using rehearsal::fail;
using rehearsal::pass;
using rehearsal::report;

// What it may use beside the guest's RAM, of which a replay has two copies: the program, libraries, stacks and heaps of threads; and some copies of the
// state.
constexpr std::uint64_t own_memory = std::uint64_t{4} << 30;
constexpr std::uint64_t state_copies = 8;

void limit(__rlimit_resource resource, std::uint64_t most) {
    const rlimit both{most, most};
    ::setrlimit(resource, &both);
}

// Bytes of files that were handed over, which the plugin may map, and as many for what it maps beside them.
[[maybe_unused]] std::uint64_t handed_memory(const json& request) {
    constexpr std::uint64_t most = std::uint64_t{1} << 42;
    std::uint64_t total = 0;
    int descriptor = rehearsal::first_handed_descriptor(request);
    for (std::size_t i = 0; i < request["handover"].size(); ++i) {
        struct stat facts {};
        if (::fstat(descriptor++, &facts) == 0 && S_ISREG(facts.st_mode))
            total += std::min<std::uint64_t>(2 * static_cast<std::uint64_t>(facts.st_size), most - total);
    }
    return total;
}

// Before anything of the plugin runs. Not a sandbox: the plugin may do what the user may.
void confine(const json& request, [[maybe_unused]] std::uint64_t state_size) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != request["parent"].get<pid_t>()) ::_exit(exit_status::failure); // it died before
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, request["limit_ms"].get<std::uint64_t>() / 1000 + 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // whose shadows are terabytes
    limit(RLIMIT_AS,
          own_memory + state_copies * state_size + handed_memory(request) +
              (request.contains("replay") ? 2 : 1) * (request["memory"].get<std::uint64_t>() +
                                                      request["memory_above_4gb"].get<std::uint64_t>()));
#endif
}

// The request's line and the bytes behind it.
std::optional<std::string> read_request() {
    std::string text;
    std::array<char, 65536> chunk;
    for (;;) {
        const ssize_t got = ::pread(rehearsal::request_descriptor, chunk.data(), chunk.size(),
                                    static_cast<off_t>(text.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

class Rehearsal {
  public:
    Rehearsal(json request, std::string state) : request_(std::move(request)), state_(std::move(state)) {}
    [[noreturn]] void run();

  private:
    void load_and_compare(RehearsalSubject& subject);
    void compare_resources(RehearsalSubject& subject) const;
    void go_and_stop(RehearsalSubject& subject);
    void live();

    json request_;
    std::string state_;
    const plugbay_device_type* type_ = nullptr;
    std::vector<RegisterBlockDescription> registers_; // of the type, for names
};

void Rehearsal::load_and_compare(RehearsalSubject& subject) {
    std::string error;
    const auto bytes = std::as_bytes(std::span(state_));
    const auto before = StateImage::parse({bytes.begin(), bytes.end()}, error);
    if (!before) fail("its state cannot be given to it: " + error, "");
    begin("load");
    subject.bench().take_over(subject.id());
    subject.bench().load(subject.id(), *before);
    begin("save");
    const StateImage after = subject.bench().save(subject.id());
    const auto differences = state_differences(*before, after, registers_);
    std::size_t lost = 0;
    std::string first;
    for (std::size_t i = 0; i < differences.size(); ++i) {
        const auto& [field, text, allowed] = differences[i];
        if (i < rehearsal::most_differences) report({{"difference", text}});
        if (allowed) continue;
        if (lost++ == 0) first = text;
    }
    if (differences.size() > rehearsal::most_differences)
        report(
            {{"difference", fmt::format("and {} more", differences.size() - rehearsal::most_differences)}});
    if (lost == 0) return;
    fail(
        fmt::format("the state that it saves is not the one that it loaded: {}{}", first,
                    lost > 1 ? fmt::format(", and {} more fields", lost - 1) : ""),
        "save and load the same fields; a build that means something else by them has another state_version");
}

// What would be refused once the build is loaded into the machine.
void Rehearsal::compare_resources(RehearsalSubject& subject) const {
    begin("validate");
    const auto known = request_["resources"].get<std::vector<std::string>>();
    const auto asked_for = subject.resources();
    const auto without = [](std::vector<std::string> names, const std::vector<std::string>& others) {
        std::erase_if(
            names, [&](const std::string& name) { return std::ranges::find(others, name) != others.end(); });
        return names;
    };
    if (const auto more = without(asked_for, known); !more.empty()) {
        fail(fmt::format("it asks for {}, which the build that it replaces does not hold",
                         fmt::join(more, ", ")),
             "what the guest knows of a device cannot change while it runs: remove the device and add it "
             "again");
    }
    if (const auto missing = without(known, asked_for); !missing.empty()) {
        fail(fmt::format("it does not ask for {}, which the guest knows", fmt::join(missing, ", ")),
             "remove the device and add it again, or restart the machine");
    }
}

void Rehearsal::go_and_stop(RehearsalSubject& subject) {
    const bool has_state = request_["has_state"];
    const char* const going = has_state ? "resume" : "start";
    const auto not_rehearsed = [](const std::string& what) { report({{"not_rehearsed", what}}); };
    if (const std::string tied = rehearsal::tie(request_, *type_); !tied.empty()) {
        return not_rehearsed(
            fmt::format("{}, quiesce and reset: {}, and what it does outside of the machine cannot be "
                        "undone",
                        going, tied));
    }
    if (subject.complete()) {
        begin(going);
        subject.bench().start();
        begin("quiesce");
        subject.bench().quiesce();
    } else {
        not_rehearsed(fmt::format("{} and quiesce: a port that needs a peer has none", going));
    }
    begin("reset");
    subject.bench().reset();
}

void Rehearsal::live() {
    auto& subject = *new RehearsalSubject(request_, *type_, request_["guest_time"], request_["calendar"]);
    if (request_["memory_given"]) ::close(rehearsal::first_free_descriptor);
    begin("create");
    subject.create();
    begin("connected");
    subject.connect();
    if (request_["has_state"]) load_and_compare(subject);
    if (request_.contains("resources")) compare_resources(subject);
    go_and_stop(subject);
}

void Rehearsal::run() {
    try {
        begin("open");
        const auto* plugin = new testkit::PluginFile(request_["plugin"].get<std::string>()); // stays open
        type_ = plugin->find(request_["type"].get<std::string>());
        if (type_ == nullptr) fail("it has another device type when loaded than in its file", "");
        registers_ = rehearsal::declared_registers(request_, *type_);
        if (request_.contains("replay")) replay(request_, *type_, state_);
        live();
    } catch (const testkit::ContractViolation& violation) {
        fail(std::string("it broke a rule of the ABI: ") + violation.what(),
             "the ABI's headers say at each function what is allowed; the testkit finds the same in a test");
    } catch (const testkit::Error& error) {
        fail(error.what(), "");
    } catch (const std::exception& exception) {
        fail(std::string("an exception came out of it: ") + exception.what(),
             "no exception may leave a plugin: catch it and return a status with a text");
    } catch (...) {
        fail("an exception came out of it",
             "no exception may leave a plugin: catch it and return a status with a text");
    }
    pass();
}

} // namespace

int rehearse_as_child() {
    const auto text = read_request();
    const std::size_t end = text ? text->find('\n') : std::string::npos;
    json request = end == std::string::npos ? json() : json::parse(text->substr(0, end), nullptr, false);
    if (!request.is_object()) {
        std::cerr << "plugbay rehearse: only a running machine starts this, to try a new build of a device\n";
        return exit_status::usage;
    }
    confine(request, text->size() - end);
    Rehearsal(std::move(request), text->substr(end + 1)).run();
}

} // namespace plugbay::core
