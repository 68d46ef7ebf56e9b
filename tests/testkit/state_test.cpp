// The encoding of state, and devices that save and load.
#include "probe_bench.hpp"

#include <random>

namespace plugbay::testkit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

StateImage build(const std::function<void(StateBuilder&)>& body, std::string_view type = "probe",
                 std::uint32_t version = 3) {
    StateBuilder builder(type, version);
    body(builder);
    std::string error;
    auto image = builder.finish(error);
    EXPECT_TRUE(image) << error;
    return *std::move(image);
}

StateImage sample() {
    return build([](StateBuilder& builder) {
        const std::uint64_t stored = 0x0102030405060708;
        const std::int64_t negative = -2;
        const std::uint16_t words[] = {1, 0xfffe};
        const std::uint8_t truth = 1;
        EXPECT_EQ(builder.put("stored", PLUGBAY_FIELD_U64, &stored, 1, 0), PLUGBAY_OK);
        EXPECT_EQ(builder.put("negative", PLUGBAY_FIELD_I64, &negative, 1, 0), PLUGBAY_OK);
        EXPECT_EQ(builder.put("words", PLUGBAY_FIELD_U16, words, 2, PLUGBAY_FIELD_OPTIONAL), PLUGBAY_OK);
        EXPECT_EQ(builder.put("truth", PLUGBAY_FIELD_BOOLEAN, &truth, 1, 0), PLUGBAY_OK);
        EXPECT_EQ(builder.put("text", PLUGBAY_FIELD_TEXT, "hi", 2, 0), PLUGBAY_OK);
        EXPECT_EQ(builder.put("empty", PLUGBAY_FIELD_U8, nullptr, 0, 0), PLUGBAY_OK);
    });
}

// With a checksum that fits again.
std::vector<std::byte> resealed(std::vector<std::byte> bytes) {
    const std::uint32_t sum = crc32c(std::span(bytes).first(bytes.size() - 4));
    for (unsigned i = 0; i < 4; ++i)
        bytes[bytes.size() - 4 + i] = static_cast<std::byte>(sum >> 8 * i & 0xff);
    return bytes;
}

std::string problem_of(std::vector<std::byte> bytes) {
    std::string error;
    EXPECT_FALSE(StateImage::parse(std::move(bytes), error));
    return error;
}

TEST(StateImage, Crc32cIsCastagnolis) {
    EXPECT_EQ(crc32c(std::as_bytes(std::span("123456789", 9))), 0xe3069283u);
}

TEST(StateImage, KeepsFields) {
    const StateImage image = sample();
    EXPECT_EQ(image.type(), "probe");
    EXPECT_EQ(image.version(), 3u);
    ASSERT_EQ(image.fields().size(), 6u);
    EXPECT_EQ(image.find("nothing"), nullptr);
    const StateField* stored = image.find("stored");
    ASSERT_NE(stored, nullptr);
    EXPECT_EQ(image.elements(*stored)[0], std::byte{8}); // little-endian

    StateReading reading(image);
    std::uint64_t number = 0;
    std::uint16_t words[2]{};
    EXPECT_EQ(reading.get("stored", PLUGBAY_FIELD_U64, &number, 1), PLUGBAY_OK);
    EXPECT_EQ(number, 0x0102030405060708u);
    EXPECT_EQ(reading.get("words", PLUGBAY_FIELD_U16, words, 1), PLUGBAY_INVALID);
    EXPECT_EQ(reading.get("words", PLUGBAY_FIELD_U32, words, 2), PLUGBAY_INVALID);
    EXPECT_EQ(reading.get("words", PLUGBAY_FIELD_U16, words, 2), PLUGBAY_OK);
    EXPECT_EQ(words[1], 0xfffe);
    EXPECT_EQ(reading.get("nothing", PLUGBAY_FIELD_U16, words, 2), PLUGBAY_NOT_FOUND);
    EXPECT_EQ(reading.count("text"), 2u);
    EXPECT_EQ(reading.count("nothing"), 0u);
    EXPECT_EQ(reading.get("empty", PLUGBAY_FIELD_U8, nullptr, 0), PLUGBAY_OK);
    EXPECT_THAT(reading.unread(), ElementsAre("negative", "truth"));
}

