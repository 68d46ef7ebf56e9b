// A device's registers, declared once: from the declaration come the dispatch of guest accesses, reset, state, and the names
// that the host prints (abi/registers.h).
//
//     struct Registers {                      // what is stored; the initialisers are the reset values
//         std::uint32_t control = 0;
//         std::uint32_t status = 0;
//         std::array<std::uint32_t, 4> data{};
//     };
//     static constexpr auto registers() {
//         using plugbay::bit, plugbay::bits, plugbay::reg;
//         return plugbay::registers(
//             &Device::registers_,
//             reg(0x00, "CONTROL", &Registers::control, "How it works.")
//                 .fields(bit("ENABLE", 0), bits("SPEED", 4, 2).values("slow", "fast"))
//                 .wrote(&Device::control_changed),
//             reg(0x04, "STATUS", &Registers::status).write_1_to_clear().fields(bit("DONE", 0)),
//             reg(0x10, "DATA", &Registers::data),                         // an array: DATA[0] to DATA[3]
//             reg<std::uint32_t>(0x20, "COUNT").read(&Device::count),      // nothing is stored
//             reg<std::uint32_t>(0x24, "ID").constant(0x504c5547));
//     }
//
// A device that stores nothing leaves the first argument out. One with several regions returns
// std::tuple(plugbay::registers(...).token(0).name("control"), plugbay::registers(...).token(1).name("data")).
//
// Bits that are in no field, where a register has fields, read as their reset value and ignore what is written. Accesses of
// every width and alignment work: they reach parts of registers, or several, lowest first. What is in no register reads as 0
// and ignores writes.
//
// Functions of the device, where to store is not all (T is the register's type; arrays pass the index, std::uint32_t, first):
//
//     .read(&Device::f)       T f()                  what a read gives; const says that it changes nothing
//     .was_read(&Device::f)   void f()               after a read
//     .write(&Device::f)      void f(T) or f(T, T)   takes the value instead of storing it; the second T has ones in the bits
//                                                    that were written. What was not written comes from the stored value
//     .wrote(&Device::f)      void f() or f(T)       after a write was stored; T is the value before
//
// What the device gets by it, unless the class has its own: read() and write(), reset(), and state(). Its own may use it:
// plugbay::read_register(*this, access), plugbay::write_register(*this, access, value), and
// plugbay::state_of_registers(fields, *this). Mistakes are compile errors; "I = 2" in them is the third register.
#pragma once

#include <plugbay/abi/registers.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace plugbay {

// Some bits of a register; see bit() and bits().
template <std::size_t ValueCount = 0>
struct RegisterField {
    const char* name;
    std::uint32_t first_bit;
    std::uint32_t bit_count;
    const char* help;
    std::uint32_t access_kind = 0; // 0: the register's
    std::array<plugbay_register_value, ValueCount> named{};

    [[nodiscard]] constexpr RegisterField read_write() const { return as(PLUGBAY_REGISTER_READ_WRITE); }
    [[nodiscard]] constexpr RegisterField read_only() const { return as(PLUGBAY_REGISTER_READ_ONLY); }
    [[nodiscard]] constexpr RegisterField write_only() const { return as(PLUGBAY_REGISTER_WRITE_ONLY); }
    [[nodiscard]] constexpr RegisterField write_1_to_clear() const {
        return as(PLUGBAY_REGISTER_WRITE_1_TO_CLEAR);
    }
    [[nodiscard]] constexpr RegisterField read_to_clear() const { return as(PLUGBAY_REGISTER_READ_TO_CLEAR); }

    // Names for 0, 1, 2 ...
    template <typename... Names>
    [[nodiscard]] constexpr auto values(Names... names) const {
        static_assert(ValueCount == 0, "values() comes first: it names 0, 1, 2 ...");
        RegisterField<sizeof...(Names)> result{name, first_bit, bit_count, help, access_kind, {}};
        std::uint64_t next = 0;
        ((result.named[next] = {next, names}, ++next), ...);
        return result;
    }
    // A name for one value.
    [[nodiscard]] constexpr auto value(std::uint64_t number, const char* name_of_value) const {
        RegisterField<ValueCount + 1> result{name, first_bit, bit_count, help, access_kind, {}};
        for (std::size_t i = 0; i < ValueCount; ++i)
            result.named[i] = named[i];
        result.named[ValueCount] = {number, name_of_value};
        return result;
    }

    [[nodiscard]] constexpr std::uint64_t mask() const {
        return bit_count == 0 || bit_count > 64 || first_bit > 63
                   ? 0
                   : ~std::uint64_t{0} >> (64 - bit_count) << first_bit;
    }

  private:
    [[nodiscard]] constexpr RegisterField as(std::uint32_t kind) const {
        auto copy = *this;
        copy.access_kind = kind;
        return copy;
    }
};

