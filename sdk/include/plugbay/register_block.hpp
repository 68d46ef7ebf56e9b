// One region of a device's registers (registers.hpp), worked out at compile time: its constant tables, what the ABI says of
// it, and what an access does. An access costs two table look-ups and a call.
#pragma once

#include <plugbay/register_check.hpp>
#include <plugbay/registers.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

namespace plugbay::detail {

template <typename Function>
inline constexpr bool is_const_function = false;
template <typename Result, typename Device, typename... Arguments>
inline constexpr bool is_const_function<Result (Device::*)(Arguments...) const> = true;
template <typename Result, typename Device, typename... Arguments>
inline constexpr bool is_const_function<Result (Device::*)(Arguments...) const noexcept> = true;

// The `I`-th register of the `M`-th map.
template <typename Device, std::size_t M, std::size_t I>
class OneRegister : public CheckedRegister<Device, M, I> {
    using Base = CheckedRegister<Device, M, I>;
    using T = typename Base::Value;

    template <typename... Arguments>
    static decltype(auto) call(Device& device, auto function, std::uint32_t element, Arguments... arguments) {
        if constexpr (Base::is_array)
            return (device.*function)(element, arguments...);
        else
            return (device.*function)(arguments...);
    }

  public:
    using Base::bits;
    using Base::map;
    using Base::one;

    static T& stored(Device& device, std::uint32_t element) {
        auto& member = (device.*(map.storage)).*(one.member);
        if constexpr (std::unsigned_integral<std::remove_cvref_t<decltype(member)>>)
            return member;
        else
            return member[element];
    }

    static T load(Device& device, std::uint32_t element) {
        static_assert(
            Base::has_read || Base::has_member || Base::facts.is_constant,
            "the register can be read but has nothing to give: it needs a member, constant() or read()");
        T value = static_cast<T>(Base::facts.reset_value);
        if constexpr (Base::has_read) {
            value = call(device, one.on_read, element);
        } else if constexpr (Base::has_member) {
            T& whole = stored(device, element);
            value = whole;
            if constexpr (bits.read_to_clear != 0) whole = static_cast<T>(whole & ~bits.read_to_clear);
        }
        if constexpr (bits.write_only != 0) value = static_cast<T>(value & ~bits.write_only);
        if constexpr (Base::has_was_read) call(device, one.after_read, element);
        return value;
    }

    // `mask` has ones where `value` was written.
    static void store(Device& device, std::uint32_t element, T value, T mask) {
        static_assert(
            Base::has_write || Base::has_member,
            "the register can be written but keeps nothing: it needs a member or write(), or read_only()");
        T before = 0;
        if constexpr (Base::has_member) before = stored(device, element);
        const T setting = static_cast<T>(mask & bits.settable);
        const T clearing = static_cast<T>(mask & bits.write_1_to_clear);
        if constexpr (Base::has_write) {
            const T merged = static_cast<T>((value & (setting | clearing)) |
                                            (before & ~mask & static_cast<T>(bits.settable)));
            if constexpr (Base::write_gets_mask)
                call(device, one.on_write, element, merged, mask);
            else
                call(device, one.on_write, element, merged);
        } else {
            stored(device, element) =
                static_cast<T>(((before & ~setting) | (value & setting)) & ~(value & clearing));
        }
        if constexpr (Base::has_wrote && Base::wrote_gets_before)
            call(device, one.after_write, element, before);
        else if constexpr (Base::has_wrote)
            call(device, one.after_write, element);
    }

    // The element at `offset`, if there is one that an access of `width` bytes is exactly as wide as.
    static bool fits(std::uint64_t offset, std::uint32_t width, std::uint32_t& element) {
        const std::uint64_t distance = offset - Base::facts.offset;
        element = 0;
        if constexpr (Base::is_array) {
            element = static_cast<std::uint32_t>(distance / Base::stride);
            return width == sizeof(T) && distance % Base::stride == 0;
        } else {
            return width == sizeof(T) && distance == 0;
        }
    }

