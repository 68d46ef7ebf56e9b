// char-ring: keeps the last bytes that the guest wrote in memory.
#include <plugbay/byte_queue.hpp>
#include <plugbay/plugin.hpp>
#include <plugbay/unique_fd.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <unistd.h>

class CharRing {
  public:
    static constexpr plugbay::Type type{
        .name = "char-ring", .help = "A character backend that keeps the last bytes written in memory."};
    struct Options {
        plugbay::Size size{65536};
        plugbay::Path dump;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("size", &Options::size, "bytes that are kept").range(1, 16 << 20),
                plugbay::property("dump", &Options::dump,
                                  "file that they are written to when the machine ends"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }

    CharRing(plugbay::Host host, const Options& options)
        : host_(host), dump_(options.dump.text), ring_(static_cast<std::size_t>(options.size.bytes)) {}
    ~CharRing() {
        if (!dump_.empty() && started_ && host_.handover().in_place()) dump();
    }

    void start() { started_ = true; }
    void resume() { started_ = true; }
    // The log of a machine that restarts goes on.
    void reset() {}

    void on_connect(std::uint64_t, plugbay::Link) {}
    void on_disconnect(std::uint64_t) {}
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        ring_.append_over_oldest(bytes);
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) {}

    void state(auto& fields) { fields("ring", ring_); }

  private:
    // The machine has ended, so nobody waits for the file.
    void dump() {
        const plugbay::UniqueFd file(open(dump_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
        if (!file) {
            fail("opened");
            return;
        }
        while (!ring_.empty()) {
            const ssize_t count = write(file.get(), ring_.front().data(), ring_.front().size());
            if (count > 0) {
                ring_.drop(static_cast<std::size_t>(count));
            } else if (errno != EINTR) {
                fail("written");
                return;
            }
        }
    }
    void fail(const char* what) {
        host_.warning("the file " + dump_ + " cannot be " + what + ": " + std::strerror(errno));
    }

    plugbay::Host host_;
    std::string dump_;
    plugbay::ByteQueue ring_;
    bool started_ = false; // a machine that was never made whole leaves the former one's file alone
};

PLUGBAY_PLUGIN("char-ring", "1.0.0", CharRing)
