#include "core/debug/gdb_packet.hpp"

#include <gtest/gtest.h>

#include <random>

namespace plugbay::core {
namespace {

using Kind = GdbPacketReader::Event::Kind;

std::vector<GdbPacketReader::Event> read_all(GdbPacketReader& reader, std::string_view input) {
    std::vector<GdbPacketReader::Event> events;
    while (auto event = reader.next(input))
        events.push_back(*event);
    EXPECT_TRUE(input.empty());
    return events;
}

// What a client makes of run lengths.
std::string expand(const std::string& content) {
    std::string text;
    for (std::size_t i = 0; i < content.size(); ++i) {
        if (content[i] == '}')
            text += static_cast<char>(content[++i] ^ 0x20);
        else if (content[i] == '*')
            text.append(static_cast<std::size_t>(content[++i] - 29), text.back());
        else
            text += content[i];
    }
    return text;
}

TEST(GdbPacket, FramesHaveTheChecksumOfTheManual) {
    EXPECT_EQ(gdb_frame("OK"), "$OK#9a");
    EXPECT_EQ(gdb_frame(""), "$#00");
    EXPECT_EQ(gdb_frame("0000"), "$0* #7a") << "the manual's example of a run";
}

TEST(GdbPacket, RunsAvoidCharactersWithAMeaning) {
    for (std::size_t length = 1; length < 400; ++length) {
        const std::string content = "a" + std::string(length, '0') + "b";
        const std::string frame = gdb_frame(content);
        const std::string inside = frame.substr(1, frame.size() - 4);
        EXPECT_EQ(inside.find_first_of("#$"), std::string::npos) << length;
        EXPECT_EQ(expand(inside), content) << length;
        for (const char byte : inside)
            EXPECT_TRUE(byte >= ' ' && byte <= '~');
    }
}

TEST(GdbPacket, AnyBytesAreFramed) {
    std::string content;
    for (int i = 0; i < 1024; ++i)
        content += static_cast<char>(i * 7);
    const std::string frame = gdb_frame(content);
    EXPECT_EQ(expand(frame.substr(1, frame.size() - 4)), content);
}

TEST(GdbPacket, EventsAreCutFromAStreamAtAnyPlace) {
    const std::string stream = "+$g#67-\x03$X10,1:}]#2a$m0,1#00+";
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        GdbPacketReader reader;
        auto events = read_all(reader, std::string_view(stream).substr(0, cut));
        for (auto& event : read_all(reader, std::string_view(stream).substr(cut)))
            events.push_back(event);
        ASSERT_EQ(events.size(), 7U) << cut;
        EXPECT_EQ(events[0].kind, Kind::acknowledged);
        EXPECT_EQ(events[1].kind, Kind::packet);
        EXPECT_EQ(events[1].content, "g");
        EXPECT_EQ(events[2].kind, Kind::rejected);
        EXPECT_EQ(events[3].kind, Kind::interrupt);
        EXPECT_EQ(events[4].kind, Kind::packet);
        EXPECT_EQ(events[4].content, "X10,1:}");
        EXPECT_EQ(events[5].kind, Kind::damaged) << "a wrong checksum";
        EXPECT_EQ(events[6].kind, Kind::acknowledged);
    }
}

TEST(GdbPacket, APacketThatBreaksOffIsReplacedByTheNext) {
    GdbPacketReader reader;
    const auto events = read_all(reader, "$m12$g#67");
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].content, "g");
}

TEST(GdbPacket, TheLongestContentIsTakenAndNoLonger) {
    const auto with_length = [](std::size_t length) {
        const std::string content(length, 'a');
        const auto sum = static_cast<std::uint8_t>('a' * length);
        std::string digits;
        const auto byte = std::byte{sum};
        append_hex(digits, {&byte, 1});
        GdbPacketReader reader;
        return read_all(reader, "$" + content + "#" + digits).front();
    };
    EXPECT_EQ(with_length(gdb_packet_limit).kind, Kind::packet);
    EXPECT_EQ(with_length(gdb_packet_limit + 1).kind, Kind::damaged);
    EXPECT_EQ(with_length(10'000'000).kind, Kind::damaged);
}

TEST(GdbPacket, AnEscapeAtTheEndIsDamage) {
    GdbPacketReader reader;
    const auto events = read_all(reader, "$a}#de");
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].kind, Kind::damaged);
}

TEST(GdbPacket, AnyStreamIsSurvived) {
    std::mt19937 random(1);
    const std::string_view likely = "$#}*+-\x03g0a";
    GdbPacketReader reader;
    for (int round = 0; round < 2000; ++round) {
        std::string stream;
        for (int i = 0; i < 200; ++i)
            stream += random() % 2 ? likely[random() % likely.size()] : static_cast<char>(random());
        for (const auto& event : read_all(reader, stream))
            EXPECT_LE(event.content.size(), gdb_packet_limit);
    }
}

TEST(GdbPacket, Numbers) {
    std::string_view text = "1fF,rest";
    EXPECT_EQ(take_hex_number(text), 0x1FFU);
    EXPECT_EQ(text, ",rest");
    EXPECT_EQ(take_hex_number(text), std::nullopt);
    text = "ffffffffffffffff";
    EXPECT_EQ(take_hex_number(text), ~std::uint64_t{0});
    text = "10000000000000000";
    EXPECT_EQ(take_hex_number(text), std::nullopt) << "more than 64 bits";
    EXPECT_EQ(bytes_of_hex("00fF"), std::string("\0\xff", 2));
    EXPECT_EQ(bytes_of_hex("0"), std::nullopt);
    EXPECT_EQ(bytes_of_hex("0g"), std::nullopt);
}

} // namespace
} // namespace plugbay::core
