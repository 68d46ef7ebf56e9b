// A checkpoint from a descriptor. What comes may be anything; what is handed out was checked.
//
//     StreamReader reader(file);
//     auto opening = reader.begin();      // make the machine by it
//     for (;;) {
//         auto event = reader.next();     // put pages and zeros where they belong
//         if (event->kind == StreamEvent::Kind::end) break;
//     }
//     reader.states() ...                 // load them, and let it run
#pragma once

#include "core/base/left_descriptor.hpp"
#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/checkpoint/saved_states.hpp"
#include "core/checkpoint/stream_channel.hpp"
#include "core/checkpoint/stream_format.hpp"
#include "core/checkpoint/stream_record.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

struct StreamEvent {
    enum class Kind { pages, zeros, round, end };
    Kind kind = Kind::end;
    std::uint64_t offset = 0;              // of pages and zeros, inside the memory
    std::uint64_t length = 0;              // whole pages
    std::span<const std::byte> bytes = {}; // of pages; until the next call
};

class StreamReader {
  public:
    // `file` is the caller's and outlives the reader. Nothing behind the stream's last record is read from it.
    StreamReader(int file, StreamPatience patience = {}) : channel_(file, patience) {}

    // First of all: the machine as far as it was known when the stream began. Memory that no page follows for is zeros.
    [[nodiscard]] Result<Manifest> begin();
    // The next thing to do. After an error there is no other; after `end` everything has come and was checked.
    [[nodiscard]] Result<StreamEvent> next();

    // After `end`.
    [[nodiscard]] const Manifest& manifest() const { return closing_; }
    [[nodiscard]] const SavedStates& states() const { return states_; }
    [[nodiscard]] std::uint64_t bytes_received() const { return channel_.position(); }

    // --- of a move
    [[nodiscard]] stream::Purpose purpose() const { return purpose_; } // after begin()
    // By device, after `end`.
    using HandedOver = std::map<std::string, std::vector<LeftDescriptor>, std::less<>>;
    [[nodiscard]] HandedOver take_handed_over() { return std::move(handed_over_); }
    // One of the two, once: the machine is made here; or it will not be, for a reason of UTF-8.
    [[nodiscard]] Result<void> answer_ready();
    void refuse(std::string why);
    // After answer_ready(). Success: the machine is this process's, and nobody else's.
    [[nodiscard]] Result<void> await_go();

  private:
    using Record = stream::Record;
    // Its payload is in payload_.
    Result<Record> read_record();
    Result<StreamEvent> take_pages(const Record& record);
    Result<StreamEvent> take_zeros(const Record& record);
    Result<void> take_state(const Record& record);
    Result<void> take_descriptors(const Record& record);
    Result<void> take_closing(const Record& record);
    [[nodiscard]] Result<void> check_same_machine() const;

    StreamChannel channel_;
    stream::Purpose purpose_ = stream::Purpose::copy;
    HandedOver handed_over_;
    Manifest opening_;
    Manifest closing_;
    bool closed_ = false; // the closing manifest has come
    SavedStates states_;
    std::vector<std::byte> payload_;
    std::vector<std::byte> state_bytes_;
    std::uint32_t number_ = 0; // of the next record
};

} // namespace plugbay::core
