// A worker job or a request that does not end: what waits for it gives up and says for what, and the machine still comes to its end.
#include "tests/unit/machine/manager_fixture.hpp"
#include <plugbay/unique_fd.hpp>

#include <gmock/gmock.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the test and the job share; outlives both.
struct Pipe {
    Pipe() { EXPECT_EQ(::pipe(fds.data()), 0); }
    void let_go() const { EXPECT_EQ(::write(fds[1], "x", 1), 1); }
    std::array<int, 2> fds{};
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    std::atomic<bool> calls_host{false};
};
Pipe* pipe_of_the_test = nullptr;

// Its job reads from the pipe, and then writes to all the memory that it knows.
class Reader : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "reader", .help = "A job that blocks."};
    Reader(plugbay::Host host, const Options& options)
        : Crew(host, options), pipe_(*pipe_of_the_test),
          shelf_(host.memory_region(PLUGBAY_REGION_RAM, 0xd000'0000, 4096)),
          memory_(host.extension<plugbay_memory_host>(PLUGBAY_MEMORY)), queue_(host.work_queue(4)) {}
    void start() {
        Crew::start();
        EXPECT_EQ(memory_.map(host_.raw(), 0x2000, 4096, PLUGBAY_MAP_WRITE, &ram_), PLUGBAY_OK);
        EXPECT_TRUE(queue_.submit(7));
    }
    void work(std::uint64_t) {
        Pipe& pipe = pipe_;
        ++pipe.begun;
        char byte = 0;
        EXPECT_EQ(::read(pipe.fds[0], &byte, 1), 1);
        value_ = 1;
        shelf_.bytes()[5] = std::byte{1};
        static_cast<std::byte*>(ram_)[5] = std::byte{1};
        ++pipe.ended;
        if (pipe.calls_host) host_.log(PLUGBAY_LOG_INFO, "still here"); // once pinned, it never returns
    }
    void on_done(std::uint64_t) {}
    void write(plugbay::Access, std::uint64_t) {}

  private:
    Pipe& pipe_;
    plugbay::MemoryRegion shelf_;
    const plugbay_memory_host& memory_;
    void* ram_ = nullptr;
    plugbay::WorkQueue queue_;
};

// Has something in flight for ever.
class Waiter : public Clerk {
  public:
    static constexpr plugbay::Type type{.name = "waiter", .help = "A backend that waits for its host."};
    using Clerk::Clerk;
    plugbay_status quiesce() {
        static_cast<void>(Clerk::quiesce());
        return PLUGBAY_PENDING;
    }
};

// Its code hangs: a read of its register reads from the pipe, and so does the timer that a write arms.
class Sleeper : public Clerk {
  public:
    static constexpr plugbay::Type type{.name = "sleeper", .help = "A device with a defect."};
    Sleeper(plugbay::Host host, const Options& options)
        : Clerk(host, options), pipe_(*pipe_of_the_test), timer_(host.timer(PLUGBAY_CLOCK_HOST)) {}
    std::uint64_t read(plugbay::Access) {
        sleep();
        return 1;
    }
    void write(plugbay::Access, std::uint64_t) { timer_.arm(host_.now(PLUGBAY_CLOCK_HOST)); }
    void on_timer(std::uint64_t) { sleep(); }

  private:
    void sleep() {
        ++pipe_.begun;
        char byte = 0;
        EXPECT_EQ(::read(pipe_.fds[0], &byte, 1), 1);
        ++pipe_.ended;
    }
    Pipe& pipe_;
    plugbay::Timer timer_;
};

class HangingJob : public ManagerTest {
  protected:
    HangingJob() {
        pipe_of_the_test = &pipe;
        services.quiesce_limit = std::chrono::milliseconds(50);
        make_manager();
    }
    void make_manager() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("test")));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) {
                if (name == "reader")
                    return Result(LoadedType{nullptr, &plugbay::detail::Glue<Reader>::type});
                if (name == "waiter")
                    return Result(LoadedType{nullptr, &plugbay::detail::Glue<Waiter>::type});
                if (name == "sleeper")
                    return Result(LoadedType{nullptr, &plugbay::detail::Glue<Sleeper>::type});
                return load_type(name);
            },
            std::move(loops));
    }
    // The job runs now.
    void add_reader() {
        const int before = pipe.begun;
        ASSERT_TRUE(add({device("r", "reader", 0x300), device("com", "desk", 0x3f8)}));
        ASSERT_TRUE(eventually([&] { return pipe.begun == before + 1; }));
    }
    // A job that is left behind may still use it, and leak checkers find it here.
    static Pipe& new_pipe() {
        static auto& all = *new std::vector<std::unique_ptr<Pipe>>;
        return *all.emplace_back(std::make_unique<Pipe>());
    }
    Pipe& pipe = new_pipe();
};

