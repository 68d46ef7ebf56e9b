// disk-null: reads as zeros, and forgets what is written.
#pragma once

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

class DiskNull {
  public:
    static constexpr plugbay::Type type{.name = "disk-null",
                                        .help = "A disk that reads as zeros and forgets what is written."};
    struct Options {
        plugbay::Size capacity{std::uint64_t{1} << 30};
        bool read_only = false;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("capacity", &Options::capacity, "bytes, a multiple of 512")
                    .range(512, std::uint64_t{1} << 60),
                plugbay::property("read_only", &Options::read_only, "refuse writes"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_BLK)}; }

    DiskNull(plugbay::Host host, const Options& options)
        : memory_(host.memory()), capacity_(options.capacity.bytes), read_only_(options.read_only) {
        if (capacity_ % 512 != 0)
            throw plugbay::Failure("\"capacity\" is " + std::to_string(capacity_) +
                                       ", which is not a multiple of 512",
                                   PLUGBAY_INVALID);
    }
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::BlkFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    plugbay_blk_facts facts(std::uint64_t) const {
        return {sizeof(plugbay_blk_facts),
                (read_only_ ? PLUGBAY_BLK_READ_ONLY : 0) | PLUGBAY_BLK_CAN_DISCARD |
                    PLUGBAY_BLK_CAN_WRITE_ZEROES,
                capacity_, 512, 4096};
    }
    // Done at once. The completions live on the stack, so that a frontend may submit more from inside its
    // complete.
    void on_submit(std::uint64_t, std::span<const plugbay_blk_request> requests) {
        std::array<plugbay_blk_completion, 64> done{};
        while (!requests.empty()) {
            const auto batch = requests.first(std::min(requests.size(), done.size()));
            for (std::size_t i = 0; i < batch.size(); ++i)
                done[i] = {batch[i].tag, perform(batch[i]), 0};
            requests = requests.subspan(batch.size());
            frontend_.complete(std::span(done).first(batch.size()));
        }
    }
    void reset() {}
    void state(auto&) {}

  private:
    plugbay_status perform(const plugbay_blk_request& request) const {
        if (request.operation == PLUGBAY_BLK_FLUSH) return PLUGBAY_OK;
        if (request.offset > capacity_ || request.length > capacity_ - request.offset) return PLUGBAY_INVALID;
        if (request.operation == PLUGBAY_BLK_READ) return fill(request);
        if (read_only_) return PLUGBAY_INVALID;
        const bool known = request.operation == PLUGBAY_BLK_WRITE ||
                           request.operation == PLUGBAY_BLK_DISCARD ||
                           request.operation == PLUGBAY_BLK_WRITE_ZEROES;
        return known ? PLUGBAY_OK : PLUGBAY_UNSUPPORTED;
    }
    plugbay_status fill(const plugbay_blk_request& request) const {
        static constexpr std::array<std::byte, 65536> zeros{};
        for (const auto& segment : std::span(request.segments, request.segment_count)) {
            if (segment.length > request.length || segment.address + segment.length < segment.address)
                return PLUGBAY_INVALID;
            for (std::uint64_t done = 0; done < segment.length;) {
                const auto piece = std::min<std::uint64_t>(segment.length - done, zeros.size());
                if (!memory_.write(segment.address + done,
                                   std::span(zeros).first(static_cast<std::size_t>(piece))))
                    return PLUGBAY_INVALID;
                done += piece;
            }
        }
        return PLUGBAY_OK;
    }

    plugbay::Memory memory_;
    std::uint64_t capacity_;
    bool read_only_;
    plugbay::BlkFrontend frontend_;
};
