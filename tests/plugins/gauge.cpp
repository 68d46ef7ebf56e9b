// A device for shadows, with builds that differ in one thing each, by FLAW. Registers, from port 0x500:
//   0  the sum of what is written to it
//   1  status: bit 0, the sum is odd; bit 1, the timer has expired
//   2  arms the timer, to expire in as many milliseconds; reads how often it has
//   3  reads what its peer has answered last; a write is passed on to the peer
//   4  counts the guest's time, once in 100 ns, 4 bytes wide
#include <plugbay/plugin.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <thread>

namespace {

enum class Flaw : std::uint8_t {
    none,
    answers,
    answers_after_timer,
    answers_peer,
    drifts,
    crashes,
    hangs,
    slow_clock
};

#ifndef FLAW
#define FLAW none
#endif
#ifndef BUILD
#define BUILD "1.0.0"
#endif

constexpr Flaw flaw = Flaw::FLAW;

} // namespace

class Gauge {
  public:
    static constexpr plugbay::Type type{
        .name = "gauge", .help = "Adds.", .state_version = 1, .state_version_oldest = 1};
    struct Options {
        plugbay::Path file;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("file", &Options::file, "a file, never opened"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }

    Gauge(plugbay::Host host, const Options&)
        : host_(host), region_(host.map_ports(0x500, 8, 7)), timer_(host.timer(PLUGBAY_CLOCK_GUEST)) {}

    void reset() {}
    std::uint64_t read(plugbay::Access access) {
        switch (access.offset) {
        case 0:
            return sum_ & 0xff;
        case 1:
            return status();
        case 2:
            return expired_;
        case 3:
            return flaw == Flaw::answers_peer ? answer_ + 1 : answer_;
        case 4:
            return host_.now() / (flaw == Flaw::slow_clock ? 200 : 100);
        default:
            return 0;
        }
    }
    void write(plugbay::Access access, std::uint64_t value) {
        const auto byte = static_cast<std::uint8_t>(value);
        if (access.offset == 0) {
            if (flaw == Flaw::crashes && value == 0x66) *static_cast<volatile int*>(nullptr) = 1;
            while (flaw == Flaw::hangs && value == 0x66)
                std::this_thread::sleep_for(std::chrono::hours(1));
            sum_ += byte;
            if (flaw == Flaw::drifts && value == 0x66) ++hidden_;
        } else if (access.offset == 2) {
            deadline_ = host_.after(std::chrono::milliseconds(byte));
            timer_.arm(deadline_);
        } else if (access.offset == 3 && backend_) {
            answer_ = static_cast<std::uint8_t>(backend_.write(std::span(&byte, 1)));
        }
    }
    void on_timer(std::uint64_t) {
        deadline_ = 0;
        ++expired_;
    }
    void on_connect(std::uint64_t, plugbay::Link link) { backend_ = plugbay::CharBackend(link); }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}
    void state(auto& fields) {
        fields("sum", sum_);
        fields("expired", expired_);
        fields("deadline", deadline_);
        fields("answer", answer_);
        fields("hidden", hidden_);
    }
    void loaded() {
        if (deadline_ != 0) timer_.arm(deadline_);
    }

  private:
    [[nodiscard]] std::uint64_t status() const {
        const std::uint64_t odd = sum_ & 1;
        const std::uint64_t expired = expired_ != 0 ? 2 : 0;
        if (flaw == Flaw::answers) return (odd ^ 1) | expired;
        if (flaw == Flaw::answers_after_timer) return odd;
        return odd | expired;
    }

    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::Timer timer_;
    plugbay::CharBackend backend_;
    std::uint32_t sum_ = 0;
    std::uint8_t expired_ = 0;
    std::uint64_t deadline_ = 0; // 0: the timer is not armed
    std::uint8_t answer_ = 0;
    std::uint32_t hidden_ = 0;
};

PLUGBAY_PLUGIN("gauge", BUILD, Gauge)
