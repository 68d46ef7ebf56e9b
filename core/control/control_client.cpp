#include "core/control/control_client.hpp"

#include "core/base/errno_error.hpp"
#include "core/control/rpc.hpp"
#include "core/control/socket_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

namespace plugbay::core {

using nlohmann::json;
using namespace std::chrono;

namespace {

constexpr std::size_t longest_message = 64 << 20; // bytes: whoever sends more is no monitor
constexpr int deepest_message = 64;               // arrays and objects inside one another

// Discarded if it is no JSON, or deeper than that.
json parse_message(std::string_view line) {
    const auto shallow = [](int depth, json::parse_event_t, const json&) { return depth <= deepest_message; };
    return json::parse(line, shallow, false);
}

std::string text_in(const json& object, const char* key, std::string otherwise) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::move(otherwise);
}

Error error_in(const json& message) {
    const auto error = message.find("error");
    if (error == message.end() || !error->is_object()) return Error{"the machine's answer is none", ""};
    return Error{text_in(*error, "message", "the machine refuses and does not say why"),
                 text_in(error->value("data", json()), "hint", "")};
}

} // namespace

Result<ControlClient> ControlClient::connect(const std::filesystem::path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof address.sun_path)
        return Error{fmt::format("{} is too long for a socket's name", path), ""};
    path.copy(address.sun_path, path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval longest_wait{.tv_sec = 1,
                               .tv_usec = 0}; // of connect() and send(), for a monitor that is stuck
    if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &longest_wait, sizeof longest_wait);
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return errno_error(fmt::format("no machine answers at {}", path), errno,
                           "`plugbay ps` lists the machines that run");
    }
    return ControlClient(std::move(fd));
}

Result<ControlClient> ControlClient::find(std::string_view place) {
    if (place.find('/') != place.npos) return connect(place);
    if (!place.empty()) {
        const auto sockets = control_sockets_of(place);
        if (!sockets) return sockets.error();
        for (const auto& socket : *sockets) {
            if (auto client = connect(socket)) return client;
        }
        return Error{fmt::format("no machine named \"{}\" is running", place),
                     "`plugbay ps` lists those that are"};
    }
    std::vector<ControlClient> running;
    std::string names;
    for (const auto& socket : control_sockets()) {
        auto client = connect(socket);
        if (!client) continue;
        running.push_back(std::move(*client));
        names += (names.empty() ? "" : ", ") + socket.stem().string();
    }
    if (running.empty()) return Error{"no machine is running", "`plugbay run MACHINE` starts one"};
    if (running.size() > 1)
        return Error{fmt::format("{} machines are running", running.size()), "name one of " + names};
    return std::move(running.front());
}

Result<json> ControlClient::call(std::string_view method, const json& params, milliseconds limit) {
    const std::uint64_t id = next_id_++;
    const std::string line =
        rpc::line_of({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}});
    for (std::size_t sent = 0; sent < line.size();) {
        const ssize_t size = ::send(socket_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN)
            return Error{"the machine does not listen", "it may be busy: try again"};
        if (size < 0) return hung_up();
        sent += static_cast<std::size_t>(size);
    }
    const auto deadline = steady_clock::now() + limit;
    for (;;) {
        auto message = receive(deadline);
        if (!message) return std::move(message).error();
        if (!*message) return Error{"the machine does not answer", "it may be busy: try again"};
        json& content = **message;
        if (content.contains("method")) {
            events_.push_back(std::move(content));
            continue;
        }
        const json answered = content.value("id", json());
        // The answer to a call that was given up.
        if (answered.is_number_unsigned() && answered.get<std::uint64_t>() < id) continue;
        if (answered == id && content.contains("result")) return std::move(content["result"]);
        return error_in(content); // one without an id is about the connection itself
    }
}

Result<std::optional<json>> ControlClient::next_event(milliseconds limit) {
    if (events_.empty()) return receive(steady_clock::now() + limit);
    std::optional<json> event = std::move(events_.front());
    events_.pop_front();
    return event;
}

Error ControlClient::hung_up() {
    ended_ = true;
    return {"the machine has ended", ""};
}

// The next whole line; nothing when the deadline passes.
Result<std::optional<json>> ControlClient::receive(steady_clock::time_point deadline) {
    for (;;) {
        if (const std::size_t end = received_.find('\n'); end != received_.npos) {
            json message = parse_message(std::string_view(received_).substr(0, end));
            received_.erase(0, end + 1);
            if (!message.is_object()) return Error{"the machine's answer is no JSON object", ""};
            return std::optional(std::move(message));
        }
        const auto left = std::max(milliseconds(0), ceil<milliseconds>(deadline - steady_clock::now()));
        pollfd source{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        const int ready = ::poll(&source, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 1 << 30)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) return std::optional<json>();
        std::array<char, 65536> chunk;
        const ssize_t size = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return hung_up();
        if (received_.size() > longest_message) return Error{"the machine's answer has no end", ""};
        received_.append(chunk.data(), static_cast<std::size_t>(size));
    }
}

} // namespace plugbay::core
