// Accesses on their way to the log: remembered on the guest's path, written on the I/O loop, at most
// `most_lines` a second. What came meanwhile is counted.
#pragma once

#include <plugbay/host.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>

class AccessLog {
  public:
    struct Entry {
        bool write = false;
        bool failed = false; // of a forwarded one
        std::uint32_t width = 0;
        std::uint64_t address = 0;
        std::uint64_t value = 0;
    };

    AccessLog(plugbay::Host host, std::uint64_t timer_token)
        : host_(host), timer_(host.timer(PLUGBAY_CLOCK_HOST, timer_token)) {}

    void add(const Entry& entry) {
        if (count_ < entries_.size())
            entries_[count_++] = entry;
        else
            ++missed_;
        if (std::exchange(armed_, true)) return;
        timer_.arm(next_); // once a second at most
    }
    void report() {
        armed_ = false;
        next_ = host_.now(PLUGBAY_CLOCK_HOST) + interval;
        for (std::size_t i = 0; i < count_; ++i)
            report(entries_[i]);
        if (missed_ != 0) host_.info("and " + std::to_string(missed_) + " more accesses");
        count_ = 0;
        missed_ = 0;
    }

  private:
    static constexpr std::size_t most_lines = 16;
    static constexpr std::uint64_t interval = 1'000'000'000; // ns

    void report(const Entry& entry) const {
        std::array<char, 96> text{};
        std::snprintf(text.data(), text.size(), "%s of %u at 0x%llx: 0x%0*llx%s",
                      entry.write ? "write" : "read", entry.width,
                      static_cast<unsigned long long>(entry.address), static_cast<int>(2 * entry.width),
                      static_cast<unsigned long long>(entry.value), entry.failed ? " (the file failed)" : "");
        host_.info(text.data());
    }

    plugbay::Host host_;
    plugbay::Timer timer_;
    std::array<Entry, most_lines> entries_;
    std::size_t count_ = 0;
    std::uint64_t missed_ = 0;
    std::uint64_t next_ = 0; // host clock: not before
    bool armed_ = false;
};
