// A frontend that keeps all rules, and, with FAULT, breaks one: what the guest writes goes to a backend, if there is one. With
// FAULT=required_option it needs one, with an option that has no default; that breaks no rule.
#include <plugbay/plugin.hpp>

#include <array>

enum Fault { none, need_peer, keep_link, required_option };

class Specimen {
  public:
    static constexpr plugbay::Type type{.name = "port-specimen", .help = "A device to try a validator on."};
    struct LinkOptions {
        std::uint32_t speed = 0;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("speed", &LinkOptions::speed, "bits per second")
                                           .range(50, 115200)
                                           .required());
        }
    };
    static constexpr auto ports() {
        constexpr auto port = plugbay::frontend(PLUGBAY_CHAR);
        return std::array{FAULT == required_option ? port.options<LinkOptions>() : port.optional()};
    }

    explicit Specimen(plugbay::Host host) : region_(host.map_ports(0x5e0, 4)) {}

    void on_connect(std::uint64_t, plugbay::Link link) {
        link_ = link.raw();
        if (FAULT == required_option && link.options<LinkOptions>().speed < 50)
            throw plugbay::Failure("it has no speed");
    }
    void on_disconnect(std::uint64_t) {
        if (FAULT != keep_link) link_ = nullptr;
    }
    std::uint64_t read(plugbay::Access) { return received_; }
    void write(plugbay::Access, std::uint64_t value) {
        if (FAULT != need_peer && (link_ == nullptr || link_->table == nullptr)) return;
        const auto byte = static_cast<std::uint8_t>(value);
        static_cast<const plugbay_char_backend*>(link_->table)->write(link_->instance, link_->port, &byte, 1);
    }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        if (!bytes.empty()) received_ = bytes.back();
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}
    void reset() { received_ = 0; }
    void state(auto& fields) { fields("received", received_); }

  private:
    plugbay::Region region_;
    const plugbay_link* link_ = nullptr;
    std::uint8_t received_ = 0;
};

PLUGBAY_PLUGIN("port-specimen", "1.0.0", Specimen)
