// Methods that look into the guest.
#include "core/config/number_text.hpp"
#include "core/control/methods.hpp"
#include "core/debug/gdb_server.hpp"
#include "core/machine/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace plugbay::core {

using nlohmann::json;

namespace {

constexpr std::int64_t most_bytes = 65536; // of one call

json registers_json(const GeneralRegisters& general, const SpecialRegisters& special) {
    const std::pair<const char*, std::uint64_t> values[] = {
        {"rax", general.rax},         {"rbx", general.rbx},         {"rcx", general.rcx},
        {"rdx", general.rdx},         {"rsi", general.rsi},         {"rdi", general.rdi},
        {"rsp", general.rsp},         {"rbp", general.rbp},         {"r8", general.r8},
        {"r9", general.r9},           {"r10", general.r10},         {"r11", general.r11},
        {"r12", general.r12},         {"r13", general.r13},         {"r14", general.r14},
        {"r15", general.r15},         {"rip", general.rip},         {"rflags", general.rflags},
        {"cs", special.cs.selector},  {"ds", special.ds.selector},  {"es", special.es.selector},
        {"fs", special.fs.selector},  {"gs", special.gs.selector},  {"ss", special.ss.selector},
        {"fs_base", special.fs.base}, {"gs_base", special.gs.base}, {"cr0", special.cr0},
        {"cr2", special.cr2},         {"cr3", special.cr3},         {"cr4", special.cr4},
        {"cr8", special.cr8},         {"efer", special.efer}};
    json result;
    for (const auto& [name, value] : values)
        result[name] = fmt::format("{:#x}", value);
    return result;
}

Result<json> read_registers(const ControlTarget& target, const json& params) {
    const auto index = params.value("vcpu", std::uint32_t{0});
    json registers;
    auto looked = target.machine.look_at_vcpu(index, [&](KvmVcpu& vcpu) -> Result<void> {
        const auto general = vcpu.general_registers();
        if (!general) return general.error();
        const auto special = vcpu.special_registers();
        if (!special) return special.error();
        registers = registers_json(*general, *special);
        return {};
    });
    if (!looked) return std::move(looked).error();
    return json{{"registers", std::move(registers)}};
}

// Page by page where addresses are the processor's.
Result<std::vector<std::byte>>
read_bytes(const Machine& machine, std::uint64_t address, std::size_t length,
           const std::function<std::optional<std::uint64_t>(std::uint64_t)>& translate) {
    constexpr std::uint64_t page = 4096;
    std::vector<std::byte> bytes(length);
    for (std::size_t at = 0; at < length;) {
        const std::uint64_t here = address + at;
        const std::size_t piece = std::min<std::size_t>(length - at, page - here % page);
        const auto physical = translate(here);
        if (!physical || !machine.read_memory(*physical, std::span(bytes).subspan(at, piece))) {
            return Error{fmt::format("there is no RAM at {:#x}", here),
                         "addresses are physical unless \"vcpu\" says whose page tables count"};
        }
        at += piece;
    }
    return bytes;
}

Result<json> read_memory(const ControlTarget& target, const json& params) {
    const NumberText address_text = read_number(params["address"].get_ref<const std::string&>());
    if (address_text.problem != NumberText::Problem::none || address_text.negative)
        return Error{"\"address\" is no address", "64 bits at most: \"0xffffffff81000000\", or \"4096\""};
    const std::uint64_t address = address_text.magnitude;
    const auto length = params["length"].get<std::size_t>();
    const Machine& machine = target.machine;
    Result<std::vector<std::byte>> bytes = std::vector<std::byte>{};
    const auto physical = [](std::uint64_t here) { return std::optional(here); };
    if (params.contains("vcpu")) {
        auto looked = target.machine.look_at_vcpu(
            params["vcpu"].get<std::uint32_t>(), [&](KvmVcpu& vcpu) -> Result<void> {
                bytes = read_bytes(machine, address, length,
                                   [&](std::uint64_t here) { return vcpu.translate(here); });
                return {};
            });
        if (!looked) return std::move(looked).error();
    } else {
        bytes = read_bytes(machine, address, length, physical);
    }
    if (!bytes) return std::move(bytes).error();
    std::string text;
    text.reserve(2 * bytes->size());
    for (const std::byte each : *bytes)
        text += fmt::format("{:02x}", static_cast<unsigned>(each));
    return json{{"bytes", std::move(text)}};
}

Result<json> start_gdb(const ControlTarget& target, const json& params) {
    if (target.debugger) {
        return Error{fmt::format("a GDB server is at {} already", target.debugger->place()),
                     "stop it with \"gdb.stop\" first"};
    }
    const auto address = parse_socket_address(params["address"].get<std::string>(), "the GDB server");
    if (!address) return address.error();
    auto server = GdbServer::start(target.machine, *address);
    if (!server) return std::move(server).error();
    target.debugger = std::move(*server);
    return json{{"place", target.debugger->place()}};
}

Result<json> stop_gdb(const ControlTarget& target, const json&) {
    if (!target.debugger) return Error{"there is no GDB server", "\"gdb.start\" starts one"};
    target.debugger.reset();
    return json::object();
}

} // namespace

void add_debug_methods(MethodTable& table) {
    const json vcpu = schema::integer("number of the virtual CPU", 0, 1023);
    table.add(Method{
        .name = "registers.read",
        .help = "Reads a virtual CPU's registers. A guest that runs stands still for that moment.",
        .params = schema::object("", {schema::optional("vcpu", vcpu)}),
        .result =
            schema::object("", {{"registers", schema::map("by name", schema::text("a value, \"0x10\""))}}),
        .run = &read_registers});
    table.add(Method{.name = "memory.read",
                     .help = "Reads the guest's RAM.",
                     .params = schema::object(
                         "", {{"address", schema::text("where it begins, \"0x1000\"", 32)},
                              {"length", schema::integer("in bytes", 1, most_bytes)},
                              schema::optional("vcpu", schema::integer("whose page tables translate the "
                                                                       "address; physical without it",
                                                                       0, 1023))}),
                     .result = schema::object(
                         "", {{"bytes", schema::text("two hexadecimal digits a byte", 2 * most_bytes)}}),
                     .run = &read_memory});
    table.add(
        Method{.name = "gdb.start",
               .help = "Has a GDB server listen. The guest runs on until GDB connects.",
               .params = schema::object(
                   "", {{"address", schema::text("\"[ADDRESS:]PORT\", 0 for any port, or \"unix:PATH\"")}}),
               .result = schema::object("", {{"place", schema::text("what GDB's `target remote` takes")}}),
               .run = &start_gdb});
    table.add(Method{
        .name = "gdb.stop",
        .help = "Ends the GDB server. A connected GDB is let go, its breakpoints are taken out, and the "
                "guest runs on.",
        .params = schema::object("", {}),
        .result = nothing(),
        .run = &stop_gdb});
}

} // namespace plugbay::core
