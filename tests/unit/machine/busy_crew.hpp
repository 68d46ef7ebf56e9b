// Devices with a life of their own: timers and descriptors call through their links all the time, a PCI function answers
// configuration accesses from its hook, and a bridge passes such accesses on.
#pragma once

#include "tests/unit/machine/manager_fixture.hpp"
#include <plugbay/unique_fd.hpp>

#include <plugbay/pci/function.hpp>

#include <sys/eventfd.h>

namespace plugbay::core {

// Which thread a device's timer or descriptor came from last.
class Ticks {
  public:
    void note(std::string_view id, const char* what) {
        const std::lock_guard guard(mutex_);
        last_[std::string(id) + " " + what] = {std::this_thread::get_id(), ++count_};
    }
    // After this call, or nobody's id.
    [[nodiscard]] std::thread::id next(const std::string& key) {
        std::uint64_t before = 0;
        {
            const std::lock_guard guard(mutex_);
            before = count_;
        }
        std::thread::id found;
        static_cast<void>(eventually([&] {
            const std::lock_guard guard(mutex_);
            const auto place = last_.find(key);
            if (place == last_.end() || place->second.second <= before) return false;
            found = place->second.first;
            return true;
        }));
        return found;
    }

  private:
    std::mutex mutex_;
    std::uint64_t count_ = 0;
    std::map<std::string, std::pair<std::thread::id, std::uint64_t>> last_;
};
inline Ticks ticks;

constexpr std::uint64_t tick_length = 1'000'000; // nanoseconds

// A timer that goes on for ever and now and then makes a descriptor readable; `Tick` is called for both.
template <typename Base>
class Busy : public Base {
  public:
    Busy(plugbay::Host host, const CrewOptions& options)
        : Base(host, options), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
          timer_(host.timer(PLUGBAY_CLOCK_HOST)), watch_(host.watch(event_.get(), PLUGBAY_FD_READABLE)) {}
    void start() {
        Base::start();
        timer_.arm(this->host_.now(PLUGBAY_CLOCK_HOST) + tick_length, tick_length);
    }
    void on_timer(std::uint64_t) {
        const typename Base::Inside inside(*this);
        this->expect(this->runs_);
        ticks.note(this->host_.device_id(), "timer");
        ::eventfd_write(event_.get(), 1);
        this->chatter();
    }
    void on_fd(std::uint64_t, int fd, std::uint32_t) {
        const typename Base::Inside inside(*this);
        this->expect(this->runs_);
        ticks.note(this->host_.device_id(), "fd");
        eventfd_t ignored = 0;
        ::eventfd_read(fd, &ignored);
        this->chatter();
    }

  private:
    UniqueFd event_;
    plugbay::Timer timer_;
    plugbay::FdWatch watch_;
};

constexpr std::uint32_t hook_offset = 0x44; // of BusyDesk's function, in configuration space
constexpr std::uint8_t hook_answer = 0x5a;

// A frontend that is a PCI function.
class BusyDesk : public Busy<Desk> {
  public:
    static constexpr plugbay::Type type{.name = "busy-desk", .help = "A frontend with a life of its own."};
    BusyDesk(plugbay::Host host, const Options& options)
        : Busy(host, options),
          function_(
              host,
              plugbay::pci::Description(0x1234, 1)
                  .bar(0, PLUGBAY_BAR_MEMORY32, 0x1000)
                  .capability(
                      {.id = 9, .body = {0, 0, 0, 0}, .hook_offset = 2, .hook_length = 2, .writable = {}})) {}
    std::uint32_t config_read(plugbay::ConfigAccess) {
        const Inside inside(*this);
        expect(runs_);
        return hook_answer;
    }
    void config_write(plugbay::ConfigAccess, std::uint32_t) {
        const Inside inside(*this);
        expect(runs_);
    }

  private:
    plugbay::pci::Function function_;
};

class BusyClerk : public Busy<Clerk> {
  public:
    static constexpr plugbay::Type type{.name = "busy-clerk", .help = "A backend with a life of its own."};
    using Busy::Busy;
};

// A PCI bus. A read of its register reads the hook of the function in the slot that was written last. A write also has that
// function begin or end to decode, at another place each time.
class Bridge : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "bridge", .help = "A PCI bus."};
    Bridge(plugbay::Host host, const Options& options)
        : Crew(host, options), bus_host_(host.extension<plugbay_pci_bus_host>(PLUGBAY_PCI_BUS)) {
        plugbay_pci_bus bus{};
        bus.size = sizeof bus;
        plugbay::check(bus_host_.add_bus(host.raw(), &bus, &bus_));
    }
    std::uint64_t read(plugbay::Access) {
        const Inside inside(*this);
        expect(runs_);
        return bus_host_.config_read(host_.raw(), bus_, slot_, hook_offset, 1);
    }
    void write(plugbay::Access, std::uint64_t value) {
        const Inside inside(*this);
        slot_ = static_cast<std::uint32_t>(value % 32);
        const std::uint32_t place = 0xd000'0000 + (++writes_ % 4) * 0x1000;
        bus_host_.config_write(host_.raw(), bus_, slot_, bar_register, 4, place);
        bus_host_.config_write(host_.raw(), bus_, slot_, command_register, 2, writes_ / 4 % 2 == 0 ? 2 : 0);
    }

  private:
    static constexpr std::uint32_t command_register = 4;
    static constexpr std::uint32_t bar_register = 0x10;

    const plugbay_pci_bus_host& bus_host_;
    plugbay_handle bus_{};
    std::uint32_t slot_ = 1;
    std::uint32_t writes_ = 0;
};

class BusyTest : public ManagerTest {
  protected:
    BusyTest() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        for (int i = 0; i < 2; ++i)
            loops.push_back(std::move(*IoLoop::create("busy" + std::to_string(i))));
        manager = std::make_unique<DeviceManager>(services, &load_busy_type, std::move(loops));
    }
    static Result<LoadedType> load_busy_type(std::string_view name) {
        if (name == "busy-desk") return LoadedType{nullptr, &plugbay::detail::Glue<BusyDesk>::type};
        if (name == "busy-clerk") return LoadedType{nullptr, &plugbay::detail::Glue<BusyClerk>::type};
        if (name == "bridge") return LoadedType{nullptr, &plugbay::detail::Glue<Bridge>::type};
        return load_type(name);
    }
};

} // namespace plugbay::core
