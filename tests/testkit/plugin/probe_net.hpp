// probe-nic: a net/1 frontend driven by ports.
//
//   0x620  write: transmits so many bytes of guest memory from 0x1000, within bounds unless the value is
//          0xbad00000 more; read: status of the last completion
//   0x624  write: offload flags of the frames that follow, 1 << 16: in memory of our own; 1 << 17: at NULL,
//           if the length says rogue; read: frames taken
//   0x628  write: frames that it takes; read: length of the last one received, whose bytes are at 0x8000
#pragma once

#include <plugbay/mac_address.hpp>
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

class ProbeNic {
  public:
    static constexpr plugbay::Type type{.name = "probe-nic", .help = "A network card of sorts."};
    static constexpr auto ports() {
        return std::array{plugbay::frontend(PLUGBAY_NET).options<plugbay::NetPortOptions>().optional()};
    }

    explicit ProbeNic(plugbay::Host host)
        : host_(host), memory_(host.memory()), region_(host.map_ports(0x620, 12)) {}

    void on_connect(std::uint64_t, plugbay::Link link) {
        const auto mac = plugbay::mac_address(link.options<plugbay::NetPortOptions>().mac, host_.device_id());
        host_.info("mac ends in " + std::to_string(mac[5]));
        wire_ = plugbay::NetBackend(link);
    }
    void on_disconnect(std::uint64_t) { wire_ = {}; }
    std::uint64_t read(plugbay::Access access) {
        return access.offset == 0   ? static_cast<std::uint32_t>(status_)
               : access.offset == 4 ? taken_
                                    : received_;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.offset == 0) {
            transmit(static_cast<std::uint32_t>(value));
        } else if (access.offset == 4) {
            flags_ = static_cast<std::uint32_t>(value);
            wire_.configure(PLUGBAY_NET_CAN_CHECKSUM, 1518);
        } else if (access.offset == 8) {
            room_ = static_cast<std::uint32_t>(value);
            wire_.receive_ready();
        }
    }
    void on_transmitted(std::uint64_t, std::span<const plugbay_net_completion> completions) {
        status_ = completions.back().status;
    }
    void on_transmit_ready(std::uint64_t) { host_.info("transmit ready"); }
    std::uint32_t on_receive(std::uint64_t, std::span<const plugbay_net_frame> frames) {
        const auto taken = std::min(room_, static_cast<std::uint32_t>(frames.size()));
        room_ -= taken;
        for (const auto& frame : frames.first(taken)) {
            received_ = frame.length;
            static_cast<void>(memory_.write(0x8000, std::as_bytes(std::span(frame.bytes, frame.length))));
        }
        return taken;
    }
    void on_changed(std::uint64_t) {
        host_.info(wire_.facts().flags == PLUGBAY_NET_LINK_UP ? "link up" : "link down");
    }
    void reset() {}

  private:
    void transmit(std::uint32_t length) {
        if (!wire_) return;
        const bool rogue = length >> 20 == 0xbad;
        length = rogue ? length & 0xfffff
                       : std::clamp(length, PLUGBAY_NET_SHORTEST_FRAME, PLUGBAY_NET_LONGEST_FRAME);
        const plugbay_segment segment{0x1000, length};
        const std::vector<std::uint8_t> own(std::min(length, 70000u), 0x77);
        plugbay_net_frame frame{};
        frame.tag = ++tag_;
        frame.length = length;
        frame.offload.flags = static_cast<std::uint8_t>(rogue ? flags_ : flags_ & wire_.facts().offloads);
        if ((flags_ & 1 << 16) != 0) {
            frame.bytes = own.data();
        } else {
            frame.segments = rogue && (flags_ & 1 << 17) != 0 ? nullptr : &segment;
            frame.segment_count = 1;
        }
        taken_ += wire_.transmit(std::span(&frame, 1));
    }

    plugbay::Host host_;
    plugbay::Memory memory_;
    plugbay::Region region_;
    plugbay::NetBackend wire_;
    std::uint64_t tag_ = 0;
    plugbay_status status_ = PLUGBAY_PENDING;
    std::uint32_t taken_ = 0;
    std::uint32_t flags_ = 0;
    std::uint32_t room_ = 1;
    std::uint32_t received_ = 0;
};
