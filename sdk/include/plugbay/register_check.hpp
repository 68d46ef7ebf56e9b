// What a declared register comes down to, and whether that makes sense: mistakes in a map (registers.hpp) are compile errors.
#pragma once

#include <plugbay/registers.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace plugbay::detail {

template <typename T>
inline constexpr bool given = !std::same_as<std::remove_cvref_t<T>, Nothing>;

template <typename T>
inline constexpr bool is_register_map = false;
template <typename Storage, typename Bank, typename... Registers>
inline constexpr bool is_register_map<RegisterMap<Storage, Bank, Registers...>> = true;

// What registers() of the class returns, always as a tuple.
template <typename Device>
struct DeclaredRegisters {
    static constexpr auto maps = [] {
        if constexpr (is_register_map<decltype(Device::registers())>)
            return std::tuple(Device::registers());
        else
            return Device::registers();
    }();
    static constexpr std::size_t count = std::tuple_size_v<decltype(maps)>;
    static_assert(count <= PLUGBAY_REGISTERS_MOST_BLOCKS, "a device has at most 64 maps of registers");
};

constexpr bool is_register_name(std::string_view name) {
    return !name.empty() && name.size() <= PLUGBAY_REGISTERS_LONGEST_NAME &&
           std::all_of(name.begin(), name.end(), [](char each) {
               return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
                      (each >= '0' && each <= '9') || each == '_';
           });
}

// Which bits do what.
struct RegisterBits {
    std::uint64_t existing = 0;
    std::uint64_t settable = 0; // a write stores them
    std::uint64_t write_1_to_clear = 0;
    std::uint64_t read_to_clear = 0;
    std::uint64_t write_only = 0;

    constexpr void add(std::uint32_t kind, std::uint64_t mask) {
        existing |= mask;
        if (kind == PLUGBAY_REGISTER_READ_WRITE || kind == PLUGBAY_REGISTER_WRITE_ONLY) settable |= mask;
        if (kind == PLUGBAY_REGISTER_WRITE_ONLY) write_only |= mask;
        if (kind == PLUGBAY_REGISTER_WRITE_1_TO_CLEAR) write_1_to_clear |= mask;
        if (kind == PLUGBAY_REGISTER_READ_TO_CLEAR) read_to_clear |= mask;
    }
};

// What dispatch needs to know of a register.
struct RegisterPlace {
    std::string_view name;
    std::uint64_t offset;
    std::uint64_t stride;
    std::uint32_t width;
    std::uint32_t count;
    std::uint32_t bank;
    bool is_read;    // a read at its place is its own
    bool is_written; // a write

    [[nodiscard]] constexpr std::uint64_t end() const { return offset + (count - 1) * stride + width; }
};

constexpr bool different_names(const auto& places) {
    for (auto one = places.begin(); one != places.end(); ++one) {
        if (std::any_of(places.begin(), one,
                        [&](const RegisterPlace& other) { return other.name == one->name; }))
            return false;
    }
    return true;
}
constexpr std::uint64_t end_of(const auto& places) {
    std::uint64_t end = 0;
    for (const RegisterPlace& place : places)
        end = std::max(end, place.end());
    return end;
}
constexpr bool any_bank(const auto& places) {
    return std::any_of(places.begin(), places.end(),
                       [](const RegisterPlace& place) { return place.bank != RegisterFacts::any_bank; });
}
constexpr std::size_t banks_of(const auto& places) {
    std::size_t banks = 1;
    for (const RegisterPlace& place : places) {
        if (place.bank != RegisterFacts::any_bank)
            banks = std::max<std::size_t>(banks, place.bank + std::size_t{1});
    }
    return banks;
}
// Offsets, strides and widths are all multiples of 1 << grid_of().
constexpr unsigned grid_of(const auto& places) {
    std::uint64_t all = 8;
    for (const RegisterPlace& place : places)
        all |= place.offset | place.stride | place.width;
    return static_cast<unsigned>(std::countr_zero(all));
}

