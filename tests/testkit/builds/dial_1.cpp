// The first build of `dial`: registers at ports 0x700 to 0x703.
#include <plugbay/plugin.hpp>

class Dial {
  public:
    static constexpr plugbay::Type type{.name = "dial",
                                        .help = "Three registers and a port that nothing is at."};
    explicit Dial(plugbay::Host host) : ports_(host.map_ports(0x700, 4)) {}

    std::uint64_t read(plugbay::Access access) {
        switch (access.offset) {
        case 0:
            return ier_;
        case 1:
            return divisor_low_;
        case 2:
            return divisor_high_;
        default:
            return 0xff;
        }
    }
    void write(plugbay::Access access, std::uint64_t value) {
        const auto byte = static_cast<std::uint8_t>(value);
        if (access.offset == 0) ier_ = byte & 3;
        if (access.offset == 1) divisor_low_ = byte;
        if (access.offset == 2) divisor_high_ = byte;
    }
    void reset() { ier_ = divisor_low_ = divisor_high_ = 0; }
    void state(auto& fields) {
        fields("ier", ier_, 0, 3);
        fields("divisor_low", divisor_low_);
        fields("divisor_high", divisor_high_);
    }

  private:
    plugbay::Region ports_;
    std::uint8_t ier_ = 0;
    std::uint8_t divisor_low_ = 0;
    std::uint8_t divisor_high_ = 0;
};

PLUGBAY_PLUGIN("dial", "1.0.0", Dial)
