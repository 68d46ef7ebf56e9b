// Damaged copies of a good plugin. Every outcome but an error or a description within the limits is a bug;
// run this with the sanitizers.
#include "core/plugin/metadata_reader.hpp"

#include "core/plugin/description_check.hpp"
#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sys/mman.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

using testing::HasSubstr;

// One file that is changed in place.
class HostileFile : public testing::Test {
  protected:
    void SetUp() override {
        bytes_ = bytes_of(test_plugin("good"));
        ASSERT_GT(bytes_.size(), 4096U);
        file_ = ::memfd_create("damaged.so", MFD_CLOEXEC); // many thousand changes: not on a disk
        ASSERT_GE(file_, 0);
        path_ = "/proc/self/fd/" + std::to_string(file_);
        put(0, bytes_.data(), bytes_.size());
    }
    void TearDown() override {
        if (file_ >= 0) ::close(file_);
    }
    void put(std::size_t at, const void* bytes, std::size_t length) const {
        ASSERT_EQ(::pwrite(file_, bytes, length, static_cast<off_t>(at)), static_cast<ssize_t>(length));
    }
    // Reads the file; true when it was accepted.
    [[nodiscard]] bool read() const {
        const auto plugin = read_plugin_metadata(path_);
        if (!plugin) {
            EXPECT_THAT(plugin.error().message, HasSubstr(path_.string()));
            EXPECT_LT(plugin.error().text().size(), 2000U);
            return false;
        }
        EXPECT_TRUE(check_description(*plugin));
        return true;
    }

    std::string bytes_;
    std::filesystem::path path_;
    int file_ = -1;
};

TEST_F(HostileFile, CutShortAtEveryLength) {
    for (std::size_t length = bytes_.size() - 1; length >= 64; length = (length - 1) / 64 * 64) {
        ASSERT_EQ(::ftruncate(file_, static_cast<off_t>(length)), 0);
        const auto plugin = read_plugin_metadata(path_);
        ASSERT_FALSE(plugin) << "cut to " << length;
        EXPECT_THAT(plugin.error().message, HasSubstr("is truncated")) << "cut to " << length;
    }
}

TEST_F(HostileFile, FlippedBits) {
    std::mt19937 random(20240501);
    std::size_t accepted = 0;
    // The headers and tables are where a flip does something: half of the flips go there.
    for (int round = 0; round < 6000; ++round) {
        const std::size_t at = random() % (round % 2 == 0 ? bytes_.size() : 0x800);
        const char flipped = static_cast<char>(bytes_[at] ^ (1 << random() % 8));
        put(at, &flipped, 1);
        accepted += read() ? 1 : 0;
        put(at, &bytes_[at], 1);
    }
    EXPECT_GT(accepted, 100U);
    EXPECT_LT(accepted, 5900U);
    EXPECT_TRUE(read());
}

TEST_F(HostileFile, ExtremeNumbers) {
    constexpr std::uint64_t numbers[] = {
        0,          1,       0x7fffffff,         0x80000000,         0xffffffff, 0x1000,
        0xffff0000, 0x3ffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL,      ~7ULL};
    for (std::size_t at = 0; at + 8 <= bytes_.size(); at += 8) {
        if (bytes_.compare(at, 8, std::string(8, '\0')) == 0) continue;
        for (const std::uint64_t number : numbers) {
            put(at, &number, 8);
            (void)read();
            put(at + 4, &bytes_[at + 4], 4); // only the low half
            (void)read();
        }
        put(at, &bytes_[at], 8);
    }
    EXPECT_TRUE(read());
}

TEST_F(HostileFile, RandomBytesInEveryBlock) {
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        const std::size_t at = 64 + random() % (bytes_.size() - 64 - 64);
        std::string noise(1 + random() % 64, '\0');
        for (char& byte : noise)
            byte = static_cast<char>(random());
        put(at, noise.data(), noise.size());
        (void)read();
        put(at, &bytes_[at], noise.size());
    }
    EXPECT_TRUE(read());
}

} // namespace
} // namespace plugbay::core
