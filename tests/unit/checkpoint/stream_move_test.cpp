// Machines that move: descriptors that go with the stream, and the two sides' agreement on whose the machine is.
#include "core/checkpoint/stream_reader.hpp"
#include "core/checkpoint/stream_record.hpp"
#include "core/checkpoint/stream_writer.hpp"
#include "tests/unit/checkpoint/checkpoint_fixture.hpp"

#include <array>
#include <future>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

using namespace test;
using stream::Kind;
using stream::Purpose;
using testing::HasSubstr;

LeftDescriptor file_with(const std::string& name, const std::string& text) {
    LeftDescriptor left{.name = name, .descriptor = UniqueFd(::memfd_create("left", MFD_CLOEXEC))};
    EXPECT_EQ(::pwrite(left.descriptor.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    return left;
}

std::string text_in(const LeftDescriptor& left) {
    std::string text(64, '\0');
    text.resize(static_cast<std::size_t>(
        std::max<ssize_t>(::pread(left.descriptor.get(), text.data(), text.size(), 0), 0)));
    return text;
}

class StreamMove : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
    }
    void TearDown() override {
        ::close(ends_[0]);
        if (ends_[1] >= 0) ::close(ends_[1]);
    }
    // All but the end, with `left` of the device "vda".
    Result<Manifest> send(StreamWriter& writer, std::span<const LeftDescriptor> left,
                          Purpose purpose = Purpose::move, const std::string& device = "vda") {
        Manifest manifest = make_manifest();
        if (auto done = writer.begin(manifest, true, memory_size, purpose); !done)
            return std::move(done).error();
        if (auto done = add_states(manifest, writer, 9); !done) return std::move(done).error();
        if (auto done = writer.hand_over(device, left); !done) return std::move(done).error();
        return manifest;
    }
    // All that comes, up to the end.
    Result<void> receive(StreamReader& reader) {
        if (auto opening = reader.begin(); !opening) return std::move(opening).error();
        for (;;) {
            const auto event = reader.next();
            if (!event) return event.error();
            if (event->kind == StreamEvent::Kind::end) return {};
        }
    }
    void hang_up() { ::close(std::exchange(ends_[1], -1)); }

    std::array<int, 2> ends_{};
};

TEST_F(StreamMove, TakesDescriptorsAlongAndIsAgreedOn) {
    auto other = std::async(std::launch::async, [&]() -> std::string {
        StreamReader reader(ends_[1]);
        if (auto done = receive(reader); !done) return done.error().text();
        if (reader.purpose() != Purpose::move) return "it does not move";
        const auto left = reader.take_handed_over();
        std::string all;
        for (const LeftDescriptor& each : left.at("vda"))
            all += each.name + "=" + text_in(each) + ";";
        if (auto done = reader.answer_ready(); !done) return done.error().text();
        if (auto done = reader.await_go(); !done) return done.error().text();
        return all;
    });
    StreamWriter writer(ends_[0]);
    std::vector<LeftDescriptor> left;
    left.push_back(file_with("image", "bytes"));
    left.push_back(file_with("a name", "more"));
    auto manifest = send(writer, left);
    ASSERT_TRUE(manifest) << manifest.error().text();
    ASSERT_TRUE(writer.finish(*std::move(manifest)));
    const auto ready = writer.await_ready();
    ASSERT_TRUE(ready) << ready.error().text();
    ASSERT_TRUE(writer.let_go());
    EXPECT_EQ(other.get(), "image=bytes;a name=more;");
}

TEST_F(StreamMove, IsRefusedWithAReason) {
    auto other = std::async(std::launch::async, [&] {
        StreamReader reader(ends_[1]);
        EXPECT_TRUE(receive(reader));
        reader.refuse("no\nroom");
    });
    StreamWriter writer(ends_[0]);
    auto manifest = send(writer, {});
    ASSERT_TRUE(manifest);
    ASSERT_TRUE(writer.finish(*std::move(manifest)));
    const auto ready = writer.await_ready();
    ASSERT_FALSE(ready);
    EXPECT_THAT(ready.error().text(), HasSubstr("refuses the machine: no"));
    EXPECT_EQ(ready.error().text().find('\n'), std::string::npos);
    other.get();
}