TEST(StateImage, ParsesWhatItBuilt) {
    std::string error;
    const auto again = StateImage::parse(sample().bytes(), error);
    ASSERT_TRUE(again) << error;
    EXPECT_EQ(*again, sample());
}

TEST(StateImage, BadPutsSpoilTheImage) {
    const auto spoil = [](const char* name, std::uint32_t kind, const void* data, std::uint64_t count,
                          std::uint32_t flags) {
        StateBuilder builder("probe", 3);
        const auto* writer = builder.writer();
        const std::uint8_t zero = 0;
        EXPECT_EQ(writer->put(writer, "first", PLUGBAY_FIELD_U8, &zero, 1, 0), PLUGBAY_OK);
        EXPECT_EQ(writer->put(writer, name, kind, data, count, flags), PLUGBAY_INVALID);
        std::string error;
        EXPECT_FALSE(builder.finish(error));
        return error;
    };
    const std::uint8_t two = 2;
    EXPECT_THAT(spoil("first", PLUGBAY_FIELD_U8, &two, 1, 0), HasSubstr("twice"));
    EXPECT_THAT(spoil(nullptr, PLUGBAY_FIELD_U8, &two, 1, 0), HasSubstr("no name"));
    EXPECT_THAT(spoil("", PLUGBAY_FIELD_U8, &two, 1, 0), HasSubstr("printable"));
    EXPECT_THAT(spoil("a b", PLUGBAY_FIELD_U8, &two, 1, 0), HasSubstr("printable"));
    EXPECT_THAT(spoil(std::string(256, 'n').c_str(), PLUGBAY_FIELD_U8, &two, 1, 0), HasSubstr("printable"));
    EXPECT_THAT(spoil("a", 8, &two, 1, 0), HasSubstr("unknown kind"));
    EXPECT_THAT(spoil("a", PLUGBAY_FIELD_U8, &two, 1, 2), HasSubstr("flags"));
    EXPECT_THAT(spoil("a", PLUGBAY_FIELD_U8, nullptr, 1, 0), HasSubstr("count"));
    EXPECT_THAT(spoil("a", PLUGBAY_FIELD_BOOLEAN, &two, 1, 0), HasSubstr("boolean"));
    EXPECT_THAT(spoil("a", PLUGBAY_FIELD_TEXT, "x\0y", 3, 0), HasSubstr("NUL"));
    EXPECT_THAT(spoil("a", PLUGBAY_FIELD_U64, &two, ~std::uint64_t{0}, 0), HasSubstr("too long"));
}

TEST(StateImage, EveryTruncationIsRefused) {
    const auto bytes = sample().bytes();
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_NE(problem_of({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)}), "");
    auto longer = bytes;
    longer.push_back(std::byte{0});
    EXPECT_NE(problem_of(longer), "");
}

TEST(StateImage, EveryFlippedBitIsRefused) {
    const auto bytes = sample().bytes();
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        EXPECT_NE(problem_of(flipped), "");
    }
}

// Whoever computes the checksum anew gets as far as the structure allows, and never further.
TEST(StateImage, ResealedDamageNeverDoesHarm) {
    const auto bytes = sample().bytes();
    std::mt19937 random(1);
    int parsed = 0;
    for (int round = 0; round < 20'000; ++round) {
        auto damaged = bytes;
        for (unsigned i = 0; i < 1 + round % 4u; ++i)
            damaged[random() % damaged.size()] = static_cast<std::byte>(random() & 0xff);
        std::string error;
        const auto image = StateImage::parse(resealed(damaged), error);
        EXPECT_EQ(image.has_value(), error.empty());
        if (!image) continue;
        ++parsed;
        StateReading reading(*image);
        for (const StateField& field : image->fields()) {
            std::vector<std::uint64_t> target(static_cast<std::size_t>(field.count) + 1);
            EXPECT_EQ(reading.get(field.name.c_str(), field.kind, target.data(), field.count), PLUGBAY_OK);
        }
        EXPECT_THAT(reading.unread(), IsEmpty());
    }
    EXPECT_GT(parsed, 0);
}

