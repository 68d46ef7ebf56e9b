// Devices that hook the processor or memory, coming and going while the guest runs.
#include "core/memory/guest_memory.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>

#include <optional>
#include <thread>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t msr = 0x4b50'0000;
constexpr std::uint64_t shelf = 0x8000'0000;
constexpr std::uint64_t watched_page = 0x4000;
constexpr std::uint64_t page = 4096;
constexpr std::uint32_t cpuid_leaf = 0x4000'0200;

// Its MSR holds what the guest wrote last.
class MsrKeeper : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "msr-keeper", .help = "An MSR."};
    MsrKeeper(plugbay::Host host, const Options& options)
        : Crew(host, options), hook_(host.hook_msrs(msr, 1)) {}

    std::optional<std::uint64_t> msr_read(plugbay::MsrAccess) {
        const Inside inside(*this);
        expect(runs_);
        return value_;
    }
    bool msr_write(plugbay::MsrAccess, std::uint64_t value) {
        const Inside inside(*this);
        expect(runs_);
        value_ = static_cast<std::uint8_t>(value);
        return true;
    }
    void write(plugbay::Access, std::uint64_t) {}

  private:
    plugbay::MsrHook hook_;
};

// What the guest writes to its memory appears there, one more.
class Shelf : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "shelf", .help = "Write-hooked memory."};
    Shelf(plugbay::Host host, const Options& options)
        : Crew(host, options), memory_(host.memory_region(PLUGBAY_REGION_WRITE_HOOK, shelf, page)) {}

    void write(plugbay::Access access, std::uint64_t value) {
        const Inside inside(*this);
        expect(runs_);
        memory_.bytes()[access.offset] = static_cast<std::byte>(value + 1);
    }

  private:
    plugbay::MemoryRegion memory_;
};

class Watcher : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "watcher", .help = "Watches RAM."};
    Watcher(plugbay::Host host, const Options& options)
        : Crew(host, options), watch_(host.watch_ram(PLUGBAY_WATCH_WRITES, watched_page, page)) {}
    void write(plugbay::Access, std::uint64_t) {}

  private:
    plugbay::RamWatch watch_;
};

class Namer : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "namer", .help = "Sets a leaf of CPUID."};
    Namer(plugbay::Host host, const Options& options)
        : Crew(host, options), bits_(host.set_cpuid_leaf(cpuid_leaf, {1, 2, 3, 4})) {}
    void write(plugbay::Access, std::uint64_t) {}

  private:
    plugbay::CpuidBits bits_;
};

class ManagerHooks : public ManagerTest {
  protected:
    ManagerHooks() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("test")));
        manager = std::make_unique<DeviceManager>(services, &load_hook_type, std::move(loops));
    }
    static Result<LoadedType> load_hook_type(std::string_view name) {
        if (name == "msr-keeper") return LoadedType{nullptr, &plugbay::detail::Glue<MsrKeeper>::type};
        if (name == "shelf") return LoadedType{nullptr, &plugbay::detail::Glue<Shelf>::type};
        if (name == "watcher") return LoadedType{nullptr, &plugbay::detail::Glue<Watcher>::type};
        if (name == "namer") return LoadedType{nullptr, &plugbay::detail::Glue<Namer>::type};
        return load_type(name);
    }
    // As the guest; nothing: it faults.
    std::optional<std::uint64_t> read_msr() {
        std::uint64_t value = 0;
        return bus.msrs().read(presence, msr, value) ? std::optional(value) : std::nullopt;
    }
    bool write_msr(std::uint64_t value) { return bus.msrs().write(presence, msr, value); }
    std::uint64_t read_shelf() { return bus.read_memory(presence, shelf + 8, 1); }
    void write_shelf(std::uint8_t value) { bus.write_memory(presence, shelf + 8, 1, value); }
};

TEST_F(ManagerHooks, MsrsComeAndGo) {
    for (std::uint64_t round = 0; round < 3; ++round) {
        EXPECT_FALSE(read_msr());
        ASSERT_TRUE(add({device("a", "msr-keeper")}));
        EXPECT_TRUE(write_msr(5 + round));
        EXPECT_EQ(read_msr(), 5 + round);
        const auto second = add({device("b", "msr-keeper")});
        ASSERT_FALSE(second);
        EXPECT_THAT(second.error().text(), AllOf(HasSubstr("\"a\""), HasSubstr("\"b\"")));
        EXPECT_EQ(read_msr(), 5 + round) << "the first answers as before";
        ASSERT_TRUE(manager->remove("a", false));
        EXPECT_FALSE(write_msr(1));
        EXPECT_THAT(platform.interceptions, IsEmpty());
    }
}

