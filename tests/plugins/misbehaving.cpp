// A device that does one thing wrong, which its property chooses: for rehearsals. For swaps of devices that run there are
// builds of it that do so whatever the property says: FAULT, BUILD, STATE_VERSION, STATE_OLDEST, PORT_OFFSET, NO_PORT, STATE,
// UNDEFINED_SYMBOL. It counts the guest's writes in its state, and reads give that count: a guest that counts too sees
// each write that is lost and each that is made twice.
#include "../crash.hpp"

#include <plugbay/plugin.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

enum class Fault : std::uint8_t {
    none,
    crash_in_create,
    exit_in_create,
    hang_in_create,
    throw_in_create,
    free_twice,
    print_megabytes,
    leave_thread,
    leave_process,
    flood_report,
    claim_success,
    deep_report,
    allocate_everything,
    crash_in_connect,
    crash_in_load,
    hang_in_load,
    refuse_load,
    lose_state,
    crash_in_save,
    refuse_start,
    crash_in_resume,
    crash_in_quiesce,
    reset_in_quiesce,
    pend_for_ever,
    crash_in_reset,
    destroy,
    needs_descriptor,
    throw_in_write,
    throw_and_pend,
    crash_in_write,
    abort_in_write,
    crash_later,
    recurse_in_write,
};

#ifndef FAULT
#define FAULT none
#endif
#ifndef BUILD
#define BUILD "1.0.0"
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif
#ifndef STATE_OLDEST
#define STATE_OLDEST STATE_VERSION
#endif
#ifndef PORT_OFFSET
#define PORT_OFFSET 0
#endif
#ifndef STATE
#define STATE the_usual
#endif

// What is in its state.
enum class Contents : std::uint8_t { the_usual, one_more, one_less };
constexpr Contents contents = Contents::STATE;

#ifdef UNDEFINED_SYMBOL
extern "C" void defined_nowhere();
#endif

[[noreturn]] void hang() {
    for (;;)
        std::this_thread::sleep_for(std::chrono::hours(1));
}
void say(int descriptor, const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t written = ::write(descriptor, text.data() + at, text.size() - at);
        if (written < 0) return;
        at += static_cast<std::size_t>(written);
    }
}
void free_twice() {
    // volatile: the compiler sees it else
    void* volatile block = std::malloc(100);
    std::free(block);
    std::free(block); // NOLINT
}

} // namespace

