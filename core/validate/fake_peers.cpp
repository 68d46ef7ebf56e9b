#include "core/validate/fake_peers.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace plugbay::core::validation {

using namespace testkit;

template <typename Fake>
Fake& FakePeers::keep(std::vector<std::unique_ptr<Fake>>& list, const plugbay_port& port) {
    Fake& fake = *list.emplace_back(std::make_unique<Fake>());
    if ((port.flags & PLUGBAY_PORT_OPTIONAL) != 0) optional_.insert(&fake);
    return fake;
}

bool FakePeers::join(Bench& bench, const plugbay_port& port, const std::string& name,
                     const Properties& options) {
    const std::string_view interface = port.interface;
    if (interface == PLUGBAY_CHAR) {
        bench.connect(keep(chars_, port), name, options);
    } else if (interface == PLUGBAY_BLK) {
        bench.connect(keep(disks_, port), name, options);
    } else if (interface == PLUGBAY_NET) {
        bench.connect(keep(nets_, port), name, options);
    } else if (interface == PLUGBAY_CONSOLE) {
        ConsolePeer& console = keep(consoles_, port);
        bench.connect(console, name, options);
        if (console.role() == PLUGBAY_PORT_FRONTEND) console.resize(80, 25);
    } else {
        return false;
    }
    return true;
}

void FakePeers::stir() {
    for (auto& terminal : chars_)
        stir(*terminal);
    for (auto& disk : disks_)
        stir(*disk);
    for (auto& net : nets_)
        stir(*net);
    for (auto& console : consoles_)
        stir(*console);
}

void FakePeers::settle() {
    for (auto& terminal : chars_)
        terminal->answer_once({});
    for (auto& disk : disks_)
        disk->hold(false);
    for (auto& net : nets_)
        net->hold(false);
    for (auto& console : consoles_) {
        if (console->role() == PLUGBAY_PORT_FRONTEND) console->hold(false);
    }
}

void FakePeers::leave() {
    optional_.clear();
    chars_.clear();
    disks_.clear();
    nets_.clear();
    consoles_.clear();
}

void FakePeers::leave_optional() {
    const auto leave = [this](auto& list) {
        std::erase_if(
            list, [this](const auto& fake) { return optional_.contains(fake.get()) || !fake->connected(); });
    };
    leave(chars_);
    leave(disks_);
    leave(nets_);
    leave(consoles_);
    optional_.clear();
}

void FakePeers::stir(CharPeer& terminal) {
    const std::uint64_t room = random_() % 16; // 8 and more: any number
    terminal.set_room(room < 8 ? std::optional<std::size_t>(room) : std::nullopt);
    const std::size_t length = random_() % 40;
    const auto byte = static_cast<char>(random_() & 0xff);
    if (terminal.unsent() >= 4096) return;
    if (random_() % 4 == 0) terminal.answer_once(std::string(length, byte));
    terminal.send(std::string(length, byte));
}

void FakePeers::stir(BlkPeer& disk) {
    if (disk.role() == PLUGBAY_PORT_BACKEND) return disk.hold(random_() % 2 == 0);
    const auto operation = static_cast<std::uint32_t>(1 + random_() % 6);
    std::uint64_t length = random_() % 5 * 512;
    length += random_() % 2;
    BlkRequest request{.tag = ++tag_, .operation = operation, .length = length};
    request.flags = static_cast<std::uint32_t>(random_() % 2);
    request.offset = random_() % 4096 * 512;
    if (operation <= PLUGBAY_BLK_WRITE) request.segments.push_back({random_() % (17 << 20), length});
    disk.submit(request);
}

void FakePeers::stir(NetPeer& net) {
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

void FakePeers::stir(ConsolePeer& console) {
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
