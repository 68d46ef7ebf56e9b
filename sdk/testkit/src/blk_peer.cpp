#include <plugbay/testkit/blk_peer.hpp>

#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace plugbay::testkit {

struct BlkPeer::Tables {
    static BlkPeer& self(void* instance) { return *static_cast<BlkPeer*>(instance); }

    static void facts(void* instance, std::uint64_t, plugbay_blk_facts* target) noexcept {
        const BlkDisk& disk = self(instance).disk_;
        if (target == nullptr || target->size < sizeof(std::uint32_t))
            return self(instance).violation("asked for blk/1 facts without setting their size");
        plugbay_blk_facts all{};
        all.size = std::min<std::uint32_t>(target->size, sizeof all);
        all.flags = disk.flags;
        all.capacity = disk.capacity;
        all.logical_block_size = disk.logical_block_size;
        all.physical_block_size = disk.physical_block_size;
        std::memcpy(target, &all, all.size);
    }
    static void submit(void* instance, std::uint64_t, const plugbay_blk_request* requests,
                       std::uint32_t count) noexcept {
        self(instance).arrive(requests, count);
    }
    static void complete(void* instance, std::uint64_t, const plugbay_blk_completion* completions,
                         std::uint32_t count) noexcept {
        self(instance).arrived_completions(completions, count);
    }
    static void changed(void* instance, std::uint64_t) noexcept { ++self(instance).changed_calls_; }

    static constexpr plugbay_blk_backend backend{sizeof(plugbay_blk_backend), 0, facts, submit};
    static constexpr plugbay_blk_frontend frontend{sizeof(plugbay_blk_frontend), 0, complete, changed};
};

BlkPeer::BlkPeer(BlkDisk disk) : disk_(disk), contents_(static_cast<std::size_t>(disk.capacity)) {}

BlkPeer::~BlkPeer() {
    try {
        if (connected() && role() == PLUGBAY_PORT_BACKEND) hold(false);
    } catch (...) { // the bench reports what the device did wrong
    }
    leave();
}

const void* BlkPeer::table(std::uint32_t role) const {
    if (role == PLUGBAY_PORT_BACKEND) return &Tables::backend;
    return &Tables::frontend;
}

// --- as a backend ---

void BlkPeer::arrive(const plugbay_blk_request* requests, std::uint32_t count) {
    expect_awake("its blk/1 backend");
    if (requests == nullptr || count == 0) return violation("submitted no blk/1 requests");
    std::vector<plugbay_blk_completion> done;
    for (std::uint32_t i = 0; i < count; ++i) {
        const plugbay_blk_request& raw = requests[i];
        BlkRequest request{raw.tag, raw.operation, raw.flags, raw.offset, raw.length, {}};
        if (raw.segments != nullptr) request.segments.assign(raw.segments, raw.segments + raw.segment_count);
        const bool moves = raw.operation == PLUGBAY_BLK_READ || raw.operation == PLUGBAY_BLK_WRITE;
        std::uint64_t sum = 0;
        for (const auto& segment : request.segments)
            sum += segment.length;
        if (moves && sum != raw.length) violation("a blk/1 request's segments do not add up to its length");
        if (std::any_of(held_.begin(), held_.end(), [&](const auto& other) { return other.tag == raw.tag; }))
            violation("submitted a blk/1 tag that is in flight");
        requests_.push_back(request);
        if (holding_)
            held_.push_back(std::move(request));
        else
            done.push_back({request.tag, perform(request), 0});
    }
    if (!done.empty()) complete(done);
}

plugbay_status BlkPeer::perform(const BlkRequest& request) {
    if (!failures_.empty()) {
        const plugbay_status status = failures_.front();
        failures_.pop_front();
        return status;
    }
    if (request.operation == PLUGBAY_BLK_FLUSH) return PLUGBAY_OK;
    const bool writes = request.operation != PLUGBAY_BLK_READ;
    const std::uint64_t size = disk_.capacity;
    if (request.offset > size || request.length > size - request.offset ||
        request.offset % disk_.logical_block_size != 0 || request.length % disk_.logical_block_size != 0 ||
        (writes && (disk_.flags & PLUGBAY_BLK_READ_ONLY) != 0))
        return PLUGBAY_INVALID;
    const auto target = std::span(contents_).subspan(static_cast<std::size_t>(request.offset),
                                                     static_cast<std::size_t>(request.length));
    switch (request.operation) {
    case PLUGBAY_BLK_READ:
    case PLUGBAY_BLK_WRITE: {
        const detail::GuestRam& ram = machine()->ram;
        std::uint64_t sum = 0;
        for (const auto& segment : request.segments) {
            if (segment.length != 0 && ram.range(segment.address, segment.length).empty())
                return PLUGBAY_INVALID;
            sum += segment.length;
        }
        if (sum != request.length) return PLUGBAY_INVALID;
        std::size_t at = 0;
        for (const auto& segment : request.segments) {
            if (segment.length == 0) continue;
            const auto bytes = ram.range(segment.address, segment.length);
            if (writes)
                std::copy(bytes.begin(), bytes.end(), target.begin() + static_cast<std::ptrdiff_t>(at));
            else
                std::copy_n(target.begin() + static_cast<std::ptrdiff_t>(at), bytes.size(), bytes.begin());
            at += bytes.size();
        }
        return PLUGBAY_OK;
    }
    case PLUGBAY_BLK_DISCARD:
        if ((disk_.flags & PLUGBAY_BLK_CAN_DISCARD) == 0) return PLUGBAY_UNSUPPORTED;
        // Forgotten contents: not zeros, so that a test notices a device that relies on them.
        std::fill(target.begin(), target.end(), std::byte{0xdd});
        return PLUGBAY_OK;
    case PLUGBAY_BLK_WRITE_ZEROES:
        if ((disk_.flags & PLUGBAY_BLK_CAN_WRITE_ZEROES) == 0) return PLUGBAY_UNSUPPORTED;
        std::fill(target.begin(), target.end(), std::byte{0});
        return PLUGBAY_OK;
    default:
        return PLUGBAY_UNSUPPORTED;
    }
}

