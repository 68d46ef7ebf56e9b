#include "core/control/control_session.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include <utility>

namespace plugbay::core {

using nlohmann::json;

void ControlSession::read() {
    if (reading_ || ending_ || input_over_ || lines_.size() >= most_lines || line_bytes_ >= enough_input ||
        output_bytes_ >= enough_output)
        return;
    reading_ = true;
    socket_.async_read_some(
        boost::asio::buffer(chunk_),
        [self = shared_from_this()](const boost::system::error_code& failed, std::size_t size) {
            self->reading_ = false;
            if (failed == boost::asio::error::eof) return self->input_ended();
            if (failed) return self->close();
            self->take({self->chunk_.data(), size});
            self->go_on();
        });
}

// The client has shut down its side; it may still read. The beginning of a line is none.
void ControlSession::input_ended() {
    input_over_ = true;
    go_on();
}

void ControlSession::take(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
        if (!skipping_) line_.append(piece);
        // One byte too many is kept, so that the parser sees that it is too long.
        if (line_.size() > rpc::longest_line) {
            line_.resize(rpc::longest_line + 1);
            skipping_ = true;
        }
        if (end == std::string_view::npos) break;
        skipping_ = false;
        if (line_.find_first_not_of(" \t\r") != line_.npos) {
            line_bytes_ += line_.size();
            lines_.push_back(std::exchange(line_, {}));
        }
        line_.clear();
    }
}

// Does what can be done without waiting for somebody.
void ControlSession::go_on() {
    while (!running_ && !ending_) {
        if (part_ < message_.parts.size()) {
            auto& part = message_.parts[part_++];
            if (auto* const refusal = std::get_if<json>(&part)) {
                give({}, std::move(*refusal));
            } else if (!begin(std::get<rpc::Call>(part))) {
                return;
            }
        } else {
            if (!batch_.empty()) send(rpc::line_of(std::exchange(batch_, json())));
            message_ = {};
            part_ = 0;
            if (lines_.empty() || output_bytes_ >= enough_output) break;
            line_bytes_ -= lines_.front().size();
            message_ = rpc::parse(lines_.front());
            lines_.pop_front();
        }
    }
    if (input_over_ && !running_ && lines_.empty() && output_.empty()) return close();
    read();
}

// False: the answer comes later, by finished().
bool ControlSession::begin(const rpc::Call& call) {
    const Method* const method = owner_.methods().find(call.method);
    if (method == nullptr) {
        const std::string nearest = owner_.methods().nearest(call.method);
        fail(call, rpc::method_not_found,
             fmt::format("there is no method \"{}\"", call.method.substr(0, 100)),
             nearest.empty() ? "\"describe\" lists all" : "did you mean \"" + nearest + "\"?");
        return true;
    }
    if (const auto wrong = schema::complaint(method->params, call.params, "params")) {
        fail(call, rpc::invalid_params, *wrong, "\"describe\" tells what \"" + method->name + "\" takes");
        return true;
    }
    running_ = call;
    if (method->run || method->begin) {
        owner_.run(*method, call.params, weak_from_this());
        return false;
    }
    // What is about the session itself.
    const auto answer =
        method->name == "describe" ? description_of(owner_.methods()) : subscribe(call.params);
    give(*std::exchange(running_, std::nullopt),
         answer ? rpc::answer(call.id, *answer)
                : rpc::refusal(call.id, {rpc::invalid_params, answer.error()}));
    return true;
}

void ControlSession::finished(const Result<json>& result) {
    if (!running_) return; // it was told goodbye
    const rpc::Call call = *std::exchange(running_, std::nullopt);
    give(call, result ? rpc::answer(call.id, *result) : rpc::refusal(call.id, {rpc::failed, result.error()}));
    go_on();
}

Result<json> ControlSession::subscribe(const json& params) {
    std::set<std::string, std::less<>> wanted;
    std::set<std::string, std::less<>> known;
    for (const EventKind& event : owner_.methods().events())
        known.insert(event.name);
    if (!params.contains("events")) wanted = known;
    for (const auto& each : params.value("events", json::array())) {
        auto name = each.get<std::string>();
        if (!known.contains(name)) {
            return Error{fmt::format("there is no event \"{}\"", name),
                         fmt::format("there are {}", fmt::join(known, ", "))};
        }
        wanted.insert(std::move(name));
    }
    events_ = std::move(wanted);
    return json{{"events", events_}};
}

void ControlSession::fail(const rpc::Call& call, int code, std::string message, std::string hint) {
    give(call, rpc::refusal(call.id, {code, {std::move(message), std::move(hint)}}));
}

void ControlSession::give(const rpc::Call& call, json answer) {
    if (call.notification) return;
    if (message_.batch) {
        batch_.push_back(std::move(answer));
    } else {
        send(rpc::line_of(answer));
    }
}

void ControlSession::tell(std::string_view event, const json& params) {
    if (ending_ || !events_.contains(event)) return;
    if (output_bytes_ >= most_event_bytes) {
        ++dropped_;
        return;
    }
    json notification = rpc::notification(event, params);
    if (dropped_ != 0) notification["params"]["dropped"] = std::exchange(dropped_, 0);
    send(rpc::line_of(notification));
}

void ControlSession::send(std::string line) {
    output_bytes_ += line.size();
    output_.push_back(std::move(line));
    if (output_.size() == 1) write();
}

void ControlSession::write() {
    boost::asio::async_write(
        socket_, boost::asio::buffer(output_.front()),
        [self = shared_from_this()](const boost::system::error_code& failed, std::size_t) {
            if (failed) return self->close();
            self->output_bytes_ -= self->output_.front().size();
            self->output_.pop_front();
            if (!self->output_.empty()) return self->write();
            if (self->ending_) return self->close();
            self->go_on();
        });
}

void ControlSession::say_goodbye() {
    if (ending_) return;
    if (running_) {
        fail(*std::exchange(running_, std::nullopt), rpc::machine_ended,
             "the machine ended before this was done", "");
        if (!batch_.empty()) send(rpc::line_of(std::exchange(batch_, json())));
    }
    ending_ = true;
    if (output_.empty()) close();
}

void ControlSession::close() {
    if (!socket_.is_open()) return;
    boost::system::error_code ignored;
    socket_.close(ignored);
    ending_ = true;
    owner_.closed(*this);
}

} // namespace plugbay::core
