#include "core/hotswap/rehearsal_subject.hpp"

#include "core/base/write_all.hpp"
#include "core/cli/exit_status.hpp"
#include "core/hotswap/rehearsal_peers.hpp"
#include "core/hotswap/rehearsal_protocol.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <plugbay/unique_fd.hpp>

#include <algorithm>
#include <fmt/format.h>

#include <span>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

using nlohmann::json;

namespace {

testkit::Properties properties_of(const json& values) {
    testkit::Properties properties;
    for (const auto& [name, value] : values.items())
        properties.emplace_back(name, value.get<std::string>());
    return properties;
}

testkit::Bench& make_bench(const json& request, std::uint64_t guest_time, std::uint64_t calendar) {
    const bool with_memory = request["memory_given"];
    return *new testkit::Bench({.memory = request["memory"],
                                .memory_above_4gb = request["memory_above_4gb"],
                                .cpu_count = request["cpus"],
                                .calendar = calendar,
                                .guest_time = guest_time,
                                .memory_file = with_memory ? rehearsal::first_free_descriptor : -1,
                                .any_pci_bus = true});
}

} // namespace

void rehearsal::report(const json& line) {
    const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
    if (!write_all(report_descriptor, std::as_bytes(std::span(text)))) ::_exit(exit_status::failure);
}

void rehearsal::begin(const char* step) {
    report({{"step", step}});
}

void rehearsal::fail(const std::string& why, const std::string& hint) {
    report({{"failed", {{"why", why.substr(0, longest_text)}, {"hint", hint}}}});
    ::_exit(exit_status::success);
}

void rehearsal::pass() {
    report({{"passed", true}});
    ::_exit(exit_status::success);
}

int rehearsal::first_handed_descriptor(const json& request) {
    return first_free_descriptor + (request["memory_given"].get<bool>() ? 1 : 0);
}

std::vector<RegisterBlockDescription> rehearsal::declared_registers(const json& request,
                                                                    const plugbay_device_type& type) {
    auto plugin = read_plugin_metadata(request["plugin"].get<std::string>());
    if (!plugin) return {};
    const auto found = std::ranges::find(plugin->types, type.name, &TypeDescription::name);
    return found == plugin->types.end() ? std::vector<RegisterBlockDescription>{}
                                        : std::move(found->register_blocks);
}

std::string rehearsal::tie(const json& request, const plugbay_device_type& type) {
    if (!request["handover"].empty()) return "it has descriptors of the build before it";
    for (std::uint32_t i = 0; i < type.port_count; ++i) {
        if (type.ports[i]->role == PLUGBAY_PORT_BACKEND) return "it is a backend";
    }
    for (std::uint32_t i = 0; i < type.property_count; ++i) {
        const plugbay_property& property = *type.properties[i];
        const auto given = request["properties"].find(property.name);
        if (property.kind == PLUGBAY_PROPERTY_PATH && given != request["properties"].end() && *given != "")
            return fmt::format("its property \"{}\" names a file", property.name);
    }
    return {};
}

RehearsalSubject::RehearsalSubject(const json& request, const plugbay_device_type& type,
                                   std::uint64_t guest_time, std::uint64_t calendar)
    : request_(request), type_(type), id_(request["id"]), bench_(make_bench(request, guest_time, calendar)) {}

void RehearsalSubject::create() {
    if (request_["beside"]) bench_.leave(id_);
    int next = rehearsal::first_handed_descriptor(request_);
    for (const json& name : request_["handover"])
        bench_.leave(id_, name.get<std::string>(), UniqueFd(next++));
    bench_.add(request_["plugin"].get<std::string>(), type_.name, id_, properties_of(request_["properties"]));
}

std::vector<std::string> RehearsalSubject::resources() {
    std::vector<std::string> names;
    const testkit::Device& device = bench_.device(id_);
    for (const testkit::MappedRange& range : device.ranges()) {
        if (range.bar >= 0) continue; // of a PCI function, which decodes where the guest wants it
        names.push_back(fmt::format("{} {:#x}-{:#x}",
                                    range.space == testkit::MappedRange::Space::ports ? "ports" : "memory",
                                    range.first, range.first + (range.length - 1)));
    }
    for (const unsigned line : device.lines())
        names.push_back(fmt::format("interrupt line {}", line));
    return names;
}

std::string RehearsalSubject::port_name(const plugbay_port& port) const {
    return port.name == nullptr ? id_ : id_ + "." + port.name;
}

void RehearsalSubject::connect() {
    for (std::uint32_t number = 0; number < type_.port_count; ++number) {
        const plugbay_port& port = *type_.ports[number];
        json link;
        for (const json& each : request_["links"]) {
            if (link.is_null() && each["port"] == number) link = each;
        }
        const bool needed = (port.flags & PLUGBAY_PORT_OPTIONAL) == 0;
        if (link.is_null() && !needed) continue;
        if (link.is_null()) link = json{{"options", json::object()}};
        auto peer = make_peer(port, link);
        if (peer == nullptr) {
            complete_ = complete_ && !needed;
            rehearsal::report(
                {{"not_rehearsed", fmt::format("port \"{}\" has no peer: there is no fake that speaks {}",
                                               port_name(port), port.interface)}});
            continue;
        }
        bench_.connect(*peer.release(), port_name(port),
                       properties_of(link["options"])); // lives on, like the bench
    }
}

} // namespace plugbay::core