constexpr RegisterField<> bits(const char* name, std::uint32_t first_bit, std::uint32_t bit_count,
                               const char* help = "") {
    return {name, first_bit, bit_count, help};
}
constexpr RegisterField<> bit(const char* name, std::uint32_t number, const char* help = "") {
    return bits(name, number, 1, help);
}

namespace detail {

struct Nothing {}; // in place of a function, a member or a storage that is not there

template <typename T>
struct RegisterMember; // what a register's member is to it

template <>
struct RegisterMember<Nothing> {};
template <typename Storage, typename T>
struct RegisterMember<T Storage::*> {
    using Value = T;
    static constexpr std::uint32_t count = 1;
};
template <typename Storage, typename T, std::size_t N>
struct RegisterMember<std::array<T, N> Storage::*> {
    using Value = T;
    static constexpr std::uint32_t count = N;
};

// What does not depend on types.
struct RegisterFacts {
    static constexpr std::uint32_t any_bank = ~std::uint32_t{0};

    std::uint64_t offset = 0;
    const char* name = "";
    const char* help = "";
    std::uint32_t access_kind = 0; // 0: what the functions suggest
    std::uint32_t count = 1;
    std::uint64_t stride = 0; // 0: the width
    std::uint64_t reset_value = 0;
    bool is_constant = false;
    bool has_writable = false;
    std::uint64_t writable_bits = 0;
    std::uint32_t bank = any_bank;
    const char* when = nullptr;
    const char* state_name = nullptr;
};

} // namespace detail

// One register, or an array of them; see the top of the file.
template <typename T, typename Member = detail::Nothing, typename Read = detail::Nothing,
          typename WasRead = detail::Nothing, typename Write = detail::Nothing,
          typename Wrote = detail::Nothing, typename Fields = std::tuple<>>
struct Register {
    static_assert(std::unsigned_integral<T> && !std::same_as<T, bool>,
                  "registers are uint8_t, uint16_t, uint32_t or uint64_t");
    using Value = T;

    detail::RegisterFacts facts;
    Member member{};
    Read on_read{};
    WasRead after_read{};
    Write on_write{};
    Wrote after_write{};
    Fields field_list{};

    [[nodiscard]] constexpr Register read_only() const { return as(PLUGBAY_REGISTER_READ_ONLY); }
    [[nodiscard]] constexpr Register write_only() const { return as(PLUGBAY_REGISTER_WRITE_ONLY); }
    [[nodiscard]] constexpr Register write_1_to_clear() const {
        return as(PLUGBAY_REGISTER_WRITE_1_TO_CLEAR);
    }
    [[nodiscard]] constexpr Register read_to_clear() const { return as(PLUGBAY_REGISTER_READ_TO_CLEAR); }
    // Reads `value`, always.
    [[nodiscard]] constexpr Register constant(T value) const {
        static_assert(std::same_as<Member, detail::Nothing>,
                      "a constant stores nothing: leave its member out");
        auto copy = as(PLUGBAY_REGISTER_CONSTANT);
        copy.facts.reset_value = value;
        copy.facts.is_constant = true;
        return copy;
    }
    // Only these bits change when the register is written; the others keep their reset value.
    [[nodiscard]] constexpr Register writable(T mask) const {
        auto copy = *this;
        copy.facts.writable_bits = mask;
        copy.facts.has_writable = true;
        return copy;
    }
    // What a register that stores nothing holds after reset, for the printed map.
    [[nodiscard]] constexpr Register resets_to(T value) const {
        static_assert(std::same_as<Member, detail::Nothing>, "a member's initialiser is its reset value");
        auto copy = *this;
        copy.facts.reset_value = value;
        return copy;
    }
    // An array of `number` registers, from which the functions get an index.
    [[nodiscard]] constexpr Register count(std::uint32_t number) const {
        static_assert(std::same_as<Member, detail::Nothing>,
                      "a std::array as the member says how many there are");
        auto copy = *this;
        copy.facts.count = number;
        return copy;
    }
    // Bytes from one register of an array to the next.
    [[nodiscard]] constexpr Register stride(std::uint64_t bytes) const {
        auto copy = *this;
        copy.facts.stride = bytes;
        return copy;
    }
    // It is at its place only while the map's bank() is `number`; `text` says what that means: "LCR.DLAB=1".
    [[nodiscard]] constexpr Register when(std::uint32_t number, const char* text) const {
        auto copy = *this;
        copy.facts.bank = number;
        copy.facts.when = text;
        return copy;
    }
    // The field of the state that keeps it, where it is not called like the register.
    [[nodiscard]] constexpr Register state(const char* field) const {
        auto copy = *this;
        copy.facts.state_name = field;
        return copy;
    }
    template <std::size_t... ValueCounts>
    [[nodiscard]] constexpr auto fields(RegisterField<ValueCounts>... each) const {
        using List = std::tuple<RegisterField<ValueCounts>...>;
        return Register<T, Member, Read, WasRead, Write, Wrote, List>{
            facts, member, on_read, after_read, on_write, after_write, List(each...)};
    }

