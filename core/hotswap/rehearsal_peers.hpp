// Fakes for the ports of a device that is rehearsed.
#pragma once

#include <plugbay/abi/plugin.h>
#include <plugbay/testkit/testkit.hpp>

#include <memory>
#include <nlohmann/json.hpp>

namespace plugbay::core {

// A disk of any size that keeps nothing: reads give zeros, and everything succeeds within submit.
class EmptyDisk : public testkit::Peer {
  public:
    explicit EmptyDisk(const plugbay_blk_facts& facts) : facts_(facts) {}
    ~EmptyDisk() override { leave(); }

    [[nodiscard]] std::string_view interface() const override { return PLUGBAY_BLK; }
    [[nodiscard]] const void* table(std::uint32_t role) const override;
    [[nodiscard]] void* instance() override { return this; }

  private:
    void submit(const plugbay_blk_request* requests, std::uint32_t count);

    plugbay_blk_facts facts_;
};

// What speaks the port's interface from the other side, as `link` of a request describes the peer (null: nobody knows);
// null for interfaces that the testkit has no fake for.
[[nodiscard]] std::unique_ptr<testkit::Peer> make_peer(const plugbay_port& port, const nlohmann::json& link);

} // namespace plugbay::core
