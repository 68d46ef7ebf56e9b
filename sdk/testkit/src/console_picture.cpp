// What ConsolePeer keeps of the picture that a display adapter shows it, and what it checks about that.
#include <plugbay/testkit/console_peer.hpp>
#include <plugbay/testkit/error.hpp>

#include "machine.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plugbay::testkit {
namespace {

std::uint32_t pixel_size(std::uint32_t format) {
    return format == PLUGBAY_PIXEL_RGB565 ? 2 : 4;
}

std::uint32_t to_rgb(std::uint32_t format, const std::uint8_t* pixel) {
    if (format == PLUGBAY_PIXEL_RGB565) {
        const unsigned value = pixel[0] | unsigned{pixel[1]} << 8;
        return (value >> 11) * 255 / 31 << 16 | (value >> 5 & 63) * 255 / 63 << 8 | (value & 31) * 255 / 31;
    }
    if (format == PLUGBAY_PIXEL_XBGR8888)
        return unsigned{pixel[0]} << 16 | unsigned{pixel[1]} << 8 | pixel[2];
    return unsigned{pixel[2]} << 16 | unsigned{pixel[1]} << 8 | pixel[0];
}

} // namespace

plugbay_status ConsolePeer::arrived_mode(const plugbay_console_mode* mode) {
    expect_awake("its console/1 backend");
    if (!refreshing_) violation("set a console/1 mode without being asked");
    if (mode == nullptr || mode->size < sizeof *mode) {
        violation("set a console/1 mode without its size");
        return PLUGBAY_INVALID;
    }
    const auto refuse = [&](const char* why) {
        violation(std::string("set a console/1 mode ") + why);
        return PLUGBAY_INVALID;
    };
    const bool cells = mode->kind == PLUGBAY_CONSOLE_CELLS;
    const bool pixels = mode->kind == PLUGBAY_CONSOLE_PIXELS;
    if (!cells && !pixels && mode->kind != PLUGBAY_CONSOLE_OFF) return refuse("of an unknown kind");
    const std::uint32_t widest = cells ? PLUGBAY_CONSOLE_MOST_COLUMNS : PLUGBAY_CONSOLE_MOST_PIXELS;
    const std::uint32_t highest = cells ? PLUGBAY_CONSOLE_MOST_ROWS : PLUGBAY_CONSOLE_MOST_PIXELS;
    if ((cells || pixels) &&
        (mode->width == 0 || mode->width > widest || mode->height == 0 || mode->height > highest))
        return refuse("that is empty or too large");
    if (pixels) {
        if (mode->format < PLUGBAY_PIXEL_XRGB8888 || mode->format > PLUGBAY_PIXEL_RGB565)
            return refuse("of an unknown pixel format");
        const std::uint64_t length = std::uint64_t{mode->stride} * mode->height;
        if (mode->stride < std::uint64_t{mode->width} * pixel_size(mode->format) || length > (256 << 20))
            return refuse("whose lines overlap, or that is too large");
        if (mode->location == PLUGBAY_PIXELS_GUEST && machine()->ram.range(mode->place, length).empty())
            return PLUGBAY_INVALID; // the guest chose it
        if (mode->location == PLUGBAY_PIXELS_SHARED) {
            struct stat facts {};
            const int seals = fcntl(mode->fd, F_GET_SEALS);
            if (fstat(mode->fd, &facts) != 0 || seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
                mode->place > static_cast<std::uint64_t>(facts.st_size) ||
                length > static_cast<std::uint64_t>(facts.st_size) - mode->place)
                return refuse("with shared memory that is too short or not sealed");
        }
    }
    if (mode->kind == refused_kind_) return PLUGBAY_UNSUPPORTED;
    mode_ = *mode;
    if (shared_fd_ >= 0) close(shared_fd_);
    shared_fd_ = pixels && mode->location == PLUGBAY_PIXELS_SHARED ? fcntl(mode->fd, F_DUPFD_CLOEXEC, 3) : -1;
    mode_.fd = -1;
    const std::size_t area = std::size_t{mode->width} * mode->height;
    cells_.assign(cells ? area : 0, plugbay_console_cell{});
    pixels_.assign(pixels ? area : 0, 0);
    return PLUGBAY_OK;
}

