#include "image_file.hpp"

#include <plugbay/failure.hpp>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace {

[[noreturn]] void fail(const ImageFile& image, const std::string& problem) {
    throw plugbay::Failure("disk image " + image.path + " " + problem, PLUGBAY_INVALID);
}

[[noreturn]] void fail_to_open(const ImageFile& image, bool direct, int error) {
    switch (error) {
    case ENOENT:
        fail(image,
             "does not exist: correct \"path\", or make it, for example with: truncate -s 10G " + image.path);
    case EACCES:
    case EPERM:
        fail(image, image.read_only
                        ? "may not be read by this user: change its permissions"
                        : "may not be written by this user: change its permissions or set \"read_only\"");
    case EROFS:
        fail(image, "is on a read-only file system: set \"read_only\"");
    case EISDIR:
        fail(image, "is a directory: name a file or a block device");
    case EINVAL:
        if (direct) fail(image, "is on a file system without O_DIRECT: set \"direct\" to false");
        [[fallthrough]];
    default:
        fail(image, std::string("cannot be opened: ") + std::strerror(error));
    }
}

void examine_block_device(ImageFile& image, bool direct) {
    int logical = 512;
    unsigned physical = 512;
    std::uint64_t size = 0;
    if (ioctl(image.file.get(), BLKGETSIZE64, &size) != 0 ||
        ioctl(image.file.get(), BLKSSZGET, &logical) != 0 ||
        ioctl(image.file.get(), BLKPBSZGET, &physical) != 0)
        fail(image, std::string("does not say its size: ") + std::strerror(errno));
    image.capacity = size;
    image.logical_block_size = static_cast<std::uint32_t>(logical);
    image.physical_block_size = physical;
    if (direct) image.memory_alignment = image.logical_block_size;
    image.can_discard = true; // where it cannot, a discard does nothing
}

void examine_file(ImageFile& image, const struct stat& facts, bool direct) {
    image.capacity = static_cast<std::uint64_t>(facts.st_size);
    image.physical_block_size =
        std::clamp<std::uint32_t>(static_cast<std::uint32_t>(facts.st_blksize), 512, 4096);
    if (direct) {
        image.memory_alignment = 4096; // where the kernel does not say, what suffices everywhere
        image.logical_block_size = 512;
#ifdef STATX_DIOALIGN
        struct statx more {};
        if (statx(image.file.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &more) == 0 &&
            (more.stx_mask & STATX_DIOALIGN) != 0) {
            if (more.stx_dio_offset_align == 0)
                fail(image, "does not support O_DIRECT: set \"direct\" to false");
            image.memory_alignment = std::max<std::uint32_t>(more.stx_dio_mem_align, 1);
            image.logical_block_size = std::max<std::uint32_t>(more.stx_dio_offset_align, 512);
        }
#endif
    }
    // Where the file system cannot, a discard does nothing. Trying it out would change the file's time.
    image.can_discard = !image.read_only;
}

// Locks of the open file description: they end with the descriptor, and hold against this process too.
void lock_image(const ImageFile& image) {
    struct flock range {};
    range.l_type = image.read_only ? F_RDLCK : F_WRLCK;
    range.l_whence = SEEK_SET;
    if (fcntl(image.file.get(), F_OFD_SETLK, &range) == 0) return;
    if (errno == EAGAIN || errno == EACCES)
        fail(image, image.read_only
                        ? "is being written by another disk or machine: stop that one, or set "
                          "\"lock\" to false if you can live with contents that change"
                        : "is in use by another disk or machine: stop that one, set \"read_only\" "
                          "on both, or set \"lock\" to false if you know better");
    if (errno == ENOLCK || errno == EINVAL || errno == EOPNOTSUPP)
        fail(image, std::string("cannot be locked (") + std::strerror(errno) +
                        "): its file system has no locks; set \"lock\" to false");
    fail(image, std::string("cannot be locked: ") + std::strerror(errno));
}

struct stat ask(const ImageFile& image) {
    struct stat facts {};
    if (fstat(image.file.get(), &facts) != 0)
        fail(image, std::string("cannot be examined: ") + std::strerror(errno));
    return facts;
}

void examine(ImageFile& image, bool direct) {
    const struct stat facts = ask(image);
    if (S_ISBLK(facts.st_mode))
        examine_block_device(image, direct);
    else
        examine_file(image, facts, direct);
    if (image.capacity == 0)
        fail(image, "is empty: give it a size, for example with: truncate -s 10G " + image.path);
    if (const std::uint64_t rest = image.capacity % image.logical_block_size; rest != 0)
        fail(image, "has " + std::to_string(image.capacity) + " bytes, which is not a multiple of " +
                        std::to_string(image.logical_block_size) + ": lengthen it with: truncate -s " +
                        std::to_string(image.capacity - rest + image.logical_block_size) + " " + image.path);
}

} // namespace

ImageFile open_image(const std::string& path, bool read_only, bool direct, bool lock) {
    ImageFile image;
    image.path = path;
    image.read_only = read_only;
    // O_NONBLOCK: a FIFO by mistake must not make us wait; it means nothing for files and block devices.
    const int flags = (read_only ? O_RDONLY : O_RDWR) | (direct ? O_DIRECT : 0) | O_CLOEXEC | O_NONBLOCK;
    image.file = plugbay::UniqueFd(open(path.c_str(), flags));
    if (!image.file) fail_to_open(image, direct, errno);

    const mode_t mode = ask(image).st_mode;
    if (!S_ISBLK(mode) && !S_ISREG(mode))
        fail(image, S_ISDIR(mode) ? "is a directory: name a file or a block device"
                                  : "is neither a regular file nor a block device: correct \"path\"");
    // io_uring would report EAGAIN instead of waiting for the disk.
    if (fcntl(image.file.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
        fail(image, std::string("cannot be made to wait for its disk: ") + std::strerror(errno));
    // First of all: the size may change in other hands.
    if (lock) lock_image(image);
    examine(image, direct);
    return image;
}

ImageFile adopt_image(plugbay::UniqueFd file, const std::string& path, bool read_only, bool direct) {
    ImageFile image;
    image.path = path;
    image.read_only = read_only;
    image.file = std::move(file);
    examine(image, direct);
    return image;
}
