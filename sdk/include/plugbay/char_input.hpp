// What a char/1 backend has for its frontend, which takes as much as it likes: a bounded queue.
//
//     something has come       input_.queue().append(bytes); deliver();
//     on_receive_ready(...)    deliver();
//     deliver()                if (input_.deliver(frontend_)) { as much as has room may be read again }
#pragma once

#include <plugbay/byte_queue.hpp>
#include <plugbay/link.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace plugbay {

class CharInput {
  public:
    explicit CharInput(std::size_t capacity) : queue_(capacity) {}

    [[nodiscard]] ByteQueue& queue() { return queue_; }

    // Gives the frontend what it takes. The frontend may ask for more from inside receive: that is left to the
    // call already under way, and false is returned.
    bool deliver(const CharFrontend& frontend) {
        if (std::exchange(delivering_, true)) {
            again_ = true;
            return false;
        }
        for (bool more = true; more && !queue_.empty();) {
            again_ = false;
            const std::size_t offered = queue_.front().size();
            const std::size_t taken = std::min<std::size_t>(frontend.receive(queue_.front()), offered);
            queue_.drop(taken);
            more = taken == offered || again_;
        }
        delivering_ = false;
        return true;
    }

    // As a nested field of a device's state, like the queue alone.
    void state(auto& fields) { queue_.state(fields); }

  private:
    ByteQueue queue_;
    bool delivering_ = false;
    bool again_ = false; // the frontend asked from inside receive
};

} // namespace plugbay