void ConsolePeer::arrived_areas(const plugbay_console_area* areas, std::uint32_t count, std::uint32_t kind) {
    expect_awake("its console/1 backend");
    if (!refreshing_) violation("showed a console/1 picture without being asked");
    if (areas == nullptr || count == 0 || count > PLUGBAY_CONSOLE_MOST_AREAS)
        return violation("showed " + std::to_string(count) + " console/1 areas");
    if (mode_.kind != kind) return violation("showed console/1 areas of another kind than the mode");
    for (const plugbay_console_area& area : std::span(areas, count)) {
        if (area.x > mode_.width || area.width > mode_.width - area.x || area.y > mode_.height ||
            area.height > mode_.height - area.y) {
            violation("showed a console/1 area outside the screen");
            continue;
        }
        shown_area_ += std::uint64_t{area.width} * area.height;
        if (kind == PLUGBAY_CONSOLE_CELLS)
            copy_cells(area);
        else
            copy_pixels(area);
    }
}

void ConsolePeer::copy_cells(const plugbay_console_area& area) {
    if (area.cells == nullptr) return violation("showed console/1 cells at NULL");
    for (std::size_t y = 0; y < area.height; ++y)
        std::copy_n(area.cells + y * area.width, area.width,
                    cells_.begin() + static_cast<std::ptrdiff_t>((area.y + y) * mode_.width + area.x));
}

void ConsolePeer::copy_pixels(const plugbay_console_area& area) {
    const std::uint32_t size = pixel_size(mode_.format);
    const std::uint64_t length = std::uint64_t{mode_.stride} * mode_.height;
    const std::uint8_t* first = area.pixels;
    std::size_t stride = area.stride;
    if (mode_.location != PLUGBAY_PIXELS_COPIED) {
        if (mode_.location == PLUGBAY_PIXELS_SHARED) {
            shared_.resize(static_cast<std::size_t>(length));
            if (pread(shared_fd_, shared_.data(), shared_.size(), static_cast<off_t>(mode_.place)) !=
                static_cast<ssize_t>(shared_.size()))
                return violation("shares console/1 memory that cannot be read");
            first = reinterpret_cast<const std::uint8_t*>(shared_.data());
        } else {
            first = reinterpret_cast<const std::uint8_t*>(machine()->ram.range(mode_.place, length).data());
        }
        stride = mode_.stride;
        first += area.y * stride + std::size_t{area.x} * size;
    } else if (first == nullptr || stride < std::size_t{area.width} * size) {
        return violation("showed console/1 pixels at NULL, or whose lines overlap");
    }
    for (std::size_t y = 0; y < area.height; ++y) {
        for (std::size_t x = 0; x < area.width; ++x)
            pixels_[(area.y + y) * mode_.width + area.x + x] =
                to_rgb(mode_.format, first + y * stride + x * size);
    }
}

const plugbay_console_cell& ConsolePeer::cell(std::uint32_t column, std::uint32_t row) const {
    if (column >= mode_.width || row >= mode_.height || cells_.empty()) throw Error("there is no such cell");
    return cells_[std::size_t{row} * mode_.width + column];
}

std::string ConsolePeer::row(std::uint32_t row) const {
    std::string text;
    for (std::uint32_t column = 0; column < mode_.width; ++column) {
        const std::uint32_t character = cell(column, row).character;
        text += character == 0                        ? ' '
                : character >= 32 && character <= 126 ? static_cast<char>(character)
                                                      : '?';
    }
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::uint32_t ConsolePeer::pixel(std::uint32_t x, std::uint32_t y) const {
    if (x >= mode_.width || y >= mode_.height || pixels_.empty()) throw Error("there is no such pixel");
    return pixels_[std::size_t{y} * mode_.width + x];
}

} // namespace plugbay::testkit
