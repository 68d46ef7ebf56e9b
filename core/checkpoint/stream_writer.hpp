// A checkpoint into a descriptor: a pipe, a socket, a file.
#pragma once

#include "core/base/left_descriptor.hpp"
#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/checkpoint/stream_channel.hpp"
#include "core/checkpoint/stream_format.hpp"

#include <optional>
#include <string>

namespace plugbay::core {

class StreamWriter final : public CheckpointSink {
  public:
    // `file` is the caller's and outlives the writer.
    StreamWriter(int file, StreamPatience patience = {}) : channel_(file, patience) {}

    // First of all. `manifest` has its first part filled, as far as it is known: whoever receives it may make the machine
    // by it while pages follow. Without `states` or `memory_size`, there will be none.
    [[nodiscard]] Result<void> begin(Manifest manifest, bool states, std::optional<std::uint64_t> memory_size,
                                     stream::Purpose purpose = stream::Purpose::copy);

    Result<void> write_pages(std::uint64_t offset, std::span<const std::byte> bytes) override;
    Result<void> write_zeros(std::uint64_t offset, std::uint64_t length) override;
    // Tells the other side that all pages were sent, and those that have changed since follow.
    [[nodiscard]] Result<void> end_round();
    // Waits until all of it was taken: who does not read makes nobody wait who stands still afterwards.
    [[nodiscard]] Result<void> drain() { return channel_.drain(); }
    Result<StatePlace> add_state(const StateImage& image) override;
    // `manifest` is the one of begin(), with the places of the states.
    Result<void> finish(Manifest manifest) override;

    // --- of a move. Before finish(): what a device leaves.
    [[nodiscard]] Result<void> hand_over(const std::string& device, std::span<const LeftDescriptor> left);
    // After finish(): success when the receiver has made the machine, which does not run there before let_go(). That
    // fails only where the receiver cannot have heard of it.
    [[nodiscard]] Result<void> await_ready();
    [[nodiscard]] Result<void> let_go();

    [[nodiscard]] const std::string& id() const { return id_; } // after begin()
    [[nodiscard]] std::uint64_t bytes_sent() const { return channel_.position(); }

  private:
    Result<void> send(stream::Kind kind, std::span<const std::byte> first,
                      std::span<const std::byte> second = {});
    Result<void> send_manifest(stream::Kind kind, Manifest& manifest);
    Result<void> send_run(std::uint64_t offset, std::span<const std::byte> bytes);

    StreamChannel channel_;
    std::string id_;
    stream::Purpose purpose_ = stream::Purpose::copy;
    bool answered_ = false; // the receiver's answer was waited for
    bool states_ = false;
    std::optional<std::uint64_t> memory_size_;
    StatePlacer placer_;
    std::uint32_t number_ = 0; // of the next record
};

} // namespace plugbay::core
