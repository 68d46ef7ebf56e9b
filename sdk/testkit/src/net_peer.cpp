#include <plugbay/testkit/net_peer.hpp>

#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace plugbay::testkit {
namespace {

const plugbay_net_backend& backend_of(const plugbay_link& link) {
    return *static_cast<const plugbay_net_backend*>(link.table);
}
const plugbay_net_frontend& frontend_of(const plugbay_link& link) {
    return *static_cast<const plugbay_net_frontend*>(link.table);
}

std::uint32_t needed(const plugbay_net_offload& offload) {
    std::uint32_t all = (offload.flags & PLUGBAY_NET_NEEDS_CHECKSUM) != 0 ? PLUGBAY_NET_CAN_CHECKSUM : 0;
    switch (offload.segmentation & ~PLUGBAY_NET_SEGMENT_ECN) {
    case PLUGBAY_NET_SEGMENT_NONE:
        break;
    case PLUGBAY_NET_SEGMENT_TCP4:
        all |= PLUGBAY_NET_CAN_TCP4;
        break;
    case PLUGBAY_NET_SEGMENT_TCP6:
        all |= PLUGBAY_NET_CAN_TCP6;
        break;
    case PLUGBAY_NET_SEGMENT_UDP:
        all |= PLUGBAY_NET_CAN_UDP;
        break;
    default:
        return ~0u;
    }
    if ((offload.segmentation & PLUGBAY_NET_SEGMENT_ECN) != 0) all |= PLUGBAY_NET_CAN_ECN;
    return all;
}

// A frame's segments, as far as they can be looked at however wrong it is.
std::span<const plugbay_segment> segments_of(const plugbay_net_frame& frame) {
    if (frame.segments == nullptr) return {};
    return {frame.segments, std::min<std::uint32_t>(frame.segment_count, PLUGBAY_NET_MOST_SEGMENTS)};
}

} // namespace

struct NetPeer::Tables {
    static NetPeer& self(void* instance) { return *static_cast<NetPeer*>(instance); }

    static void facts(void* instance, std::uint64_t, plugbay_net_facts* target) noexcept {
        if (target == nullptr || target->size < sizeof(std::uint32_t))
            return self(instance).violation("asked for net/1 facts without setting their size");
        plugbay_net_facts all = self(instance).facts_;
        all.size = std::min<std::uint32_t>(target->size, sizeof all);
        std::memcpy(target, &all, all.size);
    }
    static void configure(void* instance, std::uint64_t, const plugbay_net_receiver* receiver) noexcept {
        if (receiver == nullptr || receiver->size < sizeof(plugbay_net_receiver))
            return self(instance).violation("configured net/1 with nothing, or without its size");
        if (receiver->longest_frame < PLUGBAY_NET_SHORTEST_FRAME)
            self(instance).violation("takes no net/1 frame that could be sent");
        self(instance).receiver_ = *receiver;
    }
    static std::uint32_t take(void* instance, std::uint64_t, const plugbay_net_frame* frames,
                              std::uint32_t count) noexcept {
        return self(instance).arrive(frames, count);
    }
    static void ready(void* instance, std::uint64_t) noexcept { self(instance).flush(); }
    static void transmitted(void* instance, std::uint64_t, const plugbay_net_completion* completions,
                            std::uint32_t count) noexcept {
        self(instance).arrived_completions(completions, count);
    }
    static void changed(void* instance, std::uint64_t) noexcept { ++self(instance).changed_calls_; }

    static constexpr plugbay_net_backend backend{
        sizeof(plugbay_net_backend), 0, facts, configure, take, ready};
    static constexpr plugbay_net_frontend frontend{
        sizeof(plugbay_net_frontend), 0, transmitted, ready, take, changed};
};

NetPeer::~NetPeer() {
    try {
        if (connected() && role() == PLUGBAY_PORT_BACKEND) hold(false);
    } catch (...) { // the bench reports what the device did wrong
    }
    leave();
}

const void* NetPeer::table(std::uint32_t role) const {
    if (role == PLUGBAY_PORT_BACKEND) return &Tables::backend;
    return &Tables::frontend;
}

// --- what the device sends ---

