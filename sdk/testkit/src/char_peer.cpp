#include <plugbay/testkit/char_peer.hpp>
#include <plugbay/testkit/error.hpp>

#include <algorithm>
#include <utility>

namespace plugbay::testkit {

struct CharPeer::Tables {
    static CharPeer& self(void* instance) { return *static_cast<CharPeer*>(instance); }

    static std::uint32_t take(void* instance, std::uint64_t, const std::uint8_t* bytes,
                              std::uint32_t length) noexcept {
        return self(instance).accept(bytes, length);
    }
    static void ready(void* instance, std::uint64_t) noexcept { self(instance).ready(); }
    static void event(void* instance, std::uint64_t, std::uint32_t event) noexcept {
        if (event < PLUGBAY_CHAR_OPENED || event > PLUGBAY_CHAR_BREAK)
            self(instance).violation("sent an unknown char/1 event");
        self(instance).events_.push_back(event);
    }
    static constexpr plugbay_char_backend backend{sizeof(plugbay_char_backend), 0, take, ready};
    static constexpr plugbay_char_frontend frontend{sizeof(plugbay_char_frontend), 0, take, ready, event};
};

CharPeer::~CharPeer() {
    leave();
}

const void* CharPeer::table(std::uint32_t role) const {
    if (role == PLUGBAY_PORT_BACKEND) return &Tables::backend;
    return &Tables::frontend;
}

std::uint32_t CharPeer::accept(const std::uint8_t* bytes, std::uint32_t length) {
    expect_awake("its char/1 peer");
    if (bytes == nullptr && length != 0) {
        violation("offered bytes at NULL");
        return 0;
    }
    std::uint32_t taken = length;
    if (room_) {
        taken = static_cast<std::uint32_t>(std::min<std::size_t>(*room_, length));
        *room_ -= taken;
    }
    received_.append(reinterpret_cast<const char*>(bytes), taken);
    refused_ += length - taken;
    refused_any_ |= taken < length;
    if (taken != 0) answer();
    return taken;
}

// A call of its own at once, even when a send is under way: that is what the device has to stand.
void CharPeer::answer() {
    if (answer_.empty()) return;
    const std::string answer = std::exchange(answer_, {});
    unsent_ += answer.substr(offer(answer));
}

std::string CharPeer::take() {
    std::string fresh = received_.substr(taken_);
    taken_ = received_.size();
    return fresh;
}

std::uint32_t CharPeer::offer(std::string_view bytes) {
    const auto length = static_cast<std::uint32_t>(bytes.size());
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::uint32_t taken = 0;
    const auto& to = link();
    const bool to_backend = role() == PLUGBAY_PORT_FRONTEND;
    call([&] {
        if (to_backend)
            taken =
                static_cast<const plugbay_char_backend*>(to.table)->write(to.instance, to.port, data, length);
        else
            taken = static_cast<const plugbay_char_frontend*>(to.table)->receive(to.instance, to.port, data,
                                                                                 length);
        if (taken > length) violation("took more char/1 bytes than it was offered");
    });
    return std::min(taken, length);
}

void CharPeer::send(std::string_view bytes) {
    unsent_ += bytes;
    flush();
}

// The device may say "ready" from inside our offer: then one loop goes on, not two.
void CharPeer::flush() {
    if (sending_) {
        again_ = true;
        return;
    }
    sending_ = true;
    try {
        do {
            again_ = false;
            if (unsent_.empty()) break;
            const std::string chunk = unsent_;
            const std::uint32_t taken = offer(chunk);
            unsent_.erase(0, taken);
        } while (again_);
    } catch (...) {
        sending_ = false;
        throw;
    }
    sending_ = false;
}

void CharPeer::ready() {
    ++ready_calls_;
    flush();
}

void CharPeer::set_room(std::optional<std::size_t> room) {
    room_ = room;
    if (!refused_any_ || (room && *room == 0)) return;
    refused_any_ = false;
    const auto& to = link();
    const bool to_backend = role() == PLUGBAY_PORT_FRONTEND;
    call([&] {
        if (to_backend)
            static_cast<const plugbay_char_backend*>(to.table)->receive_ready(to.instance, to.port);
        else
            static_cast<const plugbay_char_frontend*>(to.table)->write_ready(to.instance, to.port);
    });
}

void CharPeer::event(std::uint32_t event) {
    if (role() != PLUGBAY_PORT_BACKEND) throw Error("only a char/1 backend sends events");
    const auto& to = link();
    call([&] { static_cast<const plugbay_char_frontend*>(to.table)->event(to.instance, to.port, event); });
}

std::vector<std::uint32_t> CharPeer::take_events() {
    return std::exchange(events_, {});
}

} // namespace plugbay::testkit
