#include "core/checkpoint/stream_record.hpp"

#include "core/checkpoint/checksum.hpp"

#include <plugbay/state_image.hpp>

#include <algorithm>
#include <array>

namespace plugbay::core::stream {

namespace {

template <typename T>
T number_at(std::span<const std::byte> bytes, std::size_t at) {
    return plugbay::detail::state_load<T>(bytes.data() + at);
}

// Memory is taken as bytes come, not by the length that was promised.
Result<void> receive_payload(StreamChannel& channel, std::uint64_t length, std::vector<std::byte>& payload) {
    payload.clear();
    while (payload.size() < length) {
        const std::size_t have = payload.size();
        payload.resize(static_cast<std::size_t>(std::min<std::uint64_t>(length, have + largest_pages)));
        if (auto read = channel.read(std::span(payload).subspan(have)); !read) return read;
    }
    return {};
}

} // namespace

Result<void> send_record(StreamChannel& channel, Kind kind, std::uint32_t number,
                         std::span<const std::byte> first, std::span<const std::byte> second) {
    Checksum payload;
    payload.add(first);
    payload.add(second);
    std::vector<std::byte> header;
    const auto append = [&](auto value) { plugbay::detail::state_append(header, value); };
    append(static_cast<std::uint32_t>(kind));
    append(number);
    append(std::uint64_t{first.size() + second.size()});
    append(payload.value());
    append(checksum_of(header));
    for (const auto part : {std::span<const std::byte>(header), first, second}) {
        if (auto written = channel.write(part); !written) return written;
    }
    return {};
}

Result<Record> receive_record(StreamChannel& channel, std::uint32_t number, std::vector<std::byte>& payload) {
    const std::uint64_t place = channel.position();
    std::array<std::byte, record_header_size> header{};
    if (auto read = channel.read(header); !read) return std::move(read).error();
    const std::size_t checksum_at = header.size() - 4;
    if (number_at<std::uint32_t>(header, checksum_at) != checksum_of(std::span(header).first(checksum_at)))
        return wrong_record(place, "has a header whose checksum does not match");
    const auto kind = static_cast<Kind>(number_at<std::uint32_t>(header, 0));
    if (const auto found = number_at<std::uint32_t>(header, 4); found != number)
        return wrong_record(place,
                            "has number " + std::to_string(found) + "; expected " + std::to_string(number));
    const auto length = number_at<std::uint64_t>(header, 8);
    const Bounds bounds = bounds_of(kind);
    if (bounds.least > bounds.most)
        return wrong_record(place,
                            "is of the unknown kind " + std::to_string(static_cast<std::uint32_t>(kind)));
    if (length < bounds.least || length > bounds.most)
        return wrong_record(place, "has " + std::to_string(length) + " bytes; expected " +
                                       std::to_string(bounds.least) + " to " + std::to_string(bounds.most));
    if (auto read = receive_payload(channel, length, payload); !read) return std::move(read).error();
    if (number_at<std::uint32_t>(header, 16) != checksum_of(payload))
        return wrong_record(place, "has contents whose checksum does not match");
    return Record{kind, place};
}

Error wrong_record(std::uint64_t place, const std::string& what) {
    return Error{"the stream's record at byte " + std::to_string(place) + ' ' + what,
                 "the stream is damaged or comes from another program; nothing is restored"};
}

} // namespace plugbay::core::stream
