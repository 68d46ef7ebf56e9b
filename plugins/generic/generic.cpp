// generic: a range of ports or addresses that is ignored, has a fixed value, or is forwarded to a file.
#include "access_log.hpp"

#include <plugbay/plugin.hpp>
#include <plugbay/unique_fd.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(std::endian::native == std::endian::little, "values are copied as the guest sees them");

namespace {

// A host file or device that answers accesses.
class Target {
  public:
    Target(const plugbay::Handover& handover, const std::string& path, std::uint64_t offset,
           std::uint64_t length, bool read_only)
        : offset_(offset), read_only_(read_only), file_(handover.take(left_file)) {
        if (file_) return;
        file_ = plugbay::UniqueFd(
            open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (!file_) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
        struct stat facts {};
        const bool known = fstat(file_.get(), &facts) == 0;
        const auto size = static_cast<std::uint64_t>(facts.st_size);
        std::string fault;
        if (!known || !(S_ISREG(facts.st_mode) || S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode)))
            fault = "is neither a file nor a device with offsets, such as /dev/port or /dev/mem";
        else if (offset > INT64_MAX - length)
            fault = "has no offset " + std::to_string(offset) + "; choose a smaller \"offset\"";
        else if (S_ISREG(facts.st_mode) && size < offset + length)
            fault = "has " + std::to_string(size) + " bytes, and \"offset\" and \"length\" need " +
                    std::to_string(offset + length) + "; make it longer";
        if (!fault.empty()) fail(path, fault);
        handover.put(left_file, file_);
    }

    // False: all ones.
    bool read(std::uint64_t offset, std::uint32_t width, std::uint64_t& value) const {
        value = 0;
        if (pread(file_.get(), &value, width, static_cast<off_t>(offset_ + offset)) ==
            static_cast<ssize_t>(width))
            return true;
        value = ~std::uint64_t{0} >> (64 - 8 * width);
        return false;
    }
    bool write(std::uint64_t offset, std::uint32_t width, std::uint64_t value) const {
        if (read_only_) return false;
        return pwrite(file_.get(), &value, width, static_cast<off_t>(offset_ + offset)) ==
               static_cast<ssize_t>(width);
    }

  private:
    static constexpr const char* left_file = "file"; // for the next build

    [[noreturn]] static void fail(const std::string& path, const std::string& what) {
        throw plugbay::Failure("the file " + path + " " + what);
    }

    std::uint64_t offset_;
    bool read_only_;
    plugbay::UniqueFd file_;
};

} // namespace

class Generic {
  public:
    static constexpr plugbay::Type type{
        .name = "generic",
        .help = "A range of ports or addresses that is ignored, fixed, or forwarded to a file."};
    enum class Space : std::uint8_t { ports, memory };
    enum class Behaviour : std::uint8_t { ignore, value, forward };
    struct Options {
        Space space = Space::ports;
        std::uint64_t first = 0;
        std::uint64_t length = 1;
        Behaviour behaviour = Behaviour::ignore;
        bool log = false;
        std::uint64_t value = ~std::uint64_t{0};
        plugbay::Path file;
        std::uint64_t offset = 0;
        bool read_only = false;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("space", &Options::space, "what the range consists of")
                    .choices("ports", "memory"),
                plugbay::property("first", &Options::first, "first port or guest-physical address")
                    .required(),
                plugbay::property("length", &Options::length, "ports or bytes")
                    .range(1, std::uint64_t{1} << 40),
                plugbay::property("behaviour", &Options::behaviour,
                                  "ignore: reads give 0; value: reads give \"value\"; forward: to \"file\"")
                    .choices("ignore", "value", "forward"),
                plugbay::property("log", &Options::log, "write accesses to the log, 16 a second"),
                plugbay::property("value", &Options::value, "what reads give, cut to their width"),
                plugbay::property("file", &Options::file, "file or device that accesses are forwarded to"),
                plugbay::property("offset", &Options::offset, "bytes, where the range begins in the file"),
                plugbay::property("read_only", &Options::read_only,
                                  "drop writes instead of forwarding them"));
        }
    };

    Generic(plugbay::Host host, const Options& options)
        : first_(options.first), value_(options.behaviour == Behaviour::value ? options.value : 0) {
        if (options.behaviour == Behaviour::forward) {
            if (options.file.text.empty())
                throw plugbay::Failure("\"behaviour\" is \"forward\", and there is no \"file\" to forward to",
                                       PLUGBAY_INVALID);
            target_.emplace(host.handover(), std::string(options.file.text), options.offset, options.length,
                            options.read_only);
        }
        if (options.space == Space::memory) {
            region_ = host.map_memory(options.first, options.length);
        } else {
            if (options.first > 0xffff || options.length > 0x10000 - options.first)
                throw plugbay::Failure("there are no " + std::to_string(options.length) + " ports from " +
                                           std::to_string(options.first) + "; the last one is 65535",
                                       PLUGBAY_INVALID);
            region_ = host.map_ports(static_cast<std::uint32_t>(options.first),
                                     static_cast<std::uint32_t>(options.length));
        }
        if (options.log) log_.emplace(host, 0);
    }

    std::uint64_t read(plugbay::Access access) {
        std::uint64_t value = value_;
        bool done = true;
        if (target_) done = target_->read(access.offset, access.width, value);
        if (log_) note({false, !done, access.width, first_ + access.offset, value});
        return value;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        bool done = true;
        if (target_) done = target_->write(access.offset, access.width, value);
        if (log_) note({true, !done, access.width, first_ + access.offset, value});
    }
    void on_timer(std::uint64_t) {
        if (log_) log_->report();
    }
    plugbay_status quiesce() {
        if (log_) log_->report();
        return PLUGBAY_OK;
    }
    void reset() {}
    void state(auto&) {} // what a file holds is not the device's

  private:
    void note(AccessLog::Entry entry) {
        entry.value &= ~std::uint64_t{0} >> (64 - 8 * entry.width);
        log_->add(entry);
    }

    std::uint64_t first_;
    std::uint64_t value_;
    std::optional<Target> target_;
    plugbay::Region region_;
    std::optional<AccessLog> log_;
};

PLUGBAY_PLUGIN("generic", "1.0.0", Generic)
