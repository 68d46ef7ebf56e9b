// A device manager without a hypervisor and without plugin files, and the devices that its tests make. Each device
// remembers in a journal what happened to it.
#pragma once

#include "core/machine/device_manager.hpp"
#include "tests/unit/device/device_fixture.hpp"

#include <plugbay/device.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay::core {

// "create com1", "connect com1", ... in order, of all devices of the process.
class Journal {
  public:
    void note(const std::string& what) {
        const std::lock_guard guard(mutex_);
        lines_.push_back(what);
    }
    [[nodiscard]] std::vector<std::string> take() {
        const std::lock_guard guard(mutex_);
        return std::exchange(lines_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};
inline Journal journal;

// Devices that are there, and callbacks that came in a wrong state: both must be zero in the end.
inline std::atomic<int> living{0};
inline std::atomic<int> broken_rules{0};

enum class Fault : std::uint8_t { none, create, start, connect, quiesce };

struct CrewOptions {
    std::uint16_t port = 0; // 0: none
    std::uint8_t fault = 0; // a Fault
    static constexpr auto properties() {
        return plugbay::properties(plugbay::property("port", &CrewOptions::port, "of its register"),
                                   plugbay::property("fault", &CrewOptions::fault, "where it fails"));
    }
};

// What the test devices have in common: a register of one port, and rules about who calls when.
class Crew {
  public:
    using Options = CrewOptions;

    Crew(plugbay::Host host, const Options& options)
        : host_(host), fault_(static_cast<Fault>(options.fault)) {
        if (options.port != 0) region_ = host.map_ports(options.port, 1);
        if (fault_ == Fault::create) throw plugbay::Failure("it was told to", PLUGBAY_FAILED);
        ++living;
        note("create");
    }
    ~Crew() {
        note("destroy");
        --living;
    }
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    void start() {
        if (fault_ == Fault::start) throw plugbay::Failure("it was told to", PLUGBAY_FAILED);
        note("start");
        runs_ = true;
    }
    plugbay_status quiesce() {
        if (fault_ == Fault::quiesce) return PLUGBAY_FAILED;
        note("quiesce");
        runs_ = false;
        return PLUGBAY_OK;
    }
    void resume() {
        note("resume");
        runs_ = true;
    }
    void reset() {
        note("reset");
        expect(!runs_);
        value_ = 0;
    }
    std::uint64_t read(plugbay::Access) {
        const Inside inside(*this);
        expect(runs_);
        return value_;
    }

    void on_connect(std::uint64_t, plugbay::Link) {
        if (fault_ == Fault::connect) throw plugbay::Failure("not with that one", PLUGBAY_INVALID);
        expect(!runs_);
        note("connect");
    }
    void on_disconnect(std::uint64_t) {
        expect(!runs_ || fault_ == Fault::quiesce);
        note("disconnect");
    }

  protected:
    // Callbacks of one group never run at the same time, but may nest.
    class Inside {
      public:
        explicit Inside(Crew& crew) : crew_(crew) {
            const auto self = std::this_thread::get_id();
            const auto owner = crew_.inside_.exchange(self);
            crew_.expect(owner == std::thread::id{} || owner == self);
            ++crew_.depth_;
        }
        ~Inside() {
            if (--crew_.depth_ == 0) crew_.inside_ = std::thread::id{};
        }
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;

      private:
        Crew& crew_;
    };
    void note(const char* what) { journal.note(std::string(what) + " " + std::string(host_.device_id())); }
    static void expect(bool rule) {
        if (!rule) ++broken_rules;
    }

    plugbay::Host host_;
    Fault fault_;
    plugbay::Region region_;
    std::atomic<std::thread::id> inside_{};
    int depth_ = 0;
    bool runs_ = false;
    std::uint8_t value_ = 0;
};

// A byte that devices send of their own accord: the answer to it changes no register.
constexpr std::uint8_t background = 0xfe;

// A frontend: what the guest writes goes to the backend, which echoes it into the register.
class Desk : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "desk", .help = "A frontend."};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }
    using Crew::Crew;

    void on_connect(std::uint64_t port, plugbay::Link link) {
        Crew::on_connect(port, link);
        backend_ = plugbay::CharBackend(link);
    }
    void on_disconnect(std::uint64_t port) {
        Crew::on_disconnect(port);
        expect(!backend_);
        backend_ = {};
    }
    void write(plugbay::Access, std::uint64_t value) {
        const Inside inside(*this);
        expect(runs_);
        const auto byte = static_cast<std::uint8_t>(value);
        if (backend_) {
            backend_.write(std::span(&byte, 1));
        } else {
            value_ = 0xee; // nobody there
        }
    }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        const Inside inside(*this);
        if (bytes.back() != background + 1) value_ = bytes.back();
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) {}

  protected:
    void chatter() {
        if (backend_) backend_.write(std::span(&background, 1));
    }

  private:
    plugbay::CharBackend backend_;
};

