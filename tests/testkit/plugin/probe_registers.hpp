// Probes whose accesses, reset and state come from a declared register map.
#pragma once

#include <plugbay/plugin.hpp>

#include <array>
#include <string>
#include <tuple>

// Everything that a map can have; nothing by hand but what the functions do.
class ProbeRegisters {
  public:
    static constexpr plugbay::Type type{.name = "probe-registers", .help = "Registers of every kind."};

    explicit ProbeRegisters(plugbay::Host host)
        : host_(host), ports_(host.map_ports(0x700, 0x20, 1)),
          memory_(host.map_memory(0xd000'0000, 0x1000, 2)) {}

    static constexpr auto registers() {
        using plugbay::bit, plugbay::bits, plugbay::reg;
        return std::tuple(
            plugbay::registers(
                &ProbeRegisters::small_,
                reg(0x00, "CONTROL", &Small::control, "Runs it.")
                    .fields(bit("ENABLE", 0), bits("SPEED", 4, 2).values("slow", "fast"),
                            bit("BUSY", 6).read_only(), bit("GO", 7).write_only())
                    .wrote(&ProbeRegisters::control_written),
                reg(0x02, "STATUS", &Small::status).write_1_to_clear().wrote(&ProbeRegisters::status_written),
                reg(0x04, "EVENTS", &Small::events).read_to_clear().was_read(&ProbeRegisters::events_read),
                reg(0x06, "MASKED", &Small::masked).writable(0x0ff0),
                reg<std::uint8_t>(0x08, "RECEIVED")
                    .read(&ProbeRegisters::receive)
                    .when(0, "CONTROL.ENABLE=0"),
                reg<std::uint8_t>(0x08, "SENT").write(&ProbeRegisters::send).when(0, "CONTROL.ENABLE=0"),
                reg(0x08, "DIVISOR", &Small::divisor).when(1, "CONTROL.ENABLE=1"),
                reg<std::uint32_t>(0x0c, "ID").constant(0x504c5547),
                reg<std::uint32_t>(0x10, "COUNT").read(&ProbeRegisters::count),
                reg(0x14, "LATCH", &Small::latch).write(&ProbeRegisters::write_latch))
                .bank(&ProbeRegisters::is_enabled)
                .reads_elsewhere(0xee)
                .length(0x20)
                .token(1)
                .name("ports"),
            plugbay::registers(&ProbeRegisters::large_, reg(0x10, "DATA", &Large::data).stride(0x10),
                               reg(0x18, "KEY", &Large::keys).stride(0x10).state("keys"),
                               reg<std::uint32_t>(0x100, "SQUARE")
                                   .count(4)
                                   .read(&ProbeRegisters::square)
                                   .write(&ProbeRegisters::write_square),
                               reg(0x200, "WIDE", &Large::wide))
                .token(2)
                .name("memory"));
    }

  private:
    struct Small {
        std::uint16_t control = 0x40;
        std::uint16_t status = 0;
        std::uint16_t events = 0;
        std::uint16_t masked = 0xa005;
        std::uint16_t divisor = 12;
        std::uint32_t latch = 0;
    };
    struct Large {
        std::array<std::uint64_t, 3> data{};
        std::array<std::uint16_t, 3> keys{};
        std::uint64_t wide = 7;
    };

    // Writing CONTROL raises all status and event bits.
    void control_written(std::uint16_t before) {
        host_.info("control was " + std::to_string(before) + ", is " + std::to_string(small_.control));
        small_.status = small_.events = 0xffff;
    }
    void status_written() { host_.info("status"); }
    void events_read() { host_.info("events"); }
    [[nodiscard]] bool is_enabled() const { return (small_.control & 1) != 0; }
    [[nodiscard]] std::uint8_t receive() const { return 0x5a; }
    void send(std::uint8_t byte) { host_.info("sent " + std::to_string(byte)); }
    [[nodiscard]] std::uint32_t count() const { return small_.divisor + 0x1000u; }
    void write_latch(std::uint32_t value, std::uint32_t written) {
        host_.info("latch " + std::to_string(value) + " by " + std::to_string(written));
        small_.latch = value;
    }
    [[nodiscard]] std::uint32_t square(std::uint32_t index) const { return index * index; }
    void write_square(std::uint32_t index, std::uint32_t value) {
        host_.info("square " + std::to_string(index) + " " + std::to_string(value));
    }

    plugbay::Host host_;
    plugbay::Region ports_;
    plugbay::Region memory_;
    Small small_;
    Large large_;
};

// Its own read(), write(), reset() and state() around the map's.
class ProbeOwnAccess {
  public:
    static constexpr plugbay::Type type{.name = "probe-own-access",
                                        .help = "A map with functions around it."};

    explicit ProbeOwnAccess(plugbay::Host host) : ports_(host.map_ports(0x740, 8)) {}

    static constexpr auto registers() {
        return plugbay::registers(&ProbeOwnAccess::stored_, plugbay::reg(0, "VALUE", &Stored::value));
    }
    std::uint64_t read(plugbay::Access access) {
        return access.offset == 4 ? accesses_ : plugbay::read_register(*this, access);
    }
    void write(plugbay::Access access, std::uint64_t value) {
        ++accesses_;
        plugbay::write_register(*this, access, value);
    }
    void reset() {
        stored_ = Stored{};
        accesses_ = 0;
    }
    void state(auto& fields) {
        plugbay::state_of_registers(fields, *this);
        fields("accesses", accesses_);
    }

  private:
    struct Stored {
        std::uint32_t value = 3;
    };
    plugbay::Region ports_;
    Stored stored_;
    std::uint32_t accesses_ = 0;
};
