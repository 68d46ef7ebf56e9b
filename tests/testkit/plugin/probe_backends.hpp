// probe-echo: a char/1 backend that sends back what it gets. probe-disk: a blk/1 backend that completes from
// a timer.
#pragma once

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

class ProbeEcho {
  public:
    static constexpr plugbay::Type type{.name = "probe-echo", .help = "Sends back what it gets."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    explicit ProbeEcho(plugbay::Host host) : host_(host) {}
    void on_connect(std::uint64_t, plugbay::Link link) {
        peer_ = plugbay::CharFrontend(link);
        peer_.event(PLUGBAY_CHAR_OPENED);
    }
    void on_disconnect(std::uint64_t) { peer_ = {}; }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        const std::uint32_t taken = peer_.receive(bytes);
        waiting_ |= taken < bytes.size();
        return taken;
    }
    void on_receive_ready(std::uint64_t) {
        if (std::exchange(waiting_, false)) peer_.write_ready();
    }
    void reset() { waiting_ = false; }

  private:
    plugbay::Host host_;
    plugbay::CharFrontend peer_;
    bool waiting_ = false;
};

class ProbeDisk {
  public:
    static constexpr plugbay::Type type{.name = "probe-disk", .help = "A slow disk of 64 KiB."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_BLK).optional()}; }

    explicit ProbeDisk(plugbay::Host host)
        : host_(host), timer_(host.timer(PLUGBAY_CLOCK_HOST)), bytes_(65536, 0x5a) {}
    void on_connect(std::uint64_t, plugbay::Link link) { peer_ = plugbay::BlkFrontend(link); }
    void on_disconnect(std::uint64_t) { peer_ = {}; }
    plugbay_blk_facts facts(std::uint64_t) const {
        return {sizeof(plugbay_blk_facts), PLUGBAY_BLK_READ_ONLY, bytes_.size(), 512, 512};
    }
    void on_submit(std::uint64_t, std::span<const plugbay_blk_request> requests) {
        for (const auto& request : requests) {
            if (request.operation == PLUGBAY_BLK_DISCARD) throw plugbay::Failure("nothing is discarded here");
        }
        for (const auto& request : requests) {
            plugbay_status status = PLUGBAY_OK;
            if (request.operation == PLUGBAY_BLK_READ) {
                for (std::uint32_t i = 0; i < request.segment_count; ++i) {
                    const auto& segment = request.segments[i];
                    if (!host_.memory().write(segment.address,
                                              std::as_bytes(std::span(bytes_)).first(segment.length)))
                        status = PLUGBAY_INVALID;
                }
            } else {
                status = PLUGBAY_UNSUPPORTED;
            }
            done_.push_back({request.tag, status, 0});
        }
        timer_.arm(host_.now(PLUGBAY_CLOCK_HOST)); // as soon as possible
    }
    void on_timer(std::uint64_t) {
        const auto done = std::exchange(done_, {});
        if (!done.empty()) peer_.complete(done);
    }
    void reset() {}

  private:
    plugbay::Host host_;
    plugbay::Timer timer_;
    plugbay::BlkFrontend peer_;
    std::vector<std::uint8_t> bytes_;
    std::vector<plugbay_blk_completion> done_;
};
