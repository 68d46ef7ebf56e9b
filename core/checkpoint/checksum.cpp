#include "core/checkpoint/checksum.hpp"

#include <plugbay/state_image.hpp>

#include <array>
#include <cstring>
#include <nmmintrin.h>

namespace plugbay::core {

namespace {

constexpr std::size_t page_size = 4096;

bool has_instruction() {
    static const bool has = __builtin_cpu_supports("sse4.2") != 0;
    return has;
}

std::uint64_t load_word(const std::byte* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) std::uint32_t add_by_instruction(std::uint32_t state,
                                                                   std::span<const std::byte> bytes) {
    std::uint64_t wide = state;
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8)
        wide = _mm_crc32_u64(wide, load_word(at));
    auto narrow = static_cast<std::uint32_t>(wide);
    for (; left != 0; --left, ++at)
        narrow = _mm_crc32_u8(narrow, std::to_integer<std::uint8_t>(*at));
    return narrow;
}

std::uint32_t add_by_table(std::uint32_t state, std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes)
        state = (state >> 8) ^
                plugbay::detail::crc32c_table[(state ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
    return state;
}

// Three at once: the instruction's result comes three cycles after it starts, and one can start in each.
__attribute__((target("sse4.2"))) void three_pages(const std::byte* pages, std::uint32_t* words) {
    std::uint64_t a = 0xffffffff;
    std::uint64_t b = a;
    std::uint64_t c = a;
    for (std::size_t at = 0; at < page_size; at += 8) {
        a = _mm_crc32_u64(a, load_word(pages + at));
        b = _mm_crc32_u64(b, load_word(pages + page_size + at));
        c = _mm_crc32_u64(c, load_word(pages + 2 * page_size + at));
    }
    words[0] = ~static_cast<std::uint32_t>(a);
    words[1] = ~static_cast<std::uint32_t>(b);
    words[2] = ~static_cast<std::uint32_t>(c);
}

} // namespace

void Checksum::add(std::span<const std::byte> bytes) {
    state_ = has_instruction() ? add_by_instruction(state_, bytes) : add_by_table(state_, bytes);
}

std::uint32_t checksum_of(std::span<const std::byte> bytes) {
    Checksum checksum;
    checksum.add(bytes);
    return checksum.value();
}

void page_checksums(std::span<const std::byte> pages, std::span<std::uint32_t> words) {
    static const std::uint32_t of_zeros = checksum_of(std::array<std::byte, page_size>{});
    std::size_t page = 0;
    for (; has_instruction() && words.size() - page >= 3; page += 3)
        three_pages(pages.data() + page * page_size, &words[page]);
    for (; page < words.size(); ++page)
        words[page] = checksum_of(pages.subspan(page * page_size, page_size));
    for (std::uint32_t& word : words)
        word ^= of_zeros;
}

} // namespace plugbay::core
