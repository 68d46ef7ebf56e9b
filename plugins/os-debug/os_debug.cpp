// os-debug: a guest's kernel prints lines to the host, from its first instruction on, without a driver.
#include "line_buffer.hpp"

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace {

constexpr std::uint64_t second = 1'000'000'000;       // ns
constexpr std::uint64_t shortest_wait = second / 100; // between two looks at what waits
constexpr std::size_t most_bytes_a_call = 4096;       // of a hypercall: the vCPU stands still meanwhile

// A line for the log, which is UTF-8 and read in terminals: whatever is not plain ASCII is escaped.
std::string printable(std::span<const std::uint8_t> line) {
    constexpr const char* digits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : line) {
        if (byte == '\n') continue;
        if ((byte >= 0x20 && byte < 0x7f) || byte == '\t')
            text += static_cast<char>(byte);
        else
            text += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    return text;
}

} // namespace

class OsDebug {
  public:
    static constexpr plugbay::Type type{.name = "os-debug",
                                        .help = "Lines that the guest's kernel prints to the host."};
    struct Options {
        std::uint16_t port = 0xc0c0;
        std::uint32_t rate = 100;
        std::uint32_t hypercall = 0;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "I/O port of one byte"),
                plugbay::property("rate", &Options::rate, "lines a second at most")
                    .range(1, 1'000'000)
                    .live(),
                plugbay::property("hypercall", &Options::hypercall,
                                  "number of the call that takes text from memory, from 0x100 up; 0: none"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }

    OsDebug(plugbay::Host host, const Options& options)
        : host_(host), rate_(options.rate), tokens_(options.rate), region_(host.map_ports(options.port, 1)),
          timer_(host.timer(PLUGBAY_CLOCK_HOST)) {
        if (options.hypercall == 0) return;
        memory_ = host.memory();
        calls_ = host.claim_hypercalls(options.hypercall, 1);
    }
    void on_change(const Options& options) { rate_ = options.rate; }
    // The lines are the other build's, when there is one.
    ~OsDebug() {
        if (!host_.handover().in_place()) return;
        lines_.end_line_if_begun();
        log_all();
    }

    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t value) {
        const auto byte = static_cast<std::uint8_t>(value);
        take(std::span(&byte, 1));
    }
    // rbx: the text's address, rcx: its length in bytes, of which the lower half counts. The result is how many were
    // taken, or PLUGBAY_HYPERCALL_FAILED for text that is not in RAM.
    void hypercall(std::uint64_t, plugbay_hypercall_registers& registers) {
        std::array<std::uint8_t, most_bytes_a_call> text{};
        const std::size_t length = std::min<std::size_t>(registers.rcx & UINT32_MAX, text.size());
        const auto bytes = std::span(text).first(length);
        if (!memory_.read(registers.rbx, std::as_writable_bytes(bytes))) {
            registers.rax = PLUGBAY_HYPERCALL_FAILED;
            return;
        }
        take(bytes);
        registers.rax = length;
    }

    void on_connect(std::uint64_t, plugbay::Link link) { backend_ = plugbay::CharBackend(link); }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size()); // there is no way in
    }
    void on_write_ready(std::uint64_t) {
        refused_ = false;
        schedule(0);
    }
    void on_timer(std::uint64_t) {
        scheduled_ = false;
        show();
    }

    void start() { resume(); }
    // The log can be written whenever something ends; a backend has what it took until now.
    plugbay_status quiesce() {
        if (!backend_) log_all();
        return PLUGBAY_OK;
    }
    void resume() {
        scheduled_ = false;
        if (!lines_.empty()) schedule(0);
    }
    void reset() {
        lines_.end_line_if_begun();
        if (!backend_) log_all();
        lines_.clear();
    }
    void state(auto& fields) {
        fields("lines", lines_);
        fields("refused", refused_);
    }

  private:
    // What the guest writes, whichever way it comes.
    void take(std::span<const std::uint8_t> bytes) {
        bool completed = false;
        for (const std::uint8_t byte : bytes)
            completed |= lines_.add(byte);
        if (!completed || scheduled_ || refused_) return;
        if (backend_)
            show(); // which allocates nothing and does not wait
        else
            schedule(0);
    }

    void schedule(std::uint64_t wait) {
        if (std::exchange(scheduled_, true)) return;
        timer_.arm(now() + wait);
    }
    [[nodiscard]] std::uint64_t now() const { return host_.now(PLUGBAY_CLOCK_HOST); }

    void show() {
        refill();
        LineBuffer::Line line{};
        while (tokens_ > 0) {
            const std::size_t length = lines_.peek(line);
            if (length == 0) break;
            if (!show_line(std::span(line).first(length))) return;
            --tokens_;
        }
        if (!lines_.empty())
            schedule(std::max(second / rate_, shortest_wait));
        else if (const std::uint64_t lost = lines_.take_lost())
            host_.warning(std::to_string(lost) + " lines came too fast and were lost");
    }
    // False when the backend has no room: it will say when it has.
    bool show_line(std::span<const std::uint8_t> line) {
        if (!backend_) {
            host_.info(printable(line));
            lines_.drop(line.size());
            return true;
        }
        const std::size_t taken = std::min<std::size_t>(backend_.write(line), line.size());
        lines_.drop(taken);
        refused_ = taken < line.size();
        return !refused_;
    }
    void log_all() {
        LineBuffer::Line line{};
        while (const std::size_t length = lines_.peek(line)) {
            host_.info(printable(std::span(line).first(length)));
            lines_.drop(length);
        }
        if (const std::uint64_t lost = lines_.take_lost())
            host_.warning(std::to_string(lost) + " lines came too fast and were lost");
    }

    // So many lines as the time since the last ones allows, and never more than a second's.
    void refill() {
        const std::uint64_t time = now();
        const std::uint64_t gained = std::min(time - last_refill_, second) * rate_ / second;
        if (gained == 0) return;
        tokens_ = std::min<std::uint64_t>(rate_, tokens_ + gained);
        last_refill_ = time;
    }

    plugbay::Host host_;
    std::uint64_t rate_;
    std::uint64_t tokens_;
    std::uint64_t last_refill_ = 0; // host clock
    plugbay::Region region_;
    plugbay::Timer timer_;
    plugbay::Memory memory_;
    plugbay::Hypercalls calls_; // none unless asked for
    plugbay::CharBackend backend_;
    LineBuffer lines_;
    bool scheduled_ = false;
    bool refused_ = false; // the backend will say when it has room
};

PLUGBAY_PLUGIN("os-debug", "1.0.0", OsDebug)
