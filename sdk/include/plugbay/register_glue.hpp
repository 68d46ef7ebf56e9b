// What a device gets from its registers() (registers.hpp).
#pragma once

#include <plugbay/abi/plugin.h>
#include <plugbay/host.hpp>
#include <plugbay/register_block.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace plugbay {

namespace detail {

template <typename Device>
inline constexpr bool has_registers = requires {
    Device::registers();
};

template <typename Device>
class RegisterGlue {
    using Declared = DeclaredRegisters<Device>;
    using Indices = std::make_index_sequence<Declared::count>;

    static void every_block(auto each) {
        [&]<std::size_t... M>(std::index_sequence<M...>) {
            (each(RegisterBlock<Device, M>{}), ...);
        }
        (Indices{});
    }
    // Calls `reach` with the block of the region, if there is one.
    static void find_block(std::uint64_t token, auto reach) {
        const auto is_reached = [&]<typename Block>(Block block) {
            if constexpr (!Block::is_indirect) {
                if (token == Block::token) {
                    reach(block);
                    return true;
                }
            }
            return false;
        };
        [&]<std::size_t... M>(std::index_sequence<M...>) {
            static_cast<void>((is_reached(RegisterBlock<Device, M>{}) || ...));
        }
        (Indices{});
    }

    static constexpr auto blocks = []<std::size_t... M>(std::index_sequence<M...>) {
        return std::array<const plugbay_register_block*, Declared::count>{&RegisterBlock<Device, M>::abi...};
    }
    (Indices{});
    static constexpr bool blocks_differ() {
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                if (std::string_view(blocks[i]->name) == blocks[j]->name) return false;
                if (blocks[i]->flags == 0 && blocks[j]->flags == 0 && blocks[i]->token == blocks[j]->token)
                    return false;
            }
        }
        return true;
    }
    static_assert(blocks_differ(), "two maps of the device have the same name() or token()");

  public:
    static constexpr plugbay_registers abi{sizeof(plugbay_registers),
                                           static_cast<std::uint32_t>(Declared::count), blocks.data()};
    static constexpr plugbay_declaration declaration{PLUGBAY_REGISTERS, &abi};

    static constexpr bool is_stored =
        std::apply([](const auto&... map) { return (given<decltype(map.storage)> || ...); }, Declared::maps);

    static std::uint64_t read(Device& device, const Access& access) {
        std::uint64_t value = 0;
        find_block(access.token,
                   [&](auto block) { value = block.read(device, access.offset, access.width); });
        return value;
    }
    static void write(Device& device, const Access& access, std::uint64_t value) {
        find_block(access.token,
                   [&](auto block) { block.write(device, access.offset, access.width, value); });
    }
    static void reset(Device& device) {
        every_block([&]<typename Block>(Block) { Block::reset(device); });
    }
    static void drop_other_bits(Device& device) {
        every_block([&]<typename Block>(Block) { Block::drop_other_bits(device); });
    }
    static void state(auto& fields, Device& device) {
        every_block([&]<typename Block>(Block) { Block::state(fields, device); });
    }
};

} // namespace detail

// For a device with read(), write() or state() of its own: what its registers() make of it. A region that no map has reads
// as 0.
template <typename Device>
std::uint64_t read_register(Device& device, const Access& access) {
    return detail::RegisterGlue<Device>::read(device, access);
}
template <typename Device>
void write_register(Device& device, const Access& access, std::uint64_t value) {
    detail::RegisterGlue<Device>::write(device, access, value);
}
void state_of_registers(auto& fields, auto& device) {
    detail::RegisterGlue<std::remove_cvref_t<decltype(device)>>::state(fields, device);
}

} // namespace plugbay
