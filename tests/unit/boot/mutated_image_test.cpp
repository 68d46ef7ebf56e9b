// Random damage to valid images, always the same: whatever the loader accepts must obey the layout's rules.
#include "core/boot/guest_layout.hpp"
#include "core/boot/load_image.hpp"
#include "tests/unit/boot/test_images.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace plugbay::core {
namespace {

using test::Image;

constexpr std::uint64_t memory_size = 0x140000; // little, so that comparing all of it is quick
constexpr std::byte untouched{0xa5};
constexpr int rounds = 4000;

const std::array<std::uint64_t, 12> awkward{
    0, 1, 0x7f, 0x80, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ULL << 63, ~0ULL};

void mutate(Image& image, std::mt19937_64& random) {
    const auto below = [&random](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
    for (auto count = 1 + below(4); count > 0; --count) {
        // Headers are where the interest is.
        const auto offset = below(below(4) == 0 ? image.size() : std::min<std::size_t>(image.size(), 0x280));
        switch (below(5)) {
        case 0:
            image[offset] = static_cast<std::uint8_t>(random());
            break;
        case 1:
            image[offset] ^= static_cast<std::uint8_t>(1U << below(8));
            break;
        case 2:
        case 3: {
            const auto value = awkward[below(awkward.size())];
            const auto width = std::min<std::size_t>(std::size_t{1} << below(4), image.size() - offset);
            std::memcpy(&image[offset], &value, width);
            break;
        }
        default:
            if (below(4) == 0) image.resize(1 + below(image.size()));
        }
    }
}

bool is_untouched(std::span<const std::byte> bytes) {
    static const std::vector<std::byte> pattern(memory_size, untouched);
    return bytes.empty() || std::memcmp(bytes.data(), pattern.data(), bytes.size()) == 0;
}

void check_loaded(const GuestMemory& memory, const LoadedImage& loaded) {
    auto used = loaded.used;
    std::ranges::sort(used, {}, &ClaimedRange::address);
    std::uint64_t end = 0;
    bool entry_is_loaded = false;
    for (const auto& range : used) {
        ASSERT_GE(range.address, end) << range.owner;
        const auto gap = memory.map(end, range.address - end);
        ASSERT_TRUE(is_untouched(gap)) << range.owner;
        end = range.address + range.size;
        entry_is_loaded |= loaded.entry.rip >= range.address && loaded.entry.rip < end;
    }
    ASSERT_LE(end, memory_size);
    const auto rest = memory.map(end, memory_size - end);
    ASSERT_TRUE(is_untouched(rest));
    ASSERT_TRUE(entry_is_loaded);
}

void run(const Image& original, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto memory = test::make_memory(memory_size);
    const auto all = memory->map(0, memory_size);
    const auto hole = all.subspan(layout::conventional_end, layout::high_memory - layout::conventional_end);
    test::MemoryFile file(original);
    const test::MemoryFile initrd(Image(3000, 0x11));
    int accepted = 0;
    std::memset(all.data(), std::to_integer<int>(untouched), all.size());
    for (int round = 0; round < rounds; ++round) {
        auto image = original;
        mutate(image, random);
        file.write(image);
        const auto loaded = load_image(*memory, {.kernel = file.path(), .initrd = initrd.path()});
        ASSERT_TRUE(is_untouched(hole));
        if (!loaded) {
            ASSERT_FALSE(loaded.error().message.empty());
            std::memset(all.data(), std::to_integer<int>(untouched), all.size());
            continue;
        }
        ++accepted;
        ASSERT_NO_FATAL_FAILURE(check_loaded(*memory, *loaded)) << "round " << round;
        std::memset(all.data(), std::to_integer<int>(untouched), all.size());
    }
    EXPECT_GT(accepted, rounds / 100) << "damage too heavy to test anything behind the first check";
    EXPECT_LT(accepted, rounds);
}

TEST(MutatedImage, BzImage) {
    run(test::bzimage(), 1);
}

TEST(MutatedImage, Vmlinux) {
    run(test::elf_64(), 2);
}

TEST(MutatedImage, Pvh) {
    run(test::elf_64({.pvh_note = true}), 3);
}

TEST(MutatedImage, MultibootElf) {
    run(test::elf_32({.multiboot_header = true}), 4);
}

TEST(MutatedImage, MultibootByAddresses) {
    run(test::multiboot_flat(), 5);
}

} // namespace
} // namespace plugbay::core
