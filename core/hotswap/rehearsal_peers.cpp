#include "core/hotswap/rehearsal_peers.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace plugbay::core {

namespace {

plugbay_blk_facts disk_facts(const nlohmann::json& link) {
    plugbay_blk_facts facts{sizeof(plugbay_blk_facts), PLUGBAY_BLK_CAN_DISCARD | PLUGBAY_BLK_CAN_WRITE_ZEROES,
                            std::uint64_t{1} << 30, 512, 4096};
    if (!link.contains("blk")) return facts;
    const auto& given = link["blk"];
    facts.flags = given["flags"];
    facts.capacity = given["capacity"];
    facts.logical_block_size = given["logical_block_size"];
    facts.physical_block_size = given["physical_block_size"];
    return facts;
}

} // namespace

const void* EmptyDisk::table(std::uint32_t role) const {
    static const plugbay_blk_backend backend{
        .size = sizeof(plugbay_blk_backend),
        .reserved = 0,
        .facts =
            [](void* instance, std::uint64_t, plugbay_blk_facts* facts) {
                const auto size = std::min<std::size_t>(facts->size, sizeof *facts);
                std::memcpy(facts, &static_cast<EmptyDisk*>(instance)->facts_, size);
                facts->size = static_cast<std::uint32_t>(size);
            },
        .submit = [](void* instance, std::uint64_t, const plugbay_blk_request* requests,
                     std::uint32_t count) { static_cast<EmptyDisk*>(instance)->submit(requests, count); }};
    return role == PLUGBAY_PORT_BACKEND ? &backend : nullptr;
}

void EmptyDisk::submit(const plugbay_blk_request* requests, std::uint32_t count) {
    expect_awake("its disk");
    std::vector<plugbay_blk_completion> done;
    for (std::uint32_t i = 0; i < count; ++i)
        done.push_back({requests[i].tag, PLUGBAY_OK, 0});
    if (done.empty()) return;
    const plugbay_link& to = link();
    call([&] {
        static_cast<const plugbay_blk_frontend*>(to.table)->complete(to.instance, to.port, done.data(),
                                                                     count);
    });
}

std::unique_ptr<testkit::Peer> make_peer(const plugbay_port& port, const nlohmann::json& link) {
    const std::string_view interface = port.interface;
    if (interface == PLUGBAY_CHAR) return std::make_unique<testkit::CharPeer>();
    if (interface == PLUGBAY_CONSOLE) return std::make_unique<testkit::ConsolePeer>();
    if (interface == PLUGBAY_BLK) {
        if (port.role == PLUGBAY_PORT_FRONTEND) return std::make_unique<EmptyDisk>(disk_facts(link));
        return std::make_unique<testkit::BlkPeer>();
    }
    if (interface != PLUGBAY_NET) return nullptr;
    auto peer = std::make_unique<testkit::NetPeer>();
    if (link.contains("net")) peer->change(link["net"]["flags"], link["net"]["offloads"], link["net"]["mtu"]);
    return peer;
}

} // namespace plugbay::core
