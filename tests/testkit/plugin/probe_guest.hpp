// Probes that answer to a guest: tests/guests/machine runs programs against them.
#pragma once

#include <plugbay/plugin.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

// Tells in 32-bit registers what reached it, and has memory of 64 bytes made of accesses.
class ProbeGuest {
  public:
    static constexpr plugbay::Type type{.name = "probe-guest", .help = "Tells the guest what reached it."};
    struct Options {
        std::uint16_t port = 0x700;
        std::uint64_t address = 0xd5000000;
        std::uint32_t line = 10;
        bool shared = false;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("port", &Options::port, "first of 36 ports"),
                                       plugbay::property("address", &Options::address, "of 64 bytes"),
                                       plugbay::property("line", &Options::line, "interrupt line"),
                                       plugbay::property("shared", &Options::shared, "share the line"));
        }
    };
    enum Register : std::uint64_t {
        guest_timer = 0x00, // write: microseconds of the guest's clock until it fires; read: how often it has
        host_timer = 0x04,  // write: period in microseconds of the host's clock, 0: none; read: how often
        descriptor = 0x08,  // write: goes into a descriptor; read: the sum of what came out
        bell = 0x0c,        // write: a doorbell; read: how often the device was called for it
        line = 0x10,        // write: 0, 1: the level; 2: a pulse
        tick = 0x14,        // write: published as so many ticks; read: the sum of those heard
        scatter =
            0x18,   // write: address of four segments, two of which go to the other two; read: 1 if they did
        sum = 0x1c, // write: is added
        writes = 0x20, // read: writes to these registers that came to the device
    };

    ProbeGuest(plugbay::Host host, const Options& options)
        : host_(host), memory_(host.memory()), event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          ports_(host.map_ports(options.port, 0x24, in_ports)),
          cells_region_(host.map_memory(options.address, cells_.size(), in_memory)),
          doorbell_(host.doorbell(ports_.handle(), bell, 4, bell)),
          line_(host.interrupt_line(options.line, options.shared ? PLUGBAY_INTERRUPT_SHARED : 0)),
          guest_timer_(host.timer(PLUGBAY_CLOCK_GUEST, guest_timer)),
          host_timer_(host.timer(PLUGBAY_CLOCK_HOST, host_timer)),
          watch_(host.watch(event_, PLUGBAY_FD_READABLE)), events_(host.subscribe(PLUGBAY_EVENT_TICK)) {}
    ProbeGuest(ProbeGuest&&) = delete;
    ~ProbeGuest() {
        watch_.release();
        close(event_);
    }

    std::uint64_t read(plugbay::Access access) {
        std::uint64_t value = 0;
        if (access.token == in_memory)
            std::memcpy(&value, cells_.data() + access.offset, access.width);
        else
            value = values_[access.offset / 4] >> access.offset % 4 * 8;
        return value;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.token == in_memory) {
            std::memcpy(cells_.data() + access.offset, &value, access.width);
            return;
        }
        ++count(writes);
        if (access.width == 4 && access.offset % 4 == 0)
            command(access.offset, static_cast<std::uint32_t>(value));
    }
    void on_doorbell(std::uint64_t token) { ++count(token); }
    void on_timer(std::uint64_t token) { ++count(token); }
    void on_fd(std::uint64_t, int fd, std::uint32_t) {
        std::uint64_t value = 0;
        if (::read(fd, &value, sizeof value) == sizeof value)
            count(descriptor) += static_cast<std::uint32_t>(value);
    }
    void on_host_event(std::uint64_t, const plugbay_host_event& event) {
        count(tick) += static_cast<std::uint32_t>(event.x);
    }
    void reset() {
        guest_timer_.disarm();
        host_timer_.disarm();
        line_.set(false);
        values_ = {};
        cells_ = {};
    }

  private:
    enum Token : std::uint64_t { in_ports, in_memory };

    std::uint32_t& count(std::uint64_t which) { return values_[which / 4]; }
    void command(std::uint64_t which, std::uint32_t value) {
        constexpr std::uint64_t microsecond = 1000;
        switch (which) {
        case guest_timer:
            guest_timer_.arm(host_.now() + value * microsecond);
            break;
        case host_timer: {
            const std::uint64_t period = std::max<std::uint64_t>(value, 10) * microsecond;
            if (value == 0)
                host_timer_.disarm();
            else
                host_timer_.arm(host_.now(PLUGBAY_CLOCK_HOST) + period, period);
            break;
        }
        case descriptor: {
            const std::uint64_t wide = value;
            if (::write(event_, &wide, sizeof wide) != sizeof wide) host_.warning("the descriptor is full");
            break;
        }
        case bell:
            host_.warning("the doorbell came as a write");
            break;
        case line:
            if (value == 2)
                line_.pulse();
            else
                line_.set(value == 1);
            break;
        case tick:
            host_.publish({PLUGBAY_EVENT_TICK, 0, static_cast<std::int32_t>(value), 0, 0, 0});
            break;
        case scatter:
            count(scatter) = copy_segments(value) ? 1 : 0;
            break;
        case sum:
            count(sum) += value;
            break;
        default:
            break;
        }
    }
    [[nodiscard]] bool copy_segments(std::uint64_t address) const {
        std::array<plugbay_segment, 4> segments{};
        std::array<std::byte, 64> bytes{};
        if (!memory_.read_object(address, segments)) return false;
        const std::span all(segments);
        const std::uint64_t length = segments[0].length + segments[1].length;
        if (length > bytes.size()) return false;
        const auto part = std::span(bytes).first(length);
        return memory_.read_segments(all.first(2), part) && memory_.write_segments(all.last(2), part);
    }

    plugbay::Host host_;
    plugbay::Memory memory_;
    std::array<std::uint32_t, 9> values_{};
    std::array<std::byte, 64> cells_{};
    int event_;
    plugbay::Region ports_;
    plugbay::Region cells_region_;
    plugbay::Doorbell doorbell_;
    plugbay::InterruptLine line_;
    plugbay::Timer guest_timer_;
    plugbay::Timer host_timer_;
    plugbay::FdWatch watch_;
    plugbay::HostEventSubscription events_;
};

// Adds an ACPI table "PRBE" of one word.
class ProbeFirmware {
  public:
    static constexpr plugbay::Type type{.name = "probe-firmware", .help = "Adds an ACPI table."};

    explicit ProbeFirmware(plugbay::Host host) {
        std::array<std::byte, 40> table{};
        constexpr std::uint32_t word = 0x600dcafe;
        table[4] = std::byte{table.size()};
        table[8] = std::byte{1}; // revision
        std::memcpy(table.data(), "PRBE", 4);
        std::memcpy(table.data() + 10, "PLUGBYPROBES", 12);
        std::memcpy(table.data() + 36, &word, sizeof word);
        std::uint8_t all = 0;
        for (const std::byte each : table)
            all = static_cast<std::uint8_t>(all + std::to_integer<std::uint8_t>(each));
        table[9] = static_cast<std::byte>(-all);
        host.add_acpi_table(table);
    }
    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t) {}
};
