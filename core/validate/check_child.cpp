// The child's side.
#include "core/base/write_all.hpp"
#include "core/cli/exit_status.hpp"
#include "core/validate/check_process.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <span>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace plugbay::core::validation {

namespace {

using nlohmann::json;

constexpr int request_descriptor = 3;
constexpr int report_descriptor = 4;
constexpr std::size_t longest_request = 1 << 20;
[[maybe_unused]] constexpr std::uint64_t memory_limit = std::uint64_t{4} << 30;

void report(const json& line) {
    const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
    if (!write_all(report_descriptor, std::as_bytes(std::span(text)))) ::_exit(exit_status::failure);
}

void limit(__rlimit_resource resource, std::uint64_t most) {
    const rlimit both{most, most};
    ::setrlimit(resource, &both);
}

// Before anything of the plugin runs. Not a sandbox: the plugin may do what the user may.
void confine(const json& request) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != request.at("parent").get<pid_t>()) ::_exit(exit_status::failure); // it died before
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, request.at("limit").get<std::uint64_t>() + 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // whose shadows are terabytes
    limit(RLIMIT_AS, memory_limit);
#endif
    if (::chdir(request.at("folder").get<std::string>().c_str()) != 0) ::_exit(exit_status::failure);
}

std::optional<std::string> read_request() {
    std::string text;
    std::array<char, 65536> chunk;
    while (text.size() < longest_request) {
        const ssize_t got =
            ::pread(request_descriptor, chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return std::nullopt;
}

const Check* find(const std::string& id) {
    for (const Check& check : checks()) {
        if (id == check.id) return &check;
    }
    return nullptr;
}

testkit::Properties decoded_properties(const json& pairs) {
    testkit::Properties properties;
    for (const json& each : pairs)
        properties.emplace_back(each.at(0), each.at(1));
    return properties;
}

CheckRequest decoded(const json& request) {
    CheckRequest result;
    result.check = find(request.at("check"));
    result.trial.file = request.at("file").get<std::string>();
    result.trial.type = request.at("type");
    result.trial.properties = decoded_properties(request.at("properties"));
    for (const json& each : request.at("peers"))
        result.trial.peers.push_back({each.at("file").get<std::string>(), each.at("type").get<std::string>(),
                                      decoded_properties(each.at("properties"))});
    for (const json& each : request.at("kept"))
        result.trial.kept.insert(each.get<std::string>());
    result.trial.seed = request.at("seed");
    result.trial.fuzz = std::chrono::seconds(request.at("fuzz").get<std::int64_t>());
    result.trial.step = [](const std::string& text) { report({{"step", text}}); };
    result.trial.warning = [](const std::string& text) { report({{"warning", text}}); };
    return result;
}

} // namespace

int check_as_child() {
    const auto text = read_request();
    const json request = text ? json::parse(*text, nullptr, false) : json();
    if (!request.is_object()) {
        std::cerr << "plugbay " << check_command << ": only `plugbay validate` starts this\n";
        return exit_status::usage;
    }
    confine(request);
    const CheckRequest decoded_request = decoded(request);
    if (decoded_request.check == nullptr) return exit_status::usage;
    const CheckResult result = check_here(decoded_request);
    const Verdict verdict = result.verdict == Verdict::warned ? Verdict::passed : result.verdict;
    report({{"end",
             {{"verdict", verdict_name(verdict)},
              {"why", result.why},
              {"hint", result.hint},
              {"lacks_peer", result.lacks_peer}}}});
    std::cout.flush();
    // Destructors of the plugin's static objects are not part of any check.
    ::_exit(exit_status::success);
}

} // namespace plugbay::core::validation
