// Devices whose builds differ, and may misbehave, and a machine in which one is replaced by another.
#pragma once

#include "tests/crash.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <chrono>

namespace plugbay::core {

// How a build misbehaves.
enum class Flaw : std::uint8_t {
    none,
    create,
    connect,
    save,
    load,
    quiesce,
    never_still,
    another_port,
    no_port,
    another_line,
    stateless,
    newer_state,
    unknown_field,
    crash,
    crash_in_destroy,
};

inline constexpr std::uint32_t call = 0x200;

struct MeterOptions {
    std::uint16_t port = 0;
    static constexpr auto properties() {
        return plugbay::properties(plugbay::property("port", &MeterOptions::port, "of its two registers"));
    }
};

// Counts what the guest writes to its first port; the second tells the build. Its line is high while the count is odd.
// Passes what it is written on to its backend, which answers; counts answers too.
template <int build, Flaw flaw = Flaw::none>
class Meter {
  public:
    static constexpr plugbay::Type type{.name = "meter",
                                        .help = "Counts.",
                                        .state_version = flaw == Flaw::newer_state ? 2 : 1,
                                        .state_version_oldest = flaw == Flaw::newer_state ? 2 : 1};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }
    using Options = MeterOptions;

    Meter(plugbay::Host host, const Options& options) : host_(host) {
        ++living;
        if constexpr (flaw == Flaw::create) {
            --living;
            throw plugbay::Failure("it was told to", PLUGBAY_FAILED);
        }
        const std::uint16_t first = flaw == Flaw::another_port ? options.port + 8 : options.port;
        try {
            if constexpr (flaw != Flaw::no_port) region_ = host.map_ports(first, 2, build);
            calls_ = host.claim_hypercalls(call, 1, build);
            line_ = host.interrupt_line(flaw == Flaw::another_line ? 6 : 5);
            timer_ = host.timer(PLUGBAY_CLOCK_HOST, build);
        } catch (...) {
            --living;
            throw;
        }
        line_.set(false); // as a careless author does
        timer_.arm(1);    // long past
        note("create");
    }
    ~Meter() {
        if constexpr (flaw == Flaw::crash_in_destroy) plugbay::crash();
        note("destroy");
        --living;
    }
    Meter(const Meter&) = delete;
    Meter& operator=(const Meter&) = delete;

    void start() { note("start"); }
    plugbay_status quiesce() {
        note("quiesce");
        if constexpr (flaw == Flaw::quiesce) return PLUGBAY_FAILED;
        if constexpr (flaw == Flaw::never_still) return PLUGBAY_PENDING;
        runs_ = false;
        return PLUGBAY_OK;
    }
    void resume() {
        note("resume");
        runs_ = true;
    }
    void reset() {}
    std::uint64_t read(plugbay::Access access) {
        if (access.token != build) ++broken_rules;
        return access.offset == 0 ? static_cast<std::uint8_t>(count_) : build;
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.token != build) ++broken_rules;
        if constexpr (flaw == Flaw::crash) {
            if (count_ % 7 == 3) plugbay::crash();
        }
        ++count_;
        line_.set(count_ % 2 != 0);
        const auto byte = static_cast<std::uint8_t>(value);
        if (backend_) backend_.write(std::span(&byte, 1));
    }
    // Gives back what it was passed, and one more.
    void hypercall(std::uint64_t token, plugbay_hypercall_registers& registers) {
        if (token != build) ++broken_rules;
        registers.rax = ++registers.rbx;
        if constexpr (flaw == Flaw::crash) plugbay::crash();
    }
    void on_timer(std::uint64_t token) {
        if (token != build) ++broken_rules;
        ++expired_;
    }
    void on_connect(std::uint64_t, plugbay::Link link) {
        if constexpr (flaw == Flaw::connect) throw plugbay::Failure("not with that one", PLUGBAY_INVALID);
        note("connect");
        backend_ = plugbay::CharBackend(link);
    }
    void on_disconnect(std::uint64_t) {
        note("disconnect");
        backend_ = {};
    }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        answers_ += static_cast<std::uint32_t>(bytes.size());
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}

    void state(auto& fields) requires(flaw != Flaw::stateless) {
        if constexpr (flaw == Flaw::save) throw plugbay::Failure("it does not save", PLUGBAY_FAILED);
        fields("count", count_);
        if constexpr (flaw == Flaw::unknown_field) {
            fields("answers_heard", answers_);
        } else {
            fields("answers", answers_);
        }
    }
    void loaded() {
        if constexpr (flaw == Flaw::load) throw plugbay::Failure("it does not load", PLUGBAY_FAILED);
        line_.set(count_ % 2 != 0);
        note("load");
    }
    static inline std::atomic<int> expired_{0};

  private:
    void note(const char* what) {
        journal.note(std::string(what) + " " + std::string(host_.device_id()) + "/" + std::to_string(build));
    }

    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::Hypercalls calls_;
    plugbay::InterruptLine line_;
    plugbay::Timer timer_;
    plugbay::CharBackend backend_;
    std::uint32_t count_ = 0;
    std::uint32_t answers_ = 0;
    bool runs_ = false;
};