constexpr bool overlap(const RegisterPlace& one, const RegisterPlace& other) {
    if (one.bank != other.bank && one.bank != RegisterFacts::any_bank &&
        other.bank != RegisterFacts::any_bank)
        return false;
    for (std::uint64_t element = 0; element < one.count; ++element) {
        const std::uint64_t start = one.offset + element * one.stride;
        if (start + one.width <= other.offset || start >= other.end()) continue;
        // The last element of the other that begins before this one ends.
        const std::uint64_t last =
            std::min<std::uint64_t>((start + one.width - 1 - other.offset) / other.stride, other.count - 1);
        if (other.offset + last * other.stride + other.width > start) return true;
    }
    return false;
}
// Whether no two registers are read, or written, at the same place.
constexpr bool apart(const auto& places, bool is_write) {
    for (auto one = places.begin(); one != places.end(); ++one) {
        if (!(is_write ? one->is_written : one->is_read)) continue;
        for (auto other = places.begin(); other != one; ++other) {
            if ((is_write ? other->is_written : other->is_read) && overlap(*one, *other)) return false;
        }
    }
    return true;
}

template <typename One, typename Other>
constexpr bool same_member(const One& one, const Other& other) {
    if constexpr (given<One> && std::same_as<One, Other>)
        return one == other;
    else
        return false;
}

// The `I`-th register of the `M`-th map.
template <typename Device, std::size_t M, std::size_t I>
class CheckedRegister {
  public:
    static constexpr const auto& map = std::get<M>(DeclaredRegisters<Device>::maps);
    static constexpr const auto& one = std::get<I>(map.list);
    static constexpr RegisterFacts facts = one.facts;
    using Value = typename std::remove_cvref_t<decltype(one)>::Value;

    static constexpr bool has_member = given<decltype(one.member)>;
    static constexpr bool has_read = given<decltype(one.on_read)>;
    static constexpr bool has_was_read = given<decltype(one.after_read)>;
    static constexpr bool has_write = given<decltype(one.on_write)>;
    static constexpr bool has_wrote = given<decltype(one.after_write)>;
    static constexpr bool is_array = facts.count != 1;
    static constexpr std::uint64_t stride = facts.stride != 0 ? facts.stride : sizeof(Value);

    static_assert(is_register_name(facts.name), "a register's name has 1 to 64 letters, digits and \"_\"");
    static_assert(facts.count >= 1, "an array of registers has at least one");
    static_assert(stride >= sizeof(Value), "an array's stride is smaller than its registers");
    static_assert(facts.offset % sizeof(Value) == 0 && stride % sizeof(Value) == 0,
                  "a register's offset and stride are multiples of its width");
    static_assert(facts.offset < std::uint64_t{1} << 32 && stride < std::uint64_t{1} << 16 &&
                      facts.count <= 1 << 16,
                  "a register's offset, count or stride is too large");
    static_assert(
        has_member <= given<decltype(map.storage)>,
        "the register has a member, but the map has no storage: registers(&Device::registers_, ...)");

    static constexpr std::uint32_t kind = [] {
        if (facts.access_kind != 0) return facts.access_kind;
        if (has_read && !has_member && !has_write) return PLUGBAY_REGISTER_READ_ONLY;
        if (has_write && !has_member && !has_read) return PLUGBAY_REGISTER_WRITE_ONLY;
        return PLUGBAY_REGISTER_READ_WRITE;
    }();

  private:
    static constexpr std::uint64_t all_bits = ~std::uint64_t{0} >> (64 - 8 * sizeof(Value));
    static constexpr bool has_fields = std::tuple_size_v<std::remove_cvref_t<decltype(one.field_list)>> != 0;

    static constexpr RegisterBits unmasked = [] {
        RegisterBits result;
        if (!has_fields) result.add(kind, all_bits);
        std::apply(
            [&](const auto&... field) {
                (result.add(field.access_kind != 0 ? field.access_kind : kind, field.mask()), ...);
            },
            one.field_list);
        return result;
    }();

