// The half of the loop that has to do with the machine.
#include "core/cli/dev/dev_loop.hpp"
#include "core/cli/exit_status.hpp"
#include "core/config/machine_file.hpp"
#include "core/plugin/master_device_table.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <iostream>
#include <poll.h>
#include <unistd.h>

namespace plugbay::core::dev {

namespace {

using nlohmann::json;
using namespace std::chrono_literals;

std::string text_in(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

} // namespace

// What the machine would not find by itself. Copies, because the machine maps them and a linker may write into its old output.
std::vector<std::filesystem::path> DevLoop::pass_unknown(const std::vector<BuiltPlugin>& built) {
    const auto document = read_machine_file(options_.machine, {});
    const auto table =
        MasterDeviceTable::build({.files = document.plugins, .directories = default_plugin_directories()});
    std::vector<std::filesystem::path> passed;
    std::error_code failed;
    if (copies_.empty()) {
        std::string pattern = (std::filesystem::temp_directory_path(failed) / "plugbay-dev-XXXXXX").string();
        if (!failed && ::mkdtemp(pattern.data()) != nullptr) copies_ = pattern;
    }
    for (const BuiltPlugin& each : built) {
        const auto& types = each.description.types;
        if (std::ranges::any_of(types, [&](const auto& type) { return table.find(type.name) != nullptr; })) {
            after_start_.push_back(each);
            continue;
        }
        const auto folder = copies_ / std::to_string(passed.size());
        const auto& file = each.description.file;
        std::filesystem::create_directories(folder, failed);
        std::filesystem::copy_file(file, folder / file.filename(),
                                   std::filesystem::copy_options::overwrite_existing, failed);
        if (failed)
            text_.line("machine", fmt::format("{} cannot be copied: {}", file.string(), failed.message()),
                       Colour::bad);
        passed.push_back(folder / file.filename());
        live_[file] = each.written;
    }
    return passed;
}

void DevLoop::start_machine(const std::vector<BuiltPlugin>& built) {
    name_ = fmt::format("dev-{}", ::getpid());
    live_.clear();
    last_.clear();
    after_start_.clear();
    why_ended_.clear();
    auto machine = OwnMachine::start(options_.machine, name_, pass_unknown(built));
    if (!machine) return text_.error("machine", machine.error());
    machine_.emplace(*std::move(machine));
}

void DevLoop::look_at_machine() {
    if (!machine_) return;
    pollfd ended{machine_->ended(), POLLIN, 0};
    const bool over = ::poll(&ended, 1, 0) > 0;
    (void)machine_->read_console();
    if (console_open_) std::cout << machine_->take_console() << std::flush;
    for (std::string said = machine_->take_messages(over); !said.empty();) {
        const std::size_t end = std::min(said.find('\n'), said.size());
        text_.line("machine", said.substr(0, end));
        said.erase(0, end + 1);
    }
    if (!over) {
        if (!client_) connect();
        return;
    }
    if (job_) finish_job(); // its call has failed, or is about to
    if (client_) take_events();
    if (console_open_) close_console();
    const std::string status = machine_->finish();
    machine_.reset();
    client_.reset();
    text_.line("machine",
               fmt::format("has ended ({}){}{}; the next good build starts it again", status,
                           why_ended_.empty() ? "" : ": ", why_ended_),
               Colour::attention);
}

void DevLoop::connect() {
    auto client = ControlClient::find(name_);
    if (!client || !joined(*std::move(client))) return;
    text_.line("machine", fmt::format("{} runs; `plugbay ctl {}` talks to it", options_.machine, name_),
               Colour::good);
    if (!after_start_.empty()) swap(std::exchange(after_start_, {}));
}

bool DevLoop::joined(ControlClient client) {
    if (!client.call("events.subscribe", json::object(), 5s)) return false;
    client_.emplace(std::move(client));
    return true;
}

void DevLoop::take_events() {
    for (;;) {
        const auto event = client_->next_event(0ms);
        if (!event) break;
        if (!*event) return;
        const std::string name = text_in(**event, "method");
        const json params = (*event)->value("params", json::object());
        if (name == "machine.ended") why_ended_ = text_in(params, "reason");
        if (name != "swap.over") continue;
        const std::string outcome = text_in(params, "outcome");
        const std::string why = text_in(params, "why");
        if (outcome == "rolled_back" && !going_back_)
            text_.line("back", "the build before serves again: " + why, Colour::bad);
        if (outcome == "committed" && !why.empty())
            text_.line("back", "the new build stays, it could not be taken back: " + why, Colour::bad);
        if (outcome == "lost") text_.line("back", "the way back failed: " + why, Colour::bad);
    }
    client_.reset();
    live_.clear();
    if (!options_.machine.empty()) return; // its process tells the rest
    text_.line("machine", fmt::format("has ended{}{}", why_ended_.empty() ? "" : ": ", why_ended_),
               Colour::attention);
}

void DevLoop::swap(std::vector<BuiltPlugin> built) {
    swap_began_ = Clock::now();
    going_back_ = false;
    job_ = std::make_unique<SwapJob>(
        *client_, [built = std::move(built)](ControlClient& client) { return swap_all(client, built); });
}

void DevLoop::go_back() {
    if (job_ || !client_ || last_.empty()) return text_.line("back", "there is no swap to go back from");
    going_back_ = true;
    job_ = std::make_unique<SwapJob>(*client_, [last = std::exchange(last_, {})](ControlClient& client) {
        return swap_back(client, last);
    });
}

void DevLoop::finish_job() {
    const auto results = job_->take();
    job_.reset();
    const auto now = Clock::now();
    if (going_back_) {
        text_.back(results);
        for (const SwapResult& each : results) {
            live_.erase(each.plugin.description.file);
            if (each.refused) last_.push_back(each); // it may go back later
        }
        take_events();
        going_back_ = false;
        return;
    }
    text_.swaps(results, cycle_, by_save_ ? now - since_ : Duration(), now - swap_began_);
    std::vector<SwapResult> swapped;
    std::vector<std::filesystem::path> files;
    for (const SwapResult& each : results) {
        files.push_back(each.plugin.description.file);
        if (each.refused) continue;
        live_[files.back()] = each.plugin.written;
        if (each.report) swapped.push_back(each);
    }
    if (!swapped.empty()) last_ = std::move(swapped);
    checks_.start(std::move(files));
    while (const auto failed = checks_.proceed())
        text_.checks(*failed);
}

} // namespace plugbay::core::dev
