#include "core/boot/boot_options.hpp"

#include <array>
#include <spdlog/fmt/fmt.h>
#include <utility>

namespace plugbay::core {

namespace {

using namespace std::string_view_literals;

constexpr std::array protocols{
    std::pair{"automatic"sv, BootProtocol::automatic},
    std::pair{"linux64"sv, BootProtocol::linux64},
    std::pair{"pvh"sv, BootProtocol::pvh},
    std::pair{"multiboot"sv, BootProtocol::multiboot},
    std::pair{"flat"sv, BootProtocol::flat},
};

constexpr std::array flat_modes{
    std::pair{"real_16"sv, FlatMode::real_16},
    std::pair{"protected_32"sv, FlatMode::protected_32},
    std::pair{"long_64"sv, FlatMode::long_64},
};

template <typename Table, typename Value>
std::string_view name_in(const Table& table, Value value) {
    for (const auto& [name, candidate] : table) {
        if (candidate == value) return name;
    }
    return "unknown";
}

template <typename Table>
auto parse(const Table& table, std::string_view what, std::string_view wanted)
    -> Result<decltype(table[0].second)> {
    std::string known;
    for (const auto& [name, value] : table) {
        if (name == wanted) return value;
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    return Error{fmt::format("\"{}\" is not a {}", wanted, what), "use one of: " + known};
}

} // namespace

std::string_view name_of(BootProtocol protocol) {
    return name_in(protocols, protocol);
}

Result<BootProtocol> parse_boot_protocol(std::string_view name) {
    return parse(protocols, "boot protocol", name);
}

std::string_view name_of(FlatMode mode) {
    return name_in(flat_modes, mode);
}

Result<FlatMode> parse_flat_mode(std::string_view name) {
    return parse(flat_modes, "mode for a flat image", name);
}

} // namespace plugbay::core
