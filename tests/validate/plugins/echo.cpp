// A character backend that keeps all rules, and, with FAULT, breaks one: it sends back what it gets.
#include <plugbay/char_input.hpp>
#include <plugbay/plugin.hpp>

#include <array>
#include <cstdlib>
#include <utility>

enum Fault { none, crash_on_write, leak_on_write, trust_calls };

class Specimen {
  public:
    static constexpr plugbay::Type type{.name = "echo-specimen", .help = "A device to try a validator on."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    explicit Specimen(plugbay::Host) {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    // What has no room is lost.
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        if (FAULT == crash_on_write) std::abort();
        if (FAULT == leak_on_write) lost_ = std::malloc(64);
        if (FAULT == trust_calls) {
            answer_alone(bytes);
        } else {
            waiting_.queue().append(bytes);
            waiting_.deliver(frontend_);
        }
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) { waiting_.deliver(frontend_); }

    void reset() { waiting_.queue().clear(); }
    void state(auto& fields) { fields("waiting", waiting_); }

  private:
    // As if nobody could write from inside receive.
    void answer_alone(std::span<const std::uint8_t> bytes) {
        if (std::exchange(answering_, true))
            std::abort(); // what two calls on one buffer would do, for certain
        frontend_.receive(bytes);
        answering_ = false;
    }

    plugbay::CharFrontend frontend_;
    plugbay::CharInput waiting_{256};
    bool answering_ = false;
    void* volatile lost_ = nullptr;
};

PLUGBAY_PLUGIN("echo-specimen", "1.0.0", Specimen)
