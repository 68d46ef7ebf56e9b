// virtio-blk: the block device of virtio 1.2, section 5.2. Requests of a queue go to the backend in batches
// and come back in batches; everything they need was allocated when the device was made.
#include "protocol.hpp"

#include <plugbay/plugin.hpp>
#include <plugbay/virtio/pci_device.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

namespace virtio = plugbay::virtio;

class VirtioBlk {
  public:
    static constexpr plugbay::Type type{.name = "virtio-blk", .help = "A virtio block device."};
    struct Options {
        std::string_view bus = "";
        std::int8_t slot = -1;
        std::uint8_t queues = 1;
        std::uint16_t queue_size = 256;
        std::string_view serial = "";
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("bus", &Options::bus, "id of the PCI bus's device; empty: the first bus"),
                plugbay::property("slot", &Options::slot, "PCI device number; -1: the next free one")
                    .range(-1, 31),
                plugbay::property("queues", &Options::queues, "request queues").range(1, 16),
                plugbay::property("queue_size", &Options::queue_size,
                                  "descriptors in each queue, a power of two")
                    .range(4, 1024),
                plugbay::property("serial", &Options::serial, "what the guest reads as the disk's id")
                    .range(0, blk::id_length));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_BLK)}; }

    VirtioBlk(plugbay::Host host, virtio::PciTransport& transport, const Options& options)
        : transport_(transport), memory_(host.memory()), queue_size_(options.queue_size),
          slots_(std::size_t{options.queues} * options.queue_size) {
        if (!std::has_single_bit(options.queue_size))
            throw plugbay::Failure("\"queue_size\" is " + std::to_string(options.queue_size) +
                                       ", which is not a power of two",
                                   PLUGBAY_INVALID);
        std::copy(options.serial.begin(), options.serial.end(), serial_.begin());
        requests_.reserve(std::size_t{options.queue_size} + most_ranges);
        segments_.reserve(std::max<std::size_t>(1024, options.queue_size));
        waiting_flushes_.reserve(slots_.size());
        flushes_.reserve(slots_.size());
        transport.open({.device_id = 2,
                        .class_code = 0x018000,
                        .queues = options.queues,
                        .queue_size = options.queue_size,
                        .features = 0,
                        .config_length = sizeof(blk::Config)});
    }

    void on_connect(std::uint64_t, plugbay::Link link) {
        backend_ = plugbay::BlkBackend(link);
        refresh();
    }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    void on_changed(std::uint64_t) { refresh(); }
    void start() { refresh(); }

    // --- the driver

    void on_features_negotiated() {
        // Section 5.2.5: what the cache mode is before the driver says something else.
        writeback_ = (transport_.features() & blk::feature_flush) != 0;
        show_config();
    }
    void on_config_write(std::uint32_t offset, std::uint32_t width, std::uint64_t value) {
        if (offset != blk::config_writeback_offset || width != 1) return;
        if ((transport_.features() & blk::feature_config_wce) == 0) return;
        writeback_ = (value & 1) != 0;
        show_config();
    }
    bool on_driver_reset() { return in_flight_ == 0; }

    void on_queue(unsigned index) {
        const Nested nested(*this);
        transport_.take(index, [&](const virtio::Chain& chain) { begin(index, chain); });
        submit();
        touch(index);
    }

    // --- the backend

    void on_complete(std::uint64_t, std::span<const plugbay_blk_completion> completions) {
        const Nested nested(*this);
        for (const plugbay_blk_completion& each : completions)
            part_done(each.tag, each.status);
    }

    // --- life cycle

    plugbay_status quiesce() {
        if (in_flight_ == 0) return PLUGBAY_OK;
        draining_ = true;
        return PLUGBAY_PENDING;
    }
    void reset() {
        writeback_ = true;
        show_config();
    }
    void state(auto& fields) { fields("writeback", writeback_); }
    void loaded() { show_config(); }
    void statistics(auto& numbers) {
        numbers("requests", served_);
        numbers("bytes read", bytes_read_);
        numbers("bytes written", bytes_written_);
        numbers.level("in flight", in_flight_);
        numbers.level("queue size", queue_size_);
        numbers.level("queues", transport_.queue_count());
    }

  private:
    static constexpr std::uint32_t most_ranges = 32;             // of one DISCARD or WRITE_ZEROES
    static constexpr std::uint32_t most_range_sectors = 1 << 21; // 1 GiB: bounds the time of one request

    // A request between its chain's pop and push, at the place of the chain's head.
    struct Slot {
        std::uint64_t status_address = 0;
        std::uint32_t written = 0; // to the chain when it succeeds, and when it fails
        std::uint32_t written_on_failure = 0;
        std::uint16_t parts = 0; // backend requests still to be completed; 0: not in flight
        std::uint8_t status = blk::status_ok;
        bool flush_after = false; // a write that has to be durable before it is completed
    };

    // Backends may complete from inside submit. What follows from completions (flushes, used rings,
    // interrupts, the end of a quiesce) is done once, when the outermost call ends.
    class Nested {
      public:
        explicit Nested(VirtioBlk& device) : device_(device) { ++device.depth_; }
        ~Nested() {
            if (device_.depth_ == 1) device_.settle();
            --device_.depth_;
        }
        Nested(const Nested&) = delete;
        Nested& operator=(const Nested&) = delete;

      private:
        VirtioBlk& device_;
    };

    void settle() {
        while (!waiting_flushes_.empty()) {
            std::swap(waiting_flushes_, flushes_);
            send(flushes_);
            flushes_.clear();
        }
        for (unsigned index = 0; touched_ != 0; ++index, touched_ >>= 1) {
            if ((touched_ & 1) != 0) transport_.publish(index);
        }
        if (in_flight_ != 0) return;
        transport_.reset_done();
        if (std::exchange(draining_, false)) transport_.quiesced();
    }
    void touch(unsigned index) { touched_ |= 1u << index; }

    [[nodiscard]] Slot& slot(std::uint64_t tag) { return slots_[(tag >> 16) * queue_size_ + (tag & 0xffff)]; }

    // --- from the driver to the backend

    void begin(unsigned index, const virtio::Chain& chain) {
        const std::uint64_t tag = std::uint64_t{index} << 16 | chain.head();
        Slot& request = slot(tag);
        if (request.parts != 0) return transport_.needs_reset("a chain was made available twice");
        if (chain.readable_length() < sizeof(blk::Header) || chain.writable_length() == 0)
            return transport_.needs_reset("a block request without room for its header or its status");
        const virtio::Buffer& last = chain.writable().back();
        request.status_address = last.address + last.length - 1;
        if (request.status_address < last.address)
            return transport_.needs_reset("a block request's status is not in RAM");
        request.status = blk::status_ok;
        request.flush_after = false;
        request.written = 1;
        request.written_on_failure = chain.writable_length() == 1 ? 1 : 0;

        blk::Header header{};
        if (!chain.read_object(memory_, 0, header)) return fail(tag, blk::status_io_error);
        switch (header.type) {
        case blk::type_in:
            return transfer(tag, header, PLUGBAY_BLK_READ, chain.writable(), 0, chain.writable_length() - 1);
        case blk::type_out:
            return transfer(tag, header, PLUGBAY_BLK_WRITE, chain.readable(), sizeof header,
                            chain.readable_length() - sizeof header);
        case blk::type_flush:
            return add(plain(tag, PLUGBAY_BLK_FLUSH));
        case blk::type_get_id:
            return get_id(tag, chain);
        case blk::type_discard:
            return ranges(tag, chain, PLUGBAY_BLK_DISCARD, blk::feature_discard);
        case blk::type_write_zeroes:
            return ranges(tag, chain, PLUGBAY_BLK_WRITE_ZEROES, blk::feature_write_zeroes);
        default:
            return fail(tag, blk::status_unsupported);
        }
    }

    void transfer(std::uint64_t tag, const blk::Header& header, std::uint32_t operation,
                  std::span<const virtio::Buffer> buffers, std::uint64_t skip, std::uint64_t length) {
        const bool writes = operation == PLUGBAY_BLK_WRITE;
        if (length % blk::sector_size != 0 || !in_range(header.sector, length / blk::sector_size) ||
            (writes && read_only()))
            return fail(tag, blk::status_io_error);
        if (length == 0) return finish(tag);
        if (segments_.capacity() - segments_.size() < buffers.size()) submit();
        const std::size_t first = segments_.size();
        std::uint64_t left = length;
        for (const virtio::Buffer& buffer : buffers) {
            if (skip >= buffer.length) {
                skip -= buffer.length;
                continue;
            }
            const std::uint64_t count = std::min<std::uint64_t>(buffer.length - skip, left);
            if (count == 0) break;
            segments_.push_back({buffer.address + skip, count});
            left -= count;
            skip = 0;
        }
        Slot& request = slot(tag);
        (writes ? bytes_written_ : bytes_read_) += length;
        if (!writes) request.written = static_cast<std::uint32_t>(length + 1);
        request.flush_after = writes && writethrough();
        auto made = plain(tag, operation, header.sector, length);
        made.segments = segments_.data() + first;
        made.segment_count = static_cast<std::uint32_t>(segments_.size() - first);
        add(made);
    }

    void get_id(std::uint64_t tag, const virtio::Chain& chain) {
        const auto length = std::min<std::uint64_t>(blk::id_length, chain.writable_length() - 1);
        const auto text = std::as_bytes(std::span(serial_)).first(static_cast<std::size_t>(length));
        if (!chain.write(memory_, 0, text)) return fail(tag, blk::status_io_error);
        slot(tag).written = static_cast<std::uint32_t>(length + 1);
        finish(tag);
    }

    void ranges(std::uint64_t tag, const virtio::Chain& chain, std::uint32_t operation,
                std::uint64_t feature) {
        std::array<blk::Range, most_ranges> list{};
        const std::uint64_t length = chain.readable_length() - sizeof(blk::Header);
        if ((transport_.features() & feature) == 0) return fail(tag, blk::status_unsupported);
        if (length == 0 || length % sizeof(blk::Range) != 0 || length > sizeof list || read_only())
            return fail(tag, blk::status_io_error);
        const auto given = std::span(list).first(static_cast<std::size_t>(length / sizeof(blk::Range)));
        if (!chain.read(memory_, sizeof(blk::Header), std::as_writable_bytes(given)))
            return fail(tag, blk::status_io_error);
        const std::uint32_t allowed = operation == PLUGBAY_BLK_WRITE_ZEROES ? blk::range_unmap : 0;
        for (const blk::Range& range : given) {
            // Section 5.2.6.2: flags that make no sense are unsupported, ranges that make none fail.
            if ((range.flags & ~allowed) != 0) return fail(tag, blk::status_unsupported);
            if (range.sectors > most_range_sectors || !in_range(range.sector, range.sectors))
                return fail(tag, blk::status_io_error);
        }
        slot(tag).flush_after = operation == PLUGBAY_BLK_WRITE_ZEROES && writethrough();
        // All parts are counted before the first can be completed: they go out in one batch.
        if (requests_.capacity() - requests_.size() < given.size()) submit();
        bool nothing = true;
        for (const blk::Range& range : given) {
            if (range.sectors == 0) continue;
            auto made = plain(tag, operation, range.sector, range.sectors * blk::sector_size);
            made.flags = (range.flags & blk::range_unmap) != 0 ? PLUGBAY_BLK_MAY_UNMAP : 0;
            add(made);
            nothing = false;
        }
        if (nothing) finish(tag);
    }

    [[nodiscard]] bool in_range(std::uint64_t sector, std::uint64_t count) const {
        return sector <= capacity_ && count <= capacity_ - sector;
    }
    [[nodiscard]] bool read_only() const { return (facts_.flags & PLUGBAY_BLK_READ_ONLY) != 0; }
    // Section 5.2.6.2: without a cache that the driver knows of, writes are durable when they complete.
    [[nodiscard]] bool writethrough() const { return !writeback_; }

    static plugbay_blk_request plain(std::uint64_t tag, std::uint32_t operation, std::uint64_t sector = 0,
                                     std::uint64_t length = 0) {
        plugbay_blk_request made{};
        made.tag = tag;
        made.operation = operation;
        made.offset = sector * blk::sector_size;
        made.length = length;
        return made;
    }
    void add(const plugbay_blk_request& request) {
        if (slot(request.tag).parts++ == 0) ++in_flight_;
        requests_.push_back(request);
        if (requests_.size() == requests_.capacity()) submit();
    }
    void submit() {
        if (!requests_.empty()) send(requests_);
        requests_.clear();
        segments_.clear();
    }
    void send(std::span<const plugbay_blk_request> requests) {
        if (backend_) return backend_.submit(requests);
        for (const plugbay_blk_request& each : requests)
            part_done(each.tag, PLUGBAY_FAILED);
    }

    // --- from the backend to the driver

    void part_done(std::uint64_t tag, plugbay_status status) {
        if ((tag >> 16) >= transport_.queue_count() || (tag & 0xffff) >= queue_size_) return;
        Slot& request = slot(tag);
        if (request.parts == 0) return; // a backend that completes twice
        if (status < 0)
            request.status = status == PLUGBAY_UNSUPPORTED ? blk::status_unsupported : blk::status_io_error;
        if (--request.parts != 0) return;
        if (request.flush_after && request.status == blk::status_ok) {
            request.flush_after = false;
            request.parts = 1;
            waiting_flushes_.push_back(plain(tag, PLUGBAY_BLK_FLUSH));
            return;
        }
        --in_flight_;
        finish(tag);
    }
    void fail(std::uint64_t tag, std::uint8_t status) {
        slot(tag).status = status;
        finish(tag);
    }
    void finish(std::uint64_t tag) {
        ++served_;
        const Slot& request = slot(tag);
        const auto index = static_cast<unsigned>(tag >> 16);
        if (!memory_.write_object(request.status_address, request.status))
            return transport_.needs_reset("a block request's status is not in RAM");
        transport_.push(index, static_cast<std::uint16_t>(tag),
                        request.status == blk::status_ok ? request.written : request.written_on_failure);
        touch(index);
    }

    // --- what the driver sees

    void refresh() {
        const plugbay_blk_facts before = facts_;
        facts_ = backend_.facts();
        capacity_ = facts_.capacity / blk::sector_size;
        std::uint64_t features = blk::feature_seg_max | blk::feature_block_size | blk::feature_flush |
                                 blk::feature_topology | blk::feature_config_wce;
        if (transport_.queue_count() > 1) features |= blk::feature_multi_queue;
        if (read_only())
            features |= blk::feature_read_only;
        else if ((facts_.flags & PLUGBAY_BLK_CAN_DISCARD) != 0)
            features |= blk::feature_discard;
        if (!read_only() && (facts_.flags & PLUGBAY_BLK_CAN_WRITE_ZEROES) != 0)
            features |= blk::feature_write_zeroes;
        transport_.offer(features);
        show_config();
        if (std::memcmp(&before, &facts_, sizeof facts_) != 0) transport_.config_changed();
    }
    void show_config() {
        const std::uint32_t block = std::max<std::uint32_t>(facts_.logical_block_size, 512);
        const std::uint32_t ratio = std::bit_floor(std::max(facts_.physical_block_size / block, 1u));
        const auto range = static_cast<std::uint32_t>(std::min<std::uint64_t>(capacity_, most_range_sectors));
        blk::Config config{};
        config.capacity = capacity_;
        config.seg_max = queue_size_ - 2u; // the others are header and status
        config.block_size = block;
        config.physical_block_exponent = static_cast<std::uint8_t>(std::countr_zero(ratio));
        config.minimum_io_size = static_cast<std::uint16_t>(std::min(ratio, 0x8000u));
        config.writeback = writeback_ ? 1 : 0;
        config.queues = static_cast<std::uint16_t>(transport_.queue_count());
        config.max_discard_sectors = range;
        config.max_discard_segments = most_ranges;
        config.discard_sector_alignment = static_cast<std::uint32_t>(block / blk::sector_size);
        config.max_write_zeroes_sectors = range;
        config.max_write_zeroes_segments = most_ranges;
        config.write_zeroes_may_unmap = 1;
        transport_.set_config(config);
    }

    virtio::PciTransport& transport_;
    plugbay::Memory memory_;
    plugbay::BlkBackend backend_;
    plugbay_blk_facts facts_{};
    std::uint64_t capacity_ = 0; // sectors
    std::uint16_t queue_size_;
    std::array<char, blk::id_length> serial_{};
    bool writeback_ = true;

    std::vector<Slot> slots_;                   // by queue and head
    std::vector<plugbay_blk_request> requests_; // the batch being collected, with its segments
    std::vector<plugbay_segment> segments_;
    std::vector<plugbay_blk_request> waiting_flushes_; // of writes that need one, and those being submitted
    std::vector<plugbay_blk_request> flushes_;
    std::size_t in_flight_ = 0;
    std::uint64_t served_ = 0;     // requests
    std::uint64_t bytes_read_ = 0; // asked for, as is the next
    std::uint64_t bytes_written_ = 0;
    std::uint32_t touched_ = 0; // queues with chains pushed but not published
    unsigned depth_ = 0;
    bool draining_ = false;
};

PLUGBAY_PLUGIN("virtio-blk", "1.0.0", virtio::Pci<VirtioBlk>)
