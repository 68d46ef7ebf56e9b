// char-pty: a character backend whose far end is a pseudo-terminal, for screen, minicom and the like.
#include "pseudo_terminal.hpp"

#include <plugbay/char_input.hpp>
#include <plugbay/char_output.hpp>
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

// Output that comes in faster is written together.
constexpr nanoseconds flush_interval = milliseconds(1);
// How often is looked whether a user has come: a terminal that nobody has open cannot be watched.
constexpr nanoseconds visit_interval = milliseconds(200);
constexpr std::size_t read_size = 1024;

} // namespace

class CharPty {
  public:
    static constexpr plugbay::Type type{.name = "char-pty",
                                        .help = "A character backend on a pseudo-terminal."};
    using WhenStalled = plugbay::CharOutput::WhenStalled;
    struct Options {
        plugbay::Path link;
        WhenStalled when_stalled = WhenStalled::drop_oldest;
        std::uint32_t patience = 1000;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("link", &Options::link, "symbolic link that is made to the terminal"),
                plugbay::CharOutput::when_stalled_property(&Options::when_stalled),
                plugbay::CharOutput::patience_property(&Options::patience));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    CharPty(plugbay::Host host, const Options& options)
        : host_(host), handover_(host.handover()), link_path_(options.link.text), terminal_(open_terminal()),
          flush_timer_(host.timer(PLUGBAY_CLOCK_HOST, flush_token)),
          visit_timer_(host.timer(PLUGBAY_CLOCK_HOST, visit_token)),
          output_(host, stall_token, options.when_stalled, milliseconds(options.patience)) {}
    ~CharPty() {
        if (link_ && !handover_.in_place()) link_->leave();
    }

    void start() {
        make_link();
        host_.info("the terminal is " + terminal_.path());
        resume();
    }
    // The timers go off once everything runs.
    void resume() {
        flush_scheduled_ = true;
        output_.resume();
        flush_timer_.arm(now());
        visit_timer_.arm(now());
    }
    plugbay_status quiesce() {
        write_output();
        return PLUGBAY_OK;
    }
    // What is outside the guest stays.
    void reset() {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        if (!user_) return static_cast<std::uint32_t>(bytes.size()); // nobody is there: an open cable
        const std::uint32_t taken = output_.write(bytes);
        if (!output_blocked_ && !std::exchange(flush_scheduled_, true))
            flush_timer_.arm(
                std::max(now(), last_flush_ + static_cast<std::uint64_t>(flush_interval.count())));
        return taken;
    }
    void on_receive_ready(std::uint64_t) { deliver(); }

    void on_fd(std::uint64_t, int, std::uint32_t events) {
        if ((events & PLUGBAY_FD_WRITABLE) != 0) flush();
        read_input();
        if ((events & PLUGBAY_FD_HANGUP) != 0) visit();
    }
    void on_timer(std::uint64_t token) {
        if (token == stall_token) {
            output_.stall(frontend_);
        } else if (token == visit_token) {
            retry_link();
            read_input(); // one who came and went between two visits may have left something
            visit();
        } else {
            flush_scheduled_ = false;
            flush();
            deliver();
        }
    }

    void state(auto& fields) {
        fields("input", input_);
        fields("output", output_);
        fields("told_open", told_open_);
        if (handover_.hands_over(fields)) fields("unsent", output_.queue());
    }
    // Until the first visit; what the guest writes meanwhile is for the user.
    void loaded() { user_ = told_open_; }

  private:
    static constexpr const char* left_terminal = "terminal"; // for the next build

    enum Token : std::uint64_t { flush_token, visit_token, stall_token };

    [[nodiscard]] std::uint64_t now() const { return host_.now(PLUGBAY_CLOCK_HOST); }

    [[nodiscard]] PseudoTerminal open_terminal() const {
        if (plugbay::UniqueFd descriptor = handover_.take(left_terminal))
            return PseudoTerminal(std::move(descriptor));
        PseudoTerminal made;
        handover_.put(left_terminal, made.owner());
        return made;
    }
    // Not before start: until then another build of this device may have the link.
    void make_link() {
        if (!link_path_.empty() && !link_) link_.emplace(link_path_, terminal_.path());
    }
    void retry_link() {
        try {
            make_link();
        } catch (const plugbay::Failure& failure) {
            if (!std::exchange(link_failed_, true)) host_.warning(failure.what());
        }
    }

    // Looks who is there. While nobody is, and while what a user left behind waits for the guest, looks again
    // a little later.
    void visit() {
        const bool user = terminal_.has_user();
        if (!user && input_.queue().room() > 0) {
            if (user_) terminal_.make_raw();
            user_ = output_blocked_ = false;
            output_.clear(frontend_);
        } else if (user) {
            user_ = true;
        }
        if (user) {
            update_watch();
        } else {
            watch_.release();
            visit_timer_.arm(host_.after(visit_interval, PLUGBAY_CLOCK_HOST));
        }
        if (told_open_ == user_) return;
        told_open_ = user_;
        frontend_.event(user_ ? PLUGBAY_CHAR_OPENED : PLUGBAY_CHAR_CLOSED);
    }

    // False when the terminal takes no more.
    bool write_output() {
        plugbay::ByteQueue& queue = output_.queue();
        while (!queue.empty()) {
            const std::size_t count = terminal_.write(queue.front());
            if (count == 0) return false;
            queue.drop(count);
        }
        return true;
    }
    void flush() {
        last_flush_ = now();
        output_blocked_ = !write_output();
        if (watch_) update_watch();
        output_.relieve(frontend_);
    }

    void read_input() {
        std::array<std::uint8_t, read_size> bytes{};
        const auto room = std::span(bytes).first(std::min(bytes.size(), input_.queue().room()));
        if (!room.empty()) input_.queue().append(room.first(terminal_.read(room)));
        deliver();
    }
    void deliver() {
        if (input_.deliver(frontend_) && watch_) update_watch();
    }

    void update_watch() {
        std::uint32_t events = (input_.queue().room() > 0 ? PLUGBAY_FD_READABLE : 0) |
                               (output_blocked_ ? PLUGBAY_FD_WRITABLE : 0);
        if (events == 0) events = PLUGBAY_FD_HANGUP;
        if (!watch_)
            watch_ = host_.watch(terminal_.descriptor(), events);
        else if (events != watched_)
            watch_.change(events);
        watched_ = events;
    }

    plugbay::Host host_;
    plugbay::Handover handover_;
    std::string link_path_;
    PseudoTerminal terminal_;
    std::optional<TerminalLink> link_;
    plugbay::FdWatch watch_; // held only while somebody is there
    std::uint32_t watched_ = 0;
    plugbay::Timer flush_timer_;
    plugbay::Timer visit_timer_;
    plugbay::CharFrontend frontend_;

    plugbay::CharOutput output_;
    plugbay::CharInput input_{4096};
    bool link_failed_ = false;
    bool user_ = false;      // somebody is there, or was and what he typed is not taken yet
    bool told_open_ = false; // the frontend's last event was PLUGBAY_CHAR_OPENED
    bool flush_scheduled_ = false;
    std::uint64_t last_flush_ = 0; // host clock
    bool output_blocked_ = false;
};

PLUGBAY_PLUGIN("char-pty", "1.0.0", CharPty)
