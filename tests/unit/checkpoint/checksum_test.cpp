#include "core/checkpoint/checksum.hpp"
#include "core/memory/page_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <plugbay/state_image.hpp>

#include <random>

namespace plugbay::core {
namespace {

std::vector<std::byte> random_bytes(std::size_t size) {
    std::mt19937 random(1);
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

TEST(ChecksumTest, IsTheStateFormats) {
    EXPECT_EQ(checksum_of(std::as_bytes(std::span("123456789", 9))), 0xe3069283u);
    const auto bytes = random_bytes(5000);
    for (const std::size_t size : {0, 1, 7, 8, 9, 63, 64, 4999, 5000})
        EXPECT_EQ(checksum_of(std::span(bytes).first(size)), crc32c(std::span(bytes).first(size))) << size;
    Checksum parts;
    parts.add(std::span(bytes).first(13));
    parts.add(std::span(bytes).subspan(13));
    EXPECT_EQ(parts.value(), crc32c(bytes));
}

TEST(ChecksumTest, OfAPageOfZerosIsZero) {
    for (const std::size_t count : {1, 2, 3, 4, 7}) {
        auto bytes = random_bytes(count * 4096);
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>((count - 1) * 4096), 4096, std::byte{0});
        std::vector<std::uint32_t> words(count);
        page_checksums(bytes, words);
        const std::uint32_t of_zeros = crc32c(std::vector<std::byte>(4096));
        for (std::size_t page = 0; page < count; ++page)
            EXPECT_EQ(words[page], crc32c(std::span(bytes).subspan(page * 4096, 4096)) ^ of_zeros) << page;
        EXPECT_EQ(words.back(), 0u);
    }
}

TEST(PageSetTest, FindsRuns) {
    PageSet set(200);
    EXPECT_EQ(set.next_in(0), 200u);
    EXPECT_EQ(set.next_out(0), 0u);
    set.add(60, 70);
    set.add(199);
    EXPECT_EQ(set.count(), 71u);
    EXPECT_EQ(set.next_in(0), 60u);
    EXPECT_EQ(set.next_out(60), 130u);
    EXPECT_EQ(set.next_in(130), 199u);
    EXPECT_EQ(set.next_out(199), 200u);
    EXPECT_EQ(set.next_in(200), 200u);
    set.remove(100);
    EXPECT_EQ(set.next_out(60), 100u);
    EXPECT_FALSE(set.has(100));
    EXPECT_TRUE(set.has(101));
    EXPECT_FALSE(set.passes_end());
    EXPECT_TRUE(PageSet(65, {0, 2}).passes_end());
    EXPECT_FALSE(PageSet(64, {~std::uint64_t{0}}).passes_end());
}

} // namespace
} // namespace plugbay::core
