// char-file: what the guest writes goes to a file, and what it reads may come from another.
//
// Files are read and written on the I/O loop only, never inside a guest access: output gathers in memory for
// a moment first.
#include <plugbay/plugin.hpp>
#include <plugbay/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using std::chrono::milliseconds;

constexpr milliseconds write_delay{5}; // each write wakes the loop
constexpr milliseconds read_delay{1};
constexpr milliseconds retry_delay{20}; // when a pipe or terminal is not ready
constexpr std::size_t most_pending = 65536;
constexpr std::size_t read_size = 1024;

// What another build has open under `name`, or a file opened here. O_NONBLOCK matters to pipes and terminals only.
plugbay::UniqueFd open_file(const plugbay::Handover& handover, const char* name, const std::string& path,
                            int flags) {
    if (plugbay::UniqueFd left = handover.take(name)) return left;
    plugbay::UniqueFd file(open(path.c_str(), flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666));
    if (!file) throw plugbay::Failure("cannot open " + path + ": " + std::strerror(errno));
    handover.put(name, file);
    return file;
}

bool try_again(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

} // namespace

class CharFile {
  public:
    static constexpr plugbay::Type type{.name = "char-file",
                                        .help = "A character backend that writes to a file."};
    struct Options {
        plugbay::Path path;
        bool append = false;
        plugbay::Path input;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("path", &Options::path, "file that takes the output").required(),
                plugbay::property("append", &Options::append,
                                  "keep what the file has, instead of emptying it when the machine starts"),
                plugbay::property("input", &Options::input, "file that the guest reads, once"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    CharFile(plugbay::Host host, const Options& options)
        : host_(host), path_(options.path.text),
          output_(open_file(host.handover(), "output", path_, O_WRONLY | O_CREAT | O_APPEND)),
          truncate_(!options.append), write_timer_(host.timer(PLUGBAY_CLOCK_HOST, write_token)),
          read_timer_(host.timer(PLUGBAY_CLOCK_HOST, read_token)) {
        if (!options.input.text.empty())
            input_ = open_file(host.handover(), "input", std::string(options.input.text), O_RDONLY);
    }
    // What waits in a saved state is for whoever loads that.
    ~CharFile() {
        if (!pending_output_saved_) flush();
    }

    // Not sooner: a device that is restored, or takes over from another build, must keep the file.
    void start() {
        struct stat status {};
        if (truncate_ && fstat(output_.get(), &status) == 0 && S_ISREG(status.st_mode) &&
            ftruncate(output_.get(), 0) != 0)
            throw plugbay::Failure("cannot empty " + path_ + ": " + std::strerror(errno));
        truncate_ = false;
        resume();
    }
    plugbay_status quiesce() {
        flush();
        return PLUGBAY_OK;
    }
    void resume() {
        pending_output_saved_ = false;
        schedule_write(milliseconds(0));
        read_timer_.arm(now());
    }
    void reset() {}

    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }

    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        if (output_failed_) return static_cast<std::uint32_t>(bytes.size());
        const std::size_t room = most_pending - std::min(pending_output_.size(), most_pending);
        const std::size_t taken = std::min(bytes.size(), room);
        pending_output_.insert(pending_output_.end(), bytes.begin(),
                               bytes.begin() + static_cast<std::ptrdiff_t>(taken));
        if (taken < bytes.size() && !output_refused_) {
            output_refused_ = true;
            write_scheduled_ = false; // sooner
            schedule_write(milliseconds(0));
        }
        if (!pending_output_.empty()) schedule_write(write_delay);
        return static_cast<std::uint32_t>(taken);
    }

    // The next bytes come with the timer, so that a guest's read never waits for the file.
    void on_receive_ready(std::uint64_t) { read_timer_.arm(now()); }

    void on_timer(std::uint64_t token) {
        if (token == read_token) {
            pass_input();
            return;
        }
        write_scheduled_ = false;
        if (!flush()) schedule_write(retry_delay);
        if (output_refused_ && pending_output_.size() < most_pending) {
            output_refused_ = false;
            frontend_.write_ready();
        }
    }

