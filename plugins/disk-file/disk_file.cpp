// disk-file: a disk that is a raw image file or a block device of the host.
#include "engine.hpp"
#include "image_file.hpp"
#include "transfer.hpp"

#include <plugbay/plugin.hpp>

#include <array>
#include <deque>
#include <new>
#include <string>
#include <vector>

class DiskFile {
  public:
    static constexpr plugbay::Type type{.name = "disk-file",
                                        .help = "A disk that is a raw image file or a block device."};
    enum class EngineChoice { automatic, io_uring, thread };
    struct Options {
        plugbay::Path path;
        bool read_only = false;
        bool direct = false;
        EngineChoice engine = EngineChoice::automatic;
        bool lock = true;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("path", &Options::path, "the image file or block device")
                    .required()
                    .range(1, plugbay::detail::longest_text),
                plugbay::property("read_only", &Options::read_only, "open for reading and refuse writes"),
                plugbay::property("direct", &Options::direct, "go past the host's page cache (O_DIRECT)"),
                plugbay::property("engine", &Options::engine,
                                  "how files are read and written; automatic: io_uring where the host has it")
                    .choices("automatic", "io_uring", "thread"),
                plugbay::property("lock", &Options::lock,
                                  "lock the file: for this disk alone, or shared when read-only"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_BLK)}; }

    DiskFile(plugbay::Host host, const Options& options)
        : host_(host), image_(take_or_open(host.handover(), options)), context_{host.memory(), image_},
          engine_(make_engine(options.engine)),
          watch_(host.watch(engine_->event_descriptor(), PLUGBAY_FD_READABLE)) {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::BlkFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    plugbay_blk_facts facts(std::uint64_t) {
        plugbay_blk_facts facts{};
        facts.flags = image_.read_only ? PLUGBAY_BLK_READ_ONLY : PLUGBAY_BLK_CAN_WRITE_ZEROES;
        if (image_.can_discard && !image_.read_only) facts.flags |= PLUGBAY_BLK_CAN_DISCARD;
        facts.capacity = image_.capacity;
        facts.logical_block_size = image_.logical_block_size;
        facts.physical_block_size = image_.physical_block_size;
        return facts;
    }

    void on_submit(std::uint64_t, std::span<const plugbay_blk_request> requests) {
        Completions completions(frontend_);
        for (const plugbay_blk_request& request : requests) {
            plugbay_status status = check(request);
            if (status == PLUGBAY_OK) status = begin(request);
            if (status != PLUGBAY_PENDING) completions.add(request.tag, status);
        }
        engine_->submit();
    }

    void on_fd(std::uint64_t, int, std::uint32_t) {
        {
            Completions completions(frontend_);
            std::array<Operation*, 64> finished{};
            const std::size_t count = engine_->collect(finished);
            for (std::size_t i = 0; i < count; ++i) {
                Transfer& transfer = *static_cast<Transfer*>(finished[i]->owner);
                const plugbay_status status = transfer.advance();
                if (status == PLUGBAY_PENDING) {
                    engine_->start(transfer.operation());
                    continue;
                }
                const std::uint64_t tag = transfer.tag();
                give_back(transfer);
                completions.add(tag, status);
            }
            engine_->submit();
        }
        if (draining_ && in_flight_ == 0) {
            draining_ = false;
            host_.quiesced();
        }
    }

    plugbay_status quiesce() {
        draining_ = in_flight_ != 0;
        return draining_ ? PLUGBAY_PENDING : PLUGBAY_OK;
    }
    void reset() {}
    void state(auto&) {}
    void statistics(auto& numbers) {
        numbers("requests", requests_);
        numbers("bytes read", bytes_read_);
        numbers("bytes written", bytes_written_);
        numbers.level("in flight", in_flight_);
    }

  private:
    // Collects completions on the stack: a frontend may submit more from inside its complete.
    class Completions {
      public:
        explicit Completions(const plugbay::BlkFrontend& frontend) : frontend_(frontend) {}
        ~Completions() { send(); }
        Completions(const Completions&) = delete;
        Completions& operator=(const Completions&) = delete;
        void add(std::uint64_t tag, plugbay_status status) {
            list_[count_++] = {tag, status, 0};
            if (count_ == list_.size()) send();
        }

      private:
        void send() {
            if (count_ > 0) frontend_.complete(std::span(list_).first(count_));
            count_ = 0;
        }
        const plugbay::BlkFrontend& frontend_;
        std::array<plugbay_blk_completion, 64> list_{}; // the first count_ are filled
        std::size_t count_ = 0;
    };

    static ImageFile take_or_open(const plugbay::Handover& handover, const Options& options) {
        constexpr const char* left_image = "image"; // for the next build
        const std::string path(options.path.text);
        if (plugbay::UniqueFd file = handover.take(left_image))
            return adopt_image(std::move(file), path, options.read_only, options.direct);
        ImageFile image = open_image(path, options.read_only, options.direct, options.lock);
        handover.put(left_image, image.file);
        return image;
    }

    std::unique_ptr<Engine> make_engine(EngineChoice choice) {
        if (choice != EngineChoice::thread) {
            std::string why;
            if (auto engine = make_uring_engine(image_.file.get(), why)) return engine;
            if (choice == EngineChoice::io_uring)
                throw plugbay::Failure("io_uring is not available (" + why +
                                           "): set \"engine\" to \"automatic\" or \"thread\"",
                                       PLUGBAY_UNSUPPORTED);
            host_.info("io_uring is not available (" + why + "): using a thread for " + image_.path);
        }
        return make_thread_engine(image_.file.get());
    }

    [[nodiscard]] plugbay_status check(const plugbay_blk_request& request) const {
        if (request.operation == PLUGBAY_BLK_FLUSH) return PLUGBAY_OK;
        if (request.offset > image_.capacity || request.length > image_.capacity - request.offset ||
            (request.offset | request.length) % image_.logical_block_size != 0)
            return PLUGBAY_INVALID;
        if (request.operation != PLUGBAY_BLK_READ && image_.read_only) return PLUGBAY_INVALID;
        if (request.operation != PLUGBAY_BLK_READ && request.operation != PLUGBAY_BLK_WRITE)
            return PLUGBAY_OK;
        std::uint64_t left = request.length;
        for (std::uint32_t i = 0; i < request.segment_count; ++i) {
            if (request.segments[i].length > left) return PLUGBAY_INVALID;
            left -= request.segments[i].length;
        }
        return left == 0 ? PLUGBAY_OK : PLUGBAY_INVALID;
    }

    // PLUGBAY_PENDING, or the status of a request that is over.
    plugbay_status begin(const plugbay_blk_request& request) {
        Transfer* const transfer = take();
        if (transfer == nullptr) return PLUGBAY_FAILED;
        ++requests_;
        if (request.operation == PLUGBAY_BLK_READ) bytes_read_ += request.length;
        if (request.operation == PLUGBAY_BLK_WRITE) bytes_written_ += request.length;
        const plugbay_status status = transfer->begin(request);
        if (status == PLUGBAY_PENDING)
            engine_->start(transfer->operation());
        else
            give_back(*transfer);
        return status;
    }

    // Transfers are made on demand, never moved, and used again. nullptr: no memory for another.
    Transfer* take() {
        if (free_.empty()) {
            try {
                free_.reserve(transfers_.size() + 1);
                free_.push_back(&transfers_.emplace_back(context_));
            } catch (const std::bad_alloc&) {
                return nullptr;
            }
        }
        ++in_flight_;
        Transfer* const transfer = free_.back();
        free_.pop_back();
        return transfer;
    }
    void give_back(Transfer& transfer) {
        free_.push_back(&transfer);
        --in_flight_;
    }

    plugbay::Host host_;
    ImageFile image_;
    TransferContext context_;
    std::deque<Transfer> transfers_;
    std::vector<Transfer*> free_;
    std::size_t in_flight_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t bytes_read_ = 0; // asked for, as is the next
    std::uint64_t bytes_written_ = 0;
    bool draining_ = false;
    plugbay::BlkFrontend frontend_;
    std::unique_ptr<Engine> engine_; // before the transfers it works on
    plugbay::FdWatch watch_;
};

PLUGBAY_PLUGIN("disk-file", "1.0.0", DiskFile)
