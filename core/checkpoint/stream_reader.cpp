#include "core/checkpoint/stream_reader.hpp"

#include "core/checkpoint/checksum.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace plugbay::core {

namespace {

using stream::Kind;

template <typename T>
T number_at(std::span<const std::byte> bytes, std::size_t at) {
    return plugbay::detail::state_load<T>(bytes.data() + at);
}

Error wrong(std::uint64_t place, const std::string& what) {
    return Error{"the stream's record at byte " + std::to_string(place) + ' ' + what,
                 "the stream is damaged or comes from another program; nothing is restored"};
}

} // namespace

Result<Manifest> StreamReader::begin() {
    std::array<std::byte, stream::header_size> header{};
    if (auto read = channel_.read(header); !read) return std::move(read).error();
    if (std::memcmp(header.data(), stream::magic.data(), stream::magic.size()) != 0)
        return Error{"this is no stream of a checkpoint: it does not begin with PLBCHKPT",
                     "connect to \"plugbay checkpoint\" on the other side"};
    const auto version = number_at<std::uint32_t>(header, 8);
    if (version != stream::version || number_at<std::uint32_t>(header, 12) != 0)
        return Error{"the stream has format " + std::to_string(version) + "; expected format " +
                         std::to_string(stream::version),
                     "use versions of Plugbay on both sides that understand each other"};
    const auto record = read_record();
    if (!record) return record.error();
    if (record->kind != Kind::opening)
        return wrong(record->place, "is not the manifest that begins a stream");
    auto manifest = read_manifest({reinterpret_cast<const char*>(payload_.data()), payload_.size()},
                                  "the stream's first manifest", ManifestStage::opening);
    if (!manifest) return manifest;
    opening_ = *manifest;
    return manifest;
}

Result<StreamReader::Record> StreamReader::read_record() {
    const std::uint64_t place = channel_.position();
    std::array<std::byte, stream::record_header_size> header{};
    if (auto read = channel_.read(header); !read) return std::move(read).error();
    const std::size_t checksum_at = header.size() - 4;
    if (number_at<std::uint32_t>(header, checksum_at) != checksum_of(std::span(header).first(checksum_at)))
        return wrong(place, "has a header whose checksum does not match");
    const auto kind = static_cast<Kind>(number_at<std::uint32_t>(header, 0));
    if (const auto number = number_at<std::uint32_t>(header, 4); number != number_)
        return wrong(place, "has number " + std::to_string(number) + "; expected " + std::to_string(number_));
    ++number_;
    const auto length = number_at<std::uint64_t>(header, 8);
    const stream::Bounds bounds = stream::bounds_of(kind);
    if (bounds.least > bounds.most)
        return wrong(place, "is of the unknown kind " + std::to_string(static_cast<std::uint32_t>(kind)));
    if (length < bounds.least || length > bounds.most)
        return wrong(place, "has " + std::to_string(length) + " bytes; expected " +
                                std::to_string(bounds.least) + " to " + std::to_string(bounds.most));
    if (auto read = read_payload(length); !read) return std::move(read).error();
    if (number_at<std::uint32_t>(header, 16) != checksum_of(payload_))
        return wrong(place, "has contents whose checksum does not match");
    return Record{kind, place};
}

// Memory is taken as bytes come, not by the length that was promised.
Result<void> StreamReader::read_payload(std::uint64_t length) {
    payload_.clear();
    while (payload_.size() < length) {
        const std::size_t have = payload_.size();
        payload_.resize(
            static_cast<std::size_t>(std::min<std::uint64_t>(length, have + stream::largest_pages)));
        if (auto read = channel_.read(std::span(payload_).subspan(have)); !read) return read;
    }
    return {};
}

Result<StreamEvent> StreamReader::next() {
    for (;;) {
        const auto record = read_record();
        if (!record) return record.error();
        const bool after_states = closed_ || !state_bytes_.empty();
        switch (record->kind) {
        case Kind::pages:
        case Kind::zeros:
        case Kind::round:
            if (!opening_.memory)
                return wrong(record->place, "is about memory, of which there should be none");
            if (after_states) return wrong(record->place, "is about memory, although the states have begun");
            if (record->kind == Kind::pages) return take_pages(*record);
            if (record->kind == Kind::zeros) return take_zeros(*record);
            return StreamEvent{.kind = StreamEvent::Kind::round};
        case Kind::state:
            if (auto taken = take_state(*record); !taken) return std::move(taken).error();
            break;
        case Kind::closing:
            if (auto taken = take_closing(*record); !taken) return std::move(taken).error();
            break;
        case Kind::end:
            if (!closed_) return wrong(record->place, "is the last, but there was no second manifest");
            return StreamEvent{};
        case Kind::opening:
            return wrong(record->place, "is a second beginning");
        }
    }
}

