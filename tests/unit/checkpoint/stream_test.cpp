// Checkpoints as streams: what is sent comes, and what is no such stream is refused at once.
#include "core/checkpoint/stream_reader.hpp"
#include "core/checkpoint/stream_writer.hpp"
#include "tests/unit/checkpoint/checkpoint_fixture.hpp"

#include <cstring>
#include <fcntl.h>
#include <functional>
#include <future>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>

namespace plugbay::core {
namespace {

using namespace test;
using testing::HasSubstr;

struct Received {
    std::vector<std::byte> memory;
    int rounds = 0;
    std::string error;
    std::optional<SavedStates> states;
    Manifest manifest;
};

Received receive(int file, StreamPatience patience = {}) {
    Received received;
    StreamReader reader(file, patience);
    const auto opening = reader.begin();
    if (!opening) {
        received.error = opening.error().text();
        return received;
    }
    if (opening->memory) received.memory.resize(opening->memory->size);
    for (;;) {
        const auto event = reader.next();
        if (!event) {
            received.error = event.error().text();
            return received;
        }
        switch (event->kind) {
        case StreamEvent::Kind::pages:
            std::ranges::copy(event->bytes,
                              received.memory.begin() + static_cast<std::ptrdiff_t>(event->offset));
            break;
        case StreamEvent::Kind::zeros:
            std::fill_n(received.memory.begin() + static_cast<std::ptrdiff_t>(event->offset), event->length,
                        std::byte{0});
            break;
        case StreamEvent::Kind::round:
            ++received.rounds;
            break;
        case StreamEvent::Kind::end:
            received.states = reader.states();
            received.manifest = reader.manifest();
            return received;
        }
    }
}

// Two rounds: page 3 is 1 and then 2, page 4 is 1 and then zero.
Result<void> send_all(StreamWriter& writer) {
    Manifest manifest = make_manifest();
    if (auto done = writer.begin(manifest, true, memory_size); !done) return done;
    if (auto done = writer.write_pages(3 * page, filled(2, 1)); !done) return done;
    if (auto done = writer.end_round(); !done) return done;
    if (auto done = writer.write_zeros(0, 0); !done) return done; // which is nothing
    if (auto done = writer.write_pages(3 * page, filled(1, 2)); !done) return done;
    if (auto done = writer.write_pages(4 * page, filled(1, 0)); !done) return done;
    if (auto done = add_states(manifest, writer, 9); !done) return done;
    return writer.finish(manifest);
}

UniqueFd file_with(std::span<const std::byte> bytes) {
    UniqueFd file(::memfd_create("stream", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
    return file;
}

// The bytes of send_all(), or of what `send` sends.
std::vector<std::byte> bytes_sent(const std::function<Result<void>(StreamWriter&)>& send = send_all) {
    const UniqueFd file(::memfd_create("stream", MFD_CLOEXEC));
    StreamWriter writer(file.get());
    const auto sent = send(writer);
    EXPECT_TRUE(sent) << sent.error().text();
    std::vector<std::byte> bytes(writer.bytes_sent());
    EXPECT_EQ(::pread(file.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return bytes;
}

std::string refusal_of(std::span<const std::byte> bytes) {
    return receive(file_with(bytes).get()).error;
}

struct Record {
    std::size_t at;
    std::size_t size;
};
std::vector<Record> records_of(std::span<const std::byte> bytes) {
    std::vector<Record> records;
    for (std::size_t at = stream::header_size; at < bytes.size();) {
        std::uint64_t length = 0;
        std::memcpy(&length, &bytes[at + 8], 8);
        records.push_back({at, stream::record_header_size + length});
        at += records.back().size;
    }
    return records;
}

// Makes the checksums and the numbers of all records right again.
void repair(std::vector<std::byte>& bytes) {
    std::uint32_t number = 0;
    for (const Record& record : records_of(bytes)) {
        const auto header = std::span(bytes).subspan(record.at, stream::record_header_size);
        const auto payload =
            std::span(bytes).subspan(record.at + header.size(), record.size - stream::record_header_size);
        const std::uint32_t contents = crc32c(payload);
        std::memcpy(&header[4], &number, 4);
        std::memcpy(&header[16], &contents, 4);
        const std::uint32_t all = crc32c(header.first(20));
        std::memcpy(&header[20], &all, 4);
        ++number;
    }
}

void expect_all_received(const Received& received) {
    ASSERT_EQ(received.error, "");
    EXPECT_EQ(received.rounds, 1);
    EXPECT_EQ(byte_at(received.memory, 3), 2);
    EXPECT_EQ(byte_at(received.memory, 4), 0);
    EXPECT_EQ(*received.states->device("vda"), make_image("type-vda", 9, 7));
    EXPECT_EQ(*received.states->named("vcpu0"), make_image("kvm-vcpu", 9));
    EXPECT_EQ(received.manifest.machine, make_manifest().machine);
    EXPECT_EQ(received.manifest.memory->size, memory_size);
}

TEST(StreamTest, GoesThroughAPipeAndASocket) {
    for (const bool socket : {false, true}) {
        std::array<int, 2> ends{};
        if (socket)
            ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
        else
            ASSERT_EQ(::pipe(ends.data()), 0);
        const UniqueFd in(ends[0]);
        UniqueFd out(ends[1]);
        auto received = std::async(std::launch::async, [&in] { return receive(in.get()); });
        StreamWriter writer(out.get());
        const auto sent = send_all(writer);
        EXPECT_TRUE(sent) << sent.error().text();
        expect_all_received(received.get());
    }
}

TEST(StreamTest, StopsAtItsEnd) {
    auto bytes = bytes_sent();
    const std::size_t end = bytes.size();
    bytes.push_back(std::byte{0x55});
    const UniqueFd file = file_with(bytes);
    expect_all_received(receive(file.get()));
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), static_cast<off_t>(end));
}

TEST(StreamTest, OfOnePartOnly) {
    const auto states = bytes_sent([](StreamWriter& writer) {
        Manifest manifest = make_manifest();
        EXPECT_TRUE(writer.begin(manifest, true, std::nullopt));
        EXPECT_FALSE(writer.write_pages(0, filled(1, 1)));
        EXPECT_TRUE(add_states(manifest, writer, 4));
        return writer.finish(manifest);
    });
    const auto received = receive(file_with(states).get());
    EXPECT_EQ(received.error, "");
    EXPECT_FALSE(received.manifest.memory);
    EXPECT_NE(received.states->device("com1"), nullptr);
    const auto memory = bytes_sent([](StreamWriter& writer) {
        EXPECT_TRUE(writer.begin(make_manifest(), false, memory_size));
        EXPECT_FALSE(writer.add_state(make_image("x", 1)));
        EXPECT_TRUE(writer.write_pages(page, filled(1, 6)));
        return writer.finish(make_manifest());
    });
    const auto second = receive(file_with(memory).get());
    EXPECT_EQ(second.error, "");
    EXPECT_FALSE(second.manifest.holds_states);
    EXPECT_EQ(byte_at(second.memory, 1), 6);
}

TEST(StreamTest, ALargeStateAndALargeRunAreDivided) {
    const std::vector<std::uint64_t> numbers(400'000, 7);
    StateBuilder builder("kvm-vcpu", 1);
    ASSERT_EQ(builder.put("numbers", PLUGBAY_FIELD_U64, numbers.data(), numbers.size(), 0), PLUGBAY_OK);
    std::string error;
    const auto image = builder.finish(error);
    const auto bytes = bytes_sent([&image](StreamWriter& writer) {
        Manifest manifest = make_manifest();
        EXPECT_TRUE(writer.begin(manifest, true, 4 * memory_size));
        EXPECT_TRUE(writer.write_pages(page, filled(1000, 3)));
        manifest.states.push_back({"vcpu0", *writer.add_state(*image)});
        return writer.finish(manifest);
    });
    const auto received = receive(file_with(bytes).get());
    ASSERT_EQ(received.error, "");
    EXPECT_EQ(*received.states->named("vcpu0"), *image);
    EXPECT_EQ(byte_at(received.memory, 1000), 3);
    EXPECT_EQ(byte_at(received.memory, 1001), 0);
}

TEST(StreamTest, ABitThatFlipsIsNoticed) {
    const auto good = bytes_sent();
    for (std::size_t at = 0; at<good.size(); at += at> 6000 && at < 15000 ? 97 : 1) {
        auto bad = good;
        bad[at] ^= static_cast<std::byte>(1 << at % 8);
        EXPECT_NE(refusal_of(bad), "") << at;
    }
}

TEST(StreamTest, OneThatEndsEarlyIsNoticed) {
    const auto good = bytes_sent();
    for (const Record& record : records_of(good)) {
        for (const std::size_t size : {record.at, record.at + 1, record.at + record.size - 1})
            EXPECT_THAT(refusal_of(std::span(good).first(size)),
                        HasSubstr("the stream ended at byte " + std::to_string(size)));
    }
}

TEST(StreamTest, RecordsThatAreLostRepeatedOrSwappedAreNoticed) {
    const auto good = bytes_sent();
    const auto records = records_of(good);
    for (const Record& record : records) {
        auto lost = good;
        lost.erase(lost.begin() + static_cast<std::ptrdiff_t>(record.at),
                   lost.begin() + static_cast<std::ptrdiff_t>(record.at + record.size));
        EXPECT_NE(refusal_of(lost), "") << record.at;
        if (record.at == records.back().at) continue; // nothing is read behind the end
        auto twice = good;
        twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(record.at),
                     good.begin() + static_cast<std::ptrdiff_t>(record.at),
                     good.begin() + static_cast<std::ptrdiff_t>(record.at + record.size));
        EXPECT_NE(refusal_of(twice), "") << record.at;
    }
}

// Records with right checksums and numbers that say what cannot be.
class ForgedStream {
  public:
    // Byte `at` of record `record`, its header included.
    ForgedStream& set(std::size_t record, std::size_t at, std::uint64_t value, std::size_t size) {
        std::memcpy(&bytes_[records_of(bytes_)[record].at + at], &value, size);
        return *this;
    }
    ForgedStream& erase(std::size_t record) {
        const Record what = records_of(bytes_)[record];
        bytes_.erase(bytes_.begin() + static_cast<std::ptrdiff_t>(what.at),
                     bytes_.begin() + static_cast<std::ptrdiff_t>(what.at + what.size));
        return *this;
    }
    ForgedStream& repeat(std::size_t record) {
        const Record what = records_of(bytes_)[record];
        const std::vector<std::byte> copy(bytes_.begin() + static_cast<std::ptrdiff_t>(what.at),
                                          bytes_.begin() + static_cast<std::ptrdiff_t>(what.at + what.size));
        bytes_.insert(bytes_.begin() + static_cast<std::ptrdiff_t>(what.at), copy.begin(), copy.end());
        return *this;
    }
    std::string refusal() {
        repair(bytes_);
        return refusal_of(bytes_);
    }

  private:
    std::vector<std::byte> bytes_ = bytes_sent();
};

// The records of send_all().
enum Place : std::size_t { opening, pages, round, pages_again, zeros, vcpu, com1, vda, closing, end };
constexpr std::size_t payload = stream::record_header_size;

TEST(StreamTest, ForgeriesAreRefused) {
    EXPECT_EQ(ForgedStream().refusal(), "");
    EXPECT_THAT(ForgedStream().erase(opening).refusal(), HasSubstr("is not the manifest that begins"));
    EXPECT_THAT(ForgedStream().repeat(opening).refusal(), HasSubstr("a second beginning"));
    EXPECT_THAT(ForgedStream().repeat(closing).refusal(), HasSubstr("a third manifest"));
    EXPECT_THAT(ForgedStream().erase(closing).refusal(), HasSubstr("no second manifest"));
    EXPECT_THAT(ForgedStream().erase(vda).refusal(), HasSubstr("bytes of states"));
    EXPECT_THAT(ForgedStream().repeat(vda).refusal(), HasSubstr("bytes of states"));
    EXPECT_THAT(ForgedStream().set(pages, payload, 1, 8).refusal(), HasSubstr("not whole pages"));
    EXPECT_THAT(ForgedStream().set(pages, payload, memory_size - page, 8).refusal(),
                HasSubstr("not whole pages"));
    EXPECT_THAT(ForgedStream().set(pages, payload, ~std::uint64_t{4095}, 8).refusal(),
                HasSubstr("not whole pages"));
    EXPECT_THAT(ForgedStream().set(zeros, payload + 8, 0, 8).refusal(), HasSubstr("has 0 zeros"));
    EXPECT_THAT(ForgedStream().set(zeros, payload + 8, ~std::uint64_t{4095}, 8).refusal(),
                HasSubstr("not whole pages"));
    EXPECT_THAT(ForgedStream().set(round, 0, 99, 4).refusal(), HasSubstr("unknown kind 99"));
    EXPECT_THAT(ForgedStream().set(round, 0, 2, 4).refusal(), HasSubstr("expected 4104 to 1048584"));
    EXPECT_THAT(ForgedStream().set(vcpu, 0, 2, 4).refusal(), HasSubstr("the stream's record"));
    EXPECT_THAT(ForgedStream().set(end, 0, 4, 4).refusal(), HasSubstr("although the states have begun"));
}

TEST(StreamTest, ALengthThatIsPromisedTakesNoMemory) {
    for (const std::uint64_t length : {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{1} << 30}) {
        auto bytes = bytes_sent();
        const auto header = std::span(bytes).subspan(records_of(bytes)[1].at, stream::record_header_size);
        std::memcpy(&header[8], &length, 8);
        const std::uint32_t checksum = crc32c(header.first(20));
        std::memcpy(&header[20], &checksum, 4);
        EXPECT_THAT(refusal_of(bytes), HasSubstr("has " + std::to_string(length) + " bytes; expected"));
    }
}

TEST(StreamTest, AnotherProgramsBytesAreRefused) {
    EXPECT_THAT(refusal_of(filled(1, 'x')), HasSubstr("no stream of a checkpoint"));
    auto newer = bytes_sent();
    newer[8] = std::byte{2};
    EXPECT_THAT(refusal_of(newer), HasSubstr("format 2; expected format 1"));
}

TEST(StreamTest, TheSecondManifestIsOfTheSameMachine) {
    const auto change = [](const std::function<void(Manifest&)>& edit) {
        return refusal_of(bytes_sent([&edit](StreamWriter& writer) {
            Manifest manifest = make_manifest();
            EXPECT_TRUE(writer.begin(manifest, true, memory_size));
            EXPECT_TRUE(add_states(manifest, writer, 1));
            edit(manifest);
            return writer.finish(manifest);
        }));
    };
    EXPECT_EQ(change([](Manifest&) {}), "");
    EXPECT_THAT(change([](Manifest& m) { m.machine["name"] = "other"; }), HasSubstr("machine is not what"));
    EXPECT_THAT(change([](Manifest& m) { m.vcpus = 2; }), HasSubstr("vcpus is not what"));
    EXPECT_THAT(change([](Manifest& m) { m.devices[2].id = "x"; }), HasSubstr("devices is not what"));
    EXPECT_THAT(change([](Manifest& m) { m.devices.pop_back(); }), HasSubstr("devices is not what"));
    EXPECT_THAT(change([](Manifest& m) { m.host.clear(); }), HasSubstr("host is not what"));
}

TEST(StreamTest, WaitingHasAnEnd) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const UniqueFd in(ends[0]);
    const UniqueFd out(ends[1]);
    EXPECT_THAT(receive(in.get(), {.idle = std::chrono::milliseconds(20)}).error,
                HasSubstr("nothing moved for 20 ms at byte 0"));
    StreamWriter stuck(out.get(), {.idle = std::chrono::milliseconds(20)});
    ASSERT_TRUE(stuck.begin(make_manifest(), false, memory_size));
    const auto sent = stuck.write_pages(0, filled(256, 1)); // more than a pipe holds
    ASSERT_FALSE(sent);
    EXPECT_THAT(sent.error().text(), HasSubstr("nothing moved for 20 ms"));
}

TEST(StreamTest, CanBeCancelled) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const UniqueFd in(ends[0]);
    const UniqueFd out(ends[1]);
    const UniqueFd cancel(::eventfd(0, EFD_CLOEXEC));
    auto received =
        std::async(std::launch::async, [&] { return receive(in.get(), {.cancel = cancel.get()}); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::eventfd_write(cancel.get(), 1), 0);
    EXPECT_THAT(received.get().error, HasSubstr("cancelled at byte 0"));
}

TEST(StreamTest, AReaderThatGoesIsNoticed) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    UniqueFd in(ends[0]);
    const UniqueFd out(ends[1]);
    in.reset();
    StreamWriter writer(out.get());
    const auto begun = writer.begin(make_manifest(), true, memory_size);
    ASSERT_FALSE(begun);
    EXPECT_THAT(begun.error().text(), HasSubstr("writing failed at byte 0"));
}

} // namespace
} // namespace plugbay::core
