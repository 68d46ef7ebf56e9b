#include "core/checkpoint/stream_writer.hpp"

#include "core/checkpoint/checksum.hpp"
#include "core/checkpoint/origin.hpp"

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

Result<void> StreamWriter::send(Kind kind, std::span<const std::byte> first,
                                std::span<const std::byte> second) {
    Checksum payload;
    payload.add(first);
    payload.add(second);
    Numbers header;
    append(header, static_cast<std::uint32_t>(kind));
    append(header, number_++);
    append(header, std::uint64_t{first.size() + second.size()});
    append(header, payload.value());
    append(header, checksum_of(header));
    for (const auto part : {std::span<const std::byte>(header), first, second}) {
        if (auto written = channel_.write(part); !written) return written;
    }
    return {};
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

Result<void> StreamWriter::begin(Manifest manifest, bool states, std::optional<std::uint64_t> memory_size) {
    auto id = new_checkpoint_id();
    if (!id) return std::move(id).error();
    id_ = *std::move(id);
    states_ = states;
    memory_size_ = memory_size;
    Numbers header;
    const auto magic = std::as_bytes(std::span(stream::magic));
    header.insert(header.end(), magic.begin(), magic.end());
    append(header, stream::version);
    append(header, std::uint32_t{0});
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

} // namespace plugbay::core
