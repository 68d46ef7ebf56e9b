// char-stdio: the monitor's standard input and output as the far end of a serial line.
#include "stream.hpp"
#include "terminal.hpp"

#include <plugbay/byte_queue.hpp>
#include <plugbay/char_input.hpp>
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Output that comes in faster is written together: the first byte at once, the rest this much later.
constexpr nanoseconds write_interval = milliseconds(1);
// How often files are read that cannot be watched.
constexpr nanoseconds poll_interval = milliseconds(1);
// How often we look whether the terminal is ours again.
constexpr nanoseconds foreground_interval = milliseconds(250);
// How long output may take to leave when the machine has ended.
constexpr milliseconds farewell = milliseconds(500);

constexpr std::uint8_t escape_key = 0x01; // Ctrl-A

constexpr std::string_view help_text = "\r\n"
                                       "Ctrl-A x       end the machine\r\n"
                                       "Ctrl-A b       send a break\r\n"
                                       "Ctrl-A Ctrl-A  send Ctrl-A\r\n"
                                       "Ctrl-A h       this help\r\n";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// There is one standard input: the device that runs holds it.
std::atomic<bool> in_use{false};

} // namespace

class CharStdio {
  public:
    static constexpr plugbay::Type type{
        .name = "char-stdio", .help = "A character backend on the monitor's standard input and output."};
    enum class Escape : std::uint8_t { automatic, always, never };
    struct Options {
        Escape escape = Escape::automatic;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("escape", &Options::escape,
                                  "whether Ctrl-A begins a command (automatic: when input is a terminal)")
                    .choices("automatic", "always", "never"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    CharStdio(plugbay::Host host, const Options& options)
        : host_(host), handover_(host.handover()), terminal_(STDIN_FILENO),
          input_(STDIN_FILENO, Stream::Direction::read), output_(STDOUT_FILENO, Stream::Direction::write),
          write_timer_(host.timer(PLUGBAY_CLOCK_HOST, write_token)),
          input_timer_(host.timer(PLUGBAY_CLOCK_HOST, input_token)),
          escape_enabled_(options.escape == Escape::always ||
                          (options.escape == Escape::automatic && terminal_.present())),
          input_ended_(input_.descriptor() < 0) {}
    // What waits in a saved state is for whoever loads that.
    ~CharStdio() {
        if (handover_.in_place()) {
            if (!pending_output_saved_) say_farewell();
            restore_terminal();
        } else {
            terminal_.leave();
        }
        let_go();
    }

    void start() {
        if (!take_hold()) {
            throw plugbay::Failure("another char-stdio device has standard input and output: a machine can "
                                   "have one; use char-file for further serial lines",
                                   PLUGBAY_TAKEN);
        }
    }
    void resume() {
        if (!take_hold()) host_.warning("standard input and output have gone to another device");
    }
    plugbay_status quiesce() {
        move_output();
        let_go();
        if (!handover_.expected() || handover_.expected_elsewhere()) restore_terminal();
        return PLUGBAY_OK;
    }
    void reset() { escape_pending_ = false; }

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes);
    void on_receive_ready(std::uint64_t) { deliver(); }
    void on_fd(std::uint64_t token, int fd, std::uint32_t events);
    void on_timer(std::uint64_t token);

    void state(auto& fields) {
        fields("output", pending_output_);
        fields("output_refused", output_refused_);
        fields("input", pending_input_);
        fields("escape_pending", escape_pending_);
        pending_output_saved_ = true;
    }

  private:
    static constexpr const char* left_settings = "terminal settings"; // for the next build
    static constexpr std::uint64_t write_token = 0;
    static constexpr std::uint64_t input_token = 1;

    [[nodiscard]] std::uint64_t now() const { return host_.now(PLUGBAY_CLOCK_HOST); }
    void arm(plugbay::Timer& timer, nanoseconds wait) { timer.arm(host_.after(wait, PLUGBAY_CLOCK_HOST)); }

    bool take_hold();
    void let_go();
    void make_raw();
    void restore_terminal();
    bool watch(plugbay::FdWatch& watch, const Stream& stream, std::uint32_t events, std::uint64_t token);
    void say_farewell();

    void schedule_flush(nanoseconds wait);
    void flush();
    bool move_output();

