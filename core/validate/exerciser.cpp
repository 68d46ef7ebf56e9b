#include "core/validate/exerciser.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <span>
#include <string_view>
#include <unistd.h>

namespace plugbay::core::validation {

using namespace testkit;

namespace {

std::filesystem::path new_scratch() {
    static std::atomic<int> made = 0;
    return std::filesystem::temp_directory_path() /
           ("plugbay-validate-" + std::to_string(getpid()) + "-" + std::to_string(++made));
}

std::string lowest(const plugbay_property& property) {
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return "false";
    case PLUGBAY_PROPERTY_CHOICE:
        return property.choices[0];
    case PLUGBAY_PROPERTY_SIGNED:
        return std::to_string(static_cast<std::int64_t>(property.minimum));
    case PLUGBAY_PROPERTY_STRING:
        return std::string(std::clamp<std::uint64_t>(property.minimum, 1, 4096), 'x');
    default:
        return std::to_string(property.minimum);
    }
}

std::string port_name(const std::string& id, const plugbay_port& port) {
    return port.name == nullptr ? id : id + "." + port.name;
}

bool may_be_open(const plugbay_port& port) {
    return (port.flags & PLUGBAY_PORT_OPTIONAL) != 0;
}

// The port of `type` that `port` can be joined to; nullptr: none.
const plugbay_port* opposite(const plugbay_device_type& type, const plugbay_port& port) {
    for (const plugbay_port* const each : std::span(type.ports, type.port_count)) {
        if (std::string_view(each->interface) == port.interface && each->role != port.role) return each;
    }
    return nullptr;
}

} // namespace

Properties needed_properties(std::span<const plugbay_property* const> declared, const Properties& chosen,
                             const std::filesystem::path& scratch) {
    Properties properties = chosen;
    for (const plugbay_property* const each : declared) {
        const plugbay_property& property = *each;
        const bool given =
            std::ranges::any_of(chosen, [&](const auto& pair) { return pair.first == property.name; });
        if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) == 0 || given) continue;
        if (property.kind == PLUGBAY_PROPERTY_PATH) {
            std::ofstream(scratch) << std::string(1 << 20, '\0');
            properties.emplace_back(property.name, scratch.string());
        } else {
            properties.emplace_back(property.name, lowest(property));
        }
    }
    return properties;
}

Exerciser::Exerciser(const Subject& subject, const ExerciserOptions& options)
    : bench(options.bench), scratch_(new_scratch()), subject_(subject), options_(options),
      random_(options.seed), fakes_(random_) {
    const PluginFile plugin(subject.file);
    const plugbay_device_type* const type = plugin.find(subject.type);
    if (type == nullptr) throw testkit::Error("it has no device type \"" + subject.type + "\"");
    properties_ = needed_properties({type->properties, type->property_count}, subject.properties, scratch_);
    created = add();
    if (created && options.peers != Peers::none) join_ports("subject", *type);
}

Exerciser::~Exerciser() {
    std::error_code ignored;
    std::filesystem::remove(scratch_, ignored);
    for (std::size_t i = 1; i <= subject_.peers.size(); ++i)
        std::filesystem::remove(scratch_.string() + "-peer" + std::to_string(i), ignored);
}

Outcome Exerciser::add() {
    return bench.try_add(subject_.file, subject_.type, "subject", properties_);
}

void Exerciser::join_ports(const std::string& id, const plugbay_device_type& type) {
    for (const plugbay_port* const port : std::span(type.ports, type.port_count)) {
        const std::string name = port_name(id, *port);
        const bool optional = may_be_open(*port);
        if (taken_ports_.contains(name) || (optional && options_.peers == Peers::needed)) continue;
        if (id == "subject" && join_device(*port, name)) continue;
        const Properties link_options = needed_properties({port->options, port->option_count}, {}, scratch_);
        if (!fakes_.join(bench, *port, name, link_options) && !optional) complete_ = false;
    }
}

