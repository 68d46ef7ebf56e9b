// disk-ram: a disk in the monitor's memory, empty or filled from a file. Nothing is written back.
#include "contents.hpp"

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>

class DiskRam {
  public:
    static constexpr plugbay::Type type{.name = "disk-ram", .help = "A disk in the monitor's memory."};
    struct Options {
        plugbay::Size size;
        plugbay::Path image;
        bool read_only = false;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("size", &Options::size,
                                  "bytes, a multiple of 512; 0: as the image, or 64 MiB without one")
                    .range(0, std::uint64_t{1} << 40),
                plugbay::property("image", &Options::image, "file that the disk starts as a copy of"),
                plugbay::property("read_only", &Options::read_only, "refuse writes"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_BLK)}; }

    DiskRam(plugbay::Host host, const Options& options)
        : memory_(host.memory()), read_only_(options.read_only),
          contents_(host.handover(), options.size.bytes, std::string(options.image.text)) {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::BlkFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    plugbay_blk_facts facts(std::uint64_t) {
        plugbay_blk_facts facts{};
        facts.flags =
            (read_only_ ? PLUGBAY_BLK_READ_ONLY : 0) | PLUGBAY_BLK_CAN_DISCARD | PLUGBAY_BLK_CAN_WRITE_ZEROES;
        facts.capacity = contents_.bytes().size();
        facts.logical_block_size = 512;
        facts.physical_block_size = 4096;
        return facts;
    }

    // Everything is done at once. The completions live on the stack, so that a frontend may submit more from
    // inside its complete.
    void on_submit(std::uint64_t, std::span<const plugbay_blk_request> requests) {
        std::array<plugbay_blk_completion, 64> done{};
        while (!requests.empty()) {
            const auto batch = requests.first(std::min(requests.size(), done.size()));
            for (std::size_t i = 0; i < batch.size(); ++i)
                done[i] = {batch[i].tag, perform(batch[i]), 0};
            requests = requests.subspan(batch.size());
            frontend_.complete(std::span(done).first(batch.size()));
        }
    }

    // A system reset does not change what is on a disk.
    void reset() {}
    void state(auto& fields) { contents_.state(fields); }

  private:
    plugbay_status perform(const plugbay_blk_request& request) {
        if (request.operation == PLUGBAY_BLK_FLUSH) return PLUGBAY_OK;
        const auto disk = contents_.bytes();
        if (request.offset > disk.size() || request.length > disk.size() - request.offset)
            return PLUGBAY_INVALID;
        if (request.operation != PLUGBAY_BLK_READ && read_only_) return PLUGBAY_INVALID;
        const auto range =
            disk.subspan(static_cast<std::size_t>(request.offset), static_cast<std::size_t>(request.length));
        switch (request.operation) {
        case PLUGBAY_BLK_READ:
            return transfer(request, contents_.readable(range),
                            [&](std::uint64_t address, std::span<const std::byte> bytes) {
                                return memory_.write(address, bytes);
                            });
        case PLUGBAY_BLK_WRITE:
            return transfer(request, range, [&](std::uint64_t address, std::span<std::byte> bytes) {
                return memory_.read(address, bytes);
            });
        case PLUGBAY_BLK_DISCARD:
        case PLUGBAY_BLK_WRITE_ZEROES:
            contents_.zero(range);
            return PLUGBAY_OK;
        default:
            return PLUGBAY_UNSUPPORTED;
        }
    }

    template <typename Byte, typename Copy>
    static plugbay_status transfer(const plugbay_blk_request& request, std::span<Byte> range, Copy copy) {
        for (std::uint32_t i = 0; i < request.segment_count; ++i) {
            const plugbay_segment& segment = request.segments[i];
            if (segment.length > range.size()) return PLUGBAY_INVALID;
            const auto length = static_cast<std::size_t>(segment.length);
            if (!copy(segment.address, range.first(length))) return PLUGBAY_INVALID;
            range = range.subspan(length);
        }
        return range.empty() ? PLUGBAY_OK : PLUGBAY_INVALID;
    }

    plugbay::Memory memory_;
    bool read_only_;
    Contents contents_;
    plugbay::BlkFrontend frontend_;
};

PLUGBAY_PLUGIN("disk-ram", "1.0.0", DiskRam)