    void state(auto& fields) {
        fields("truncate", truncate_);
        fields("pending_output", pending_output_, most_pending);
        pending_output_saved_ = true;
        fields("output_refused", output_refused_);
        fields("pending_input", pending_input_, read_size);
        fields("input_position", input_position_, 0, std::numeric_limits<off_t>::max());
    }
    void loaded() {
        if (!input_ || lseek(input_.get(), static_cast<off_t>(input_position_), SEEK_SET) >= 0) return;
        if (errno == ESPIPE) return; // a pipe or terminal goes on where it is
        host_.warning(std::string("cannot go to the input's old place, it is read from the beginning: ") +
                      std::strerror(errno));
    }

  private:
    static constexpr std::uint64_t write_token = 0;
    static constexpr std::uint64_t read_token = 1;

    [[nodiscard]] std::uint64_t now() const { return host_.now(PLUGBAY_CLOCK_HOST); }

    void schedule_write(milliseconds delay) {
        if (write_scheduled_) return;
        write_scheduled_ = true;
        write_timer_.arm(host_.after(delay, PLUGBAY_CLOCK_HOST));
    }

    // False when a pipe or terminal has to be tried again.
    bool flush() {
        std::size_t written = 0;
        bool blocked = false;
        while (written < pending_output_.size() && !blocked && !output_failed_) {
            const ssize_t count =
                write(output_.get(), pending_output_.data() + written, pending_output_.size() - written);
            if (count > 0)
                written += static_cast<std::size_t>(count);
            else if (count == 0 || try_again(errno))
                blocked = true;
            else
                fail_output(errno);
        }
        pending_output_.erase(pending_output_.begin(),
                              pending_output_.begin() + static_cast<std::ptrdiff_t>(written));
        if (output_failed_) pending_output_.clear();
        return !blocked;
    }

    void fail_output(int error) {
        output_failed_ = true;
        host_.warning("cannot write to " + path_ +
                      ", what the guest writes is dropped: " + std::strerror(error));
    }

    void pass_input() {
        milliseconds wait = read_delay;
        if (pending_input_.empty() && !read_input(wait)) return;
        if (pending_input_.empty()) {
            read_timer_.arm(host_.after(wait, PLUGBAY_CLOCK_HOST));
            return;
        }
        const std::size_t offered = pending_input_.size();
        const std::size_t taken = std::min<std::size_t>(frontend_.receive(pending_input_), offered);
        pending_input_.erase(pending_input_.begin(),
                             pending_input_.begin() + static_cast<std::ptrdiff_t>(taken));
        if (pending_input_.empty()) read_timer_.arm(host_.after(wait, PLUGBAY_CLOCK_HOST));
    }

    // False at the end of the input.
    bool read_input(milliseconds& wait) {
        if (!input_) return false;
        std::array<std::uint8_t, read_size> bytes{};
        const ssize_t count = read(input_.get(), bytes.data(), bytes.size());
        if (count > 0) {
            pending_input_.assign(bytes.begin(), bytes.begin() + count);
            input_position_ += static_cast<std::uint64_t>(count);
        } else if (count < 0 && try_again(errno)) {
            wait = retry_delay;
        } else {
            return false;
        }
        return true;
    }

    plugbay::Host host_;
    std::string path_;
    plugbay::UniqueFd output_;
    plugbay::UniqueFd input_;
    bool truncate_; // at the first start
    plugbay::Timer write_timer_;
    plugbay::Timer read_timer_;
    plugbay::CharFrontend frontend_;

    std::vector<std::uint8_t> pending_output_;
    std::vector<std::uint8_t> pending_input_; // read from the file and not yet taken
    std::uint64_t input_position_ = 0;        // of what was read from the file
    bool write_scheduled_ = false;
    bool output_refused_ = false; // the frontend waits for write_ready
    bool output_failed_ = false;
    bool pending_output_saved_ = false; // pending_output_ is in a state, and has not been resumed since
};

PLUGBAY_PLUGIN("char-file", "1.0.0", CharFile)