void NetPeer::check_frame(const plugbay_net_frame& frame, std::uint32_t offloads) {
    if (frame.segment_count > PLUGBAY_NET_MOST_SEGMENTS)
        violation("sent a net/1 frame of more than " + std::to_string(PLUGBAY_NET_MOST_SEGMENTS) +
                  " segments");
    if (frame.length < PLUGBAY_NET_SHORTEST_FRAME || frame.length > PLUGBAY_NET_LONGEST_FRAME)
        violation("sent a net/1 frame of " + std::to_string(frame.length) + " bytes");
    if (frame.segment_count == 0 ? frame.bytes == nullptr : frame.segments == nullptr)
        violation("sent a net/1 frame at NULL");
    std::uint64_t sum = 0;
    for (const plugbay_segment& segment : segments_of(frame))
        sum += segment.length;
    if (frame.segment_count != 0 && sum != frame.length)
        violation("a net/1 frame's segments do not add up to its length");
    if ((needed(frame.offload) & ~offloads) != 0)
        violation("sent a net/1 frame with an offload that we do not take");
}

std::uint32_t NetPeer::arrive(const plugbay_net_frame* frames, std::uint32_t count) {
    const bool transmitting = role() == PLUGBAY_PORT_BACKEND;
    expect_awake("its net/1 peer");
    if (frames == nullptr || count == 0 || count > PLUGBAY_NET_MOST_FRAMES) {
        violation("sent a batch of " + std::to_string(count) + " net/1 frames");
        return 0;
    }
    std::uint32_t taken = count;
    if (room_) {
        taken = static_cast<std::uint32_t>(std::min<std::size_t>(*room_, count));
        *room_ -= taken;
    }
    refused_ |= taken < count;
    std::vector<plugbay_net_completion> done;
    for (const plugbay_net_frame& raw : std::span(frames, taken)) {
        check_frame(raw, transmitting ? facts_.offloads : receiver_.offloads);
        NetFrame frame{{}, raw.offload, {}};
        const auto segments = segments_of(raw);
        frame.segments.assign(segments.begin(), segments.end());
        if (frame.segments.empty() && raw.bytes != nullptr)
            frame.bytes.assign(raw.bytes, raw.bytes + std::min(raw.length, PLUGBAY_NET_LONGEST_FRAME));
        if (transmitting &&
            std::any_of(held_.begin(), held_.end(), [&](const Held& h) { return h.tag == raw.tag; }))
            violation("transmitted a net/1 tag that is in flight");
        if (transmitting && holding_) {
            held_.push_back({raw.tag, std::move(frame)});
            continue;
        }
        const plugbay_status status = fetch(frame);
        done.push_back({raw.tag, status, 0});
        if (status == PLUGBAY_OK) received_.push_back(std::move(frame));
    }
    if (transmitting && !done.empty()) {
        const auto& to = link();
        call([&] {
            frontend_of(to).transmitted(to.instance, to.port, done.data(),
                                        static_cast<std::uint32_t>(done.size()));
        });
    }
    return taken;
}

// Fills in the bytes that are in guest memory.
plugbay_status NetPeer::fetch(NetFrame& frame) {
    for (const plugbay_segment& segment : frame.segments) {
        if (segment.length == 0) continue;
        const auto bytes = machine()->ram.range(segment.address, segment.length);
        if (bytes.empty()) return PLUGBAY_INVALID;
        const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
        frame.bytes.insert(frame.bytes.end(), data, data + bytes.size());
    }
    return PLUGBAY_OK;
}

std::vector<NetFrame> NetPeer::take_frames() {
    return std::exchange(received_, {});
}

void NetPeer::set_room(std::optional<std::size_t> frames) {
    room_ = frames;
    if (!refused_ || (frames && *frames == 0)) return;
    refused_ = false;
    const auto& to = link();
    call([&] {
        if (role() == PLUGBAY_PORT_BACKEND)
            frontend_of(to).transmit_ready(to.instance, to.port);
        else
            backend_of(to).receive_ready(to.instance, to.port);
    });
}

void NetPeer::hold(bool holding) {
    holding_ = holding;
    if (!holding) release_all();
}

