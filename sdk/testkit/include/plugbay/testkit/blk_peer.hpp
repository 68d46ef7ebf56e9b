// A fake blk/1 peer of either role: connected to a frontend (virtio-blk) it is a disk in memory, connected to
// a backend (a disk image) it is the device that submits requests.
#pragma once

#include <plugbay/abi/interface/blk.h>
#include <plugbay/testkit/peer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace plugbay::testkit {

// A request with its segments, owned.
struct BlkRequest {
    std::uint64_t tag = 0;
    std::uint32_t operation = PLUGBAY_BLK_READ;
    std::uint32_t flags = 0;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::vector<plugbay_segment> segments = {};
};

struct BlkDisk {
    std::uint64_t capacity = 1 << 20;
    std::uint32_t logical_block_size = 512;
    std::uint32_t physical_block_size = 4096;
    std::uint32_t flags = PLUGBAY_BLK_CAN_DISCARD | PLUGBAY_BLK_CAN_WRITE_ZEROES;
};

class BlkPeer : public Peer {
  public:
    explicit BlkPeer(BlkDisk disk = {});
    ~BlkPeer() override; // completes what it holds

    // --- as a backend ---
    [[nodiscard]] std::span<std::byte> contents() { return contents_; }
    // While holding, requests are executed and completed only by release().
    void hold(bool holding);
    [[nodiscard]] const std::deque<BlkRequest>& held() const { return held_; }
    // Executes and completes held request number `index`, or all in order.
    void release(std::size_t index);
    void release_all();
    // The next request that is executed fails with `status`, without touching disk or memory. Adds up.
    void fail_next(plugbay_status status) { failures_.push_back(status); }
    // A new medium: facts change, contents are kept as far as they fit, and the frontend is told.
    void change(BlkDisk disk);
    // Every request that arrived, in order; `flushes` of them were flushes.
    [[nodiscard]] const std::vector<BlkRequest>& requests() const { return requests_; }

    // --- as a frontend ---
    [[nodiscard]] plugbay_blk_facts facts();
    // Submits in one batch. Tags must not be in flight.
    void submit(std::span<const BlkRequest> requests);
    void submit(const BlkRequest& request) { submit(std::span(&request, 1)); }
    // The completions that came since the last take.
    [[nodiscard]] std::vector<plugbay_blk_completion> take_completions();
    [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
    // Submits one request of one segment and runs the bench until its completion came (at most 10 seconds).
    plugbay_status execute(std::uint32_t operation, std::uint64_t offset, std::uint64_t length,
                           std::uint64_t address = 0, std::uint32_t flags = 0);
    [[nodiscard]] std::uint64_t changed_calls() const { return changed_calls_; }

    [[nodiscard]] std::string_view interface() const override { return PLUGBAY_BLK; }
    [[nodiscard]] const void* table(std::uint32_t role) const override;
    [[nodiscard]] void* instance() override { return this; }

  private:
    struct Tables;
    void arrive(const plugbay_blk_request* requests, std::uint32_t count);
    void arrived_completions(const plugbay_blk_completion* completions, std::uint32_t count);
    [[nodiscard]] plugbay_status perform(const BlkRequest& request);
    void complete(std::span<const plugbay_blk_completion> completions);

    BlkDisk disk_;
    std::vector<std::byte> contents_;
    bool holding_ = false;
    std::deque<BlkRequest> held_;
    std::deque<plugbay_status> failures_;
    std::vector<BlkRequest> requests_;
    std::vector<std::uint64_t> in_flight_;
    std::vector<plugbay_blk_completion> completions_;
    std::uint64_t next_tag_ = 1;
    std::uint64_t changed_calls_ = 0;
};

} // namespace plugbay::testkit
