#include "core/validate/exerciser.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <optional>
#include <span>
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

} // namespace

Properties needed_properties(const plugbay_device_type& type, const Properties& chosen,
                             const std::filesystem::path& scratch) {
    Properties properties = chosen;
    for (std::uint32_t i = 0; i < type.property_count; ++i) {
        const plugbay_property& property = *type.properties[i];
        const bool given =
            std::ranges::any_of(chosen, [&](const auto& each) { return each.first == property.name; });
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
      random_(options.seed) {
    const PluginFile plugin(subject.file);
    const plugbay_device_type* const type = plugin.find(subject.type);
    if (type == nullptr) throw testkit::Error("it has no device type \"" + subject.type + "\"");
    properties_ = needed_properties(*type, subject.properties, scratch_);
    created = add();
    if (!created || !options.with_peers) return;
    for (std::uint32_t i = 0; i < type->port_count; ++i)
        add_peer(*type->ports[i]);
}

Exerciser::~Exerciser() {
    std::error_code ignored;
    std::filesystem::remove(scratch_, ignored);
}

Outcome Exerciser::add() {
    return bench.try_add(subject_.file, subject_.type, "subject", properties_);
}

void Exerciser::poke(int rounds) {
    for (int round = 0; round < rounds; ++round) {
        for (const MappedRange& range : device().ranges())
            poke_range(range);
        for (int i = 0; i < 500; ++i)
            poke_once();
    }
    settle();
}

void Exerciser::poke_once() {
    constexpr unsigned between_stirs = 4;
    const auto ranges = device().ranges();
    if (ranges.empty()) return pass_time(between_stirs); // its peers are all that it hears of
    const MappedRange& range = ranges[random_() % ranges.size()];
    const std::uint64_t offset = random_() % std::min<std::uint64_t>(range.length, 0x10000);
    access(range, offset, 1u << random_() % 4);
}

void Exerciser::settle() {
    for (auto& disk : disks_)
        disk->hold(false);
    for (auto& net : nets_)
        net->hold(false);
    for (auto& console : consoles_) {
        if (console->role() == PLUGBAY_PORT_FRONTEND) console->hold(false);
    }
    bench.run();
}

void Exerciser::disconnect_peers() {
    chars_.clear();
    disks_.clear();
    nets_.clear();
    consoles_.clear();
}

void Exerciser::scramble_memory() {
    for (std::byte& byte : bench.memory())
        byte = static_cast<std::byte>(random_() & 0xff);
}

void Exerciser::add_peer(const plugbay_port& port) {
    const std::string name = port.name == nullptr ? "subject" : std::string("subject.") + port.name;
    const std::string_view interface = port.interface;
    if (interface == PLUGBAY_CHAR) {
        chars_.push_back(std::make_unique<CharPeer>());
        bench.connect(*chars_.back(), name);
    } else if (interface == PLUGBAY_BLK) {
        disks_.push_back(std::make_unique<BlkPeer>());
        bench.connect(*disks_.back(), name);
    } else if (interface == PLUGBAY_NET) {
        nets_.push_back(std::make_unique<NetPeer>());
        bench.connect(*nets_.back(), name);
    } else if (interface == PLUGBAY_CONSOLE) {
        consoles_.push_back(std::make_unique<ConsolePeer>());
        bench.connect(*consoles_.back(), name);
        if (consoles_.back()->role() == PLUGBAY_PORT_FRONTEND) consoles_.back()->resize(80, 25);
    } else if ((port.flags & PLUGBAY_PORT_OPTIONAL) == 0) {
        complete_ = false;
    }
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
    if (moments_ % between_stirs == 0) stir();
}

void Exerciser::stir() {
    if (!options_.lively_peers) return;
    for (auto& peer : chars_) {
        const std::uint64_t room = random_() % 16; // 8 and more: any number
        peer->set_room(room < 8 ? std::optional<std::size_t>(room) : std::nullopt);
        const std::size_t length = random_() % 40;
        const auto byte = static_cast<char>(random_() & 0xff);
        if (peer->unsent() < 4096) peer->send(std::string(length, byte));
    }
    for (auto& disk : disks_) {
        if (disk->role() == PLUGBAY_PORT_BACKEND) {
            disk->hold(random_() % 2 == 0);
            continue;
        }
        const auto operation = static_cast<std::uint32_t>(1 + random_() % 6);
        std::uint64_t length = random_() % 5 * 512;
        length += random_() % 2;
        BlkRequest request{.tag = ++tag_, .operation = operation, .length = length};
        request.flags = static_cast<std::uint32_t>(random_() % 2);
        request.offset = random_() % 4096 * 512;
        if (operation <= PLUGBAY_BLK_WRITE) request.segments.push_back({random_() % (17 << 20), length});
        disk->submit(request);
    }
    for (auto& net : nets_)
        stir(*net);
    for (auto& console : consoles_)
        stir(*console);
}

void Exerciser::stir(NetPeer& net) {
    const std::uint64_t room = random_() % 16; // 8 and more: any number
    net.set_room(room < 8 ? std::optional<std::size_t>(room) : std::nullopt);
    if (net.role() == PLUGBAY_PORT_BACKEND) {
        net.hold(random_() % 2 == 0);
        if (random_() % 8 == 0) net.change(random_() % 2 == 0 ? PLUGBAY_NET_LINK_UP : 0, 0);
    }
    const std::size_t length = random_() % 8 == 0 ? random_() % 3000 : 60;
    const auto byte = static_cast<std::uint8_t>(random_());
    if (net.unsent() < 64) net.send({std::vector<std::uint8_t>(length, byte), {}, {}});
    const plugbay_segment anywhere{random_() % (17 << 20), 60};
    if (net.role() == PLUGBAY_PORT_FRONTEND && net.unsent() < 64) net.send({{}, {}, {anywhere}});
}
void Exerciser::stir(ConsolePeer& console) {
    if (console.role() == PLUGBAY_PORT_BACKEND) {
        if (!console.refreshing()) console.refresh(random_() % 4 == 0);
        console.press(static_cast<std::uint32_t>(random_() % 256));
        const auto step = static_cast<std::int32_t>(random_() % 1000) - 500;
        const std::array moves{plugbay_input_event{PLUGBAY_INPUT_MOVE, 0, step},
                               plugbay_input_event{PLUGBAY_INPUT_BUTTON, 0x110, step & 1},
                               plugbay_input_event{PLUGBAY_INPUT_PLACE, 1, step * step},
                               plugbay_input_event{PLUGBAY_INPUT_END, 0, 0}};
        console.input(moves);
        return;
    }
    console.hold(random_() % 2 == 0);
    console.print(static_cast<std::uint32_t>(random_() % 25), "text");
}

} // namespace plugbay::core::validation
