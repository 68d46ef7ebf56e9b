// The bytes of a disk-ram: a memory file that costs nothing until it is written, and that is handed over from build to
// build.
#pragma once

#include <plugbay/failure.hpp>
#include <plugbay/handover.hpp>
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
#include <utility>
#include <vector>

class Contents {
  public:
    static constexpr std::uint64_t sector = 512;
    static constexpr std::uint64_t default_size = 64 << 20;

    // `size` 0: that of the image. `image` empty: zeros.
    Contents(const plugbay::Handover& handover, std::uint64_t size, const std::string& image)
        : Contents(handover) { // a throw from here gives the memory back
        if (size % sector != 0)
            throw plugbay::Failure("\"size\" is " + std::to_string(size) + ", which is not a multiple of 512",
                                   PLUGBAY_INVALID);
        if (plugbay::UniqueFd left = handover.take(left_contents)) {
            shared_ = true;
            adopt(std::move(left), size);
            return;
        }
        if (image.empty())
            allocate(size == 0 ? default_size : size);
        else
            fill(size, image);
        handover.put(left_contents, file_);
    }
    ~Contents() {
        if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
        if (!zeros_.empty()) munmap(const_cast<std::byte*>(zeros_.data()), zeros_.size());
    }
    Contents(const Contents&) = delete;
    Contents& operator=(const Contents&) = delete;

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

    // The same bytes, for reading only: memory that was never written is not taken for that.
    [[nodiscard]] std::span<const std::byte> readable(std::span<std::byte> range) const {
        const auto at = static_cast<std::size_t>(range.data() - bytes_.data());
        return is_hole(at, range.size()) ? zeros_.subspan(at, range.size()) : range;
    }

    // Makes part of bytes() zero; whole pages go back to the host.
    static void zero(std::span<std::byte> range) {
        const auto first = reinterpret_cast<std::uintptr_t>(range.data());
        const std::uintptr_t from = (first + page - 1) / page * page;
        const std::uintptr_t to = (first + range.size()) / page * page;
        if (from >= to || madvise(reinterpret_cast<void*>(from), to - from, MADV_REMOVE) != 0) {
            std::memset(range.data(), 0, range.size());
            return;
        }
        std::memset(range.data(), 0, from - first);
        std::memset(reinterpret_cast<void*>(to), 0, first + range.size() - to);
    }

    // The disk in chunks without their trailing zeros, so that empty parts take no room in a checkpoint. The next build
    // has them already.
    void state(auto& fields) {
        std::uint64_t size = bytes_.size();
        fields("size", size, size, size); // a checkpoint fits only a disk of the same size
        shared_ = shared_ ||
                  handover_.in_place(); // the next build has them from here, and this one if that one fails
        if (handover_.hands_over(fields)) {
            if (!shared_)
                throw plugbay::Failure("the contents were left for this build, and it has not found them");
            return;
        }
        std::vector<std::uint8_t> before;
        std::vector<std::uint8_t> piece;
        for (std::size_t at = 0, number = 0; at < bytes_.size(); at += chunk, ++number) {
            const auto part = bytes_.subspan(at, std::min(chunk, bytes_.size() - at));
            read_used(at, part.size(), before);
            piece = before;
            fields(("chunk." + std::to_string(number)).c_str(), piece, part.size());
            if (piece == before) continue;
            zero(part);
            std::copy(piece.begin(), piece.end(), reinterpret_cast<std::uint8_t*>(part.data()));
        }
    }

  private:
    explicit Contents(const plugbay::Handover& handover) : handover_(handover) {}

    static constexpr const char* left_contents = "contents"; // for the next build
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t chunk = 4 << 20;

    // Without the zeros at the end. Read as a file, since looking at memory that was never written takes it.
    void read_used(std::size_t at, std::size_t length, std::vector<std::uint8_t>& bytes) const {
        bytes.clear();
        if (is_hole(at, length)) return;
        bytes.resize(length);
        for (std::size_t done = 0; done < length;) {
            const ssize_t got =
                pread(file_.get(), bytes.data() + done, length - done, static_cast<off_t>(at + done));
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0)
                throw plugbay::Failure(std::string("the contents cannot be read: ") + std::strerror(errno));
            done += static_cast<std::size_t>(got);
        }
        while (!bytes.empty() && bytes.back() == 0)
            bytes.pop_back();
    }

    [[noreturn]] static void fail(const std::string& image, const char* what) {
        throw plugbay::Failure("image " + image + " " + what + ": " + std::strerror(errno));
    }

    // Nothing was ever written there, or it was given back.
    [[nodiscard]] bool is_hole(std::size_t at, std::size_t length) const {
        const off_t data = lseek(file_.get(), static_cast<off_t>(at), SEEK_DATA);
        return data < 0 ? errno == ENXIO : static_cast<std::size_t>(data) >= at + length;
    }

    void fill(std::uint64_t size, const std::string& image) {
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

    void allocate(std::uint64_t size) {
        file_ = plugbay::UniqueFd(memfd_create("plugbay disk-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        // Sealed, so that no build ever finds less than it has mapped.
        if (!file_ || ftruncate(file_.get(), static_cast<off_t>(size)) != 0 ||
            fcntl(file_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
            throw no_memory(size);
        map(size);
    }

    void adopt(plugbay::UniqueFd file, std::uint64_t size) {
        struct stat facts {};
        if (fstat(file.get(), &facts) != 0) fail("of the build before", "cannot be examined");
        const auto length = static_cast<std::uint64_t>(facts.st_size);
        if (size != 0 && size != length)
            throw plugbay::Failure("\"size\" is " + std::to_string(size) + ", and the running disk has " +
                                       std::to_string(length) + " bytes: a new build has the same",
                                   PLUGBAY_INVALID);
        file_ = std::move(file);
        map(length);
    }

    void map(std::uint64_t size) {
        void* const memory =
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_.get(), 0);
        if (memory == MAP_FAILED) throw no_memory(size);
        bytes_ = {static_cast<std::byte*>(memory), static_cast<std::size_t>(size)};
        void* const zeros =
            mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (zeros == MAP_FAILED) throw no_memory(size);
        zeros_ = {static_cast<const std::byte*>(zeros), static_cast<std::size_t>(size)};
    }

    static plugbay::Failure no_memory(std::uint64_t size) {
        return plugbay::Failure("no memory for a disk of " + std::to_string(size) + " bytes",
                                PLUGBAY_NO_MEMORY);
    }

    plugbay::Handover handover_;
    plugbay::UniqueFd file_;
    bool shared_ = false; // with another build
    std::span<std::byte> bytes_;
    std::span<const std::byte> zeros_; // as long; the host's one page of zeros
};
