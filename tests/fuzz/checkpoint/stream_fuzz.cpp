// libFuzzer: a stream with its records edited, or its bytes. What is handed out has to be inside the memory, and the states decoded.
#include "core/checkpoint/manifest_text.hpp"
#include "core/checkpoint/stream_reader.hpp"
#include "core/checkpoint/stream_writer.hpp"
#include "tests/fuzz/checkpoint/edits.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace plugbay;
using namespace plugbay::core;
using fuzz::Bytes;
using fuzz::require;

constexpr std::uint64_t memory_size = 1 << 20;

Bytes make_stream() {
    const UniqueFd file(::memfd_create("stream", MFD_CLOEXEC));
    StreamWriter writer(file.get());
    require(static_cast<bool>(writer.begin(fuzz::make_manifest(nullptr), true, memory_size)));
    const Bytes page(checkpoint_page_size, std::byte{1});
    require(static_cast<bool>(writer.write_pages(5 * checkpoint_page_size, page)));
    require(static_cast<bool>(writer.end_round()));
    require(static_cast<bool>(writer.write_zeros(5 * checkpoint_page_size, checkpoint_page_size)));
    const Manifest manifest = fuzz::make_manifest(&writer);
    require(static_cast<bool>(writer.finish(manifest)));
    Bytes bytes(writer.bytes_sent());
    require(::pread(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return bytes;
}

struct Record {
    std::uint32_t kind = 0;
    Bytes payload = {};
};

std::vector<Record> records_of(const Bytes& bytes) {
    std::vector<Record> records;
    for (std::size_t at = stream::header_size; at < bytes.size();) {
        Record record;
        std::uint64_t length = 0;
        std::memcpy(&record.kind, &bytes[at], sizeof record.kind);
        std::memcpy(&length, &bytes[at + 8], sizeof length);
        const auto payload = std::span(bytes).subspan(at + stream::record_header_size, length);
        record.payload.assign(payload.begin(), payload.end());
        records.push_back(std::move(record));
        at += stream::record_header_size + length;
    }
    return records;
}

void edit(std::vector<Record>& records, fuzz::Input& input) {
    const std::uint32_t what = input.number(1) % 8;
    const std::size_t which = input.number(1) % records.size();
    const auto place = records.begin() + static_cast<std::ptrdiff_t>(which);
    if (what == 0) {
        place->kind = input.number(1) % 13;
    } else if (what == 1 && records.size() > 1) {
        records.erase(place);
    } else if (what == 2 && records.size() < 32) {
        const Record copy = *place;
        records.insert(place, copy);
    } else {
        fuzz::edit(place->payload, input);
    }
}

bool is_manifest(const Record& record) {
    return record.kind == static_cast<std::uint32_t>(stream::Kind::opening) ||
           record.kind == static_cast<std::uint32_t>(stream::Kind::closing);
}

// Behind the states, so that a move takes what it names; the descriptors themselves are missing in a file.
void add_descriptors(std::vector<Record>& records) {
    const std::string names("a\0image\0", 8);
    const auto bytes = std::as_bytes(std::span(names));
    records.insert(records.end() - 2,
                   {static_cast<std::uint32_t>(stream::Kind::descriptors), {bytes.begin(), bytes.end()}});
}

// Makes the checksums inside of the states and manifests right.
void repair(std::vector<Record>& records) {
    static const auto checksums = fuzz::image_checksums();
    const std::size_t ending = manifest_ending({}).size();
    for (Record& record : records) {
        if (!is_manifest(record) || record.payload.size() < ending) continue;
        std::string text(reinterpret_cast<const char*>(record.payload.data()),
                         record.payload.size() - ending);
        std::size_t image = 0;
        for (Record& state : records) {
            if (state.kind != static_cast<std::uint32_t>(stream::Kind::state) || image == checksums.size())
                continue;
            fuzz::repair_images(state.payload, std::span(checksums).subspan(image++, 1), text);
        }
        text += manifest_ending(text);
        const auto bytes = std::as_bytes(std::span(text));
        record.payload.assign(bytes.begin(), bytes.end());
    }
}

template <typename T>
void append(Bytes& bytes, T value) {
    plugbay::detail::state_append(bytes, value);
}

Bytes bytes_of(const Bytes& header, const std::vector<Record>& records) {
    Bytes bytes = header;
    std::uint32_t number = 0;
    for (const Record& record : records) {
        Bytes head;
        append(head, record.kind);
        append(head, number++);
        append(head, std::uint64_t{record.payload.size()});
        append(head, crc32c(record.payload));
        append(head, crc32c(head));
        bytes.insert(bytes.end(), head.begin(), head.end());
        bytes.insert(bytes.end(), record.payload.begin(), record.payload.end());
    }
    return bytes;
}

void receive(int file) {
    StreamReader reader(file);
    const auto opening = reader.begin();
    if (!opening) return require(!opening.error().message.empty());
    for (;;) {
        const auto event = reader.next();
        if (!event) return require(!event.error().message.empty());
        if (event->kind == StreamEvent::Kind::end) break;
        if (event->kind == StreamEvent::Kind::round) continue;
        require(opening->memory && event->length != 0);
        require(are_pages(event->offset, event->length, opening->memory->size));
        require(event->kind == StreamEvent::Kind::zeros || event->bytes.size() == event->length);
    }
    require(reader.manifest().devices.size() == opening->devices.size());
    for (const SavedDevice& device : reader.manifest().devices)
        require(device.state.has_value() == (reader.states().device(device.id) != nullptr));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Bytes whole = make_stream();
    static const UniqueFd file(::memfd_create("stream", MFD_CLOEXEC));
    fuzz::Input input(data, size);
    static const std::vector<Record> good = records_of(whole);
    static const Bytes header(whole.begin(), whole.begin() + stream::header_size);
    const std::uint32_t how = input.number(1);
    Bytes bytes = whole;
    if (how % 4 == 0) {
        while (!input.empty())
            fuzz::edit(bytes, input);
    } else {
        std::vector<Record> records = good;
        Bytes beginning = header;
        if (how % 8 >= 4) {
            beginning[12] = std::byte{1}; // a move
            add_descriptors(records);
        }
        while (!input.empty())
            edit(records, input);
        if (how % 4 != 1) repair(records);
        bytes = bytes_of(beginning, records);
    }
    require(::ftruncate(file.get(), 0) == 0);
    require(::pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    require(::lseek(file.get(), 0, SEEK_SET) == 0);
    receive(file.get());
    return 0;
}
