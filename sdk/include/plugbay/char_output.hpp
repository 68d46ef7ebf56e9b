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
#include <plugbay/property.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace plugbay {

class CharOutput {
  public:
    static constexpr std::size_t capacity = 65536; // bytes

    enum class WhenStalled : std::uint8_t { drop_oldest, drop_newest, wait };

    // The properties by which a user of the backend chooses what the constructor takes.
    template <typename Options>
    static constexpr auto when_stalled_property(WhenStalled Options::*member) {
        return property("when_stalled", member,
                        "what becomes of output for a far end that reads too slowly, 64 KiB of which wait")
            .choices("drop_oldest", "drop_newest", "wait");
    }
    template <typename Options>
    static constexpr auto patience_property(std::uint32_t Options::*member) {
        return property("patience", member,
                        "milliseconds that the guest is held back for a far end that does not read")
            .range(0, 3'600'000);
    }

    // `patience`: how long the frontend is held back, with a full queue, for a far end that takes less than a
    // quarter of it in that time. One that is slow and steady loses nothing.
    CharOutput(Host host, std::uint64_t stall_token, WhenStalled when_stalled,
               std::chrono::milliseconds patience)
        : host_(host), when_stalled_(when_stalled), patience_(patience),
          timer_(host.timer(PLUGBAY_CLOCK_HOST, stall_token)) {}

    [[nodiscard]] ByteQueue& queue() { return queue_; }

    // Returns how many of the guest's bytes are done with, as on_write does.
    std::uint32_t write(std::span<const std::uint8_t> bytes) {
        const auto all = static_cast<std::uint32_t>(bytes.size());
        const std::size_t taken = queue_.append(bytes);
        put_ += taken;
        const auto rest = bytes.subspan(taken);
        if (rest.empty()) return all;
        if (stalled_) {
            if (when_stalled_ == WhenStalled::drop_oldest) {
                lost_ += queue_.append_over_oldest(rest);
                put_ += rest.size();
            } else {
                lost_ += rest.size();
            }
            return all;
        }
        refused_ = true;
        if (when_stalled_ != WhenStalled::wait && !std::exchange(timed_, true)) arm();
        return static_cast<std::uint32_t>(all - rest.size());
    }

    // After bytes have left the queue: the frontend may go on, and who has taken half of them is well again.
    void relieve(const CharFrontend& frontend) {
        if (queue_.size() <= capacity / 2) {
            if (std::exchange(timed_, false)) timer_.disarm();
            if (std::exchange(stalled_, false))
                host_.warning("output is taken again; " + std::to_string(lost_) + " bytes were lost");
        }
        if (queue_.room() > 0 && std::exchange(refused_, false)) frontend.write_ready();
    }

    // The timer has gone off: patience is over, unless enough has left meanwhile.
    void stall(const CharFrontend& frontend) {
        if (left() - left_before_ >= capacity / 4) {
            arm();
            return;
        }
        timed_ = false;
        stalled_ = true;
        lost_ = 0;
        host_.warning("output is taken too slowly, some of it is lost");
        if (std::exchange(refused_, false)) frontend.write_ready();
    }

    // The device goes on: one that was held back has as much patience as at the beginning.
    void resume() {
        if (refused_ && when_stalled_ != WhenStalled::wait && !std::exchange(timed_, true)) arm();
    }

    // Nobody is there any more.
    void clear(const CharFrontend& frontend) {
        queue_.clear();
        stalled_ = false;
        relieve(frontend);
    }

    // Without the bytes: they are for a far end that stays with the process. Where that is handed over to another
    // build (handover.hpp), the queue is a field of its own.
    void state(auto& fields) { fields("refused", refused_); }

  private:
    // Bytes that have left the queue since the beginning.
    [[nodiscard]] std::uint64_t left() const { return put_ - queue_.size(); }
    void arm() {
        left_before_ = left();
        timer_.arm(host_.after(patience_, PLUGBAY_CLOCK_HOST));
    }

    Host host_;
    WhenStalled when_stalled_;
    std::chrono::milliseconds patience_;
    Timer timer_;
    ByteQueue queue_{capacity};
    bool refused_ = false; // the frontend waits for write_ready
    bool timed_ = false;
    bool stalled_ = false;
    std::uint64_t lost_ = 0;        // bytes, since it stalled
    std::uint64_t put_ = 0;         // bytes, into the queue since the beginning
    std::uint64_t left_before_ = 0; // left() when the timer was armed
};

} // namespace plugbay
