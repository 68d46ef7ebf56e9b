#include "core/machine/machine_sender.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"
#include "core/base/thread_setup.hpp"
#include "core/checkpoint/save_memory.hpp"
#include "core/checkpoint/stream_writer.hpp"
#include "core/io/io_loop.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/saved_machine.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <sys/eventfd.h>
#include <utility>

namespace plugbay::core {

using namespace std::chrono_literals;

namespace {

// The guest may stand still while the other side is waited for.
constexpr std::chrono::milliseconds patience = 10s;
constexpr int connect_limit = 5000; // milliseconds

std::uint64_t count_of(const std::vector<std::uint64_t>& pages) {
    return std::accumulate(pages.begin(), pages.end(), std::uint64_t{0},
                           [](std::uint64_t sum, std::uint64_t word) {
                               return sum + static_cast<std::uint64_t>(std::popcount(word));
                           });
}

void add(std::vector<std::uint64_t>& pages, const std::vector<std::uint64_t>& more) {
    pages.resize(std::max(pages.size(), more.size()));
    for (std::size_t i = 0; i < more.size(); ++i)
        pages[i] |= more[i];
}

// What does not change while the machine is sent, as the other side begins to make it.
std::string identity_of(const Manifest& manifest) {
    std::string all = manifest.machine.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    for (const SavedDevice& device : manifest.devices)
        all += device.id + '\n' + device.build_id + '\n';
    return all;
}

} // namespace

MachineSender::~MachineSender() {
    cancel();
    if (thread_.joinable()) thread_.join();
}

Result<void> MachineSender::start(SendRequest request, Over over) {
    if (sending()) return Error{"the machine is being sent already", "wait for it, or cancel it"};
    if (request.move && request.contents != SendRequest::Contents::all)
        return Error{"a machine moves as a whole", "leave out what is to be sent, or do not move it"};
    cancel_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!cancel_) return errno_error("cannot make an eventfd");
    request_ = std::move(request);
    over_ = std::move(over);
    report_ = {};
    pages_.clear();
    taken_.clear();
    progress_ = {};
    cancelled_ = false;
    tracked_before_ = machine_.memory_tracked();
    thread_ = std::thread([this] { run(); });
    return {};
}

void MachineSender::cancel() {
    {
        const std::lock_guard guard(mutex_);
        cancelled_ = true;
    }
    changed_.notify_all();
    if (cancel_) ::eventfd_write(cancel_.get(), 1);
}

MachineSender::Progress MachineSender::progress() const {
    const std::lock_guard guard(mutex_);
    return progress_;
}

void MachineSender::tell(const StreamWriter& writer, std::uint64_t pages_left) {
    const std::lock_guard guard(mutex_);
    progress_ = {.rounds = report_.rounds, .bytes = writer.bytes_sent(), .pages_left = pages_left};
}

// The last word is the control thread's, which then may begin another one.
void MachineSender::run() {
    set_up_thread("machine-sender");
    machine_.post([this, sent = send()](Machine&) {
        thread_.join();
        if (!report_.moved) end_tracking();
        if (const Over over = std::exchange(over_, {}))
            over(sent ? Result<SendReport>(report_) : Result<SendReport>(sent.error()));
    });
}

// Work that was begun is waited for; other work is not called any more once the thread does not wait for it.
Result<void> MachineSender::on_control(Work work) {
    struct Asked {
        Work work; // empty: begun, or not to be begun
        std::optional<Result<void>> answer = {};
    };
    const auto asked = std::make_shared<Asked>(Asked{.work = std::move(work)});
    machine_.post([this, asked](Machine&) {
        Work begun;
        {
            const std::lock_guard guard(mutex_);
            begun = std::exchange(asked->work, {});
        }
        if (!begun) return;
        auto answer = begun();
        const std::lock_guard guard(mutex_);
        asked->answer = std::move(answer);
        changed_.notify_all();
    });
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return asked->answer || (cancelled_ && asked->work); });
    if (asked->answer) return *std::move(asked->answer);
    asked->work = {};
    return Error{"it was cancelled"};
}

Result<void> MachineSender::send() {
    const auto socket = connect_to(request_.to, connect_limit);
    if (!socket) return socket.error();
    StreamWriter writer(socket->get(), {.idle = patience, .cancel = cancel_.get()});
    if (auto done = begin(writer); !done) return done;
    if (request_.contents != SendRequest::Contents::devices) {
        if (auto done = send_rounds(writer); !done) return done;
    }
    if (auto done = writer.drain(); !done) return done;
    return on_control([&] { return finish(writer); });
}