TEST_F(HangingJob, ChangesAreRefusedAndNameIt) {
    add_reader();
    for (const auto& refused : {manager->remove("r", false), manager->reset("r")}) {
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), HasSubstr("device \"r\" cannot hold still: job 7 of a work queue "
                                                      "did not end within 50ms"));
        EXPECT_EQ(in(0x300), 0U) << "it runs as before";
        EXPECT_EQ(manager->find("r")->phase(), Phase::running);
    }
    EXPECT_THAT(ids(), ElementsAre("r", "com"));
    pipe.let_go();
    ASSERT_TRUE(eventually([&] { return pipe.ended == 1; }));
    EXPECT_TRUE(manager->remove("r", false));
    EXPECT_EQ(living, 1);
}

TEST_F(HangingJob, TornOutItGoesAtOnce) {
    add_reader();
    const auto before = std::chrono::steady_clock::now();
    ASSERT_TRUE(manager->remove("r", false, DeviceManager::IfHanging::tear_out));
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
    EXPECT_THAT(ids(), ElementsAre("com"));
    EXPECT_EQ(in(0x300), 0xffU);
    EXPECT_EQ(living--, 2) << "it is pinned";
    EXPECT_TRUE(add({device("r", "desk", 0x300)})) << "its id and its port are free";
    pipe.let_go();
    EXPECT_TRUE(eventually([&] { return pipe.ended == 1; }));
    let_pass();
}

TEST_F(HangingJob, WhatStaysHasToHoldStillForTheEndOfItsLink) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("w", "waiter"), "com")}));
    const auto refused = manager->remove("com", false, DeviceManager::IfHanging::tear_out);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("device \"w\" cannot hold still: what it has in flight"));
    out(0x3f8, 6);
    EXPECT_EQ(in(0x3f8), 7U) << "both run as before";
    ASSERT_TRUE(manager->remove("w", false, DeviceManager::IfHanging::tear_out));
    EXPECT_EQ(living--, 2) << "it is pinned";
    out(0x3f8, 6);
    EXPECT_EQ(in(0x3f8), 0xeeU) << "its frontend has nobody any more";
}

// Nobody can be torn out of its own code, but everybody else goes on, and the change ends.
TEST_F(HangingJob, CodeThatHangsIsNamed) {
    for (const bool in_access : {true, false}) {
        ASSERT_TRUE(add({device("s", "sleeper", 0x300), device("com", "desk", 0x3f8)}));
        const int begun = pipe.begun;
        const int ended = pipe.ended;
        std::thread vcpu([&] {
            Presence own;
            bus.presences().add(own);
            if (in_access)
                static_cast<void>(bus.read_port(own, 0x300, 1));
            else
                bus.write_port(own, 0x300, 1, 1);
            bus.presences().remove(own);
        });
        EXPECT_TRUE(eventually([&] { return pipe.begun == begun + 1; }));
        const auto snapshot = manager->snapshot("s", std::chrono::milliseconds(50));
        const Result<void> refused[] = {
            manager->remove("s", false), manager->remove("s", false, DeviceManager::IfHanging::tear_out),
            manager->reset("s"), snapshot ? Result<void>() : Result<void>(snapshot.error())};
        for (const auto& each : refused) {
            EXPECT_FALSE(each);
            if (each) continue;
            EXPECT_THAT(each.error().text(),
                        HasSubstr(in_access
                                      ? "device \"s\" cannot hold still: a guest's access (vcpu1) has "
                                        "been inside it for 50ms"
                                      : "device \"s\" cannot hold still: a callback of it, or of a device "
                                        "that it is linked to, has not returned for 50ms"));
        }
        EXPECT_EQ(manager->find_stuck(std::chrono::milliseconds(10)), manager->find("s"));
        EXPECT_EQ(in(0x3f8), 0U) << "others answer as before";
        EXPECT_TRUE(manager->reset("com"));
        pipe.let_go();
        vcpu.join();
        EXPECT_TRUE(eventually([&] { return pipe.ended == ended + 1; }));
        EXPECT_EQ(manager->find_stuck(std::chrono::seconds(10)), nullptr);
        EXPECT_TRUE(manager->remove("s", false));
        EXPECT_TRUE(manager->remove("com", false));
    }
}

