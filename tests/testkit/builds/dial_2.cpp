// The third build of `dial`: one field for the divisor, a better name, and it says whether it runs.
#include <plugbay/plugin.hpp>

#include <array>

class Dial {
  public:
    static constexpr plugbay::Type type{.name = "dial", .help = "Four registers.", .state_version = 2};
    static constexpr std::array renamed{plugbay::Renamed{.from = "ier", .to = "interrupt_enable"}};
    explicit Dial(plugbay::Host host) : ports_(host.map_ports(0x700, 4)) {}

    static void convert(plugbay::OldState& old) {
        const auto low = old.get<std::uint8_t>("divisor_low");
        const auto high = old.get<std::uint8_t>("divisor_high");
        old.put("divisor", static_cast<std::uint16_t>(high << 8 | low));
        old.put("running", (low | high) != 0);
    }
    std::uint64_t read(plugbay::Access access) {
        switch (access.offset) {
        case 0:
            return interrupt_enable_ | (running_ ? 0x80u : 0u);
        case 1:
            return divisor_ & 0xffu;
        case 2:
            return divisor_ >> 8;
        default:
            return scratch_;
        }
    }
    void write(plugbay::Access access, std::uint64_t value) {
        const auto byte = static_cast<std::uint8_t>(value);
        if (access.offset == 0) interrupt_enable_ = byte & 3;
        if (access.offset == 1) divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff00) | byte);
        if (access.offset == 2) divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff) | byte << 8);
        if (access.offset == 3) scratch_ = byte;
        running_ = divisor_ != 0;
    }
    void reset() {
        interrupt_enable_ = 0;
        divisor_ = 0;
        running_ = false;
        scratch_ = no_scratch;
    }
    void state(auto& fields) {
        fields("interrupt_enable", interrupt_enable_, 0, 3);
        fields("divisor", divisor_);
        fields("running", running_);
        fields.optional("scratch", scratch_, no_scratch);
    }

  private:
    static constexpr std::uint8_t no_scratch = 0xff; // what the first build reads as

    plugbay::Region ports_;
    std::uint8_t interrupt_enable_ = 0;
    std::uint16_t divisor_ = 0;
    bool running_ = false;
    std::uint8_t scratch_ = no_scratch;
};

PLUGBAY_PLUGIN("dial", "2.0.0", Dial)
