// The bytes of a disk-ram: anonymous memory that costs nothing until it is written.
#pragma once

#include <plugbay/failure.hpp>
#include <plugbay/unique_fd.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

class Contents {
  public:
    static constexpr std::uint64_t sector = 512;
    static constexpr std::uint64_t default_size = 64 << 20;

    // `size` 0: that of the image. `image` empty: zeros.
    Contents(std::uint64_t size, const std::string& image)
        : Contents() { // a throw from here gives the memory back
        if (size % sector != 0)
            throw plugbay::Failure("\"size\" is " + std::to_string(size) + ", which is not a multiple of 512",
                                   PLUGBAY_INVALID);
        if (image.empty()) {
            allocate(size == 0 ? default_size : size);
            return;
        }
        const plugbay::UniqueFd file(open(image.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) fail(image, "cannot be opened for reading");
        struct stat facts {};
        if (fstat(file.get(), &facts) != 0) fail(image, "cannot be examined");
        if (!S_ISREG(facts.st_mode))
            throw plugbay::Failure("image " + image + " is not a regular file", PLUGBAY_INVALID);
        const auto length = static_cast<std::uint64_t>(facts.st_size);
        if (size != 0 && length > size)
            throw plugbay::Failure("image " + image + " has " + std::to_string(length) +
                                       " bytes, which do not fit into \"size\" " + std::to_string(size),
                                   PLUGBAY_INVALID);
        const std::uint64_t rounded = (length + sector - 1) / sector * sector;
        if (size == 0 && rounded == 0)
            throw plugbay::Failure("image " + image + " is empty: say \"size\" or choose another file",
                                   PLUGBAY_INVALID);
        allocate(size == 0 ? rounded : size);
        for (std::uint64_t done = 0; done < length;) {
            const ssize_t got =
                pread(file.get(), bytes_.data() + done, length - done, static_cast<off_t>(done));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) fail(image, "cannot be read");
            if (got == 0) break; // it shrank meanwhile: the rest is zeros
            done += static_cast<std::uint64_t>(got);
        }
    }
    ~Contents() {
        if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
    }
    Contents(const Contents&) = delete;
    Contents& operator=(const Contents&) = delete;

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

    // Makes part of bytes() zero; whole pages go back to the host.
    static void zero(std::span<std::byte> range) {
        const auto first = reinterpret_cast<std::uintptr_t>(range.data());
        const std::uintptr_t from = (first + page - 1) / page * page;
        const std::uintptr_t to = (first + range.size()) / page * page;
        if (from >= to || madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED) != 0) {
            std::memset(range.data(), 0, range.size());
            return;
        }
        std::memset(range.data(), 0, from - first);
        std::memset(reinterpret_cast<void*>(to), 0, first + range.size() - to);
    }

    // The disk in chunks without their trailing zeros, so that empty parts take no room in a checkpoint.
    void state(auto& fields) {
        std::uint64_t size = bytes_.size();
        fields("size", size, size, size); // a checkpoint fits only a disk of the same size
        std::vector<std::uint8_t> piece;
        for (std::size_t at = 0, number = 0; at < bytes_.size(); at += chunk, ++number) {
            const auto part = std::span(bytes_).subspan(at, std::min(chunk, bytes_.size() - at));
            const std::size_t length = used_length(part);
            const auto* data = reinterpret_cast<const std::uint8_t*>(part.data());
            piece.assign(data, data + length);
            fields(("chunk." + std::to_string(number)).c_str(), piece, part.size());
            if (std::equal(piece.begin(), piece.end(), data, data + length)) continue;
            zero(part);
            std::copy(piece.begin(), piece.end(), reinterpret_cast<std::uint8_t*>(part.data()));
        }
    }

  private:
    Contents() = default;

    static constexpr std::size_t page = 4096;
    static constexpr std::size_t chunk = 4 << 20;

    static std::size_t used_length(std::span<const std::byte> part) {
        std::size_t length = part.size();
        while (length > 0 && part[length - 1] == std::byte{0})
            --length;
        return length;
    }

    [[noreturn]] static void fail(const std::string& image, const char* what) {
        throw plugbay::Failure("image " + image + " " + what + ": " + std::strerror(errno));
    }

    void allocate(std::uint64_t size) {
        void* memory =
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            throw plugbay::Failure("no memory for a disk of " + std::to_string(size) + " bytes",
                                   PLUGBAY_NO_MEMORY);
        bytes_ = {static_cast<std::byte*>(memory), static_cast<std::size_t>(size)};
    }

    std::span<std::byte> bytes_;
};
