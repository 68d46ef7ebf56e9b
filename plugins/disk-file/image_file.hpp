// The image file or block device of a disk: opened, examined and locked.
#pragma once

#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <string>

struct ImageFile {
    std::string path;
    plugbay::UniqueFd file;
    bool read_only = false;
    std::uint64_t capacity = 0; // bytes
    std::uint32_t logical_block_size = 512;
    std::uint32_t physical_block_size = 4096;
    std::uint32_t memory_alignment = 1; // of buffers; more than 1 with O_DIRECT
    bool can_discard = false;
};

// Throws plugbay::Failure with what to do about it.
ImageFile open_image(const std::string& path, bool read_only, bool direct, bool lock);
// The image as another build has opened it, with its locks.
ImageFile adopt_image(plugbay::UniqueFd file, const std::string& path, bool read_only, bool direct);