void BlkPeer::complete(std::span<const plugbay_blk_completion> completions) {
    const auto& to = link();
    call([&] {
        static_cast<const plugbay_blk_frontend*>(to.table)->complete(
            to.instance, to.port, completions.data(), static_cast<std::uint32_t>(completions.size()));
    });
}

void BlkPeer::hold(bool holding) {
    holding_ = holding;
    if (!holding) release_all();
}

void BlkPeer::release(std::size_t index) {
    if (index >= held_.size()) throw Error("there is no held request " + std::to_string(index));
    const BlkRequest request = held_[index];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
    const plugbay_blk_completion done{request.tag, perform(request), 0};
    complete(std::span(&done, 1));
}

void BlkPeer::release_all() {
    while (!held_.empty())
        release(0);
}

void BlkPeer::change(BlkDisk disk) {
    disk_ = disk;
    contents_.resize(static_cast<std::size_t>(disk.capacity));
    if (!connected()) return;
    const auto& to = link();
    call([&] { static_cast<const plugbay_blk_frontend*>(to.table)->changed(to.instance, to.port); });
}

// --- as a frontend ---

plugbay_blk_facts BlkPeer::facts() {
    plugbay_blk_facts result{};
    result.size = sizeof result;
    const auto& to = link();
    call([&] { static_cast<const plugbay_blk_backend*>(to.table)->facts(to.instance, to.port, &result); });
    return result;
}

void BlkPeer::submit(std::span<const BlkRequest> requests) {
    std::vector<plugbay_blk_request> raw;
    for (const BlkRequest& request : requests) {
        if (std::find(in_flight_.begin(), in_flight_.end(), request.tag) != in_flight_.end())
            throw Error("tag " + std::to_string(request.tag) + " is in flight");
        in_flight_.push_back(request.tag);
        raw.push_back({request.tag, request.offset, request.length, request.operation, request.flags,
                       request.segments.data(), static_cast<std::uint32_t>(request.segments.size()), 0});
    }
    const auto& to = link();
    call([&] {
        static_cast<const plugbay_blk_backend*>(to.table)->submit(to.instance, to.port, raw.data(),
                                                                  static_cast<std::uint32_t>(raw.size()));
        // Nothing of it may be looked at once submit has returned.
        std::fill(raw.begin(), raw.end(), plugbay_blk_request{});
    });
}

void BlkPeer::arrived_completions(const plugbay_blk_completion* completions, std::uint32_t count) {
    expect_awake("its blk/1 frontend");
    if (completions == nullptr || count == 0) return violation("completed no blk/1 requests");
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto place = std::find(in_flight_.begin(), in_flight_.end(), completions[i].tag);
        if (place == in_flight_.end()) {
            violation("completed blk/1 tag " + std::to_string(completions[i].tag) +
                      ", which is not in flight");
            continue;
        }
        in_flight_.erase(place);
        const plugbay_status status = completions[i].status;
        if (status != PLUGBAY_OK && status != PLUGBAY_FAILED && status != PLUGBAY_INVALID &&
            status != PLUGBAY_UNSUPPORTED)
            violation("completed a blk/1 request with status " + std::to_string(status));
        completions_.push_back(completions[i]);
    }
}

std::vector<plugbay_blk_completion> BlkPeer::take_completions() {
    return std::exchange(completions_, {});
}

plugbay_status BlkPeer::execute(std::uint32_t operation, std::uint64_t offset, std::uint64_t length,
                                std::uint64_t address, std::uint32_t flags) {
    BlkRequest request{next_tag_++ | std::uint64_t{1} << 63, operation, flags, offset, length, {}};
    if (operation == PLUGBAY_BLK_READ || operation == PLUGBAY_BLK_WRITE)
        request.segments.push_back({address, length});
    submit(request);
    const auto arrived = [&] {
        return std::find(in_flight_.begin(), in_flight_.end(), request.tag) == in_flight_.end();
    };
    if (!arrived()) {
        std::unique_lock lock(machine()->mutex());
        if (!machine()->run_until(arrived, std::chrono::seconds(10), lock))
            throw Error("a blk/1 request was not completed in 10 seconds");
    }
    const auto place = std::find_if(completions_.begin(), completions_.end(),
                                    [&](const auto& completion) { return completion.tag == request.tag; });
    const plugbay_status status = place->status;
    completions_.erase(place);
    return status;
}

} // namespace plugbay::testkit