    // --- what the ABI says of it

  private:
    static constexpr auto abi_fields = std::apply(
        [](const auto&... field) {
            return std::array<plugbay_register_field, sizeof...(field)>{plugbay_register_field{
                field.first_bit, field.bit_count, field.access_kind != 0 ? field.access_kind : Base::kind,
                static_cast<std::uint32_t>(field.named.size()), field.name, field.help,
                field.named.empty() ? nullptr : field.named.data()}...};
        },
        one.field_list);

  public:
    static constexpr plugbay_register describe() {
        plugbay_register result{};
        result.offset = Base::facts.offset;
        result.stride = Base::stride;
        result.width = sizeof(T);
        result.count = Base::facts.count;
        result.access = Base::kind;
        if (Base::has_read || (!Base::has_member && !Base::facts.is_constant))
            result.flags |= PLUGBAY_REGISTER_COMPUTED;
        if ((Base::has_read && !is_const_function<decltype(one.on_read)>) || Base::has_was_read ||
            bits.read_to_clear != 0)
            result.flags |= PLUGBAY_REGISTER_READ_ACTS;
        if (Base::has_write || Base::has_wrote) result.flags |= PLUGBAY_REGISTER_WRITE_ACTS;
        result.reset = Base::reset_value;
        result.writable = bits.settable | bits.write_1_to_clear;
        result.name = Base::facts.name;
        result.help = Base::facts.help;
        result.when = Base::facts.when;
        result.state = Base::state_name;
        result.field_count = static_cast<std::uint32_t>(abi_fields.size());
        result.fields = abi_fields.empty() ? nullptr : abi_fields.data();
        return result;
    }
};

// The `M`-th map of a device.
template <typename Device, std::size_t M>
class RegisterBlock {
    static constexpr const auto& map = std::get<M>(DeclaredRegisters<Device>::maps);
    static constexpr std::size_t count = std::tuple_size_v<decltype(map.list)>;
    static_assert(count <= PLUGBAY_REGISTERS_MOST, "too many registers in one map");
    using Indices = std::make_index_sequence<count>;
    template <std::size_t I>
    using One = OneRegister<Device, M, I>;

    static constexpr auto places = []<std::size_t... I>(std::index_sequence<I...>) {
        return std::array<RegisterPlace, count>{One<I>::place...};
    }
    (Indices{});
    static_assert(different_names(places), "two registers have the same name");
    static_assert(map.bytes == 0 || map.bytes >= end_of(places), "length() ends before the last register");

    static constexpr std::uint64_t length = map.bytes != 0 ? map.bytes : end_of(places);
    static constexpr bool has_banks = given<decltype(map.current_bank)>;
    static_assert(has_banks || !any_bank(places), "a register has when(), but the map has no bank()");

    // --- from an offset to a register: one index for each step of the finest grid that all registers lie on

    using Index = std::uint16_t;
    static constexpr Index none = 0xffff;
    static constexpr unsigned shift = grid_of(places);
    static constexpr std::size_t steps =
        static_cast<std::size_t>((end_of(places) + (1u << shift) - 1) >> shift);
    static constexpr std::size_t banks = banks_of(places);
    static_assert(steps * banks <= 1 << 16,
                  "the map is too large to be looked up by offset: make several regions of it");
    using Table = std::array<std::array<Index, steps>, banks>;

