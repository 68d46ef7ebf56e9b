// probe: uses each host facility when a test tells it to, by writing to its ports or its memory range.
#pragma once

#include <plugbay/plugin.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

class Probe {
  public:
    static constexpr plugbay::Type type{
        .name = "probe", .help = "Uses every host facility.", .state_version = 3, .state_version_oldest = 2};
    enum class Colour { red, green, blue };
    struct Options {
        std::uint16_t port = 0x500;
        std::uint64_t address = 0xd0000000;
        std::uint32_t line = 5;
        bool shared = false;
        std::int32_t offset = -4;
        plugbay::Size size{4096};
        std::string_view label = "none";
        plugbay::Path path;
        Colour colour = Colour::green;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("port", &Options::port, "first of 16 I/O ports"),
                plugbay::property("address", &Options::address, "of the memory range"),
                plugbay::property("line", &Options::line, "interrupt line").range(0, 30),
                plugbay::property("shared", &Options::shared, "share the line"),
                plugbay::property("offset", &Options::offset, "any number").range(-10, 10),
                plugbay::property("size", &Options::size, "bytes of the memory range").range(4096, 1 << 20),
                plugbay::property("label", &Options::label, "any text").range(0, 8),
                plugbay::property("path", &Options::path, "any file name"),
                plugbay::property("colour", &Options::colour, "any colour").choices("red", "green", "blue"));
        }
    };
    struct PortOptions {
        std::uint8_t priority = 7;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("priority", &PortOptions::priority, "any number"));
        }
    };
    static constexpr auto ports() {
        return std::array{plugbay::frontend(PLUGBAY_CHAR).optional().options<PortOptions>(),
                          plugbay::frontend(PLUGBAY_BLK).named("disk")};
    }

    // Where a test finds things, in the ports.
    enum Command : std::uint64_t {
        arm_guest = 0,   // value: microseconds from now
        arm_host = 1,    // value: period in microseconds, at least 10
        set_line = 2,    // value: level
        ask = 3,         // value: the request
        copy_memory = 4, // value: page number; 8 bytes from its start go to its offset 8
        signal = 5,      // the watched descriptor becomes readable
        send = 6,        // value: a byte for the char peer
        submit = 7,      // value: operation; 512 bytes at 0 with memory at 0x2000
        speak = 8,       // logs the options
        store = 9,       // value: kept in the state
        disarm_all = 11,
    };

    Probe(plugbay::Host host, const Options& options)
        : host_(host),
          text_(std::string(options.label) + " " + std::string(options.path.text) + " " +
                std::to_string(options.offset) + " " + std::to_string(static_cast<int>(options.colour))),
          ports_(host.map_ports(options.port, 16, 1)),
          memory_region_(host.map_memory(options.address, options.size.bytes, 2)),
          doorbell_(host.doorbell(memory_region_.handle(), 0x10, 4, 77)),
          exact_doorbell_(host.doorbell_for_value(memory_region_.handle(), 0x20, 2, 0xabcd, 78)),
          line_(host.interrupt_line(options.line, options.shared ? PLUGBAY_INTERRUPT_SHARED : 0)),
          guest_timer_(host.timer(PLUGBAY_CLOCK_GUEST, 1)), host_timer_(host.timer(PLUGBAY_CLOCK_HOST, 2)),
          memory_(host.memory()), event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          watch_(host.watch(event_, PLUGBAY_FD_READABLE, 5)) {}
    Probe(Probe&&) = delete;
    ~Probe() {
        watch_.release();
        close(event_);
    }

    std::uint64_t read(plugbay::Access access) {
        if (access.token == 2) return 0x1122334455667788 >> 8 * (access.offset % 8);
        return access.offset == store ? stored_ : 0;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.token == 2) {
            host_.info("write " + std::to_string(access.offset) + " " + std::to_string(value));
            return;
        }
        command(access.offset, value);
    }
    void on_doorbell(std::uint64_t token) { host_.info("rung " + std::to_string(token)); }
    void on_timer(std::uint64_t token) {
        host_.info("timer " + std::to_string(token) + " at " +
                   std::to_string(host_.now(token == 1 ? PLUGBAY_CLOCK_GUEST : PLUGBAY_CLOCK_HOST)));
    }
    void on_fd(std::uint64_t token, int fd, std::uint32_t events) {
        std::uint64_t count = 0;
        if (::read(fd, &count, sizeof count) != sizeof count) count = 0;
        host_.info("fd " + std::to_string(token) + " " + std::to_string(events) + " " +
                   std::to_string(count));
    }
    void on_connect(std::uint64_t port, plugbay::Link link) {
        if (port == 1) {
            disk_ = plugbay::BlkBackend(link);
            return;
        }
        const auto options = link.options<PortOptions>();
        if (options.priority == 13) throw plugbay::Failure("priority 13 is unlucky");
        peer_ = plugbay::CharBackend(link);
        host_.info("connected with priority " + std::to_string(options.priority));
    }
    void on_disconnect(std::uint64_t port) {
        if (port == 1)
            disk_ = {};
        else
            peer_ = {};
    }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        const auto room = std::min<std::size_t>(bytes.size(), 4);
        received_.append(reinterpret_cast<const char*>(bytes.data()), room);
        return static_cast<std::uint32_t>(room);
    }
    void on_write_ready(std::uint64_t) { host_.info("write ready"); }
    void on_char_event(std::uint64_t, std::uint32_t event) { host_.info("event " + std::to_string(event)); }
    void on_complete(std::uint64_t, std::span<const plugbay_blk_completion> completions) {
        for (const auto& completion : completions) {
            --in_flight_;
            host_.info("completed " + std::to_string(completion.tag) + " " +
                       std::to_string(completion.status));
        }
        if (stopping_ && in_flight_ == 0) {
            stopping_ = false;
            host_.quiesced();
        }
    }

    void start() { host_.info("start"); }
    plugbay_status quiesce() {
        stopping_ = in_flight_ != 0;
        return stopping_ ? PLUGBAY_PENDING : PLUGBAY_OK;
    }
    void resume() { host_.info("resume"); }
    void reset() {
        stored_ = 0;
        received_.clear();
        line_.set(false);
        guest_timer_.disarm();
        host_timer_.disarm();
    }
    void state(auto& fields) {
        fields("stored", stored_, std::uint64_t{0}, std::uint64_t{100});
        fields("received", received_);
    }

  private:
    void command(std::uint64_t which, std::uint64_t value) {
        switch (which) {
        case arm_guest:
            guest_timer_.arm(host_.now() + value % (1 << 30) * 1000);
            break;
        case arm_host:
            value = std::max<std::uint64_t>(value % (1 << 30), 10) * 1000; // no guest may keep the host busy
            host_timer_.arm(host_.now(PLUGBAY_CLOCK_HOST) + value, value);
            break;
        case set_line:
            line_.set(value != 0);
            break;
        case ask:
            if (value >= PLUGBAY_REQUEST_POWER_OFF && value <= PLUGBAY_REQUEST_EXIT)
                host_.request(static_cast<std::uint32_t>(value), 3);
            break;
        case copy_memory: {
            std::uint64_t word = 0;
            const bool done =
                memory_.read_object(value * 4096, word) && memory_.write_object(value * 4096 + 8, word);
            const auto mapped = memory_.map(value * 4096, 16, PLUGBAY_MAP_READ);
            if (!mapped.empty()) memory_.unmap(value * 4096, 16, PLUGBAY_MAP_READ);
            host_.info(done && mapped.size() == 16 ? "copied" : "not RAM");
            break;
        }
        case signal: {
            const std::uint64_t one = 1;
            if (::write(event_, &one, sizeof one) != sizeof one) host_.warning("cannot signal");
            break;
        }
        case send: {
            const auto byte = static_cast<std::uint8_t>(value);
            if (peer_.write(std::span(&byte, 1)) == 0) host_.info("refused");
            break;
        }
        case submit: {
            const plugbay_segment segment{0x2000, 512};
            const plugbay_blk_request request{++tag_, 0,        512, static_cast<std::uint32_t>(value),
                                              0,      &segment, 1,   0};
            ++in_flight_;
            disk_.submit(std::span(&request, 1));
            break;
        }
        case speak:
            host_.info(text_);
            break;
        case store:
            stored_ = std::min<std::uint64_t>(value, 100);
            break;
        case disarm_all:
            guest_timer_.disarm();
            host_timer_.disarm();
            break;
        default:
            break;
        }
    }

    plugbay::Host host_;
    std::string text_;
    plugbay::Region ports_;
    plugbay::Region memory_region_;
    plugbay::Doorbell doorbell_;
    plugbay::Doorbell exact_doorbell_;
    plugbay::InterruptLine line_;
    plugbay::Timer guest_timer_;
    plugbay::Timer host_timer_;
    plugbay::Memory memory_;
    int event_;
    plugbay::FdWatch watch_;
    plugbay::CharBackend peer_;
    plugbay::BlkBackend disk_;
    std::uint64_t stored_ = 0;
    std::string received_;
    std::uint64_t tag_ = 0;
    int in_flight_ = 0;
    bool stopping_ = false;
};
