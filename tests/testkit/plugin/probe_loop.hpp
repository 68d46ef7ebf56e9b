// Probes of work on other threads and of events from outside.
#pragma once

#include <plugbay/plugin.hpp>

#include <atomic>
#include <string>

// Writes to its port are jobs that add the number written; reads give the sum of those done.
class ProbeWorker {
  public:
    static constexpr plugbay::Type type{.name = "probe-worker", .help = "Adds on other threads."};

    explicit ProbeWorker(plugbay::Host host)
        : host_(host), port_(host.map_ports(0x530, 4)), queue_(host.work_queue(8)) {}

    std::uint64_t read(plugbay::Access) { return done_; }
    void write(plugbay::Access, std::uint64_t value) {
        if (!queue_.submit(value)) host_.info("full");
    }
    void work(std::uint64_t token) { sum_ += token; }
    void on_done(std::uint64_t token) {
        done_ += token;
        if (sum_ < done_) host_.warning("done before its work");
    }
    void reset() {
        sum_ -= done_;
        done_ = 0;
    }

  private:
    plugbay::Host host_;
    std::atomic<std::uint64_t> sum_{0};
    std::uint64_t done_ = 0;
    plugbay::Region port_;
    plugbay::WorkQueue queue_;
};

// A write to its port presses the key written; reads give the last key that was pressed.
class ProbeEvents {
  public:
    static constexpr plugbay::Type type{.name = "probe-events", .help = "Presses and hears keys."};

    explicit ProbeEvents(plugbay::Host host)
        : host_(host), port_(host.map_ports(0x540, 4)),
          subscription_(host.subscribe(PLUGBAY_EVENT_ALL & ~PLUGBAY_EVENT_TICK, 4)) {}

    std::uint64_t read(plugbay::Access) { return last_; }
    void write(plugbay::Access, std::uint64_t value) {
        host_.publish({PLUGBAY_EVENT_KEY, static_cast<std::uint32_t>(value), 1, 0, 0, 0});
    }
    void on_host_event(std::uint64_t token, const plugbay_host_event& event) {
        last_ = event.code;
        heard_ += std::to_string(token) + ":" + std::to_string(event.kind) + "," +
                  std::to_string(event.code) + "," + std::to_string(event.x) + "," + std::to_string(event.y) +
                  "," + std::to_string(event.dropped);
        host_.info(std::exchange(heard_, {}));
    }
    void reset() { last_ = 0; }

  private:
    plugbay::Host host_;
    std::uint64_t last_ = 0;
    std::string heard_;
    plugbay::Region port_;
    plugbay::HostEventSubscription subscription_;
};
