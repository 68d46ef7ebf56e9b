#include "core/checkpoint/stream_writer.hpp"

#include "core/base/utf8.hpp"
#include "core/checkpoint/origin.hpp"
#include "core/checkpoint/stream_record.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace plugbay::core {

namespace {

using stream::Kind;

using Numbers = std::vector<std::byte>;

void append(Numbers& bytes, std::uint32_t value) {
    plugbay::detail::state_append(bytes, value);
}
void append(Numbers& bytes, std::uint64_t value) {
    plugbay::detail::state_append(bytes, value);
}

Error nothing_held(const char* what) {
    return Error{std::string(what) + " is given to a stream that was begun without"};
}

} // namespace

// A receiver that ends a move says why before it hangs up.
Result<void> StreamWriter::send(Kind kind, std::span<const std::byte> first,
                                std::span<const std::byte> second) {
    auto sent = stream::send_record(channel_, kind, number_++, first, second);
    if (sent || purpose_ != stream::Purpose::move || answered_) return sent;
    auto answer = await_ready();
    return answer ? std::move(sent) : std::move(answer);
}

Result<void> StreamWriter::send_manifest(Kind kind, Manifest& manifest) {
    fill_origin(manifest, id_);
    manifest.holds_states = states_;
    if (memory_size_) manifest.memory = SavedMemory{.size = *memory_size_};
    const bool opening = kind == Kind::opening;
    if (opening) {
        manifest.states.clear();
        for (SavedDevice& device : manifest.devices)
            device.state.reset();
    } else if (states_) {
        manifest.files[state_file] = {.size = placer_.end()};
    }
    const ManifestStage stage = opening ? ManifestStage::opening : ManifestStage::closing;
    auto text = manifest_text(manifest, stage);
    if (!text) return std::move(text).error();
    // What the other side would refuse is not sent.
    if (auto read = read_manifest(*text, "the manifest to be sent", stage); !read)
        return std::move(read).error();
    return send(kind, std::as_bytes(std::span(*text)));
}

Result<void> StreamWriter::begin(Manifest manifest, bool states, std::optional<std::uint64_t> memory_size,
                                 stream::Purpose purpose) {
    auto id = new_checkpoint_id();
    if (!id) return std::move(id).error();
    id_ = *std::move(id);
    states_ = states;
    memory_size_ = memory_size;
    purpose_ = purpose;
    Numbers header;
    const auto magic = std::as_bytes(std::span(stream::magic));
    header.insert(header.end(), magic.begin(), magic.end());
    append(header, stream::version);
    append(header, static_cast<std::uint32_t>(purpose));
    if (auto written = channel_.write(header); !written) return written;
    return send_manifest(Kind::opening, manifest);
}

Result<void> StreamWriter::write_pages(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (!memory_size_ || !are_pages(offset, bytes.size(), *memory_size_)) return nothing_held("such memory");
    while (!bytes.empty()) {
        const auto part =
            bytes.first(std::min<std::size_t>(bytes.size(), pages_at_once * checkpoint_page_size));
        if (auto sent = send_run(offset, part); !sent) return sent;
        offset += part.size();
        bytes = bytes.subspan(part.size());
    }
    return {};
}

Result<void> StreamWriter::send_run(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; }))
        return write_zeros(offset, bytes.size());
    Numbers place;
    append(place, offset);
    return send(Kind::pages, place, bytes);
}

Result<void> StreamWriter::write_zeros(std::uint64_t offset, std::uint64_t length) {
    if (!memory_size_ || !are_pages(offset, length, *memory_size_)) return nothing_held("such memory");
    if (length == 0) return {};
    Numbers run;
    append(run, offset);
    append(run, length);
    return send(Kind::zeros, run);
}

Result<void> StreamWriter::end_round() {
    if (!memory_size_) return nothing_held("a round of memory");
    return send(Kind::round, {});
}

Result<StatePlace> StreamWriter::add_state(const StateImage& image) {
    if (!states_) return nothing_held("a state");
    auto place = placer_.place(image);
    if (!place) return place;
    std::span<const std::byte> bytes = image.bytes();
    while (!bytes.empty()) {
        const auto part = bytes.first(std::min<std::size_t>(bytes.size(), stream::largest_state));
        if (auto sent = send(Kind::state, part); !sent) return std::move(sent).error();
        bytes = bytes.subspan(part.size());
    }
    return place;
}

Result<void> StreamWriter::finish(Manifest manifest) {
    if (auto sent = send_manifest(Kind::closing, manifest); !sent) return sent;
    return send(Kind::end, {});
}

Result<void> StreamWriter::hand_over(const std::string& device, std::span<const LeftDescriptor> left) {
    if (left.empty()) return {};
    std::string names = device + '\0';
    std::vector<int> files;
    for (const LeftDescriptor& each : left) {
        names += each.name + '\0';
        files.push_back(each.descriptor.get());
    }
    if (auto sent = send(Kind::descriptors, std::as_bytes(std::span(names))); !sent) return sent;
    return channel_.write_descriptors(files);
}

Result<void> StreamWriter::await_ready() {
    answered_ = true;
    std::vector<std::byte> payload;
    const auto record = stream::receive_record(channel_, 0, payload);
    if (!record) return with_context("the other side did not take the machine", record.error());
    if (record->kind == Kind::ready) return {};
    if (record->kind != Kind::refused) return stream::wrong_record(record->place, "is no answer");
    return Error{"the other side refuses the machine: " +
                     printable_text({reinterpret_cast<const char*>(payload.data()), payload.size()}),
                 "it runs on here"};
}

Result<void> StreamWriter::let_go() {
    return stream::send_record(channel_, Kind::go, number_++, {});
}

} // namespace plugbay::core
