// The 24 legacy interrupt lines: who claimed each, and the OR of what the claimants drive.
#pragma once

#include "core/base/result.hpp"
#include "core/device/platform.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace plugbay::core {

class InterruptLines {
  public:
    static constexpr std::uint32_t count = 24;

    explicit InterruptLines(Platform& platform) : platform_(platform) {}
    InterruptLines(const InterruptLines&) = delete;
    InterruptLines& operator=(const InterruptLines&) = delete;

    // One device's share of a line; drives it low and gives it back when destroyed.
    class Claim {
      public:
        Claim(InterruptLines& lines, std::uint32_t gsi, std::string owner)
            : lines_(lines), gsi_(gsi), owner_(std::move(owner)) {}
        Claim(const Claim&) = delete;
        Claim& operator=(const Claim&) = delete;
        ~Claim();
        [[nodiscard]] std::uint32_t gsi() const { return gsi_; }
        // Thread: any. Costs nothing when the level stays. True: it went from low to high.
        bool set(bool high);

      private:
        friend class InterruptLines;
        InterruptLines& lines_;
        const std::uint32_t gsi_;
        const std::string owner_;
        std::atomic<bool> high_{false}; // changed under the line's mutex
    };

    // Thread: any. Several claims only when all of them are `shared`. `owner` is named in the refusal of
    // others.
    [[nodiscard]] Result<std::unique_ptr<Claim>> claim(std::uint32_t gsi, bool shared,
                                                       const std::string& owner);

  private:
    struct Line {
        std::mutex mutex;
        std::uint32_t high_count = 0;
        bool shared = false;
        std::vector<std::string> owners; // one a claim, in order
    };
    [[nodiscard]] bool change(Claim& claim, bool high);
    void release(const Claim& claim);

    Platform& platform_;
    std::array<Line, count> lines_;
};

} // namespace plugbay::core