    // Calls `fits(field, bits of the fields before)` for each.
    static constexpr bool all_fields(auto fits) {
        std::uint64_t before = 0;
        bool good = true;
        std::apply(
            [&](const auto&... field) {
                ((good = good && fits(field, before), before |= field.mask()), ...);
            },
            one.field_list);
        return good;
    }
    static constexpr bool names_differ() {
        return std::apply(
            [](const auto&... field) {
                const std::array<std::string_view, sizeof...(field)> names{field.name...};
                for (std::size_t i = 0; i < names.size(); ++i) {
                    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
                        names.begin() + static_cast<std::ptrdiff_t>(i))
                        return false;
                }
                return true;
            },
            one.field_list);
    }
    static constexpr bool values_fit(const auto& field) {
        for (std::size_t i = 0; i < field.named.size(); ++i) {
            const std::uint64_t value = field.named[i].value;
            if ((value & ~(field.mask() >> field.first_bit)) != 0) return false;
            for (std::size_t j = 0; j < i; ++j) {
                if (field.named[j].value == value) return false;
            }
        }
        return true;
    }
    static_assert(all_fields([](const auto& field, std::uint64_t) { return is_register_name(field.name); }),
                  "a field's name has 1 to 64 letters, digits and \"_\"");
    static_assert(names_differ(), "two fields of the register have the same name");
    static_assert(all_fields([](const auto& field, std::uint64_t) {
                      return field.mask() != 0 && field.first_bit + field.bit_count <= 8 * sizeof(Value);
                  }),
                  "a field has no bits, or some outside of the register");
    static_assert(all_fields([](const auto& field, std::uint64_t before) {
                      return (field.mask() & before) == 0;
                  }),
                  "two fields of the register have a bit in common");
    static_assert(all_fields([](const auto& field, std::uint64_t) { return values_fit(field); }),
                  "a field's value does not fit into it, or has two names");
    static_assert(!facts.has_writable ||
                      (facts.writable_bits & ~(unmasked.settable | unmasked.write_1_to_clear)) == 0,
                  "writable() has bits that no field has, or that cannot be written");

    static constexpr std::uint64_t find_reset() {
        if constexpr (has_member) {
            constexpr std::remove_cvref_t<decltype(std::declval<Device&>().*(map.storage))> fresh{};
            if constexpr (requires { (fresh.*(one.member))[0]; })
                return (fresh.*(one.member))[0];
            else
                return fresh.*(one.member);
        } else {
            return facts.reset_value;
        }
    }

  public:
    static constexpr std::uint64_t reset_value = find_reset();
    static_assert((reset_value & ~unmasked.existing) == 0,
                  "the reset value has bits that are in no field of the register");

    static constexpr RegisterBits bits = [] {
        RegisterBits result = unmasked;
        if (facts.has_writable) {
            result.settable &= facts.writable_bits;
            result.write_1_to_clear &= facts.writable_bits;
        }
        return result;
    }();

    static constexpr RegisterPlace place{facts.name,
                                         facts.offset,
                                         stride,
                                         sizeof(Value),
                                         facts.count,
                                         facts.bank,
                                         kind != PLUGBAY_REGISTER_WRITE_ONLY,
                                         (bits.settable | bits.write_1_to_clear) != 0 || has_write ||
                                             has_wrote};

    // --- functions

  private:
    template <typename Function, typename... Arguments>
    static constexpr bool takes = [] {
        if constexpr (is_array)
            return std::is_invocable_v<Function, Device&, std::uint32_t, Arguments...>;
        else
            return std::is_invocable_v<Function, Device&, Arguments...>;
    }();
    template <typename Function>
    static constexpr bool gives_value() {
        if constexpr (is_array)
            return std::is_invocable_r_v<Value, Function, Device&, std::uint32_t>;
        else
            return std::is_invocable_r_v<Value, Function, Device&>;
    }
    using Read = std::remove_cvref_t<decltype(one.on_read)>;
    using WasRead = std::remove_cvref_t<decltype(one.after_read)>;
    using Write = std::remove_cvref_t<decltype(one.on_write)>;
    using Wrote = std::remove_cvref_t<decltype(one.after_write)>;

  public:
    static constexpr bool write_gets_mask = takes<Write, Value, Value>;
    static constexpr bool wrote_gets_before = takes<Wrote, Value>;
    static_assert(!has_read || gives_value<Read>(),
                  "read() takes a function like T f(), for an array T f(std::uint32_t)");
    static_assert(!has_was_read || takes<WasRead>,
                  "was_read() takes a function like void f(), for an array with an index");
    static_assert(!has_write || takes<Write, Value> || write_gets_mask,
                  "write() takes a function like void f(T), for an array with an index before it");
    static_assert(
        !has_wrote || takes<Wrote> || wrote_gets_before,
        "wrote() takes a function like void f() or void f(T), for an array with an index before it");

    // --- state

    static constexpr const char* state_name = facts.state_name != nullptr ? facts.state_name
                                              : has_member                ? facts.name
                                                                          : nullptr;
    // It has a member, and no register before it has the same.
    static constexpr bool is_stored_first = has_member&&[]<std::size_t... J>(std::index_sequence<J...>) {
        return !(same_member(std::get<J>(map.list).member, one.member) || ...);
    }
    (std::make_index_sequence<I>{});
};

} // namespace plugbay::detail
