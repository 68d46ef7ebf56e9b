// Ports, and calling the device at the other end of a link.
#pragma once

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/interface/char.h>
#include <plugbay/abi/interface/console.h>
#include <plugbay/abi/interface/net.h>
#include <plugbay/abi/link.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/property.hpp>

#include <cstdint>
#include <span>

namespace plugbay {

// A port declaration; a device lists its own in `static constexpr auto ports()`:
//
//     return std::array{plugbay::frontend("char/1").optional()};
struct Port {
    plugbay_port raw;

    [[nodiscard]] constexpr Port optional() const {
        auto copy = *this;
        copy.raw.flags |= PLUGBAY_PORT_OPTIONAL;
        return copy;
    }
    // For devices with several ports: shown as "<device id>.<name>".
    [[nodiscard]] constexpr Port named(const char* name) const {
        auto copy = *this;
        copy.raw.name = name;
        return copy;
    }
    // What a backend may say in "frontend": {...}; read it back with Link::options<Options>().
    template <typename Options>
    [[nodiscard]] constexpr Port options() const {
        auto copy = *this;
        copy.raw.options = detail::PropertyTable<Options>::pointers;
        copy.raw.option_count = detail::PropertyTable<Options>::count;
        return copy;
    }
};

constexpr Port frontend(const char* interface) {
    return {{sizeof(plugbay_port), PLUGBAY_PORT_FRONTEND, 0, 0, interface, nullptr, nullptr}};
}
constexpr Port backend(const char* interface) {
    return {{sizeof(plugbay_port), PLUGBAY_PORT_BACKEND, 0, 0, interface, nullptr, nullptr}};
}

// A new peer, as on_connect receives it. Keep `raw`, or one of the peers below made from it.
class Link {
  public:
    Link(const plugbay_link* raw, const plugbay_value* options) : raw_(raw), options_(options) {}
    [[nodiscard]] const plugbay_link* raw() const { return raw_; }
    template <typename Options>
    [[nodiscard]] Options options() const {
        return detail::PropertyTable<Options>::parse(options_);
    }

  private:
    const plugbay_link* raw_;
    const plugbay_value* options_;
};

// The other end of a link, as a nullable reference to its table. Default-made: no peer.
template <typename Table>
class Peer {
  public:
    Peer() = default;
    explicit Peer(const Link& link) : link_(link.raw()) {}
    [[nodiscard]] explicit operator bool() const { return link_ != nullptr && link_->table != nullptr; }

