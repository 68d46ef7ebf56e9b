#include "core/registry/link_guard.hpp"

#include "core/device/device.hpp"

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/interface/char.h>
#include <plugbay/abi/interface/console.h>
#include <plugbay/abi/interface/net.h>

#include <cstdint>
#include <type_traits>

namespace plugbay::core {

namespace {

// In place of a table's function: the same function of the table that is guarded.
template <auto member>
struct Guarded;
template <typename Table, typename Answer, typename... Arguments,
          Answer (*Table::*member)(void*, std::uint64_t, Arguments...)>
struct Guarded<member> {
    static Answer call(void* instance, std::uint64_t port, Arguments... arguments) {
        const LinkGuard& guard = *static_cast<const LinkGuard*>(instance);
        const plugbay_link& direct = guard.direct();
        const auto function = static_cast<const Table*>(direct.table)->*member;
        if constexpr (std::is_void_v<Answer>) {
            guard.device().protect("a call over a link",
                                   [&] { function(direct.instance, port, arguments...); });
        } else {
            // How many were taken: none.
            Answer answer = std::is_same_v<Answer, plugbay_status> ? Answer(PLUGBAY_FAILED) : Answer{};
            guard.device().protect("a call over a link",
                                   [&] { answer = function(direct.instance, port, arguments...); });
            return answer;
        }
    }
};

template <typename Table, auto... members>
constexpr Table guarded_table() {
    static_assert(sizeof(Table) == 2 * sizeof(std::uint32_t) + sizeof...(members) * sizeof(void*),
                  "every function of the table is guarded");
    Table table{};
    table.size = sizeof(Table);
    ((table.*members = &Guarded<members>::call), ...);
    return table;
}
template <typename Table, auto... members>
constexpr Table guarded = guarded_table<Table, members...>();

using CharFrontend = plugbay_char_frontend;
using CharBackend = plugbay_char_backend;
using BlkFrontend = plugbay_blk_frontend;
using BlkBackend = plugbay_blk_backend;
using NetFrontend = plugbay_net_frontend;
using NetBackend = plugbay_net_backend;
using ConsoleFrontend = plugbay_console_frontend;
using ConsoleBackend = plugbay_console_backend;

struct Interface {
    std::string_view name;
    const void* frontend;
    const void* backend;
};
constexpr Interface interfaces[] = {
    {PLUGBAY_CHAR,
     &guarded<CharFrontend, &CharFrontend::receive, &CharFrontend::write_ready, &CharFrontend::event>,
     &guarded<CharBackend, &CharBackend::write, &CharBackend::receive_ready>},
    {PLUGBAY_BLK, &guarded<BlkFrontend, &BlkFrontend::complete, &BlkFrontend::changed>,
     &guarded<BlkBackend, &BlkBackend::facts, &BlkBackend::submit>},
    {PLUGBAY_NET,
     &guarded<NetFrontend, &NetFrontend::transmitted, &NetFrontend::transmit_ready, &NetFrontend::receive,
              &NetFrontend::changed>,
     &guarded<NetBackend, &NetBackend::facts, &NetBackend::configure, &NetBackend::transmit,
              &NetBackend::receive_ready>},
    {PLUGBAY_CONSOLE,
     &guarded<ConsoleFrontend, &ConsoleFrontend::facts, &ConsoleFrontend::refresh, &ConsoleFrontend::input>,
     &guarded<ConsoleBackend, &ConsoleBackend::set_mode, &ConsoleBackend::show_cells,
              &ConsoleBackend::show_pixels, &ConsoleBackend::set_cursor, &ConsoleBackend::shown,
              &ConsoleBackend::input_ready>},
};

// What every table begins with.
std::uint32_t size_of(const void* table) {
    return *static_cast<const std::uint32_t*>(table);
}

} // namespace

std::unique_ptr<LinkGuard> LinkGuard::create(Device& device, const plugbay_link& direct,
                                             std::string_view interface, bool backend) {
    for (const Interface& each : interfaces) {
        const void* const table = backend ? each.backend : each.frontend;
        if (each.name != interface || direct.table == nullptr || size_of(direct.table) < size_of(table))
            continue;
        return std::unique_ptr<LinkGuard>(new LinkGuard(device, direct, table));
    }
    return nullptr;
}

} // namespace plugbay::core
