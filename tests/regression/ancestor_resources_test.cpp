// What devices hold: each kind can be taken, has one owner, and goes with its device.
#include "core/boot/acpi_table.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>
#include <plugbay/abi/cpuid.h>
#include <plugbay/abi/firmware.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/region.h>

#include <sys/eventfd.h>
#include <sys/mman.h>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AncestorKinds : public DeviceTest {
  protected:
    struct Kind {
        const char* name;
        std::function<plugbay_status(const Script&, const plugbay_host*)> take;
        bool exclusive = true; // one owner
    };

    // Every kind of resource that a device asks for by itself; PCI functions are PciTest's.
    std::vector<Kind> kinds() {
        return {
            {"ports",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_access_host>(PLUGBAY_ACCESS).map_ports(h, 0x100, 8, 0, &handle);
             }},
            {"memory access",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_access_host>(PLUGBAY_ACCESS)
                     .map_memory(h, 0xd000'0000, 0x1000, 0, &handle);
             }},
            {"RAM region",
             [this](const Script& s, const plugbay_host* h) { return region(s, h, PLUGBAY_REGION_RAM, 1); }},
            {"ROM",
             [this](const Script& s, const plugbay_host* h) { return region(s, h, PLUGBAY_REGION_ROM, 2); }},
            {"write hook",
             [this](const Script& s, const plugbay_host* h) {
                 return region(s, h, PLUGBAY_REGION_WRITE_HOOK, 3);
             }},
            {"watched RAM",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_region_host>(PLUGBAY_REGION)
                     .watch_ram(h, PLUGBAY_WATCH_ALL, 0x10'0000, 0x1000, 0, &handle);
             }},
            {"MSR",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_msr_host>(PLUGBAY_MSR)
                     .hook(h, 0x100, 4, PLUGBAY_MSR_READ, 0, &handle);
             }},
            {"CPUID",
             [this](const Script& s, const plugbay_host* h) {
                 plugbay_cpuid_bits bits{};
                 bits.size = sizeof bits;
                 bits.leaf = 1;
                 bits.mask[2] = 4;
                 return s.table<plugbay_cpuid_host>(PLUGBAY_CPUID).set(h, &bits, &handle);
             }},
            {"hypercall",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_hypercall_host>(PLUGBAY_HYPERCALL).claim(h, 0x100, 2, 0, &handle);
             }},
            {"ACPI table",
             [](const Script& s, const plugbay_host* h) {
                 const Bytes table = make_acpi_table("HPET", 1, Bytes(20));
                 return s.table<plugbay_firmware_host>(PLUGBAY_FIRMWARE)
                     .add_acpi_table(h, table.data(), table.size());
             }},
            {"interrupt line",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_interrupt_host>(PLUGBAY_INTERRUPT).claim(h, 4, 0, &handle);
             }},
            {"timer",
             [this](const Script& s, const plugbay_host* h) {
                 const auto& timers = s.table<plugbay_timer_host>(PLUGBAY_TIMER);
                 const auto made = timers.create(h, PLUGBAY_CLOCK_HOST, 0, &handle);
                 return made == PLUGBAY_OK ? timers.arm(h, handle, 0, 1'000'000) : made;
             },
             false},
            {"descriptor",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_fd_host>(PLUGBAY_FD).watch(h, event, PLUGBAY_FD_READABLE, 0, &handle);
             },
             false},
            {"worker",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_worker_host>(PLUGBAY_WORKER).create(h, 4, &handle);
             },
             false},
            {"host events",
             [this](const Script& s, const plugbay_host* h) {
                 return s.table<plugbay_host_event_host>(PLUGBAY_HOST_EVENT)
                     .subscribe(h, PLUGBAY_EVENT_ALL, 0, &handle);
             },
             false},
        };
    }
    plugbay_status region(const Script& script, const plugbay_host* host, std::uint32_t kind,
                          std::uint64_t page) {
        return script.table<plugbay_region_host>(PLUGBAY_REGION)
            .create(host, kind, 0, 0xe000'0000 + page * 0x1000, 0x1000, 0, &handle, nullptr);
    }
    static std::vector<std::string> held_by(const Device& device) {
        std::vector<std::string> held;
        device.resources().each([&](const Resource& each) { held.push_back(each.describe()); });
        return held;
    }

    UniqueFd event_owner{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    int event = event_owner.get();
    plugbay_handle handle{};
};

TEST_F(AncestorKinds, EveryDeclaredKindCanBeTakenAndIsListed) {
    for (const Kind& kind : kinds()) {
        Script script;
        script.create = [&](const plugbay_host* host) { return kind.take(script, host); };
        const auto device = make("taker");
        const auto created = create(*device, script);
        EXPECT_TRUE(created) << kind.name << ": " << created.error().text();
        EXPECT_EQ(held_by(*device).size(), 1U) << kind.name;
    }
}

TEST_F(AncestorKinds, NoneLeaksWhenItsDeviceGoes) {
    int late = 0;
    for (const Kind& kind : kinds()) {
        for (int round = 0; round < 2; ++round) { // the second finds what the first one left
            Script script;
            script.create = [&](const plugbay_host* host) { return kind.take(script, host); };
            script.expired = [&](std::uint64_t) { ++late; };
            script.ready = [&](std::uint64_t, int, std::uint32_t) { ++late; };
            script.event = [&](std::uint64_t, plugbay_host_event) { ++late; };
            const auto device = make("taker");
            const auto created = create(*device, script);
            EXPECT_TRUE(created) << kind.name << ": " << created.error().text();
        }
    }
    EXPECT_THAT(platform.memories, IsEmpty());
    EXPECT_THAT(platform.watched, IsEmpty());
    EXPECT_THAT(platform.interceptions, IsEmpty());
    EXPECT_EQ(::eventfd_write(event, 1), 0);
    events.publish({.kind = PLUGBAY_EVENT_TICK, .code = 0, .x = 1, .y = 0, .z = 0, .dropped = 0});
    let_pass();
    EXPECT_EQ(late, 0) << "a timer, a watch or a subscription that nobody has";
}

TEST_F(AncestorKinds, NoneIsHeldByTwoDevicesAndTheRefusalNamesBoth) {
    for (const Kind& kind : kinds()) {
        if (!kind.exclusive) continue;
        Script first;
        Script second;
        first.create = [&](const plugbay_host* host) { return kind.take(first, host); };
        second.create = [&](const plugbay_host* host) { return kind.take(second, host); };
        const auto owner = make("owner");
        const auto late = make("late");
        ASSERT_TRUE(create(*owner, first)) << kind.name;
        const auto refused = create(*late, second);
        ASSERT_FALSE(refused) << kind.name;
        EXPECT_THAT(refused.error().text(), AllOf(HasSubstr("\"owner\""), HasSubstr("\"late\"")))
            << kind.name;
    }
}

TEST_F(AncestorKinds, AReleaseThatIsRefusedLeavesItTracked) {
    Script script;
    script.create = [&](const plugbay_host* host) {
        return script.table<plugbay_access_host>(PLUGBAY_ACCESS).map_ports(host, 0x100, 8, 0, &handle);
    };
    script.read = [](std::uint64_t, std::uint64_t, std::uint32_t) { return 7U; };
    const auto device = run("keeper", script);
    EXPECT_EQ(script.table<plugbay_access_host>(PLUGBAY_ACCESS).unmap(script.host, handle + 1),
              PLUGBAY_STALE);
    EXPECT_EQ(held_by(*device).size(), 1U);
    EXPECT_EQ(bus.read_port(presence, 0x100, 1), 7U);
    EXPECT_EQ(script.table<plugbay_access_host>(PLUGBAY_ACCESS).unmap(script.host, handle), PLUGBAY_OK);
    EXPECT_THAT(held_by(*device), IsEmpty());
    EXPECT_EQ(bus.read_port(presence, 0x100, 1), 0xffU);
    EXPECT_TRUE(device->quiesce());
}

TEST_F(AncestorKinds, AnUnhookThatFailsKeepsTheMemory) {
    for (const std::uint32_t kind : {PLUGBAY_REGION_RAM, PLUGBAY_REGION_ROM, PLUGBAY_REGION_WRITE_HOOK}) {
        platform.memories.clear();
        platform.refuse_unmap = false;
        void* freed = nullptr;
        void* kept = nullptr;
        for (void** bytes : {&freed, &kept}) {
            Script script;
            script.create = [&](const plugbay_host* host) {
                return script.table<plugbay_region_host>(PLUGBAY_REGION)
                    .create(host, kind, 0, 0xe000'0000 + kind * 0x1000, 0x1000, 0, &handle, bytes);
            };
            auto device = run("owner", script);
            ASSERT_NE(*bytes, nullptr);
            platform.refuse_unmap = bytes == &kept;
            EXPECT_TRUE(device->quiesce());
            device.reset();
            EXPECT_NE(::msync(*bytes, 0x1000, MS_ASYNC) == 0, bytes == &freed)
                << "ENOMEM: nothing is mapped there";
        }
        EXPECT_EQ(platform.memories.size(), 1U) << "the guest sees it";
    }
}

TEST_F(AncestorKinds, AStaleHandleIsNobodys) {
    Script script;
    script.create = [&](const plugbay_host* host) {
        const auto& ports = script.table<plugbay_access_host>(PLUGBAY_ACCESS);
        EXPECT_EQ(ports.map_ports(host, 0x100, 8, 0, &handle), PLUGBAY_OK);
        EXPECT_EQ(ports.unmap(host, handle), PLUGBAY_OK);
        EXPECT_EQ(ports.unmap(host, handle), PLUGBAY_STALE);
        plugbay_handle again{};
        EXPECT_EQ(ports.map_ports(host, 0x100, 8, 0, &again), PLUGBAY_OK);
        EXPECT_NE(again, handle);
        EXPECT_EQ(ports.unmap(host, handle), PLUGBAY_STALE);
        return PLUGBAY_OK;
    };
    const auto device = make("holder");
    ASSERT_TRUE(create(*device, script));
    EXPECT_EQ(held_by(*device).size(), 1U);
}

TEST_F(AncestorKinds, AHandleOfAnotherKindIsNobodys) {
    Script script;
    plugbay_handle ports{};
    plugbay_handle timer{};
    script.create = [&](const plugbay_host* host) {
        const auto& access = script.table<plugbay_access_host>(PLUGBAY_ACCESS);
        const auto& timers = script.table<plugbay_timer_host>(PLUGBAY_TIMER);
        EXPECT_EQ(access.map_ports(host, 0x100, 8, 0, &ports), PLUGBAY_OK);
        EXPECT_EQ(timers.create(host, PLUGBAY_CLOCK_HOST, 0, &timer), PLUGBAY_OK);
        EXPECT_EQ(access.unmap(host, timer), PLUGBAY_STALE);
        EXPECT_EQ(timers.arm(host, ports, 0, 0), PLUGBAY_STALE);
        return PLUGBAY_OK;
    };
    const auto device = make("holder");
    ASSERT_TRUE(create(*device, script));
    EXPECT_EQ(held_by(*device).size(), 2U);
}

TEST_F(AncestorKinds, WhatDoesNotFitIntoTheTableIsRefusedAndGivenBack) {
    Script script;
    std::uint32_t taken = 0;
    script.create = [&](const plugbay_host* host) {
        const auto& access = script.table<plugbay_access_host>(PLUGBAY_ACCESS);
        while (access.map_ports(host, taken, 1, 0, &handle) == PLUGBAY_OK)
            ++taken;
        EXPECT_EQ(access.map_ports(host, taken, 1, 0, &handle), PLUGBAY_NO_MEMORY);
        EXPECT_EQ(access.unmap(host, handle), PLUGBAY_STALE);
        return PLUGBAY_OK;
    };
    const auto device = make("greedy");
    ASSERT_TRUE(create(*device, script));
    EXPECT_EQ(held_by(*device).size(), taken);
    Script other;
    other.create = [&](const plugbay_host* host) {
        return other.table<plugbay_access_host>(PLUGBAY_ACCESS).map_ports(host, taken, 1, 0, &handle);
    };
    const auto late = make("late");
    EXPECT_TRUE(create(*late, other)) << "the port that was refused is free";
}

TEST_F(AncestorKinds, ANullNameIsNoExtension) {
    Script script;
    script.create = [&](const plugbay_host* host) {
        EXPECT_EQ(host->extension(host, nullptr), nullptr);
        EXPECT_EQ(host->extension(host, ""), nullptr);
        return PLUGBAY_OK;
    };
    const auto device = make("curious");
    EXPECT_TRUE(create(*device, script));
}

} // namespace
} // namespace plugbay::core
