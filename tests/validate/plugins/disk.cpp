// A disk backend that keeps all rules, and, with FAULT, breaks one: a sector that cannot be read.
#include <plugbay/plugin.hpp>

#include <array>
#include <cstdlib>

enum Fault { none, crash_on_submit };

class Specimen {
  public:
    static constexpr plugbay::Type type{.name = "disk-specimen", .help = "A device to try a validator on."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_BLK)}; }

    explicit Specimen(plugbay::Host) {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::BlkFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    plugbay_blk_facts facts(std::uint64_t) {
        plugbay_blk_facts facts{};
        facts.capacity = facts.logical_block_size = facts.physical_block_size = 512;
        return facts;
    }
    void on_submit(std::uint64_t, std::span<const plugbay_blk_request> requests) {
        if (FAULT == crash_on_submit) std::abort();
        for (const plugbay_blk_request& request : requests) {
            const plugbay_blk_completion done{request.tag, PLUGBAY_FAILED, 0};
            frontend_.complete(std::span(&done, 1));
        }
    }
    void reset() {}

  private:
    plugbay::BlkFrontend frontend_;
};

PLUGBAY_PLUGIN("disk-specimen", "1.0.0", Specimen)
