// The block device's part of the virtio specification (1.2, section 5.2), in its own terms.
#pragma once

#include <cstddef>
#include <cstdint>

namespace blk {

inline constexpr std::uint64_t bit(unsigned number) {
    return std::uint64_t{1} << number;
}

inline constexpr std::uint64_t feature_seg_max = bit(2);
inline constexpr std::uint64_t feature_read_only = bit(5);
inline constexpr std::uint64_t feature_block_size = bit(6);
inline constexpr std::uint64_t feature_flush = bit(9);
inline constexpr std::uint64_t feature_topology = bit(10);
inline constexpr std::uint64_t feature_config_wce = bit(11);
inline constexpr std::uint64_t feature_multi_queue = bit(12);
inline constexpr std::uint64_t feature_discard = bit(13);
inline constexpr std::uint64_t feature_write_zeroes = bit(14);

inline constexpr std::uint32_t type_in = 0;
inline constexpr std::uint32_t type_out = 1;
inline constexpr std::uint32_t type_flush = 4;
inline constexpr std::uint32_t type_get_id = 8;
inline constexpr std::uint32_t type_discard = 11;
inline constexpr std::uint32_t type_write_zeroes = 13;

inline constexpr std::uint8_t status_ok = 0;
inline constexpr std::uint8_t status_io_error = 1;
inline constexpr std::uint8_t status_unsupported = 2;

inline constexpr std::uint64_t sector_size = 512;
inline constexpr std::size_t id_length = 20;

struct Header {
    std::uint32_t type;
    std::uint32_t reserved;
    std::uint64_t sector;
};
static_assert(sizeof(Header) == 16);

// A range of DISCARD or WRITE_ZEROES.
struct Range {
    std::uint64_t sector;
    std::uint32_t sectors;
    std::uint32_t flags;
};
static_assert(sizeof(Range) == 16);
inline constexpr std::uint32_t range_unmap = 1;

struct [[gnu::packed]] Config {
    std::uint64_t capacity; // sectors
    std::uint32_t size_max;
    std::uint32_t seg_max;
    std::uint16_t cylinders;
    std::uint8_t heads;
    std::uint8_t sectors;
    std::uint32_t block_size;
    std::uint8_t physical_block_exponent;
    std::uint8_t alignment_offset;
    std::uint16_t minimum_io_size;
    std::uint32_t optimal_io_size;
    std::uint8_t writeback;
    std::uint8_t unused0;
    std::uint16_t queues;
    std::uint32_t max_discard_sectors;
    std::uint32_t max_discard_segments;
    std::uint32_t discard_sector_alignment;
    std::uint32_t max_write_zeroes_sectors;
    std::uint32_t max_write_zeroes_segments;
    std::uint8_t write_zeroes_may_unmap;
    std::uint8_t unused1[3];
};
static_assert(sizeof(Config) == 60);
inline constexpr std::uint32_t config_writeback_offset = 32;

} // namespace blk