// While it still sends, the sender finds the reason behind the broken connection.
TEST_F(StreamMove, IsRefusedInTheMiddle) {
    auto other = std::async(std::launch::async, [&] {
        StreamReader reader(ends_[1]);
        EXPECT_TRUE(reader.begin());
        reader.refuse("no such device");
        hang_up();
    });
    StreamWriter writer(ends_[0]);
    ASSERT_TRUE(writer.begin(make_manifest(), true, memory_size, Purpose::move));
    Result<void> sent;
    for (int i = 0; i < 100'000 && sent; ++i)
        sent = writer.write_pages(0, filled(1, 1));
    ASSERT_FALSE(sent);
    EXPECT_THAT(sent.error().text(), HasSubstr("no such device"));
    other.get();
}

TEST_F(StreamMove, WithoutAnAnswerItStays) {
    StreamWriter writer(ends_[0]);
    auto manifest = send(writer, {});
    ASSERT_TRUE(manifest);
    ASSERT_TRUE(writer.finish(*std::move(manifest)));
    hang_up();
    const auto ready = writer.await_ready();
    ASSERT_FALSE(ready);
    EXPECT_THAT(ready.error().text(), HasSubstr("the other side did not take the machine"));
}

TEST_F(StreamMove, ReadyIsNotYetGo) {
    auto other = std::async(std::launch::async, [&]() -> std::string {
        StreamReader reader(ends_[1]);
        if (auto done = receive(reader); !done) return done.error().text();
        if (auto done = reader.answer_ready(); !done) return done.error().text();
        const auto go = reader.await_go();
        return go ? "it runs" : go.error().text();
    });
    StreamWriter writer(ends_[0]);
    auto manifest = send(writer, {});
    ASSERT_TRUE(manifest);
    ASSERT_TRUE(writer.finish(*std::move(manifest)));
    ASSERT_TRUE(writer.await_ready());
    ::shutdown(ends_[0], SHUT_RDWR); // the sender was killed
    EXPECT_THAT(other.get(), HasSubstr("the machine stays at the other side"));
}

struct Hostile {
    const char* what;
    Purpose purpose;
    std::string names;
    std::size_t descriptors;
    const char* why;
};

TEST_F(StreamMove, HostileRecords) {
    const std::string zero(1, '\0');
    std::string many = "vda" + zero;
    for (int i = 0; i < 65; ++i)
        many += "n" + zero;
    const std::array cases{
        Hostile{"a copy", Purpose::copy, "vda" + zero + "a" + zero, 1, "the machine does not move"},
        Hostile{"no name", Purpose::move, "vda" + zero, 1, "hands over 0 descriptors"},
        Hostile{"no end", Purpose::move, "vda" + zero + "ab", 1, "empty or does not end"},
        Hostile{"empty", Purpose::move, "vda" + zero + zero, 1, "empty or does not end"},
        Hostile{"too many", Purpose::move, many, 1, "hands over 65 descriptors"},
        Hostile{"no device", Purpose::move, "vdz" + zero + "a" + zero, 1, "of no device"},
        Hostile{"fewer come", Purpose::move, "vda" + zero + "a" + zero + "b" + zero, 1, "and 1 came"},
        Hostile{"none comes", Purpose::move, "vda" + zero + "a" + zero, 0, "and 0 came"},
    };
    for (const Hostile& each : cases) {
        SCOPED_TRACE(each.what);
        std::array<int, 2> pair{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
        const UniqueFd out(pair[0]);
        const UniqueFd in(pair[1]);
        StreamWriter writer(out.get());
        ASSERT_TRUE(writer.begin(make_manifest(), true, memory_size, each.purpose));
        StreamChannel channel(out.get(), {});
        ASSERT_TRUE(stream::send_record(channel, Kind::descriptors, 1, std::as_bytes(std::span(each.names))));
        if (each.descriptors > 0) {
            const std::vector<int> files(each.descriptors, STDIN_FILENO);
            ASSERT_TRUE(channel.write_descriptors(files));
        } else {
            ASSERT_TRUE(channel.write(std::array{std::byte{0}}));
        }
        StreamReader reader(in.get());
        const auto done = receive(reader);
        ASSERT_FALSE(done);
        EXPECT_THAT(done.error().text(), HasSubstr(each.why));
    }
}

} // namespace
} // namespace plugbay::core
