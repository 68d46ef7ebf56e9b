// The testkit's fakes on the ports of devices, which do something at random while the guest pokes.
#pragma once

#include <plugbay/testkit/testkit.hpp>

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace plugbay::core::validation {

class FakePeers {
  public:
    explicit FakePeers(std::mt19937& random) : random_(random) {}

    // Joins a fake to `port`, which is called `name` on the bench. False: none speaks its interface.
    bool join(testkit::Bench& bench, const plugbay_port& port, const std::string& name,
              const testkit::Properties& options);
    // Each does something, or stops taking what it is given for a while.
    void stir();
    // None holds anything back any more.
    void settle();
    // The machine must be stopped.
    void leave();
    // Those of ports that may be without a peer, and of devices that are gone.
    void leave_optional();

  private:
    template <typename Fake>
    Fake& keep(std::vector<std::unique_ptr<Fake>>& list, const plugbay_port& port);
    void stir(testkit::CharPeer& terminal);
    void stir(testkit::BlkPeer& disk);
    void stir(testkit::NetPeer& net);
    void stir(testkit::ConsolePeer& console);

    std::mt19937& random_;
    std::vector<std::unique_ptr<testkit::CharPeer>> chars_;
    std::vector<std::unique_ptr<testkit::BlkPeer>> disks_;
    std::vector<std::unique_ptr<testkit::NetPeer>> nets_;
    std::vector<std::unique_ptr<testkit::ConsolePeer>> consoles_;
    std::set<const testkit::Peer*> optional_;
    std::uint64_t tag_ = 0;
};

} // namespace plugbay::core::validation
