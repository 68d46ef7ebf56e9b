#include "core/cli/dev/swap_job.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace plugbay::core::dev {

namespace {

using nlohmann::json;

// A rehearsal and the swap have limits of their own, which are shorter.
constexpr std::chrono::seconds longest_swap(60);
// For which the way back stays open: the longest that the machine takes.
constexpr int probation = 600'000; // milliseconds

std::string text_in(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// "id" of those with a type of that plugin, oldest first.
Result<std::vector<std::string>> devices_of(ControlClient& client, const BuiltPlugin& plugin) {
    const auto listed = client.call("devices.list", json::object(), longest_swap);
    if (!listed) return listed.error();
    std::vector<std::string> ids;
    for (const json& each : listed->value("devices", json::array())) {
        if (plugin.has_type(text_in(each, "type"))) ids.push_back(text_in(each, "id"));
    }
    return ids;
}

} // namespace

std::vector<SwapResult> swap_all(ControlClient& client, const std::vector<BuiltPlugin>& plugins) {
    std::vector<SwapResult> results;
    for (const BuiltPlugin& plugin : plugins) {
        auto devices = devices_of(client, plugin);
        if (!devices || devices->empty()) {
            results.push_back({.plugin = plugin, .devices = {}, .report = {}, .refused = {}});
            if (!devices) results.back().refused = devices.error();
            continue;
        }
        // Those that run one build are swapped together; mostly that is all of them.
        while (!devices->empty()) {
            SwapResult result{.plugin = plugin, .devices = {devices->front()}, .report = {}, .refused = {}};
            auto report = client.call("swap",
                                      {{"device", devices->front()},
                                       {"file", plugin.description.file.string()},
                                       {"all", true},
                                       {"probation", probation}},
                                      longest_swap);
            if (report) {
                const json swapped = report->value("devices", json::array());
                for (const json& each : swapped) {
                    if (each.is_string() && each != devices->front())
                        result.devices.push_back(each.get<std::string>());
                }
                result.report = *std::move(report);
            } else {
                result.refused = report.error();
                result.devices = *devices;
            }
            std::erase_if(*devices, [&](const std::string& each) {
                return std::ranges::find(result.devices, each) != result.devices.end();
            });
            results.push_back(std::move(result));
        }
    }
    return results;
}

std::vector<SwapResult> swap_back(ControlClient& client, std::vector<SwapResult> swaps) {
    for (SwapResult& each : swaps) {
        const auto done = client.call("swap.back", {{"device", each.devices.front()}}, longest_swap);
        each.refused = done ? std::nullopt : std::optional(done.error());
    }
    return swaps;
}

SwapJob::SwapJob(ControlClient& client, std::function<std::vector<SwapResult>(ControlClient&)> work)
    : client_(client), done_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!done_) throw std::system_error(errno, std::system_category(), "eventfd");
    thread_ = std::thread([this, work = std::move(work)] {
        try {
            results_ = work(client_);
        } catch (const std::exception& error) { // out of memory
            results_ = {{.plugin = {}, .devices = {}, .report = {}, .refused = Error{error.what()}}};
        }
        (void)::eventfd_write(done_.get(), 1);
    });
}

SwapJob::~SwapJob() {
    if (!thread_.joinable()) return;
    ::shutdown(client_.descriptor(), SHUT_RDWR);
    thread_.join();
}

std::vector<SwapResult> SwapJob::take() {
    thread_.join();
    return std::move(results_);
}

} // namespace plugbay::core::dev
