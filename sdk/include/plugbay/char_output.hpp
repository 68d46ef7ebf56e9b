// What a char/1 backend has to do about a far end that may be slow: a bounded queue, back-pressure to the
// frontend when it is full, and, when that has lasted too long, bytes that are lost instead, so that nobody
// outside holds the guest up for ever.
//
//     on_write(...)          return output_.write(bytes);
//     something has left     output_.queue().drop(count); output_.relieve(frontend_);
//     on_timer(stall_token)  output_.stall(frontend_);
#pragma once

#include <plugbay/byte_queue.hpp>
#include <plugbay/host.hpp>
#include <plugbay/link.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace plugbay {

class CharOutput {
  public:
    enum class WhenStalled : std::uint8_t { drop_oldest, drop_newest, wait };

    // `patience`: how long the frontend is held back before bytes are lost.
    CharOutput(Host host, std::size_t capacity, std::uint64_t stall_token, WhenStalled when_stalled,
               std::chrono::milliseconds patience)
        : host_(host), when_stalled_(when_stalled), patience_(patience),
          timer_(host.timer(PLUGBAY_CLOCK_HOST, stall_token)), queue_(capacity) {}

    [[nodiscard]] ByteQueue& queue() { return queue_; }

    // Returns how many of the guest's bytes are done with, as on_write does.
    std::uint32_t write(std::span<const std::uint8_t> bytes) {
        const auto all = static_cast<std::uint32_t>(bytes.size());
        const auto rest = bytes.subspan(queue_.append(bytes));
        if (rest.empty()) return all;
        if (stalled_) {
            lost_ +=
                when_stalled_ == WhenStalled::drop_oldest ? queue_.append_over_oldest(rest) : rest.size();
            return all;
        }
        refused_ = true;
        if (when_stalled_ != WhenStalled::wait && !std::exchange(timed_, true))
            timer_.arm(host_.now(PLUGBAY_CLOCK_HOST) +
                       static_cast<std::uint64_t>(std::chrono::nanoseconds(patience_).count()));
        return static_cast<std::uint32_t>(all - rest.size());
    }

    // After bytes have left the queue: the frontend may go on, and who has taken half of them is well again.
    void relieve(const CharFrontend& frontend) {
        if (queue_.size() <= queue_.capacity() / 2) {
            if (std::exchange(timed_, false)) timer_.disarm();
            if (std::exchange(stalled_, false))
                host_.warning("output is taken again; " + std::to_string(lost_) + " bytes were lost");
        }
        if (queue_.room() > 0 && std::exchange(refused_, false)) frontend.write_ready();
    }

    // The timer has gone off: patience is over.
    void stall(const CharFrontend& frontend) {
        timed_ = false;
        stalled_ = true;
        lost_ = 0;
        host_.warning("output is taken too slowly, some of it is lost");
        if (std::exchange(refused_, false)) frontend.write_ready();
    }

    // Nobody is there any more.
    void clear(const CharFrontend& frontend) {
        queue_.clear();
        stalled_ = false;
        relieve(frontend);
    }

    // Without the bytes: they are for a far end that stays with the process.
    void state(auto& fields) { fields("refused", refused_); }

  private:
    Host host_;
    WhenStalled when_stalled_;
    std::chrono::milliseconds patience_;
    Timer timer_;
    ByteQueue queue_;
    bool refused_ = false; // the frontend waits for write_ready
    bool timed_ = false;
    bool stalled_ = false;
    std::uint64_t lost_ = 0; // bytes, since it stalled
};

} // namespace plugbay
