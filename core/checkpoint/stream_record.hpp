// The records of a stream, sent and received one by one; docs/checkpoint-format.md specifies them.
#pragma once

#include "core/checkpoint/stream_channel.hpp"
#include "core/checkpoint/stream_format.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core::stream {

struct Record {
    Kind kind = Kind::end;
    std::uint64_t place = 0; // of its header in the stream
};

// With a payload in two parts. `number` counts the sender's records from 0.
[[nodiscard]] Result<void> send_record(StreamChannel& channel, Kind kind, std::uint32_t number,
                                       std::span<const std::byte> first,
                                       std::span<const std::byte> second = {});

// The next one, which has to have `number`; what it holds replaces `payload`.
[[nodiscard]] Result<Record> receive_record(StreamChannel& channel, std::uint32_t number,
                                            std::vector<std::byte>& payload);

// What is wrong with the record that begins at `place`.
[[nodiscard]] Error wrong_record(std::uint64_t place, const std::string& what);

} // namespace plugbay::core::stream