bool Exerciser::join_device(const plugbay_port& port, const std::string& name) {
    for (std::size_t i = 0; i < subject_.peers.size(); ++i) {
        const PeerDevice& peer = subject_.peers[i];
        const std::string id = "peer" + std::to_string(i + 1);
        if (std::ranges::find(devices_, id, &Joined::id) != devices_.end()) continue;
        const PluginFile plugin(peer.file);
        const plugbay_device_type* const type = plugin.find(peer.type);
        const plugbay_port* const other = type == nullptr ? nullptr : opposite(*type, port);
        if (other == nullptr) continue;
        bench.add(peer.file, peer.type, id,
                  needed_properties({type->properties, type->property_count}, peer.properties,
                                    scratch_.string() + "-" + id));
        devices_.push_back({id, may_be_open(port)});
        const std::string other_name = port_name(id, *other);
        taken_ports_.insert(other_name);
        const bool serves = other->role == PLUGBAY_PORT_BACKEND;
        const plugbay_port& frontend = serves ? port : *other;
        bench.connect(serves ? other_name : name, serves ? name : other_name,
                      needed_properties({frontend.options, frontend.option_count}, {}, scratch_));
        join_ports(id, *type);
        return true;
    }
    return false;
}

void Exerciser::disconnect_peers() {
    for (const Joined& each : devices_)
        bench.remove(each.id);
    devices_.clear();
    fakes_.leave();
}

void Exerciser::disconnect_optional_peers() {
    std::erase_if(devices_, [this](const Joined& each) {
        if (each.optional) bench.remove(each.id);
        return each.optional;
    });
    fakes_.leave_optional();
}

std::vector<MappedRange> Exerciser::ranges() {
    std::vector<MappedRange> all = device().ranges();
    for (const Joined& each : devices_) {
        const auto more = bench.device(each.id).ranges();
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

void Exerciser::poke(int rounds) {
    for (int round = 0; round < rounds; ++round) {
        for (const MappedRange& range : ranges())
            poke_range(range);
        for (int i = 0; i < 500; ++i)
            poke_once();
    }
    settle();
}

void Exerciser::poke_once() {
    constexpr unsigned between_stirs = 4;
    const auto places = ranges();
    if (places.empty()) return pass_time(between_stirs); // its peers are all that it hears of
    const MappedRange& range = places[random_() % places.size()];
    const std::uint64_t offset = random_() % std::min<std::uint64_t>(range.length, 0x10000);
    access(range, offset, 1u << random_() % 4);
}

void Exerciser::settle() {
    fakes_.settle();
    bench.run();
}

void Exerciser::scramble_memory() {
    for (std::byte& byte : bench.memory())
        byte = static_cast<std::byte>(random_() & 0xff);
}

void Exerciser::poke_range(const MappedRange& range) {
    constexpr std::uint64_t most = 1024;
    for (std::uint64_t offset = 0; offset < range.length; ++offset) {
        if (offset == most && range.length > 2 * most) offset = range.length - most;
        for (const unsigned width : {1u, 2u, 4u, 8u})
            access(range, offset, width);
    }
}

void Exerciser::access(const MappedRange& range, std::uint64_t offset, unsigned width) {
    const std::uint64_t address = range.first + offset;
    const std::uint64_t high = random_();
    const std::uint64_t low = random_();
    const std::uint64_t value = high % 4 == 0 ? low % 16 : high << 32 | low;
    if (range.space == MappedRange::Space::memory) {
        bench.read(address, width);
        bench.write(address, width, value);
    } else if (width < 8) {
        bench.in(static_cast<std::uint16_t>(address), width);
        bench.out(static_cast<std::uint16_t>(address), width, value);
    }
    constexpr unsigned between_stirs = 97;
    pass_time(between_stirs);
}

void Exerciser::pass_time(unsigned between_stirs) {
    if (++moments_ % 64 == 0) bench.run();
    if (moments_ % 256 == 0) bench.advance(std::chrono::microseconds(random_() % 10'000));
    if (options_.lively_peers && moments_ % between_stirs == 0) fakes_.stir();
}

} // namespace plugbay::core::validation