class Misbehaving {
  public:
    static constexpr plugbay::Type type{.name = "misbehaving",
                                        .help = "Does one thing wrong.",
                                        .state_version = STATE_VERSION,
                                        .state_version_oldest = STATE_OLDEST};
    struct Options {
        Fault fault = Fault::none;
        std::uint16_t port = 0x500;
        plugbay::Path file;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("fault", &Options::fault, "what it does")
                    .choices("none", "crash-in-create", "exit-in-create", "hang-in-create", "throw-in-create",
                             "free-twice", "print-megabytes", "leave-thread", "leave-process", "flood-report",
                             "claim-success", "deep-report", "allocate-everything", "crash-in-connect",
                             "crash-in-load", "hang-in-load", "refuse-load", "lose-state", "crash-in-save",
                             "refuse-start", "crash-in-resume", "crash-in-quiesce", "reset-in-quiesce",
                             "pend-for-ever", "crash-in-reset", "destroy", "needs-descriptor",
                             "throw-in-write", "throw-and-pend", "crash-in-write", "abort-in-write",
                             "crash-later", "recurse-in-write"),
                plugbay::property("port", &Options::port, "I/O port of one byte"),
                plugbay::property("file", &Options::file, "a file, never opened"));
        }
    };
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR)}; }

    Misbehaving(plugbay::Host host, const Options& options) : host_(host), fault_(options.fault) {
#ifndef NO_PORT
        region_ = host.map_ports(options.port + PORT_OFFSET, 1);
#endif
#ifdef UNDEFINED_SYMBOL
        defined_nowhere();
#endif
        if (is(Fault::crash_in_create)) plugbay::crash();
        if (is(Fault::exit_in_create)) std::exit(0);
        if (is(Fault::hang_in_create)) hang();
        if (is(Fault::throw_in_create)) throw std::runtime_error("the laser is cold");
        if (is(Fault::free_twice)) free_twice();
        if (is(Fault::print_megabytes)) print();
        if (is(Fault::leave_thread)) std::thread(hang).detach();
        if (is(Fault::leave_process)) leave_process();
        if (is(Fault::flood_report)) say(4, std::string(4 << 20, 'x'));
        if (is(Fault::deep_report)) say(4, std::string(1 << 19, '[') + '\n');
        if (is(Fault::claim_success)) {
            say(4, "{\"passed\": true}\n");
            plugbay::crash();
        }
        if (is(Fault::needs_descriptor) && !host.handover().take("connection"))
            throw plugbay::Failure("nothing was handed over");
        if (is(Fault::allocate_everything)) {
            for (;;)
                std::memset(new char[64 << 20], 1, 1);
        }
    }
    ~Misbehaving() {
        if (is(Fault::destroy)) say(STDERR_FILENO, "destroyed");
    }

    void on_connect(std::uint64_t, plugbay::Link) {
        if (is(Fault::crash_in_connect)) plugbay::crash();
    }
    void on_disconnect(std::uint64_t) {}
    std::uint64_t read(plugbay::Access) {
        return static_cast<std::uint8_t>(writes_);
    }
    void write(plugbay::Access, std::uint64_t) {
        if (is(Fault::crash_in_write)) plugbay::crash();
        if (is(Fault::abort_in_write)) std::abort();
        if (is(Fault::recurse_in_write)) {
            volatile int depth = 0;
            static_cast<void>(plugbay::use_up_stack(depth));
        }
        if (is(Fault::crash_later) && std::chrono::steady_clock::now() > loaded_ + std::chrono::seconds(1))
            plugbay::crash();
        ++writes_;
        if (is(Fault::throw_in_write) || is(Fault::throw_and_pend))
            throw std::runtime_error("the laser is cold");
    }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}

    void start() {
        if (is(Fault::refuse_start)) throw plugbay::Failure("no current");
    }
    plugbay_status quiesce() {
        if (is(Fault::crash_in_quiesce)) plugbay::crash();
        if (is(Fault::reset_in_quiesce)) host_.request(PLUGBAY_REQUEST_RESET);
        return is(Fault::pend_for_ever) || is(Fault::throw_and_pend) ? PLUGBAY_PENDING : PLUGBAY_OK;
    }
    void resume() {
        if (is(Fault::crash_in_resume)) plugbay::crash();
    }
    void reset() {
        if (is(Fault::crash_in_reset)) plugbay::crash();
    }
    void state(auto& fields) {
        if (loads_ && is(Fault::crash_in_save)) plugbay::crash();
        fields("level", level_, std::uint64_t{0}, std::uint64_t{1000});
        if constexpr (contents != Contents::one_less) fields("name", name_, 100);
        fields("writes", writes_);
        if constexpr (contents == Contents::one_more) fields.optional("temperature", temperature_, 20);
    }
    void loaded() {
        loads_ = true;
        loaded_ = std::chrono::steady_clock::now();
        if (is(Fault::crash_in_load)) plugbay::crash();
        if (is(Fault::hang_in_load)) hang();
        if (is(Fault::refuse_load)) throw plugbay::Failure("the laser is another one");
        if (is(Fault::lose_state)) level_ = 0;
    }

  private:
    [[nodiscard]] bool is(Fault fault) const {
        return fault_ == fault || Fault::FAULT == fault;
    }
    static void leave_process() {
        const pid_t left = ::fork();
        if (left == 0) hang();
        say(STDOUT_FILENO, std::to_string(left));
    }
    static void print() {
        for (int i = 0; i < 64; ++i) {
            say(STDOUT_FILENO, std::string(1 << 16, 'o'));
            say(STDERR_FILENO, std::string(1 << 16, 'e'));
        }
        say(STDERR_FILENO, "\nthe last \033[31mword\n");
    }

    plugbay::Host host_;
    Fault fault_;
    plugbay::Region region_;
    bool loads_ = false;
    std::chrono::steady_clock::time_point loaded_ = {};
    std::uint64_t level_ = 7;
    std::string name_ = "name";
    std::uint64_t writes_ = 0;
    std::uint64_t temperature_ = 20;
};

PLUGBAY_PLUGIN("misbehaving", BUILD, Misbehaving)