    static constexpr Table make_table(bool is_write) {
        Table table{};
        for (auto& bank : table)
            bank.fill(none);
        for (std::size_t index = 0; index < count; ++index) {
            const RegisterPlace& place = places[index];
            if (!(is_write ? place.is_written : place.is_read)) continue;
            for (std::size_t bank = 0; bank < banks; ++bank) {
                if (place.bank != RegisterFacts::any_bank && place.bank != bank) continue;
                for (std::uint64_t element = 0; element < place.count; ++element) {
                    const std::uint64_t first = (place.offset + element * place.stride) >> shift;
                    for (std::uint64_t step = 0; step < place.width >> shift; ++step)
                        table[bank][first + step] = static_cast<Index>(index);
                }
            }
        }
        return table;
    }
    static_assert(map.is_indirect || apart(places, false), "two registers are read at the same place");
    static_assert(map.is_indirect || apart(places, true), "two registers are written at the same place");
    static constexpr Table read_table = make_table(false);
    static constexpr Table write_table = make_table(true);

    static Index find(const Table& table, const Device& device, std::uint64_t offset) {
        const std::uint64_t step = offset >> shift;
        if (step >= steps) return none;
        if constexpr (has_banks) {
            const auto bank = static_cast<std::size_t>((device.*(map.current_bank))());
            return bank < banks ? table[bank][step] : none;
        } else {
            return table[0][step];
        }
    }

    // --- what an access does

    using Reader = std::uint64_t (*)(Device&, std::uint64_t offset, std::uint32_t width);
    using Writer = void (*)(Device&, std::uint64_t offset, std::uint32_t width, std::uint64_t value);
    using PartWriter = void (*)(Device&, std::uint32_t element, std::uint64_t value, std::uint64_t mask);

    template <std::size_t I>
    static std::uint64_t read_one(Device& device, std::uint64_t offset, std::uint32_t width) {
        std::uint32_t element = 0;
        if (!One<I>::fits(offset, width, element)) [[unlikely]]
            return read_parts(device, offset, width);
        return One<I>::load(device, element);
    }
    template <std::size_t I>
    static void write_one(Device& device, std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
        using T = typename One<I>::Value;
        std::uint32_t element = 0;
        if (!One<I>::fits(offset, width, element)) [[unlikely]]
            return write_parts(device, offset, width, value);
        One<I>::store(device, element, static_cast<T>(value), static_cast<T>(~T{0}));
    }
    template <std::size_t I>
    static void write_part(Device& device, std::uint32_t element, std::uint64_t value, std::uint64_t mask) {
        using T = typename One<I>::Value;
        One<I>::store(device, element, static_cast<T>(value), static_cast<T>(mask));
    }

    template <std::size_t I>
    static constexpr Reader reader() {
        if constexpr (One<I>::place.is_read) return &read_one<I>;
        return nullptr;
    }
    template <std::size_t I>
    static constexpr Writer writer() {
        if constexpr (One<I>::place.is_written) return &write_one<I>;
        return nullptr;
    }
    template <std::size_t I>
    static constexpr PartWriter part_writer() {
        if constexpr (One<I>::place.is_written) return &write_part<I>;
        return nullptr;
    }
    // In functions, or who only asks for the description would need all that an access does.
    static const std::array<Reader, count>& readers() {
        static constexpr auto table = []<std::size_t... I>(std::index_sequence<I...>) {
            return std::array<Reader, count>{reader<I>()...};
        }
        (Indices{});
        return table;
    }
    static const std::array<Writer, count>& writers() {
        static constexpr auto table = []<std::size_t... I>(std::index_sequence<I...>) {
            return std::array<Writer, count>{writer<I>()...};
        }
        (Indices{});
        return table;
    }
    static const std::array<PartWriter, count>& part_writers() {
        static constexpr auto table = []<std::size_t... I>(std::index_sequence<I...>) {
            return std::array<PartWriter, count>{part_writer<I>()...};
        }
        (Indices{});
        return table;
    }

    // Part of a register that an access reaches.
    struct Part {
        const RegisterPlace& place;
        std::uint32_t element;
        std::uint32_t first_byte; // in the register
        std::uint32_t bytes;