    void want_input();
    void read_input();
    void parse(std::span<const std::uint8_t> bytes);
    void command(std::uint8_t key);
    void deliver();

    plugbay::Host host_;
    plugbay::Handover handover_;
    Terminal terminal_;
    Stream input_;
    Stream output_;
    plugbay::Timer write_timer_;
    plugbay::Timer input_timer_;
    plugbay::FdWatch input_watch_;  // held only while input is wanted
    plugbay::FdWatch output_watch_; // held only while output is blocked
    plugbay::CharFrontend frontend_;

    bool escape_enabled_;
    bool escape_pending_ = false;
    bool holding_ = false;
    bool flush_scheduled_ = false;
    bool output_refused_ = false; // the frontend waits for write_ready
    bool output_ended_ = false;
    bool pending_output_saved_ = false; // pending_output_ is in a state, and has not been resumed since
    bool far_end_closed_ = false;
    bool input_ended_;
    bool input_unwatchable_ = false;
    std::uint64_t last_write_ = 0; // host clock
    plugbay::ByteQueue pending_output_{65536};
    plugbay::CharInput pending_input_{4096};
};

// --- life cycle -------------------------------------------------------------------------------------------

// The timers go off once everything runs, and do what was left undone.
bool CharStdio::take_hold() {
    if (!holding_ && in_use.exchange(true)) return false;
    holding_ = true;
    pending_output_saved_ = false;
    make_raw();
    schedule_flush(nanoseconds(0));
    arm(input_timer_, nanoseconds(0));
    return true;
}

// False for what poll cannot watch: regular files, /dev/null.
bool CharStdio::watch(plugbay::FdWatch& watch, const Stream& stream, std::uint32_t events,
                      std::uint64_t token) {
    try {
        watch = host_.watch(stream.descriptor(), events, token);
    } catch (const plugbay::Failure&) {
        return false;
    }
    return true;
}

void CharStdio::let_go() {
    input_watch_.release();
    output_watch_.release();
    flush_scheduled_ = false;
    if (holding_) in_use = false;
    holding_ = false;
}

// Stays raw from build to build: in between a key would be echoed, and Ctrl-C would end the monitor. What it was like
// before is handed over.
void CharStdio::make_raw() {
    termios former{};
    const plugbay::UniqueFd left = terminal_.raw() ? plugbay::UniqueFd() : handover_.take(left_settings);
    if (left && pread(left.get(), &former, sizeof former, 0) == sizeof former) terminal_.take_over(former);
    const bool was_raw = terminal_.raw();
    terminal_.make_raw();
    if (was_raw || !terminal_.raw()) return;
    former = terminal_.former();
    const plugbay::UniqueFd settings(memfd_create("plugbay terminal settings", MFD_CLOEXEC));
    if (settings && write(settings.get(), &former, sizeof former) == sizeof former)
        handover_.put(left_settings, settings);
}

void CharStdio::restore_terminal() {
    terminal_.restore();
    handover_.remove(left_settings);
}

void CharStdio::say_farewell() {
    constexpr milliseconds step{10};
    for (auto left = farewell; !pending_output_.empty() && left > milliseconds(0);) {
        const auto [outcome, bytes, error] = output_.write(pending_output_.front());
        if (outcome == Stream::Outcome::ended) return;
        pending_output_.drop(bytes);
        if (outcome != Stream::Outcome::would_block) continue;
        output_.wait_writable(static_cast<int>(step.count()));
        left -= step;
    }
}

// --- output -----------------------------------------------------------------------------------------------

std::uint32_t CharStdio::on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
    if (output_ended_) return static_cast<std::uint32_t>(bytes.size());
    const std::size_t taken = pending_output_.append(bytes);
    if (taken < bytes.size()) output_refused_ = true;
    if (output_watch_ || flush_scheduled_) return static_cast<std::uint32_t>(taken);
    const auto since = nanoseconds(now() - last_write_);
    if (since >= write_interval)
        flush();
    else
        schedule_flush(write_interval - since);
    return static_cast<std::uint32_t>(taken);
}

void CharStdio::schedule_flush(nanoseconds wait) {
    if (flush_scheduled_) return;
    flush_scheduled_ = true;
    arm(write_timer_, wait);
}