Result<void> MachineSender::begin(StreamWriter& writer) {
    using Contents = SendRequest::Contents;
    Manifest manifest;
    auto prepared = on_control([&]() -> Result<void> {
        manifest = manifest_of(machine_, device_types_);
        // Writes that checkpoints want to know of are taken with the others, and given back.
        const bool track = request_.contents != Contents::devices && !tracked_before_;
        return track ? machine_.track_memory(true) : Result<void>();
    });
    if (!prepared) return prepared;
    begun_as_ = identity_of(manifest);
    std::optional<std::uint64_t> memory_size;
    if (request_.contents != Contents::devices) memory_size = machine_.memory().size();
    const auto purpose = request_.move ? stream::Purpose::move : stream::Purpose::copy;
    auto begun =
        writer.begin(std::move(manifest), request_.contents != Contents::memory, memory_size, purpose);
    report_.id = writer.id();
    return begun;
}

Result<void> MachineSender::take_pages() {
    auto pages = machine_.take_written_pages();
    if (!pages) return std::move(pages).error();
    add(pages_, *pages);
    if (tracked_before_) add(taken_, *pages);
    return {};
}

// Rounds help as long as each leaves less than the one before. Twice in a row not by a quarter, and the guest writes as fast as
// it is sent: more rounds would only cost time.
Result<void> MachineSender::send_rounds(StreamWriter& writer) {
    const std::uint64_t begun = IoLoop::now();
    if (auto done = save_memory(machine_.memory(), writer); !done) return done;
    std::uint64_t left_before = machine_.memory().size() / checkpoint_page_size;
    unsigned in_vain = 0;
    for (;;) {
        ++report_.rounds;
        if (auto done = writer.end_round(); !done) return done;
        if (auto done = on_control([this] { return take_pages(); }); !done) return done;
        const std::uint64_t left = count_of(pages_);
        tell(writer, left);
        // By what a byte has taken until now.
        const auto goal = static_cast<double>(std::chrono::nanoseconds(request_.pause).count());
        const double speed = static_cast<double>(writer.bytes_sent()) /
                             static_cast<double>(std::max<std::uint64_t>(IoLoop::now() - begun, 1));
        const double needed = static_cast<double>(left * checkpoint_page_size) / speed;
        in_vain = left * 4 > left_before * 3 ? in_vain + 1 : 0;
        left_before = left;
        if (needed <= goal || in_vain >= 2 || report_.rounds >= request_.most_rounds) return {};
        if (auto done = save_pages(machine_.memory(), std::exchange(pages_, {}), writer); !done) return done;
    }
}

// [control]
Result<void> MachineSender::finish(StreamWriter& writer) {
    const bool was_paused = machine_.paused();
    const std::uint64_t begun = IoLoop::now();
    const auto write = [&](const MachineState& state) { return finish_standing(writer, state); };
    auto done = request_.move ? machine_.give_away(write) : machine_.save(write);
    if (!done) return done;
    report_.pause = was_paused ? 0 : IoLoop::now() - begun;
    report_.bytes = writer.bytes_sent();
    tell(writer, 0);
    report_.moved = request_.move;
    if (report_.moved)
        std::exchange(over_, {})(report_); // this machine does nothing any more after this command
    return {};
}

// [control] Everything holds still.
Result<void> MachineSender::finish_standing(StreamWriter& writer, const MachineState& state) {
    using Contents = SendRequest::Contents;
    if (request_.contents != Contents::devices) {
        if (auto done = take_pages(); !done) return done;
        if (auto done = save_pages(machine_.memory(), pages_, writer); !done) return done;
    }
    Manifest manifest = manifest_of(machine_, device_types_);
    if (identity_of(manifest) != begun_as_)
        return Error{"devices came, went or were swapped while the machine was sent", "send it again"};
    if (request_.contents != Contents::memory) {
        if (auto done = add_states(writer, manifest, state); !done) return done;
    }
    if (!request_.move) return writer.finish(std::move(manifest));
    for (const auto& device : machine_.devices().devices()) {
        const auto left = device->handover()->duplicate_all();
        if (!left) return with_context("device \"" + device->id() + "\"", left.error());
        if (auto done = writer.hand_over(device->id(), *left); !done) return done;
    }
    if (auto done = writer.finish(std::move(manifest)); !done) return done;
    const std::uint64_t sent = IoLoop::now();
    if (auto taken = writer.await_ready(); !taken) return taken;
    report_.taking = IoLoop::now() - sent;
    return writer.let_go();
}

// [control]
void MachineSender::end_tracking() {
    if (request_.contents == SendRequest::Contents::devices) return;
    if (tracked_before_) return machine_.put_back_written_pages(std::move(taken_));
    if (auto done = machine_.track_memory(false); !done)
        log_for(Subsystem::machine).warn("writes to memory are still tracked: {}", done.error().text());
}

} // namespace plugbay::core