// Answers every byte, and counts in its state.
template <int build>
class Echo {
  public:
    static constexpr plugbay::Type type{.name = "echo", .help = "Answers."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR).optional()}; }
    explicit Echo(plugbay::Host host) : host_(host) { ++living; }
    ~Echo() { --living; }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;
    void reset() {}
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        ++served;
        frontend_.receive(bytes);
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) {}
    void state(auto&) {}
    static inline std::atomic<int> served{0};

  private:
    plugbay::Host host_;
    plugbay::CharFrontend frontend_;
};

// A port with a doorbell, or not, that can refuse to go on from a state.
template <bool rings, bool loads = true>
class Bell {
  public:
    static constexpr plugbay::Type type{.name = "bell", .help = "May be rung."};
    explicit Bell(plugbay::Host host) : region_(host.map_ports(0x340, 2)) {
        if constexpr (rings) doorbell_ = host.doorbell(region_.handle(), 0, 2);
    }
    void reset() {}
    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t) {}
    void on_doorbell(std::uint64_t) {}
    void state(auto&) {}
    void loaded() {
        if constexpr (!loads) throw plugbay::Failure("it does not load", PLUGBAY_FAILED);
    }

  private:
    plugbay::Region region_;
    plugbay::Doorbell doorbell_;
};

template <typename Device>
LoadedType build_of() {
    return LoadedType{nullptr, &plugbay::detail::Glue<Device>::type};
}

inline constexpr std::uint16_t port = 0x300;

class SwapTest : public ManagerTest {
  protected:
    SwapTest() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("swap")));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) -> Result<LoadedType> {
                if (name == "bell") return build_of<Bell<false>>();
                return name == "meter" ? build_of<Meter<1>>() : build_of<Echo<1>>();
            },
            std::move(loops));
        Echo<1>::served = 0;
        Echo<2>::served = 0;
        Meter<2>::expired_ = 0;
    }
    void add_meter(bool with_echo = false) {
        std::vector<DeviceConfig> devices{meter_config()};
        if (with_echo)
            devices.push_back({.id = "echo", .type = "echo", .link = LinkConfig{.frontend_device = "meter"}});
        const auto added = add(devices);
        ASSERT_TRUE(added) << added.error().text();
        static_cast<void>(journal.take());
    }
    static DeviceConfig meter_config() {
        return {.id = "meter", .type = "meter", .properties = {{.given = true, .number = port}}};
    }
    static DeviceManager::Replacement meter_build(LoadedType type) {
        return {.id = "meter", .type = std::move(type), .properties = meter_config().properties};
    }
    Result<void> swap(std::vector<DeviceManager::Replacement> replacements) {
        swaps = {};
        auto done = manager->replace(replacements, swaps, std::chrono::milliseconds(200));
        swaps.end();
        if (!done) return std::move(done).error();
        return {};
    }
    template <typename Device>
    Result<void> swap_meter() {
        return swap({meter_build(build_of<Device>())});
    }

    SwapJournal swaps;
};

} // namespace plugbay::core