    template <typename Function>
    [[nodiscard]] constexpr auto read(Function function) const {
        return Register<T, Member, Function, WasRead, Write, Wrote, Fields>{
            facts, member, function, after_read, on_write, after_write, field_list};
    }
    template <typename Function>
    [[nodiscard]] constexpr auto was_read(Function function) const {
        return Register<T, Member, Read, Function, Write, Wrote, Fields>{
            facts, member, on_read, function, on_write, after_write, field_list};
    }
    template <typename Function>
    [[nodiscard]] constexpr auto write(Function function) const {
        return Register<T, Member, Read, WasRead, Function, Wrote, Fields>{
            facts, member, on_read, after_read, function, after_write, field_list};
    }
    template <typename Function>
    [[nodiscard]] constexpr auto wrote(Function function) const {
        return Register<T, Member, Read, WasRead, Write, Function, Fields>{
            facts, member, on_read, after_read, on_write, function, field_list};
    }

  private:
    [[nodiscard]] constexpr Register as(std::uint32_t kind) const {
        auto copy = *this;
        copy.facts.access_kind = kind;
        return copy;
    }
};

// `member` of the struct with the stored registers, an unsigned integer or a std::array of such.
template <typename Storage, typename Stored>
constexpr auto reg(std::uint64_t offset, const char* name, Stored Storage::*member, const char* help = "") {
    using Member = detail::RegisterMember<Stored Storage::*>;
    Register<typename Member::Value, Stored Storage::*> result{};
    result.facts.offset = offset;
    result.facts.name = name;
    result.facts.help = help;
    result.facts.count = Member::count;
    result.member = member;
    return result;
}
// One that stores nothing: a constant, or all is done by functions.
template <typename T>
constexpr Register<T> reg(std::uint64_t offset, const char* name, const char* help = "") {
    Register<T> result{};
    result.facts.offset = offset;
    result.facts.name = name;
    result.facts.help = help;
    return result;
}

// The registers of one region; see registers().
template <typename Storage, typename Bank, typename... Registers>
struct RegisterMap {
    Storage storage; // a pointer to the device's member, or Nothing
    std::tuple<Registers...> list;
    Bank current_bank{};
    std::uint64_t token_of_region = 0;
    std::uint64_t bytes = 0; // 0: up to the last register
    const char* block_name = "";
    std::uint8_t elsewhere = 0;
    bool is_indirect = false;

    // What the device passed to map_ports, map_memory or bar().
    [[nodiscard]] constexpr RegisterMap token(std::uint64_t value) const {
        auto copy = *this;
        copy.token_of_region = value;
        return copy;
    }
    // For a device with several maps.
    [[nodiscard]] constexpr RegisterMap name(const char* value) const {
        auto copy = *this;
        copy.block_name = value;
        return copy;
    }
    // Of the region, where it goes on after the last register.
    [[nodiscard]] constexpr RegisterMap length(std::uint64_t value) const {
        auto copy = *this;
        copy.bytes = value;
        return copy;
    }
    // What each byte reads that is in no register.
    [[nodiscard]] constexpr RegisterMap reads_elsewhere(std::uint8_t value) const {
        auto copy = *this;
        copy.elsewhere = value;
        return copy;
    }
    // No region: the device itself reaches these registers, by an index that the guest has written. For names; nothing is
    // dispatched.
    [[nodiscard]] constexpr RegisterMap indirect() const {
        auto copy = *this;
        copy.is_indirect = true;
        return copy;
    }
    // A const function of the device, which says which of the registers with when() are at their places: 0, 1, ... or a bool.
    template <typename Function>
    [[nodiscard]] constexpr auto bank(Function function) const {
        return RegisterMap<Storage, Function, Registers...>{storage, list,       function,  token_of_region,
                                                            bytes,   block_name, elsewhere, is_indirect};
    }
};

// What registers() of a device returns. `storage` is the device's member that the registers' members are in.
template <typename Device, typename Storage, typename... Registers>
constexpr auto registers(Storage Device::*storage, Registers... list) {
    return RegisterMap<Storage Device::*, detail::Nothing, Registers...>{storage,
                                                                         std::tuple<Registers...>(list...)};
}
template <typename... Each>
constexpr auto registers(Register<Each...> first, auto... list) {
    return RegisterMap<detail::Nothing, detail::Nothing, Register<Each...>, decltype(list)...>{
        {}, std::tuple<Register<Each...>, decltype(list)...>(first, list...)};
}

} // namespace plugbay
