// char-fifo: what other programs write into a named pipe is typed at the guest.
#include <plugbay/plugin.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

class CharFifo {
  public:
    static constexpr plugbay::Type type{.name = "char-fifo", .help = "Types from a named pipe."};
    struct Options {
        plugbay::Path path;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("path", &Options::path, "the named pipe").range(1, 4096).required());
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    CharFifo(plugbay::Host host, const Options& options)
        : host_(host), pipe_(std::string(options.path.text)) {
        watch_ = host.watch(pipe_.fd, PLUGBAY_FD_READABLE);
    }

    void on_fd(std::uint64_t, int fd, std::uint32_t) {
        std::array<std::uint8_t, 256> bytes;
        const ssize_t count = ::read(fd, bytes.data(), bytes.size());
        if (count <= 0) return;
        const auto wanted = static_cast<std::uint32_t>(count);
        if (frontend_.receive(std::span(bytes).first(wanted)) < wanted) host_.warning("bytes were lost");
    }
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size()); // nobody reads what the guest says
    }
    void on_receive_ready(std::uint64_t) {}
    void state(auto&) {}

  private:
    struct Pipe {
        explicit Pipe(const std::string& path) : fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
            if (fd < 0) {
                throw plugbay::Failure("the pipe " + path + " cannot be opened: " + std::strerror(errno) +
                                       "; make it with mkfifo");
            }
        }
        Pipe(const Pipe&) = delete;
        Pipe& operator=(const Pipe&) = delete;
        ~Pipe() { ::close(fd); }
        int fd;
    };

    plugbay::Host host_;
    Pipe pipe_;
    plugbay::FdWatch watch_; // after the pipe: it goes first
    plugbay::CharFrontend frontend_;
};

PLUGBAY_PLUGIN("char-fifo", "1.0.0", CharFifo)