void NetPeer::release_all() {
    while (!held_.empty()) {
        Held held = std::move(held_.front());
        held_.pop_front();
        const plugbay_net_completion done{held.tag, fetch(held.frame), 0};
        if (done.status == PLUGBAY_OK) received_.push_back(std::move(held.frame));
        const auto& to = link();
        call([&] { frontend_of(to).transmitted(to.instance, to.port, &done, 1); });
    }
}

void NetPeer::change(std::uint32_t flags, std::uint32_t offloads, std::uint32_t mtu) {
    facts_ = {sizeof facts_, flags, offloads, mtu};
    if (!connected()) return;
    const auto& to = link();
    call([&] { frontend_of(to).changed(to.instance, to.port); });
}

// --- what the device gets ---

bool NetPeer::offer(const NetFrame& frame) {
    const std::vector<plugbay_segment> segments = frame.segments; // of our own: gone after the call
    std::vector<std::uint8_t> bytes = frame.bytes;
    std::uint64_t length = segments.empty() ? bytes.size() : 0;
    for (const auto& segment : segments)
        length += segment.length;
    const bool transmitting = role() == PLUGBAY_PORT_FRONTEND;
    const plugbay_net_frame raw{transmitting ? next_tag_ : 0,
                                static_cast<std::uint32_t>(length),
                                static_cast<std::uint32_t>(segments.size()),
                                segments.empty() ? nullptr : segments.data(),
                                segments.empty() ? bytes.data() : nullptr,
                                frame.offload,
                                {}};
    if (transmitting) in_flight_.push_back(next_tag_++);
    const auto& to = link();
    std::uint32_t taken = 0;
    call([&] {
        taken = transmitting ? backend_of(to).transmit(to.instance, to.port, &raw, 1)
                             : frontend_of(to).receive(to.instance, to.port, &raw, 1);
        if (taken > 1) violation("took more net/1 frames than it was offered");
        std::fill(bytes.begin(), bytes.end(), std::uint8_t{0xdd}); // nothing of it may be looked at any more
    });
    if (taken == 0 && transmitting) {
        const auto place = std::find(in_flight_.begin(), in_flight_.end(), raw.tag);
        if (place == in_flight_.end())
            violation("completed a net/1 frame that it did not take");
        else
            in_flight_.erase(place);
    }
    return taken != 0;
}

void NetPeer::send(const NetFrame& frame) {
    unsent_.push_back(frame);
    flush();
}

// The device may say "ready" from inside our offer: then one loop goes on, not two.
void NetPeer::flush() {
    if (std::exchange(sending_, true)) {
        again_ = true;
        return;
    }
    try {
        do {
            again_ = false;
            while (!unsent_.empty() && offer(NetFrame(unsent_.front())))
                unsent_.pop_front();
        } while (again_);
    } catch (...) {
        sending_ = false;
        throw;
    }
    sending_ = false;
}

plugbay_net_facts NetPeer::facts() {
    plugbay_net_facts result{};
    result.size = sizeof result;
    const auto& to = link();
    call([&] { backend_of(to).facts(to.instance, to.port, &result); });
    return result;
}

void NetPeer::configure(std::uint32_t offloads, std::uint32_t longest_frame) {
    receiver_ = {sizeof receiver_, offloads, longest_frame};
    const auto& to = link();
    call([&] { backend_of(to).configure(to.instance, to.port, &receiver_); });
}

void NetPeer::arrived_completions(const plugbay_net_completion* completions, std::uint32_t count) {
    expect_awake("its net/1 frontend");
    if (completions == nullptr || count == 0) return violation("completed no net/1 frames");
    for (const plugbay_net_completion& completion : std::span(completions, count)) {
        const auto place = std::find(in_flight_.begin(), in_flight_.end(), completion.tag);
        if (place == in_flight_.end()) {
            violation("completed net/1 tag " + std::to_string(completion.tag) + ", which is not in flight");
            continue;
        }
        in_flight_.erase(place);
        if (completion.status != PLUGBAY_OK && completion.status != PLUGBAY_INVALID)
            violation("completed a net/1 frame with status " + std::to_string(completion.status));
        completions_.push_back(completion.status);
    }
}

std::vector<plugbay_status> NetPeer::take_completions() {
    return std::exchange(completions_, {});
}

} // namespace plugbay::testkit
