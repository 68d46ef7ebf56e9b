// Register maps that must not compile: one mistake a CASE. Without a CASE it compiles.
#include <plugbay/plugin.hpp>

#ifndef CASE
#define CASE none
#endif
// What is compiled in a case, and what instead.
#define none 0
#define overlap 1
#define shared_write 2
#define misaligned 3
#define reset_bits 4
#define register_twice 5
#define field_twice 6
#define field_overlap 7
#define field_outside 8
#define value_outside 9
#define writable_outside 10
#define short_length 11
#define no_bank 12
#define no_storage 13
#define nothing_to_read 14
#define nothing_to_write 15
#define wrong_read 16
#define wrong_write 17
#define bad_name 18
#define token_twice 19
#define array_overlap 20
#define narrow_stride 21

class Refused {
  public:
    static constexpr plugbay::Type type{.name = "refused", .help = "Does not compile."};
    explicit Refused(plugbay::Host) {}

    static constexpr auto registers() {
        using plugbay::bit, plugbay::bits, plugbay::reg;
        const auto good = reg(0x20, "GOOD", &Stored::good);
#if CASE == overlap
        return plugbay::registers(&Refused::stored_, good, reg<std::uint16_t>(0x22, "OTHER").constant(1));
#elif CASE == shared_write
        return plugbay::registers(&Refused::stored_, good,
                                  reg<std::uint32_t>(0x20, "OTHER").write_only().write(&Refused::write));
#elif CASE == misaligned
        return plugbay::registers(&Refused::stored_, good, reg<std::uint32_t>(0x02, "OTHER").constant(1));
#elif CASE == reset_bits
        return plugbay::registers(&Refused::stored_,
                                  reg(0, "SMALL", &Stored::small).fields(bits("LOW", 0, 3)));
#elif CASE == register_twice
        return plugbay::registers(&Refused::stored_, good, reg<std::uint32_t>(0, "GOOD").constant(1));
#elif CASE == field_twice
        return plugbay::registers(&Refused::stored_, good.fields(bit("A", 0), bit("B", 1), bit("A", 2)));
#elif CASE == field_overlap
        return plugbay::registers(&Refused::stored_, good.fields(bits("A", 0, 3), bit("B", 2)));
#elif CASE == field_outside
        return plugbay::registers(&Refused::stored_, good.fields(bits("A", 30, 3)));
#elif CASE == value_outside
        return plugbay::registers(&Refused::stored_, good.fields(bit("A", 0).value(2, "two")));
#elif CASE == writable_outside
        return plugbay::registers(&Refused::stored_, good.fields(bit("A", 0)).writable(2));
#elif CASE == short_length
        return plugbay::registers(&Refused::stored_, good).length(0x23);
#elif CASE == no_bank
        return plugbay::registers(&Refused::stored_, good.when(0, "always"));
#elif CASE == no_storage
        return plugbay::registers(good);
#elif CASE == nothing_to_read
        return plugbay::registers(reg<std::uint32_t>(0, "OTHER"));
#elif CASE == nothing_to_write
        return plugbay::registers(reg<std::uint32_t>(0, "OTHER").read(&Refused::read).wrote(&Refused::wrote));
#elif CASE == wrong_read
        return plugbay::registers(reg<std::uint32_t>(0, "OTHER").read(&Refused::write));
#elif CASE == wrong_write
        return plugbay::registers(&Refused::stored_, good.write(&Refused::read));
#elif CASE == bad_name
        return plugbay::registers(&Refused::stored_, reg(0, "TWO WORDS", &Stored::good));
#elif CASE == token_twice
        return std::tuple(plugbay::registers(&Refused::stored_, good).name("one"),
                          plugbay::registers(reg<std::uint32_t>(0, "OTHER").constant(1)).name("other"));
#elif CASE == array_overlap
        return plugbay::registers(&Refused::stored_, good,
                                  reg<std::uint16_t>(0, "OTHER").count(5).stride(8).read(&Refused::indexed));
#elif CASE == narrow_stride
        return plugbay::registers(&Refused::stored_, good,
                                  reg<std::uint32_t>(0, "OTHER").count(2).stride(2).read(&Refused::indexed));
#else
        return plugbay::registers(
            &Refused::stored_, good, reg(0, "SMALL", &Stored::small).fields(bits("LOW", 0, 4)),
            reg<std::uint16_t>(0x24, "ARRAY").count(4).stride(8).read(&Refused::indexed));
#endif
    }
    std::uint32_t read() {
        return 0;
    }
    void write(std::uint32_t) {}
    void wrote() {}
    std::uint16_t indexed(std::uint32_t index) {
        return static_cast<std::uint16_t>(index);
    }
    void state(auto&) {}

  private:
    struct Stored {
        std::uint32_t good = 0;
        std::uint8_t small = 8;
    };
    Stored stored_;
};

PLUGBAY_PLUGIN("refused", "1.0.0", Refused)