Result<StreamEvent> StreamReader::take_pages(const Record& record) {
    const auto offset = number_at<std::uint64_t>(payload_, 0);
    const std::span<const std::byte> bytes = std::span(payload_).subspan(8);
    if (!are_pages(offset, bytes.size(), opening_.memory->size))
        return wrong(record.place, "has " + std::to_string(bytes.size()) + " bytes for offset " +
                                       std::to_string(offset) + ", which are not whole pages of the memory");
    return StreamEvent{StreamEvent::Kind::pages, offset, bytes.size(), bytes};
}

Result<StreamEvent> StreamReader::take_zeros(const Record& record) {
    const auto offset = number_at<std::uint64_t>(payload_, 0);
    const auto length = number_at<std::uint64_t>(payload_, 8);
    if (length == 0 || !are_pages(offset, length, opening_.memory->size))
        return wrong(record.place, "has " + std::to_string(length) + " zeros for offset " +
                                       std::to_string(offset) + ", which are not whole pages of the memory");
    return StreamEvent{.kind = StreamEvent::Kind::zeros, .offset = offset, .length = length};
}

Result<void> StreamReader::take_state(const Record& record) {
    if (!opening_.holds_states) return wrong(record.place, "is a state, of which there should be none");
    if (closed_) return wrong(record.place, "is a state behind the second manifest");
    if (payload_.size() > largest_states - state_bytes_.size())
        return wrong(record.place,
                     "makes the states longer than " + std::to_string(largest_states) + " bytes");
    try {
        state_bytes_.insert(state_bytes_.end(), payload_.begin(), payload_.end());
    } catch (const std::bad_alloc&) {
        return wrong(record.place, "is a state for which there is no memory");
    }
    return {};
}

Result<void> StreamReader::take_closing(const Record& record) {
    if (closed_) return wrong(record.place, "is a third manifest");
    auto manifest = read_manifest({reinterpret_cast<const char*>(payload_.data()), payload_.size()},
                                  "the stream's second manifest", ManifestStage::closing);
    if (!manifest) return std::move(manifest).error();
    closing_ = *std::move(manifest);
    if (auto same = check_same_machine(); !same) return same;
    const auto file = closing_.files.find(state_file);
    const std::uint64_t expected = file == closing_.files.end() ? 0 : file->second.size;
    if (expected != state_bytes_.size())
        return wrong(record.place, "says that there are " + std::to_string(expected) +
                                       " bytes of states, but " + std::to_string(state_bytes_.size()) +
                                       " have come");
    auto states = SavedStates::read(
        closing_,
        [this](std::span<std::byte> bytes, std::uint64_t offset) {
            std::ranges::copy(std::span(state_bytes_).subspan(offset, bytes.size()), bytes.begin());
            return Result<void>();
        },
        "the stream's states");
    if (!states) return std::move(states).error();
    states_ = *std::move(states);
    state_bytes_ = {};
    closed_ = true;
    return {};
}

// A machine was made by the first manifest, so the second one has to be about the same.
Result<void> StreamReader::check_same_machine() const {
    const auto differs = [](const char* path) {
        return Error{std::string("the stream's second manifest: ") + path + " is not what the first one has",
                     "nothing is restored"};
    };
    if (opening_.id != closing_.id) return differs("id");
    if (opening_.holds_states != closing_.holds_states) return differs("holds.states");
    if (opening_.memory.has_value() != closing_.memory.has_value()) return differs("holds.memory");
    if (opening_.memory && opening_.memory->size != closing_.memory->size) return differs("memory.size");
    if (opening_.vcpus != closing_.vcpus) return differs("vcpus");
    if (opening_.host != closing_.host) return differs("host");
    if (opening_.machine != closing_.machine) return differs("machine");
    const auto same_device = [](const SavedDevice& a, const SavedDevice& b) {
        return a.id == b.id && a.type == b.type && a.plugin == b.plugin && a.build_id == b.build_id;
    };
    if (!std::ranges::equal(opening_.devices, closing_.devices, same_device)) return differs("devices");
    return {};
}

} // namespace plugbay::core