void CharStdio::flush() {
    const bool moved = move_output();
    if (moved)
        output_watch_.release();
    else if (!output_watch_ && !watch(output_watch_, output_, PLUGBAY_FD_WRITABLE, write_token))
        schedule_flush(poll_interval);
    if (output_ended_ && !far_end_closed_) {
        far_end_closed_ = true;
        frontend_.event(PLUGBAY_CHAR_CLOSED);
    }
    if (output_refused_ && pending_output_.room() > 0) {
        output_refused_ = false;
        frontend_.write_ready();
    }
}

// Bounded: at most what was pending when it began. False when output is blocked.
bool CharStdio::move_output() {
    if (pending_output_.empty()) return true;
    last_write_ = now();
    std::size_t left = pending_output_.size();
    while (left > 0) {
        const auto piece = pending_output_.front();
        const auto [outcome, bytes, error] = output_.write(piece.first(std::min(left, piece.size())));
        if (outcome == Stream::Outcome::would_block) return false;
        if (outcome == Stream::Outcome::ended) {
            output_ended_ = true;
            pending_output_.clear();
            host_.warning(std::string("standard output is gone, what the guest writes is dropped: ") +
                          std::strerror(error));
            return true;
        }
        pending_output_.drop(bytes);
        left -= bytes;
    }
    return true;
}

// --- input ------------------------------------------------------------------------------------------------

void CharStdio::on_fd(std::uint64_t token, int, std::uint32_t) {
    if (token == write_token)
        flush();
    else
        read_input();
}

void CharStdio::on_timer(std::uint64_t token) {
    if (token == write_token) {
        flush_scheduled_ = false;
        if (!output_watch_) flush();
    } else if (input_unwatchable_) {
        read_input();
    } else {
        make_raw();
        deliver();
    }
}

// While the guest takes nothing, input waits where it comes from; commands are noticed until our own buffer
// is full.
void CharStdio::want_input() {
    if (input_ended_ || pending_input_.queue().room() == 0) {
        input_watch_.release();
        return;
    }
    if (input_unwatchable_) {
        arm(input_timer_, poll_interval);
        return;
    }
    if (terminal_.present() && !terminal_.in_foreground()) {
        input_watch_.release();
        arm(input_timer_, foreground_interval);
        return;
    }
    if (input_watch_ || watch(input_watch_, input_, PLUGBAY_FD_READABLE, input_token)) return;
    input_unwatchable_ = true;
    arm(input_timer_, poll_interval);
}

void CharStdio::read_input() {
    if (!holding_ || (terminal_.present() && !terminal_.in_foreground())) {
        want_input();
        return;
    }
    std::array<std::uint8_t, 1024> bytes{};
    const std::size_t room = std::min(bytes.size(), pending_input_.queue().room());
    if (room > 0) {
        const auto [outcome, count, error] = input_.read(std::span(bytes).first(room));
        if (outcome == Stream::Outcome::ended) input_ended_ = true;
        if (error != 0)
            host_.warning(std::string("standard input cannot be read any more: ") + std::strerror(error));
        parse(std::span(bytes).first(count));
    }
    deliver();
}

void CharStdio::parse(std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) {
        if (escape_pending_) {
            escape_pending_ = false;
            command(byte);
        } else if (escape_enabled_ && byte == escape_key) {
            escape_pending_ = true;
        } else {
            pending_input_.queue().append(std::span(&byte, 1));
        }
    }
}

void CharStdio::command(std::uint8_t key) {
    switch (key) {
    case escape_key:
        pending_input_.queue().append(std::span(&key, 1));
        return;
    case 'x':
        host_.request(PLUGBAY_REQUEST_EXIT, 0);
        return;
    case 'h':
        if (output_ended_) return;
        pending_output_.append(bytes_of(help_text));
        schedule_flush(nanoseconds(0));
        return;
    case 'b': // after what was typed before it, as far as the guest takes that
        deliver();
        frontend_.event(PLUGBAY_CHAR_BREAK);
        return;
    default:
        return;
    }
}

void CharStdio::deliver() {
    if (pending_input_.deliver(frontend_)) want_input();
}

PLUGBAY_PLUGIN("char-stdio", "1.0.0", CharStdio)
