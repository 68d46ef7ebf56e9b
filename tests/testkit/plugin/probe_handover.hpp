// probe-handover: leaves an eventfd for its next build, and fails to take over at the step that a test chooses.
#pragma once

#include <plugbay/plugin.hpp>
#include <plugbay/unique_fd.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

class ProbeHandover {
  public:
    static constexpr plugbay::Type type{.name = "probe-handover",
                                        .help = "Leaves a descriptor for its next build."};
    enum class Fail : std::uint8_t { never, create, connect, load, forget_line, want_more };
    struct Options {
        Fail fail = Fail::never;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("fail", &Options::fail, "where it does not do what is needed")
                    .choices("never", "create", "connect", "load", "forget_line", "want_more"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }

    ProbeHandover(plugbay::Host host, const Options& options)
        : host_(host), handover_(host.handover()), fail_(options.fail), event_(handover_.take("event")),
          ports_(host.map_ports(0x5f0, 2)), timer_(host.timer(PLUGBAY_CLOCK_HOST)) {
        say(event_ ? "found" : "made");
        if (fail_ == Fail::want_more) more_ = host.map_ports(0x5f8, 1);
        if (fail_ != Fail::forget_line) line_ = host.interrupt_line(7);
        if (!event_) event_ = plugbay::UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        handover_.put("event", event_);
        handover_.put("created", event_);
        if (fail_ == Fail::create) throw plugbay::Failure("it is not to be created");
        watch_ = host.watch(event_.get(), PLUGBAY_FD_READABLE);
        timer_.arm(host.after(std::chrono::milliseconds(1), PLUGBAY_CLOCK_HOST));
    }
    ~ProbeHandover() {
        say("ends");
        if (line_) line_.set(false); // its successor's, if it has one
        handover_.remove("event");
    }

    void on_connect(std::uint64_t, plugbay::Link link) {
        if (fail_ == Fail::connect) throw plugbay::Failure("it is not to be connected");
        backend_ = plugbay::CharBackend(link);
    }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size());
    }

    void on_write_ready(std::uint64_t) {}

    // Port 0: a count; what is written is added to the eventfd. Port 1: the level of the line.
    std::uint64_t read(plugbay::Access) { return count_; }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.offset == 1) {
            line_.set(value != 0);
            return;
        }
        const auto byte = static_cast<std::uint8_t>(value);
        backend_.write(std::span(&byte, 1));
        if (::write(event_.get(), &value, sizeof value) != sizeof value) host_.warning("cannot signal");
    }
    void on_fd(std::uint64_t, int, std::uint32_t) {
        std::uint64_t added = 0;
        if (::read(event_.get(), &added, sizeof added) == sizeof added) count_ += added;
    }
    void on_timer(std::uint64_t) { host_.info("timer"); }

    void start() { host_.info("start"); }
    void resume() { say("resume"); }
    void reset() { count_ = 0; }
    void state(auto& fields) {
        fields("count", count_);
        fields(
            "fails", fails_, [&](bool) { return fail_ != Fail::load; }, "it is not to be loaded");
        if (handover_.hands_over(fields)) fields("on_its_way", on_its_way_);
    }

  private:
    void say(const char* what) { host_.info(std::string(what) + (handover_.in_place() ? ", in place" : "")); }

    plugbay::Host host_;
    plugbay::Handover handover_;
    Fail fail_;
    plugbay::UniqueFd event_;
    plugbay::FdWatch watch_;
    plugbay::Region ports_;
    plugbay::Region more_;
    plugbay::InterruptLine line_;
    plugbay::Timer timer_;
    plugbay::CharBackend backend_;
    std::uint64_t count_ = 0;
    bool fails_ = false;
    std::uint8_t on_its_way_ = 0;
};