TEST_F(ManagerHooks, MemoryComesAndGoes) {
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(read_shelf(), 0xffU);
        ASSERT_TRUE(add({device("a", "shelf")}));
        EXPECT_EQ(read_shelf(), 0U) << "new memory is empty";
        write_shelf(7);
        EXPECT_EQ(read_shelf(), 8U);
        const auto second = add({device("b", "shelf")});
        ASSERT_FALSE(second);
        EXPECT_THAT(second.error().text(), AllOf(HasSubstr("\"a\""), HasSubstr("\"b\"")));
        EXPECT_EQ(read_shelf(), 8U) << "the first answers as before";
        ASSERT_TRUE(manager->remove("a", false));
        EXPECT_THAT(platform.memories, IsEmpty());
    }
}

TEST_F(ManagerHooks, WhatIsTakenBackLeavesNoHooks) {
    for (const Fault fault : {Fault::create, Fault::start}) {
        EXPECT_FALSE(
            add({device("m", "msr-keeper"), device("s", "shelf"), device("bad", "desk", 0x100, fault)}));
        EXPECT_THAT(platform.interceptions, IsEmpty());
        EXPECT_THAT(platform.memories, IsEmpty());
        EXPECT_FALSE(read_msr());
        EXPECT_EQ(read_shelf(), 0xffU);
    }
    EXPECT_TRUE(add({device("m", "msr-keeper"), device("s", "shelf")}));
}

// The rules of Crew and the sanitizers say whether an access met a device that was not there or held still.
TEST_F(ManagerHooks, ComeAndGoUnderTheGuestsAccesses) {
    std::atomic<bool> stop = false;
    std::atomic<unsigned> answered = 0;
    std::thread guest([&] {
        Presence own;
        bus.presences().add(own);
        std::uint64_t value = 0;
        while (!stop) {
            answered += bus.msrs().write(own, msr, 3) ? 1U : 0U;
            answered += bus.msrs().read(own, msr, value) ? 1U : 0U;
            bus.write_memory(own, shelf, 1, 1);
            value = bus.read_memory(own, shelf, 1);
        }
        bus.presences().remove(own);
    });
    for (int round = 0; round < 100; ++round) {
        EXPECT_TRUE(add({device("m", "msr-keeper"), device("s", "shelf")}));
        const unsigned before = answered;
        while (answered == before)
            std::this_thread::yield();
        EXPECT_TRUE(manager->reset("m"));
        EXPECT_TRUE(manager->remove("m", false));
        EXPECT_TRUE(manager->remove("s", false));
    }
    stop = true;
    guest.join();
    EXPECT_FALSE(read_msr());
    EXPECT_EQ(read_shelf(), 0xffU);
}

TEST_F(ManagerHooks, WatchesBeginAndEndOnlyWhileTheGuestStandsStill) {
    const auto early = add({device("w", "watcher")});
    ASSERT_FALSE(early);
    EXPECT_THAT(early.error().text(), HasSubstr("stands still"));
    EXPECT_THAT(ids(), IsEmpty());
    clock.stop();
    ASSERT_TRUE(add({device("w", "watcher")}));
    clock.start();
    const auto removed = manager->remove("w", false);
    ASSERT_FALSE(removed);
    EXPECT_THAT(removed.error().text(), AllOf(HasSubstr("\"w\" watches RAM"), HasSubstr("pause")));
    EXPECT_THAT(ids(), ElementsAre("w"));
    EXPECT_EQ(platform.watched.size(), 1U);
    clock.stop();
    EXPECT_TRUE(manager->remove("w", false));
    EXPECT_THAT(platform.watched, IsEmpty());
}

TEST_F(ManagerHooks, CpuidIsRefusedOnceTheMachineHasRun) {
    ASSERT_TRUE(add({device("n", "namer")}));
    cpuid.seal();
    EXPECT_TRUE(manager->remove("n", false)) << "what it has set stays";
    const auto again = add({device("n", "namer")});
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().text(), HasSubstr("the machine has run"));
    EXPECT_THAT(ids(), IsEmpty());
}

} // namespace
} // namespace plugbay::core
