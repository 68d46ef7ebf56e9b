// The other end of the control socket, for `plugbay ctl` and `plugbay ps`: calls that wait for their answer.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace plugbay::core {

// Thread: one at a time.
class ControlClient {
  public:
    // An error says when nobody listens there.
    [[nodiscard]] static Result<ControlClient> connect(const std::filesystem::path& socket);
    // To the machine that `place` names: a socket's path (anything with a "/"), or a machine's name; empty: the only one
    // that runs.
    [[nodiscard]] static Result<ControlClient> find(std::string_view place);

    // What the method gives, or why it failed. Events that come meanwhile are kept for next_event().
    [[nodiscard]] Result<nlohmann::json> call(std::string_view method, const nlohmann::json& params,
                                              std::chrono::milliseconds limit = std::chrono::hours(24));
    // The oldest event that was not given yet; nothing after `limit`; an error when the connection is over.
    [[nodiscard]] Result<std::optional<nlohmann::json>> next_event(std::chrono::milliseconds limit);
    // Readable when there may be an event, or the connection is over; all that next_event() gives at once is taken before
    // it is waited for. The client's own.
    [[nodiscard]] int descriptor() const { return socket_.get(); }
    // The machine hung up; every further call fails.
    [[nodiscard]] bool ended() const { return ended_; }

  private:
    explicit ControlClient(UniqueFd socket) : socket_(std::move(socket)) {}
    [[nodiscard]] Error hung_up();
    [[nodiscard]] Result<std::optional<nlohmann::json>>
    receive(std::chrono::steady_clock::time_point deadline);

    UniqueFd socket_;
    std::string received_;
    std::deque<nlohmann::json> events_;
    std::uint64_t next_id_ = 1;
    bool ended_ = false;
};

} // namespace plugbay::core
