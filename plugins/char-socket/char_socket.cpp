#include "char_socket.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

// Output that comes in faster is sent together.
constexpr nanoseconds flush_interval = milliseconds(1);
// How often an address is tried that is taken, or accepting when descriptors have run out.
constexpr nanoseconds listen_interval = milliseconds(200);
// How long output may take to leave when the machine has ended.
constexpr milliseconds farewell = milliseconds(500);

} // namespace

// --- life cycle -------------------------------------------------------------------------------------------

CharSocket::CharSocket(plugbay::Host host, const Options& options)
    : host_(host), handover_(host.handover()), address_(Address::parse(options.address)), mode_(options.mode),
      telnet_(options.telnet), reconnect_(options.reconnect),
      flush_timer_(host.timer(PLUGBAY_CLOCK_HOST, flush_token)),
      retry_timer_(host.timer(PLUGBAY_CLOCK_HOST, retry_token)),
      output_(host, stall_token, options.when_stalled, milliseconds(options.patience)) {
    plugbay::UniqueFd listener = handover_.take(left_listener);
    if (mode_ != Mode::server || !listener) return;
    listener_.emplace(address_, std::move(listener), handover_.take(left_listener_file));
    listener_watch_ = host_.watch(listener_->get(), PLUGBAY_FD_READABLE, listener_token);
}

// What waits for the peer is the other build's, when there is one.
CharSocket::~CharSocket() {
    if (!handover_.in_place()) {
        if (listener_) listener_->leave();
        return;
    }
    if (!peer_) return;
    peer_watch_.release();
    for (auto left = farewell; left > milliseconds(0); left -= milliseconds(10)) {
        if (peer_->send(output_.queue())) return;
        peer_->wait_writable(10);
    }
}

// Not sooner than start: until then another build of this device may have the address.
void CharSocket::start() {
    if (mode_ == Mode::server)
        listen();
    else
        begin_client();
    resume();
}

// The timer goes off once everything runs, and does what was left undone.
void CharSocket::resume() {
    arm(flush_timer_, nanoseconds(0));
    flush_scheduled_ = true;
    output_.resume();
    if (mode_ == Mode::server ? !listener_watch_ : !peer_ && !connecting_) arm(retry_timer_, nanoseconds(0));
}

plugbay_status CharSocket::quiesce() {
    if (peer_) static_cast<void>(peer_->send(output_.queue()));
    return PLUGBAY_OK;
}

// Without it the next build begins anew, which is no reason to fail here.
void CharSocket::leave(const char* name, const plugbay::UniqueFd& descriptor) {
    try {
        handover_.put(name, descriptor);
    } catch (const plugbay::Failure& failure) {
        warn_once(std::string("a replacing of this device's build would interrupt it: ") + failure.what());
    }
}

void CharSocket::take_over() {
    peer_watch_.release();
    peer_.reset();
    connecting_ = handover_.take(left_connecting);
    hung_up_ = output_blocked_ = false;
    if (plugbay::UniqueFd descriptor = handover_.take(left_peer)) {
        watched_ = PLUGBAY_FD_READABLE;
        peer_watch_ = host_.watch(descriptor.get(), watched_, peer_token);
        peer_.emplace(std::move(descriptor), telnet_, std::move(conversation_), traffic_);
    } else if (connecting_) {
        peer_watch_ = host_.watch(connecting_.get(), PLUGBAY_FD_WRITABLE, peer_token);
    }
    conversation_ = {};
}

// --- coming and going -------------------------------------------------------------------------------------

void CharSocket::listen() {
    listener_.reset(); // one that could not be watched
    listener_.emplace(address_);
    listener_watch_ = host_.watch(listener_->get(), PLUGBAY_FD_READABLE, listener_token);
    leave(left_listener, listener_->descriptor());
    if (listener_->file()) leave(left_listener_file, listener_->file());
    host_.info("listening at " + Address::of_socket(listener_->get()).text());
}

void CharSocket::retry() {
    try {
        if (mode_ == Mode::client)
            begin_client();
        else if (listener_watch_)
            listener_watch_.change(PLUGBAY_FD_READABLE);
        else
            listen();
    } catch (const plugbay::Failure& failure) {
        warn_once(failure.what());
        arm(retry_timer_, listen_interval);
    }
}

