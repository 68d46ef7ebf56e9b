#include "core/debug/gdb_connection.hpp"

#include "core/base/log.hpp"

#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace plugbay::core {

namespace {

// How long a client that is slow to read can hold up the end: so many waits, each so long at most.
constexpr int farewell_waits = 10;
constexpr int farewell_milliseconds = 100;

void set_option(int file, int level, int option) {
    const int on = 1;
    // Without effect on a Unix socket, and without harm if refused.
    static_cast<void>(::setsockopt(file, level, option, &on, sizeof on));
}

} // namespace

void GdbConnection::serve() {
    ::pthread_setname_np(::pthread_self(), "gdb");
    while (!over()) {
        if (!wait(plan())) break;
    }
    drop_client();
}

bool GdbConnection::over() {
    const std::lock_guard guard(mutex_);
    return stopping_ && (!client_ || output_.empty());
}

GdbConnection::Plan GdbConnection::plan() {
    bool close = false;
    Plan plan;
    {
        const std::lock_guard guard(mutex_);
        close = closing_ && output_.empty();
        plan.write = !output_.empty();
        plan.read = !busy_ && !closing_ && !stopping_ && output_.empty();
    }
    if (close) drop_client();
    return plan;
}

// Waits for something to do, and does it. False: nobody takes the last output.
bool GdbConnection::wait(Plan plan) {
    if (plan.read && !input_.empty()) {
        take_events();
        return true;
    }
    short events = plan.read ? POLLIN : 0;
    if (plan.write) events = POLLOUT;
    // A descriptor that is not asked for anything would still report that its peer is gone, again and again.
    std::array<pollfd, 3> sources{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = listener_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = events != 0 ? client_.get() : -1, .events = events, .revents = 0}}};
    bool stopping = false;
    {
        const std::lock_guard guard(mutex_);
        stopping = stopping_;
    }
    if (stopping && ++farewells_ > farewell_waits) return false;
    const int ready = ::poll(sources.data(), sources.size(), stopping ? farewell_milliseconds : -1);
    if (ready < 0) return errno == EINTR;
    eventfd_t ignored = 0;
    if (sources[0].revents != 0) static_cast<void>(::eventfd_read(wake_.get(), &ignored));
    if (sources[2].revents != 0) plan.write ? write_client() : read_client();
    if (sources[1].revents != 0) accept_client();
    return true;
}

void GdbConnection::accept_client() {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return;
    if (client_) {
        log_for(Subsystem::machine).warn("gdb: a second client is turned away: one debugs at a time");
        return;
    }
    set_option(client.get(), IPPROTO_TCP, TCP_NODELAY);
    set_option(client.get(), SOL_SOCKET, SO_KEEPALIVE);
    client_ = std::move(client);
    reader_ = {};
    input_.clear();
    acknowledges_ = true;
    std::uint64_t number = 0;
    {
        const std::lock_guard guard(mutex_);
        number = ++client_number_;
        output_.clear();
        last_frame_.clear();
        busy_ = true;
        closing_ = false;
    }
    post([number](GdbConnection& self) { self.begin(number); });
}

void GdbConnection::drop_client() {
    if (!client_) return;
    client_.reset();
    {
        const std::lock_guard guard(mutex_);
        ++client_number_; // what is still sent to it is dropped
        output_.clear();
        closing_ = false;
    }
    post([](GdbConnection& self) { self.leave(); });
}

void GdbConnection::read_client() {
    std::array<char, 65536> buffer;
    const auto count = ::recv(client_.get(), buffer.data(), buffer.size(), 0);
    if (count > 0) {
        input_.assign(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        drop_client();
    }
}

void GdbConnection::write_client() {
    ssize_t count = 0;
    {
        const std::lock_guard guard(mutex_);
        count = ::send(client_.get(), output_.data(), output_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) output_.erase(0, static_cast<std::size_t>(count));
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) drop_client();
}

// One at a time: each may make the control thread busy, or output.
void GdbConnection::take_events() {
    std::string_view left = input_;
    const auto event = reader_.next(left);
    input_.erase(0, input_.size() - left.size());
    if (event) take_event(*event);
}

void GdbConnection::take_event(const GdbPacketReader::Event& event) {
    using Kind = GdbPacketReader::Event::Kind;
    {
        const std::lock_guard guard(mutex_);
        if (event.kind == Kind::rejected) output_ += last_frame_;
        if (acknowledges_ && event.kind == Kind::packet) output_ += '+';
        if (acknowledges_ && event.kind == Kind::damaged) output_ += '-';
        busy_ = event.kind == Kind::packet || event.kind == Kind::interrupt;
    }
    if (event.kind == Kind::packet) {
        if (event.content == "QStartNoAckMode") acknowledges_ = false;
        post([content = event.content](GdbConnection& self) { self.answer(content); });
    }
    if (event.kind == Kind::interrupt) {
        post([](GdbConnection& self) {
            if (self.session_) self.session_->interrupt();
        });
    }
}

void GdbConnection::post(std::function<void(GdbConnection&)> work) {
    machine_.post([weak = weak_from_this(), work = std::move(work)](Machine&) {
        const auto self = weak.lock();
        if (!self) return;
        work(*self);
        {
            const std::lock_guard guard(self->mutex_);
            self->busy_ = false;
        }
        ::eventfd_write(self->wake_.get(), 1);
    });
}

void GdbConnection::begin(std::uint64_t client) {
    leave();
    target_ = std::make_unique<MachineTarget>(machine_, [this](const DebugStop& stop) {
        if (session_) session_->stopped(stop);
    });
    session_ = std::make_unique<GdbSession>(
        *target_, [this, client](const std::string& content) { send(client, content); });
}

void GdbConnection::answer(std::string_view content) {
    if (!session_) return;
    session_->packet(content);
    if (session_->attached()) return;
    session_.reset();
    target_.reset();
    const std::lock_guard guard(mutex_);
    closing_ = true;
}

void GdbConnection::send(std::uint64_t client, std::string_view content) {
    {
        const std::lock_guard guard(mutex_);
        if (client != client_number_) return;
        last_frame_ = gdb_frame(content);
        output_ += last_frame_;
    }
    ::eventfd_write(wake_.get(), 1);
}

void GdbConnection::leave() {
    if (target_) target_->detach();
    session_.reset();
    target_.reset();
}

void GdbConnection::machine_ended() {
    if (session_) session_->machine_ended();
    session_.reset();
    target_.reset();
}

void GdbConnection::stop() {
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    ::eventfd_write(wake_.get(), 1);
}

} // namespace plugbay::core