TEST_F(HangingJob, TheMachineEndsAndWhatTheJobUsesStays) {
    for (const bool calls_host : {false, true}) {
        pipe.calls_host = calls_host;
        const int ended = pipe.ended;
        add_reader();
        manager.reset();
        EXPECT_EQ(living, 1) << "the desk is destroyed, the reader is pinned";
        EXPECT_THAT(platform.memories, ::testing::IsEmpty()) << "what it held is given back";
        EXPECT_EQ(in(0x300), 0xffU);
        living = 0;
        pipe.let_go();
        EXPECT_TRUE(eventually([&] { return pipe.ended == ended + 1; }));
        let_pass(); // the job returns, or waits in the host for ever
        make_manager();
    }
}

TEST_F(HangingJob, WhatIsInFlightKeepsItsDevice) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("w", "waiter", 0x300), "com")}));
    out(0x3f8, 6);
    EXPECT_EQ(in(0x3f8), 7U);
    manager.reset();
    EXPECT_EQ(living--, 1) << "the desk is destroyed, the waiter is pinned";
    EXPECT_EQ(in(0x300), 0xffU);
    EXPECT_EQ(in(0x3f8), 0xffU);
}

// With its RAM and its workers, as at the end of the process's machine.
TEST_F(HangingJob, OutlivesRamAndWorkers) {
    auto own_memory = std::move(*GuestMemory::create(16 << 20));
    auto own_workers = std::make_unique<WorkerPool>();
    MachineServices own{*own_memory,
                        bus,
                        platform,
                        lines,
                        pci,
                        firmware,
                        cpuid,
                        ram_watches,
                        *own_workers,
                        events,
                        clock,
                        1,
                        [](MachineRequest) {},
                        [] {},
                        std::chrono::milliseconds(50)};
    std::vector<std::unique_ptr<IoLoop>> loops;
    loops.push_back(std::move(*IoLoop::create("test")));
    manager = std::make_unique<DeviceManager>(
        own,
        [](std::string_view) {
            return LoadedType{nullptr, &plugbay::detail::Glue<Reader>::type};
        },
        std::move(loops));
    ASSERT_TRUE(add({device("r", "reader")}));
    ASSERT_TRUE(eventually([&] { return pipe.begun == 1; }));
    manager.reset();
    own_workers.reset();
    own_memory.reset();
    EXPECT_EQ(living.exchange(0), 1);
    pipe.let_go();
    EXPECT_TRUE(eventually([&] { return pipe.ended == 1; }));
    let_pass();
}

TEST_F(HangingJob, ATransactionThatFailsPinsWhatItHadStarted) {
    const auto added = add({device("r", "reader", 0x300), device("bad", "desk", 0, Fault::start)});
    ASSERT_FALSE(added);
    EXPECT_THAT(ids(), ::testing::IsEmpty());
    EXPECT_EQ(in(0x300), 0xffU);
    ASSERT_TRUE(add({device("r", "desk", 0x300)})) << "its id and its port are free";
    if (pipe.begun == 0) return; // it was taken away before the job began
    EXPECT_EQ(living--, 2);
    pipe.let_go();
    EXPECT_TRUE(eventually([&] { return pipe.ended == 1; }));
    let_pass();
}

} // namespace
} // namespace plugbay::core
