// One device of any type on a Bench, with fakes or other devices on all its ports, and a pseudo-random guest that pokes at
// everything it shows. The same seed does the same with any compiler: each number is drawn in a statement of
// its own.
#pragma once

#include "core/validate/check.hpp"
#include "core/validate/fake_peers.hpp"

#include <plugbay/testkit/testkit.hpp>

#include <cstdint>
#include <filesystem>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core::validation {

struct Subject {
    std::filesystem::path file;
    std::string type;
    testkit::Properties properties{}; // values where the defaults do not do
    std::vector<PeerDevice> peers{};  // in the place of fakes, where they fit
};

// On which ports of the device there are peers: `needed` leaves out those that may be without one.
enum class Peers { none, needed, all };

struct ExerciserOptions {
    std::uint32_t seed = 1;
    Peers peers = Peers::all;
    bool lively_peers = true; // they do something by themselves while the guest pokes
    testkit::BenchOptions bench{};
};

class Exerciser {
  public:
    explicit Exerciser(const Subject& subject, const ExerciserOptions& options = {});
    ~Exerciser();
    Exerciser(const Exerciser&) = delete;
    Exerciser& operator=(const Exerciser&) = delete;

    // Makes the device, once more when it was removed; without peers.
    [[nodiscard]] testkit::Outcome add();
    testkit::Device& device() { return bench.device("subject"); }
    // Whether every port that needs a peer has one, also of the devices that are its peers: interfaces that neither a fake
    // nor a device speaks leave some open.
    [[nodiscard]] bool complete() const { return complete_; }
    // With which the device is made.
    [[nodiscard]] const testkit::Properties& properties() const { return properties_; }

    // Every width at every offset of every range (of long ones: both ends), reads and writes, with the peers
    // busy and time passing meanwhile. The ranges of devices that are its peers are poked at, too.
    void poke(int rounds = 2);
    // One access like those of poke(). Without any range, as with backends and fakes, a moment with its peers.
    void poke_once();
    // Lets what is under way end, so that a quiesce need not wait.
    void settle();
    // All peers leave; the machine must be stopped.
    void disconnect_peers();
    // Those leave that it may be without; the machine must be stopped.
    void disconnect_optional_peers();
    // Random bytes in all of the guest's RAM.
    void scramble_memory();
    [[nodiscard]] std::uint32_t random() { return static_cast<std::uint32_t>(random_()); }

    testkit::Bench bench;
    testkit::Outcome created;

  private:
    // A device that is a peer, while it is on the bench.
    struct Joined {
        std::string id;
        bool optional; // the port that it is for may be without it
    };

    void join_ports(const std::string& id, const plugbay_device_type& type);
    bool join_device(const plugbay_port& port, const std::string& name);
    [[nodiscard]] std::vector<testkit::MappedRange> ranges();
    void poke_range(const testkit::MappedRange& range);
    void access(const testkit::MappedRange& range, std::uint64_t offset, unsigned width);
    // The moment after an access: in each `between_stirs`th the peers do something.
    void pass_time(unsigned between_stirs);

    std::filesystem::path scratch_;
    Subject subject_;
    ExerciserOptions options_;
    testkit::Properties properties_;
    std::mt19937 random_;
    FakePeers fakes_;
    std::vector<Joined> devices_;
    std::set<std::string> taken_ports_; // of those
    bool complete_ = true;
    std::uint64_t moments_ = 0;
};

// Values for those of the declared properties that have no default and are not among `chosen`: the lowest number, the
// first choice, a short text, and for a path `scratch`, a file of 1 MiB that is made.
[[nodiscard]] testkit::Properties needed_properties(std::span<const plugbay_property* const> declared,
                                                    const testkit::Properties& chosen,
                                                    const std::filesystem::path& scratch);

} // namespace plugbay::core::validation
