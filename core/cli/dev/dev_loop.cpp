#include "core/cli/dev/dev_loop.hpp"

#include "core/cli/exit_status.hpp"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>
#include <iostream>
#include <sys/signalfd.h>
#include <unistd.h>

namespace plugbay::core::dev {

namespace {

using namespace std::chrono_literals;

// Editors write a file in several steps, and several files one after the other.
constexpr auto settle_time = 25ms;
constexpr auto longest_settling = 300ms;
// How often a machine that starts is asked whether it answers.
constexpr auto connect_interval = 20ms;

constexpr char escape_key = 0x01; // Ctrl-A, as in char-stdio

bool is_ready(int descriptor) {
    pollfd source{descriptor, POLLIN, 0};
    return descriptor >= 0 && ::poll(&source, 1, 0) > 0;
}

} // namespace

DevLoop::DevLoop(const DevOptions& options, BuildPlan plan, SourceWatch watch, UniqueFd signals,
                 std::optional<ControlClient> client)
    : options_(options), watch_(std::move(watch)), signals_(std::move(signals)), cycle_(std::move(plan)) {
    text_.line("dev", fmt::format("watching {}{}", cycle_.plan().folder.string(),
                                  keyboard_.descriptor() < 0 ? "" : "; ? lists the keys"));
    if (client && joined(*std::move(client))) text_.line("machine", "joined");
}

DevLoop::~DevLoop() {
    if (console_open_) close_console();
    cycle_.abandon();
    checks_.abandon();
    job_.reset();
    machine_.reset();
    std::error_code ignored;
    if (!copies_.empty()) std::filesystem::remove_all(copies_, ignored);
}

std::vector<pollfd> DevLoop::sources() const {
    std::vector<pollfd> all{
        {signals_.get(), POLLIN, 0}, {watch_.descriptor(), POLLIN, 0}, {keyboard_.descriptor(), POLLIN, 0}};
    if (!job_) cycle_.add_sources(all); // one after the other
    checks_.add_sources(all);
    if (machine_) {
        for (const int each : {machine_->console(), machine_->messages(), machine_->ended()})
            all.push_back({each, POLLIN, 0});
    }
    if (job_)
        all.push_back({job_->descriptor(), POLLIN, 0});
    else if (client_)
        all.push_back({client_->descriptor(), POLLIN, 0});
    return all;
}

int DevLoop::time_left() const {
    std::optional<Clock::duration> left;
    if (changed_ && !job_) left = settled_ - Clock::now();
    if (machine_ && !client_)
        left = std::min<Clock::duration>(left.value_or(connect_interval), connect_interval);
    if (!left) return -1;
    return static_cast<int>(
        std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(*left).count()));
}

int DevLoop::run() {
    begin(Clock::now(), false);
    while (!end_) {
        auto waiting = sources();
        ::poll(waiting.data(), waiting.size(), time_left());
        signalfd_siginfo signal{};
        if (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
            const int number = static_cast<int>(signal.ssi_signo);
            end_ = number == SIGINT ? exit_status::success : exit_status::signal_base + number;
            break;
        }
        if (is_ready(keyboard_.descriptor())) take_keys();
        if (!job_ && cycle_.proceed()) finish_build();
        while (const auto outcome = checks_.proceed())
            text_.checks(*outcome);
        look_at_files();
        look_at_machine();
        if (job_ && is_ready(job_->descriptor())) finish_job();
        if (client_ && !job_) take_events();
        if (changed_ && !job_ && Clock::now() >= settled_) {
            if (cycle_.running()) text_.line("build", "starts over");
            text_.line("save", changed_file_);
            begin(*changed_, true);
        }
    }
    return *end_;
}

void DevLoop::look_at_files() {
    const bool building = std::exchange(has_built_, cycle_.running()) || cycle_.running();
    const auto files = watch_.take(building);
    if (files.empty()) return;
    const auto now = Clock::now();
    if (!changed_) changed_ = now;
    settled_ = std::min(now + settle_time, *changed_ + longest_settling);
    changed_file_ = *files.begin();
    if (files.size() > 1) changed_file_ += fmt::format(" and {} more", files.size() - 1);
}