void CharSocket::accept() {
    plugbay::UniqueFd arrived = listener_->accept();
    if (!arrived) {
        const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (!exhausted) return; // it has left already
        warn_once(std::string("a connection cannot be accepted: ") + std::strerror(errno));
        listener_watch_.change(0);
        arm(retry_timer_, listen_interval);
        return;
    }
    if (peer_ && (peer_->has_hung_up() || peer_->has_vanished())) close_peer();
    if (!peer_) {
        open_peer(std::move(arrived));
        return;
    }
    const std::string refusal =
        std::string("busy: \"") + host_.device_id() + "\" has a peer already, and takes one at a time\r\n";
    static_cast<void>(send(arrived.get(), refusal.data(), refusal.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

void CharSocket::begin_client() {
    if (peer_ || connecting_) return;
    try {
        connecting_ = begin_connect(address_);
        peer_watch_ = host_.watch(connecting_.get(), PLUGBAY_FD_WRITABLE, peer_token);
        leave(left_connecting, connecting_);
    } catch (const plugbay::Failure& failure) {
        connecting_ = {};
        warn_once(failure.what());
        arm(retry_timer_, reconnect_);
    }
}

void CharSocket::finish_connecting() {
    peer_watch_.release();
    handover_.remove(left_connecting);
    plugbay::UniqueFd descriptor = std::exchange(connecting_, {});
    const int error = connect_error(descriptor.get());
    if (error == 0) {
        open_peer(std::move(descriptor));
        return;
    }
    warn_once("cannot connect to " + address_.text() + ": " + std::strerror(error));
    arm(retry_timer_, reconnect_);
}

void CharSocket::open_peer(plugbay::UniqueFd descriptor) {
    leave(left_peer, descriptor);
    const auto role = mode_ == Mode::server ? Telnet::Role::server : Telnet::Role::client;
    watched_ = PLUGBAY_FD_READABLE;
    peer_watch_ = host_.watch(descriptor.get(), watched_, peer_token);
    peer_.emplace(std::move(descriptor), telnet_ ? std::optional(role) : std::nullopt, traffic_);
    ++peers_;
    hung_up_ = output_blocked_ = false;
    last_warning_.clear();
    host_.info(mode_ == Mode::server ? "a peer has come" : "connected to " + address_.text());
    flush();
    announce();
}

void CharSocket::close_peer() {
    const int reason = peer_->reason();
    host_.info(std::string("the peer has gone") + (reason == 0 ? "" : ": ") +
               (reason == 0 ? "" : std::strerror(reason)));
    peer_watch_.release();
    handover_.remove(left_peer);
    peer_->shut_down();
    peer_.reset();
    if (mode_ == Mode::client) arm(retry_timer_, reconnect_);
    output_.clear(frontend_);
    announce();
}

void CharSocket::announce() {
    if (told_open_ == peer_.has_value()) return;
    told_open_ = peer_.has_value();
    frontend_.event(told_open_ ? PLUGBAY_CHAR_OPENED : PLUGBAY_CHAR_CLOSED);
}

// What fails again and again in the same way is worth one line.
void CharSocket::warn_once(const std::string& text) {
    if (text == last_warning_) return;
    last_warning_ = text;
    host_.warning(text);
}

// --- events -----------------------------------------------------------------------------------------------

void CharSocket::on_fd(std::uint64_t token, int, std::uint32_t events) {
    if (token == listener_token) {
        accept();
        return;
    }
    if (connecting_) {
        finish_connecting();
        return;
    }
    if (!peer_) return;
    if ((events & PLUGBAY_FD_HANGUP) != 0) hung_up_ = true;
    if ((events & PLUGBAY_FD_WRITABLE) != 0) flush();
    if ((events & (PLUGBAY_FD_READABLE | PLUGBAY_FD_HANGUP)) != 0) read_input();
}

void CharSocket::on_timer(std::uint64_t token) {
    if (token == retry_token) {
        retry();
    } else if (token == stall_token) {
        output_.stall(frontend_);
    } else {
        flush_scheduled_ = false;
        flush();
        announce();
        deliver();
    }
}

// --- output -----------------------------------------------------------------------------------------------

std::uint32_t CharSocket::on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
    if (!peer_) return static_cast<std::uint32_t>(bytes.size()); // nobody is there: an open cable
    const std::uint32_t taken = output_.write(bytes);
    if (!output_blocked_) schedule_flush();
    return taken;
}

// The first byte at once, what follows within a millisecond together; always on the I/O loop.
void CharSocket::schedule_flush() {
    if (std::exchange(flush_scheduled_, true)) return;
    flush_timer_.arm(std::max(now(), last_flush_ + static_cast<std::uint64_t>(flush_interval.count())));
}

void CharSocket::flush() {
    last_flush_ = now();
    if (peer_) {
        output_blocked_ = !peer_->send(output_.queue());
        update_watch();
        output_.relieve(frontend_);
    } else {
        output_.clear(frontend_);
    }
}

// --- input ------------------------------------------------------------------------------------------------

void CharSocket::read_input() {
    const bool there = peer_->receive(input_.queue(), [&] {
        deliver();
        frontend_.event(PLUGBAY_CHAR_BREAK);
    });
    deliver();
    if (there)
        flush(); // telnet's answers
    else
        close_peer();
}

void CharSocket::deliver() {
    if (input_.deliver(frontend_)) update_watch();
}

// A hang-up is reported whether asked for or not, again and again, so while the last words of a peer that has
// hung up wait for the guest it is not watched.
void CharSocket::update_watch() {
    if (!peer_) return;
    const bool reads = peer_->readable_into(input_.queue());
    std::uint32_t events = (reads ? PLUGBAY_FD_READABLE : 0) | (output_blocked_ ? PLUGBAY_FD_WRITABLE : 0);
    if (hung_up_)
        events = reads ? PLUGBAY_FD_READABLE : 0;
    else if (events == 0)
        events = PLUGBAY_FD_HANGUP;
    if (events == watched_) return;
    watched_ = events;
    peer_watch_.change(events);
}

PLUGBAY_PLUGIN("char-socket", "1.0.0", CharSocket)