// One that is no good without a backend.
class NeedyDesk : public Desk {
  public:
    static constexpr plugbay::Type type{.name = "needy-desk", .help = "A frontend that needs its backend."};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR)}; }
    using Desk::Desk;
};

// A backend that gives every byte back, plus one.
class Clerk : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "clerk", .help = "A backend."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR).optional()}; }
    using Crew::Crew;

    void on_connect(std::uint64_t port, plugbay::Link link) {
        Crew::on_connect(port, link);
        frontend_ = plugbay::CharFrontend(link);
    }
    void on_disconnect(std::uint64_t port) {
        Crew::on_disconnect(port);
        expect(!frontend_);
        frontend_ = {};
    }
    void write(plugbay::Access, std::uint64_t) { const Inside inside(*this); }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        const Inside inside(*this);
        const auto answer = static_cast<std::uint8_t>(bytes.back() + 1);
        frontend_.receive(std::span(&answer, 1));
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) {}

  protected:
    void chatter() {
        static constexpr std::uint8_t answer = background + 1;
        if (frontend_) frontend_.receive(std::span(&answer, 1));
    }

  private:
    plugbay::CharFrontend frontend_;
};

// One that is no good without a frontend.
class NeedyClerk : public Clerk {
  public:
    static constexpr plugbay::Type type{.name = "needy-clerk", .help = "A backend that needs its frontend."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR)}; }
    using Clerk::Clerk;
};

class ManagerTest : public DeviceTest {
  protected:
    ManagerTest() {
        static_cast<void>(journal.take());
        living = 0;
        broken_rules = 0;
        std::vector<std::unique_ptr<IoLoop>> loops;
        for (int i = 0; i < 2; ++i)
            loops.push_back(std::move(*IoLoop::create("test" + std::to_string(i))));
        manager = std::make_unique<DeviceManager>(services, &load_type, std::move(loops));
        clock.start();
    }
    ~ManagerTest() override {
        manager.reset();
        EXPECT_EQ(living, 0);
        EXPECT_EQ(broken_rules, 0);
    }

    static Result<LoadedType> load_type(std::string_view name) {
        static const std::map<std::string_view, const plugbay_device_type*> types{
            {"desk", &plugbay::detail::Glue<Desk>::type},
            {"needy-desk", &plugbay::detail::Glue<NeedyDesk>::type},
            {"clerk", &plugbay::detail::Glue<Clerk>::type},
            {"needy-clerk", &plugbay::detail::Glue<NeedyClerk>::type}};
        const auto found = types.find(name);
        if (found == types.end()) return Error{"there is no type \"" + std::string(name) + "\""};
        return LoadedType{nullptr, found->second};
    }

    static DeviceConfig device(const std::string& id, const std::string& type, std::uint16_t port = 0,
                               Fault fault = Fault::none) {
        DeviceConfig config{.id = id, .type = type};
        config.properties.push_back({.given = true, .number = port});
        config.properties.push_back({.given = true, .number = static_cast<std::uint64_t>(fault)});
        return config;
    }
    static DeviceConfig linked(DeviceConfig config, const std::string& frontend) {
        config.link = LinkConfig{.frontend_device = frontend};
        return config;
    }
    [[nodiscard]] Result<void> add(const std::vector<DeviceConfig>& devices) {
        return manager->add(devices, {});
    }
    // As the guest: 0xff where nobody answers.
    std::uint64_t in(std::uint16_t port) { return bus.read_port(presence, port, 1); }
    void out(std::uint16_t port, std::uint8_t value) { bus.write_port(presence, port, 1, value); }
    [[nodiscard]] std::vector<std::string> ids() const {
        std::vector<std::string> result;
        for (const auto& each : manager->devices())
            result.push_back(each->id());
        return result;
    }

    std::unique_ptr<DeviceManager> manager;
};

} // namespace plugbay::core