// --- keys

void DevLoop::take_keys() {
    const std::string keys = keyboard_.read();
    if (keys.empty()) {
        end_ = exit_status::success;
    } else if (console_open_) {
        type_to_guest(keys);
    } else {
        for (const char each : keys)
            take_key(each);
    }
}

void DevLoop::take_key(char key) {
    switch (key) {
    case 'r':
        if (job_) return text_.line("build", "a swap is under way");
        return begin(Clock::now(), false);
    case 's':
        if (cycle_.state() != BuildCycle::State::tests_failed || job_)
            return text_.line("swap", "there is no build that failed its tests");
        by_save_ = false;
        return use_build(true);
    case 'b':
        return go_back();
    case 'c':
        return open_console();
    case 'q':
    case 0x04: // Ctrl-D
        end_ = exit_status::success;
        return;
    case '?':
    case 'h':
        return text_.keys();
    default:
        return;
    }
}

void DevLoop::open_console() {
    if (!machine_)
        return text_.line("console", options_.machine.empty() ? "the machine that was joined has it elsewhere"
                                                              : "the machine does not run");
    text_.line("console", "Ctrl-A d leaves it");
    console_open_ = true;
    keyboard_.take_all(true);
    std::cout << machine_->take_console() << std::flush;
}

void DevLoop::close_console() {
    console_open_ = escape_begun_ = false;
    keyboard_.take_all(false);
    std::cout << "\x1b[0m\r\n"; // whatever the guest had set
    text_.line("console", "left");
}

void DevLoop::type_to_guest(std::string_view keys) {
    for (const char key : keys) {
        if (!machine_ || !console_open_) return;
        if (std::exchange(escape_begun_, false)) {
            if (key == 'd') return close_console();
            machine_->type(std::string{escape_key, key});
        } else if (key == escape_key) {
            escape_begun_ = true;
        } else {
            machine_->type({&key, 1});
        }
    }
}

// --- building

void DevLoop::begin(Clock::time_point since, bool by_save) {
    changed_.reset();
    since_ = since;
    by_save_ = by_save;
    all_ = !by_save;
    checks_.abandon(); // the compiler needs the processor
    cycle_.start();
    if (!cycle_.running()) finish_build();
}

void DevLoop::finish_build() {
    text_.build(cycle_);
    const bool tests_failed = cycle_.state() == BuildCycle::State::tests_failed;
    if (cycle_.state() == BuildCycle::State::done || (tests_failed && options_.despite_tests))
        use_build(all_);
    else if (tests_failed)
        text_.line("swap", keyboard_.descriptor() < 0 ? "none" : "none; s swaps all the same");
}

void DevLoop::use_build(bool all) {
    std::vector<std::string> refused;
    auto built = find_built_plugins(cycle_.plan(), refused);
    for (const std::string& each : refused)
        text_.line("build", each, Colour::bad);
    if (built.empty()) {
        return text_.line("build", fmt::format("no plugin file below {}", cycle_.plan().output.string()),
                          Colour::bad);
    }
    if (!machine_ && !options_.machine.empty()) return start_machine(built);
    if (!client_ && options_.machine.empty()) {
        auto client = ControlClient::find(options_.socket);
        if (!client) return text_.error("machine", client.error());
        if (!joined(*std::move(client))) return;
        text_.line("machine", "joined");
    }
    if (!client_) { // it has just been started
        after_start_ = std::move(built);
        return;
    }
    if (!all) {
        std::erase_if(built, [&](const BuiltPlugin& each) {
            const auto known = live_.find(each.description.file);
            return known != live_.end() && known->second.tv_sec == each.written.tv_sec &&
                   known->second.tv_nsec == each.written.tv_nsec;
        });
    }
    if (built.empty())
        text_.line("swap", "none: no plugin file is new");
    else
        swap(std::move(built));
}

} // namespace plugbay::core::dev
