// Machines that come and go leave nothing behind: no descriptor, no thread, no mapping.
#include "tests/unit/machine/busy_crew.hpp"
#include <plugbay/unique_fd.hpp>

#include <filesystem>
#include <fstream>
#include <optional>

namespace plugbay::core {
namespace {

// Holds one of everything.
class Hoarder : public BusyDesk {
  public:
    static constexpr plugbay::Type type{.name = "hoarder", .help = "One of every resource."};
    Hoarder(plugbay::Host host, const Options& options)
        : BusyDesk(host, options), memory_(host.map_memory(0xd000'0000, 4096)),
          bell_(host.doorbell(memory_.handle(), 0, 4)), line_(host.interrupt_line(5)),
          guest_timer_(host.timer()), msrs_(host.hook_msrs(0x4b50'0000, 2)),
          cpuid_(host.set_cpuid_leaf(0x4000'0200, {1, 2, 3, 4})),
          calls_(host.claim_hypercalls(PLUGBAY_HYPERCALL_FIRST, 1)),
          shelf_(host.memory_region(PLUGBAY_REGION_RAM, 0xd010'0000, 4096)),
          watch_(host.watch_ram(PLUGBAY_WATCH_WRITES, 0x4000, 4096)),
          events_(host.subscribe(PLUGBAY_EVENT_ALL)), queue_(host.work_queue(16)) {}
    void start() {
        BusyDesk::start();
        line_.set(true);
        bell_.ring();
        guest_timer_.arm(1);
        for (std::uint64_t i = 0; i < 4; ++i)
            EXPECT_TRUE(queue_.submit(i));
    }
    std::optional<std::uint64_t> msr_read(plugbay::MsrAccess) { return 1; }
    bool msr_write(plugbay::MsrAccess, std::uint64_t) { return true; }
    void hypercall(std::uint64_t, plugbay_hypercall_registers&) {}
    void on_doorbell(std::uint64_t) {}
    void on_host_event(std::uint64_t, const plugbay_host_event&) {}
    void work(std::uint64_t) {}
    void on_done(std::uint64_t) {}

  private:
    plugbay::Region memory_;
    plugbay::Doorbell bell_;
    plugbay::InterruptLine line_;
    plugbay::Timer guest_timer_;
    plugbay::MsrHook msrs_;
    plugbay::CpuidBits cpuid_;
    plugbay::Hypercalls calls_;
    plugbay::MemoryRegion shelf_;
    plugbay::RamWatch watch_;
    plugbay::HostEventSubscription events_;
    plugbay::WorkQueue queue_;
};

// A machine's worth of services, loops, workers and devices.
class Worth : public BusyTest {
  public:
    void TestBody() override {
        std::vector<std::unique_ptr<IoLoop>> loops;
        for (int i = 0; i < 3; ++i)
            loops.push_back(std::move(*IoLoop::create("worth" + std::to_string(i))));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) {
                return name == "hoarder" ? LoadedType{nullptr, &plugbay::detail::Glue<Hoarder>::type}
                                         : load_busy_type(name);
            },
            std::move(loops));
        clock.stop(); // RAM watches come and go while the guest stands still
        ASSERT_TRUE(add({device("pci0", "bridge", 0x80), device("all", "hoarder", 0x300),
                         linked(device("b", "busy-clerk"), "all"), device("c", "busy-clerk"),
                         device("d", "busy-desk")}));
        ASSERT_TRUE(manager->connect("c", 0, "d", {}));
        ASSERT_FALSE(add({device("e", "busy-desk"), device("f", "desk", 0, Fault::start)}));
        static_cast<void>(in(0x80));
        ASSERT_TRUE(manager->remove("b", true));
        EXPECT_TRUE(platform.ring(0xd000'0000));
    }
};

std::size_t entries_of(const char* directory) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

struct Held {
    std::size_t descriptors = entries_of("/proc/self/fd");
    std::size_t threads = entries_of("/proc/self/task");
    std::size_t mappings = 0;
    Held() {
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);)
            ++mappings;
    }
};

TEST(Teardown, AHundredMachinesLeaveNothingBehind) {
    const auto one = [] { Worth().TestBody(); };
    for (int i = 0; i < 10; ++i)
        one();
    const Held before;
    for (int i = 0; i < 100 && !::testing::Test::HasFailure(); ++i)
        one();
    // A thread that was joined may be in the list for a moment.
    EXPECT_TRUE(eventually([&] { return Held().threads <= before.threads; }));
    const Held after;
    EXPECT_EQ(after.descriptors, before.descriptors);
    // The allocator's arenas and the sanitizers' shadows grow by steps; a leak grows with every machine.
    EXPECT_LT(after.mappings, before.mappings + 50);
    EXPECT_EQ(living, 0);
}

} // namespace
} // namespace plugbay::core
