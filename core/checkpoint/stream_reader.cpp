#include "core/checkpoint/stream_reader.hpp"

#include "core/checkpoint/stream_record.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string_view>

namespace plugbay::core {

namespace {

using stream::Kind;
using stream::Purpose;
using stream::Record;

template <typename T>
T number_at(std::span<const std::byte> bytes, std::size_t at) {
    return plugbay::detail::state_load<T>(bytes.data() + at);
}

} // namespace

Result<Manifest> StreamReader::begin() {
    std::array<std::byte, stream::header_size> header{};
    if (auto read = channel_.read(header); !read) return std::move(read).error();
    if (std::memcmp(header.data(), stream::magic.data(), stream::magic.size()) != 0)
        return Error{"this is no stream of a checkpoint: it does not begin with PLBCHKPT",
                     "connect to \"plugbay checkpoint\" on the other side"};
    const auto version = number_at<std::uint32_t>(header, 8);
    purpose_ = static_cast<Purpose>(number_at<std::uint32_t>(header, 12));
    if (version != stream::version || (purpose_ != Purpose::copy && purpose_ != Purpose::move))
        return Error{"the stream has format " + std::to_string(version) + "; expected format " +
                         std::to_string(stream::version),
                     "use versions of Plugbay on both sides that understand each other"};
    const auto record = read_record();
    if (!record) return record.error();
    if (record->kind != Kind::opening)
        return stream::wrong_record(record->place, "is not the manifest that begins a stream");
    auto manifest = read_manifest({reinterpret_cast<const char*>(payload_.data()), payload_.size()},
                                  "the stream's first manifest", ManifestStage::opening);
    if (!manifest) return manifest;
    opening_ = *manifest;
    return manifest;
}

Result<stream::Record> StreamReader::read_record() {
    return stream::receive_record(channel_, number_++, payload_);
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
                return stream::wrong_record(record->place, "is about memory, of which there should be none");
            if (after_states)
                return stream::wrong_record(record->place, "is about memory, although the states have begun");
            if (record->kind == Kind::pages) return take_pages(*record);
            if (record->kind == Kind::zeros) return take_zeros(*record);
            return StreamEvent{.kind = StreamEvent::Kind::round};
        case Kind::state:
            if (auto taken = take_state(*record); !taken) return std::move(taken).error();
            break;
        case Kind::closing:
            if (auto taken = take_closing(*record); !taken) return std::move(taken).error();
            break;
        case Kind::descriptors:
            if (auto taken = take_descriptors(*record); !taken) return std::move(taken).error();
            break;
        case Kind::end:
            if (!closed_)
                return stream::wrong_record(record->place, "is the last, but there was no second manifest");
            return StreamEvent{};
        case Kind::opening:
            return stream::wrong_record(record->place, "is a second beginning");
        case Kind::ready:
        case Kind::refused:
        case Kind::go:
            return stream::wrong_record(record->place, "is none of those that may come now");
        }
    }
}

Result<StreamEvent> StreamReader::take_pages(const Record& record) {
    const auto offset = number_at<std::uint64_t>(payload_, 0);
    const std::span<const std::byte> bytes = std::span(payload_).subspan(8);
    if (!are_pages(offset, bytes.size(), opening_.memory->size))
        return stream::wrong_record(record.place, "has " + std::to_string(bytes.size()) +
                                                      " bytes for offset " + std::to_string(offset) +
                                                      ", which are not whole pages of the memory");
    return StreamEvent{StreamEvent::Kind::pages, offset, bytes.size(), bytes};
}

Result<StreamEvent> StreamReader::take_zeros(const Record& record) {
    const auto offset = number_at<std::uint64_t>(payload_, 0);
    const auto length = number_at<std::uint64_t>(payload_, 8);
    if (length == 0 || !are_pages(offset, length, opening_.memory->size))
        return stream::wrong_record(record.place, "has " + std::to_string(length) + " zeros for offset " +
                                                      std::to_string(offset) +
                                                      ", which are not whole pages of the memory");
    return StreamEvent{.kind = StreamEvent::Kind::zeros, .offset = offset, .length = length};
}

Result<void> StreamReader::take_state(const Record& record) {
    if (!opening_.holds_states)
        return stream::wrong_record(record.place, "is a state, of which there should be none");
    if (closed_) return stream::wrong_record(record.place, "is a state behind the second manifest");
    if (payload_.size() > largest_states - state_bytes_.size())
        return stream::wrong_record(record.place, "makes the states longer than " +
                                                      std::to_string(largest_states) + " bytes");
    try {
        state_bytes_.insert(state_bytes_.end(), payload_.begin(), payload_.end());
    } catch (const std::bad_alloc&) {
        return stream::wrong_record(record.place, "is a state for which there is no memory");
    }
    return {};
}

Result<void> StreamReader::take_closing(const Record& record) {
    if (closed_) return stream::wrong_record(record.place, "is a third manifest");
    auto manifest = read_manifest({reinterpret_cast<const char*>(payload_.data()), payload_.size()},
                                  "the stream's second manifest", ManifestStage::closing);
    if (!manifest) return std::move(manifest).error();
    closing_ = *std::move(manifest);
    if (auto same = check_same_machine(); !same) return same;
    const auto file = closing_.files.find(state_file);
    const std::uint64_t expected = file == closing_.files.end() ? 0 : file->second.size;
    if (expected != state_bytes_.size())
        return stream::wrong_record(record.place, "says that there are " + std::to_string(expected) +
                                                      " bytes of states, but " +
                                                      std::to_string(state_bytes_.size()) + " have come");
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

Result<void> StreamReader::take_descriptors(const Record& record) {
    if (purpose_ != Purpose::move)
        return stream::wrong_record(record.place, "hands over descriptors, and the machine does not move");
    if (closed_)
        return stream::wrong_record(record.place, "hands over descriptors behind the second manifest");
    std::vector<std::string> texts;
    std::string_view rest(reinterpret_cast<const char*>(payload_.data()), payload_.size());
    while (!rest.empty()) {
        const std::size_t end = rest.find('\0');
        if (end == rest.npos || end == 0)
            return stream::wrong_record(record.place, "has a name that is empty or does not end");
        texts.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end + 1);
    }
    const std::string device = texts.front();
    texts.erase(texts.begin());
    if (texts.empty() || texts.size() > stream::most_descriptors)
        return stream::wrong_record(record.place,
                                    "hands over " + std::to_string(texts.size()) + " descriptors");
    if (std::ranges::find(opening_.devices, device, &SavedDevice::id) == opening_.devices.end() ||
        handed_over_.contains(device))
        return stream::wrong_record(record.place,
                                    "hands over descriptors of no device, or of one a second time");
    auto files = channel_.read_descriptors(texts.size());
    if (!files) return std::move(files).error();
    std::vector<LeftDescriptor>& left = handed_over_[device];
    for (std::size_t i = 0; i < texts.size(); ++i)
        left.push_back({std::move(texts[i]), std::move((*files)[i])});
    return {};
}

Result<void> StreamReader::answer_ready() {
    return stream::send_record(channel_, Kind::ready, 0, {});
}

void StreamReader::refuse(std::string why) {
    why.resize(std::min<std::size_t>(why.size(), stream::largest_refusal));
    static_cast<void>(stream::send_record(channel_, Kind::refused, 0, std::as_bytes(std::span(why))));
}

Result<void> StreamReader::await_go() {
    const auto record = read_record();
    if (!record) return with_context("the machine stays at the other side", record.error());
    if (record->kind != Kind::go)
        return stream::wrong_record(record->place, "does not let the machine go on here");
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