TEST(StateImage, ResealedLiesAreNamed) {
    const StateImage image = build([](StateBuilder& builder) {
        const std::uint8_t one = 1;
        builder.put("aa", PLUGBAY_FIELD_BOOLEAN, &one, 1, 0);
        builder.put("ab", PLUGBAY_FIELD_U8, &one, 1, 0);
    });
    const std::size_t first = 36 + 5; // header and "probe"
    const auto with = [&](std::size_t at, std::uint8_t value) {
        auto bytes = image.bytes();
        bytes[at] = static_cast<std::byte>(value);
        return problem_of(resealed(bytes));
    };
    EXPECT_THAT(with(first + 14, 2), HasSubstr("boolean"));
    EXPECT_THAT(with(first + 7, 0xff), HasSubstr("passes the end")); // count
    EXPECT_THAT(with(first + 9, 0xff), HasSubstr("passes the end")); // length of the name
    EXPECT_THAT(with(first + 10, 9), HasSubstr("unknown kind"));
    EXPECT_THAT(with(first + 11, 4), HasSubstr("flags"));
    EXPECT_THAT(with(first + 15 + 13, 'a'), HasSubstr("twice"));
    EXPECT_THAT(with(24, 1), HasSubstr("after its last field"));
    EXPECT_THAT(with(24, 3), HasSubstr("passes the end"));
    EXPECT_THAT(with(28, 0), HasSubstr("malformed"));
    EXPECT_THAT(with(31, 0xff), HasSubstr("type name passes"));
    EXPECT_THAT(with(32, 1), HasSubstr("reserved"));
    EXPECT_THAT(with(8, 2), HasSubstr("format 2"));
    EXPECT_THAT(with(0, 0), HasSubstr("magic"));
}

TEST_F(WithProbe, StateSurvives) {
    CharPeer console;
    bench.connect(console, "probe");
    start();
    command(9, 42);
    console.offer("abc");
    EXPECT_THROW((void)bench.save("probe"), Error); // running
    bench.quiesce();
    const StateImage saved = bench.save("probe");
    Bench other;
    Device& device = other.add(probe_file, "probe", "copy");
    device.load(saved);
    EXPECT_EQ(device.save(), saved);
}

TEST_F(WithProbe, BadStateIsRefusedWithoutChange) {
    Device& device = bench.device("probe");
    const StateImage before = device.save();
    const std::uint8_t byte = 1;
    const auto number = [&](StateBuilder& builder, std::uint64_t value) {
        builder.put("stored", PLUGBAY_FIELD_U64, &value, 1, 0);
        builder.put("received", PLUGBAY_FIELD_TEXT, "x", 1, 0);
    };
    const auto refusal = [&](const StateImage& image) {
        const Outcome outcome = device.try_load(image);
        EXPECT_FALSE(outcome);
        EXPECT_EQ(device.save(), before);
        return outcome.text;
    };
    EXPECT_THAT(refusal(build([&](StateBuilder& b) { number(b, 101); })), HasSubstr("out of range"));
    EXPECT_THAT(refusal(build([&](StateBuilder&) {})), HasSubstr("missing"));
    EXPECT_THAT(refusal(build([&](StateBuilder& b) {
                    number(b, 1);
                    b.put("unknown", PLUGBAY_FIELD_U8, &byte, 1, 0);
                })),
                HasSubstr("\"unknown\""));
    EXPECT_THAT(refusal(build([&](StateBuilder& b) { number(b, 1); }, "other")), HasSubstr("of a other"));
    EXPECT_THAT(refusal(build([&](StateBuilder& b) { number(b, 1); }, "probe", 4)), HasSubstr("version 4"));
    EXPECT_THAT(refusal(build([&](StateBuilder& b) { number(b, 1); }, "probe", 1)), HasSubstr("version 1"));
    device.load(build(
        [&](StateBuilder& b) {
            number(b, 1);
            b.put("unknown", PLUGBAY_FIELD_U8, &byte, 1, PLUGBAY_FIELD_OPTIONAL);
        },
        "probe", 2));
    EXPECT_NE(device.save(), before);
}

} // namespace
} // namespace plugbay::testkit