        Part(const RegisterPlace& of, std::uint64_t offset, std::uint32_t most)
            : place(of), element(static_cast<std::uint32_t>((offset - of.offset) / of.stride)),
              first_byte(static_cast<std::uint32_t>((offset - of.offset) % of.stride)),
              bytes(std::min(of.width - first_byte, most)) {}
        [[nodiscard]] std::uint64_t mask() const { return ~std::uint64_t{0} >> (64 - 8 * bytes); }
    };

    // An access that is not exactly one register, from its lowest byte on.
    [[gnu::noinline]] static std::uint64_t read_parts(Device& device, std::uint64_t offset,
                                                      std::uint32_t width) {
        std::uint64_t value = 0;
        for (std::uint32_t at = 0; at < width;) {
            const Index index = find(read_table, device, offset + at);
            if (index == none) {
                value |= std::uint64_t{map.elsewhere} << (8 * at++);
                continue;
            }
            const Part part(places[index], offset + at, width - at);
            const std::uint64_t whole = readers()[index](
                device, part.place.offset + part.element * part.place.stride, part.place.width);
            value |= (whole >> (8 * part.first_byte) & part.mask()) << (8 * at);
            at += part.bytes;
        }
        return value;
    }
    [[gnu::noinline]] static void write_parts(Device& device, std::uint64_t offset, std::uint32_t width,
                                              std::uint64_t value) {
        for (std::uint32_t at = 0; at < width;) {
            const Index index = find(write_table, device, offset + at);
            if (index == none) {
                ++at;
                continue;
            }
            const Part part(places[index], offset + at, width - at);
            const std::uint32_t up = 8 * part.first_byte;
            part_writers()[index](device, part.element, (value >> (8 * at) & part.mask()) << up,
                                  part.mask() << up);
            at += part.bytes;
        }
    }

    // --- what the ABI says of it

    static constexpr auto abi_registers = []<std::size_t... I>(std::index_sequence<I...>) {
        return std::array<plugbay_register, count>{One<I>::describe()...};
    }
    (Indices{});

  public:
    static constexpr bool is_indirect = map.is_indirect;
    static constexpr std::uint64_t token = map.token_of_region;

    static std::uint64_t read(Device& device, std::uint64_t offset, std::uint32_t width) {
        const Index index = find(read_table, device, offset);
        if (index == none) [[unlikely]]
            return read_parts(device, offset, width);
        return readers()[index](device, offset, width);
    }
    static void write(Device& device, std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
        const Index index = find(write_table, device, offset);
        if (index == none) [[unlikely]]
            return write_parts(device, offset, width, value);
        writers()[index](device, offset, width, value);
    }

    // Calls `each` with the number of every register that has a member, each member once.
    static void for_each_stored(auto each) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (
                [&] {
                    if constexpr (One<I>::is_stored_first) each(One<I>{});
                }(),
                ...);
        }
        (Indices{});
    }
    static void reset(Device& device) {
        if constexpr (given<decltype(map.storage)>) device.*(map.storage) = {};
    }
    // Bits that a register does not have, and that a state may have brought.
    static void drop_other_bits(Device& device) {
        for_each_stored([&]<typename Each>(Each) {
            for (std::uint32_t element = 0; element < Each::facts.count; ++element) {
                auto& stored = Each::stored(device, element);
                stored = static_cast<typename Each::Value>(stored & Each::bits.existing);
            }
        });
    }
    static void state(auto& fields, Device& device) {
        for_each_stored([&]<typename Each>(Each) {
            fields(Each::state_name, (device.*(map.storage)).*(Each::one.member));
        });
    }

    static constexpr plugbay_register_block abi{sizeof(plugbay_register_block),
                                                map.is_indirect ? PLUGBAY_REGISTER_BLOCK_INDIRECT : 0,
                                                map.token_of_region,
                                                length,
                                                map.block_name,
                                                static_cast<std::uint32_t>(count),
                                                0,
                                                abi_registers.data()};
};

} // namespace plugbay::detail