  protected:
    [[nodiscard]] const Table* table() const { return static_cast<const Table*>(link_->table); }
    const plugbay_link* link_ = nullptr;
};

// char/1 as a frontend sees its backend. Without a peer, written bytes vanish, as on an open cable.
class CharBackend : public Peer<plugbay_char_backend> {
  public:
    using Peer::Peer;
    std::uint32_t write(std::span<const std::uint8_t> bytes) const {
        const auto length = static_cast<std::uint32_t>(bytes.size());
        if (!*this) return length;
        return table()->write(link_->instance, link_->port, bytes.data(), length);
    }
    void receive_ready() const {
        if (*this) table()->receive_ready(link_->instance, link_->port);
    }
};

// char/1 as a backend sees its frontend.
class CharFrontend : public Peer<plugbay_char_frontend> {
  public:
    using Peer::Peer;
    std::uint32_t receive(std::span<const std::uint8_t> bytes) const {
        if (!*this) return 0;
        return table()->receive(link_->instance, link_->port, bytes.data(),
                                static_cast<std::uint32_t>(bytes.size()));
    }
    void write_ready() const {
        if (*this) table()->write_ready(link_->instance, link_->port);
    }
    void event(std::uint32_t event) const {
        if (*this) table()->event(link_->instance, link_->port, event);
    }
};

// blk/1 as a frontend sees its backend. Test it before submit.
class BlkBackend : public Peer<plugbay_blk_backend> {
  public:
    using Peer::Peer;
    [[nodiscard]] plugbay_blk_facts facts() const {
        plugbay_blk_facts facts{};
        facts.size = sizeof facts;
        if (*this) table()->facts(link_->instance, link_->port, &facts);
        return facts;
    }
    void submit(std::span<const plugbay_blk_request> requests) const {
        table()->submit(link_->instance, link_->port, requests.data(),
                        static_cast<std::uint32_t>(requests.size()));
    }
};

// blk/1 as a backend sees its frontend.
class BlkFrontend : public Peer<plugbay_blk_frontend> {
  public:
    using Peer::Peer;
    void complete(std::span<const plugbay_blk_completion> completions) const {
        if (!*this) return;
        table()->complete(link_->instance, link_->port, completions.data(),
                          static_cast<std::uint32_t>(completions.size()));
    }
    void changed() const {
        if (*this) table()->changed(link_->instance, link_->port);
    }
};

// net/1 as a frontend sees its backend. Without a peer the link is down; test it before transmit.
class NetBackend : public Peer<plugbay_net_backend> {
  public:
    using Peer::Peer;
    [[nodiscard]] plugbay_net_facts facts() const {
        plugbay_net_facts facts{};
        facts.size = sizeof facts;
        if (*this) table()->facts(link_->instance, link_->port, &facts);
        return facts;
    }
    void configure(std::uint32_t offloads, std::uint32_t longest_frame) const {
        const plugbay_net_receiver receiver{sizeof receiver, offloads, longest_frame};
        if (*this) table()->configure(link_->instance, link_->port, &receiver);
    }
    [[nodiscard]] std::uint32_t transmit(std::span<const plugbay_net_frame> frames) const {
        return table()->transmit(link_->instance, link_->port, frames.data(),
                                 static_cast<std::uint32_t>(frames.size()));
    }
    void receive_ready() const {
        if (*this) table()->receive_ready(link_->instance, link_->port);
    }
};

// net/1 as a backend sees its frontend. Without a peer received frames vanish.
class NetFrontend : public Peer<plugbay_net_frontend> {
  public:
    using Peer::Peer;
    void transmitted(std::span<const plugbay_net_completion> completions) const {
        if (!*this) return;
        table()->transmitted(link_->instance, link_->port, completions.data(),
                             static_cast<std::uint32_t>(completions.size()));
    }
    void transmit_ready() const {
        if (*this) table()->transmit_ready(link_->instance, link_->port);
    }
    [[nodiscard]] std::uint32_t receive(std::span<const plugbay_net_frame> frames) const {
        const auto count = static_cast<std::uint32_t>(frames.size());
        if (!*this) return count;
        return table()->receive(link_->instance, link_->port, frames.data(), count);
    }
    void changed() const {
        if (*this) table()->changed(link_->instance, link_->port);
    }
};

// console/1 as a frontend sees its backend.
class ConsoleBackend : public Peer<plugbay_console_backend> {
  public:
    using Peer::Peer;
    // Failed: the backend cannot show this mode.
    plugbay_status set_mode(plugbay_console_mode mode) const {
        mode.size = sizeof mode;
        if (!*this) return PLUGBAY_OK;
        return table()->set_mode(link_->instance, link_->port, &mode);
    }
    void show_cells(std::span<const plugbay_console_area> areas) const {
        if (!*this) return;
        table()->show_cells(link_->instance, link_->port, areas.data(),
                            static_cast<std::uint32_t>(areas.size()));
    }
    void show_pixels(std::span<const plugbay_console_area> areas) const {
        if (!*this) return;
        table()->show_pixels(link_->instance, link_->port, areas.data(),
                             static_cast<std::uint32_t>(areas.size()));
    }
    void set_cursor(plugbay_console_cursor cursor) const {
        cursor.size = sizeof cursor;
        if (*this) table()->set_cursor(link_->instance, link_->port, &cursor);
    }
    void shown() const {
        if (*this) table()->shown(link_->instance, link_->port);
    }
    void input_ready() const {
        if (*this) table()->input_ready(link_->instance, link_->port);
    }
};

// console/1 as a backend sees its frontend.
class ConsoleFrontend : public Peer<plugbay_console_frontend> {
  public:
    using Peer::Peer;
    [[nodiscard]] plugbay_console_facts facts() const {
        plugbay_console_facts facts{};
        facts.size = sizeof facts;
        if (*this) table()->facts(link_->instance, link_->port, &facts);
        return facts;
    }
    void refresh(bool all) const {
        if (*this) table()->refresh(link_->instance, link_->port, all ? 1 : 0);
    }
    [[nodiscard]] std::uint32_t input(std::span<const plugbay_input_event> events) const {
        const auto count = static_cast<std::uint32_t>(events.size());
        if (!*this) return count;
        return table()->input(link_->instance, link_->port, events.data(), count);
    }
};

} // namespace plugbay
