#include "tests/unit/device/device_fixture.hpp"

#include <gmock/gmock.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/region.h>
#include <plugbay/device.hpp>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using DeviceLife = DeviceTest;

TEST_F(DeviceLife, FailedCreateCarriesTheDevicesExplanation) {
    Script script;
    script.create = [](const plugbay_host* host) -> plugbay_status {
        host->set_error(host, "first");
        host->set_error(host, "the file is missing");
        return PLUGBAY_NOT_FOUND;
    };
    auto device = make("vda");
    const auto created = create(*device, script);
    ASSERT_FALSE(created);
    EXPECT_EQ(created.error().message, "device \"vda\" (scripted) could not be created: the file is missing");
    int destroyed = 0;
    script.destroy = [&] { ++destroyed; };
    device.reset();
    EXPECT_EQ(destroyed, 0) << "there is no instance to destroy";
}

TEST_F(DeviceLife, FailureWithoutATextNamesTheStatus) {
    Script script;
    script.create = [](const plugbay_host*) { return PLUGBAY_NO_MEMORY; };
    const auto device = make("vda");
    EXPECT_THAT(create(*device, script).error().message, HasSubstr("NO_MEMORY"));
}

TEST_F(DeviceLife, SuccessWithoutAnInstanceIsAFailure) {
    Script script;
    script.give_instance = false;
    const auto device = make("vda");
    EXPECT_THAT(create(*device, script).error().message, HasSubstr("gave no instance"));
}

struct Thrower {
    static constexpr plugbay::Type type{"thrower", "Throws from its constructor."};
    explicit Thrower(plugbay::Host host)
        : ports(host.map_ports(0x80, 1)), line(host.interrupt_line(4)), timer(host.timer()) {
        throw plugbay::Failure("cannot live like this", PLUGBAY_INVALID);
    }
    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t) {}
    void on_timer(std::uint64_t) {}
    void reset() {}
    plugbay::Region ports;
    plugbay::InterruptLine line;
    plugbay::Timer timer;
};

TEST_F(DeviceLife, ExceptionFromTheWrapperBecomesAnErrorAndLeavesNothing) {
    auto device = make("odd", plugbay::detail::Glue<Thrower>::type);
    const auto created = device->create({});
    ASSERT_FALSE(created);
    EXPECT_THAT(created.error().message, HasSubstr("cannot live like this"));
    Script script;
    script.create = [](const plugbay_host* host) {
        plugbay_handle handle{};
        const auto& access = *static_cast<const plugbay_access_host*>(host->extension(host, PLUGBAY_ACCESS));
        return access.map_ports(host, 0x80, 1, 0, &handle);
    };
    const auto successor = make("other");
    EXPECT_TRUE(create(*successor, script)) << "the ports are free again";
}

TEST_F(DeviceLife, WhatTheHypervisorAnswersIsNobodys) {
    const auto ranges = own_ranges();
    platform.own.assign(ranges.begin(), ranges.end());
    Script script;
    std::string why;
    script.create = [&](const plugbay_host* host) {
        plugbay_handle handle{};
        const auto& access = script.table<plugbay_access_host>(PLUGBAY_ACCESS);
        for (const std::uint32_t last : {0x20U, 0x40U, 0x43U, 0x61U, 0xa1U, 0x4d0U})
            EXPECT_EQ(access.map_ports(host, last - 3, 4, 0, &handle), PLUGBAY_TAKEN) << last;
        for (const std::uint32_t first : {0x1cU, 0x22U, 0x3cU, 0x44U, 0x62U, 0x80U, 0xa2U, 0x4d2U})
            EXPECT_EQ(access.map_ports(host, first, 4, 0, &handle), PLUGBAY_OK) << first;
        for (const std::uint64_t page : {0xfec0'0000ULL, 0xfee0'0000ULL, 0xfffb'c000ULL, 0xfffb'f000ULL}) {
            EXPECT_EQ(access.map_memory(host, page + 0xff0, 0x100, 0, &handle), PLUGBAY_TAKEN);
            EXPECT_EQ(script.table<plugbay_region_host>(PLUGBAY_REGION)
                          .create(host, PLUGBAY_REGION_RAM, 0, page - 0x1000, 0x2000, 0, &handle, nullptr),
                      PLUGBAY_TAKEN);
        }
        const auto& lines_host = script.table<plugbay_interrupt_host>(PLUGBAY_INTERRUPT);
        for (const std::uint32_t line : {0U, 2U}) {
            EXPECT_EQ(lines_host.claim(host, line, 0, &handle), PLUGBAY_TAKEN);
            EXPECT_EQ(lines_host.claim(host, line, PLUGBAY_INTERRUPT_SHARED, &handle), PLUGBAY_TAKEN);
        }
        EXPECT_EQ(lines_host.claim(host, 1, 0, &handle), PLUGBAY_OK);
        return access.map_ports(host, 0x40, 4, 0, &handle);
    };
    const auto device = make("pit");
    const auto created = create(*device, script);
    ASSERT_FALSE(created);
    EXPECT_THAT(created.error().text(), HasSubstr("ports 0x40-0x43 overlap the machine's own interval timer "
                                                  "(0x40-0x43), which the hypervisor answers"));
}

TEST_F(DeviceLife, OverlapNamesBothOwners) {
    Script first;
    const auto one = run("clock", first);
    plugbay_handle handle{};
    const auto& access = first.table<plugbay_access_host>(PLUGBAY_ACCESS);
    ASSERT_EQ(access.map_ports(first.host, 0x70, 2, 0, &handle), PLUGBAY_OK);
    Script second;
    second.create = [&](const plugbay_host* host) {
        plugbay_handle other{};
        return access.map_ports(host, 0x71, 1, 0, &other);
    };
    const auto two = make("alarm");
    const auto created = create(*two, second);
    ASSERT_FALSE(created);
    EXPECT_THAT(created.error().message, HasSubstr("device \"alarm\""));
    EXPECT_THAT(created.error().message, HasSubstr("device \"clock\""));
    EXPECT_EQ(access.map_memory(first.host, 0x1000, 0x1000, 0, &handle), PLUGBAY_TAKEN) << "that is RAM";
    EXPECT_EQ(access.map_memory(first.host, ~0ULL - 5, 100, 0, &handle), PLUGBAY_INVALID);
    EXPECT_EQ(access.map_ports(first.host, 0x80, 1, 0, nullptr), PLUGBAY_INVALID);
    EXPECT_EQ(access.map_ports(first.host, 0x80, 1, 0, &handle), PLUGBAY_OK) << "nothing was left behind";
}

// A host call that the device got over must not explain a failure that comes later.
TEST_F(DeviceLife, OldRefusalDoesNotExplainALaterFailure) {
    Script script;
    script.create = [](const plugbay_host* host) {
        host->set_error(host, "the first choice was taken");
        return PLUGBAY_OK;
    };
    script.start = [] { return PLUGBAY_FAILED; };
    const auto device = make("vda");
    ASSERT_TRUE(create(*device, script));
    const auto started = device->start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message, Not(HasSubstr("first choice")));
    EXPECT_EQ(device->phase(), Phase::quiesced);
}

TEST_F(DeviceLife, QuiesceOutcomes) {
    struct Case {
        const char* what;
        plugbay_status status;
        bool report;
        bool succeeds;
        Phase after;
    };
    const Case cases[] = {
        {"at once", PLUGBAY_OK, false, true, Phase::quiesced},
        {"pending, reported inside", PLUGBAY_PENDING, true, true, Phase::quiesced},
        {"refused", PLUGBAY_FAILED, false, false, Phase::running},
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(each.what);
        Script script;
        int resumed = 0;
        script.resume = [&] { ++resumed; };
        script.quiesce = [&] {
            if (each.report) script.host->quiesced(script.host);
            return each.status;
        };
        const auto device = run("vda", script);
        EXPECT_EQ(static_cast<bool>(device->quiesce()), each.succeeds);
        EXPECT_EQ(device->phase(), each.after);
        EXPECT_EQ(resumed, each.succeeds ? 0 : 1);
        EXPECT_TRUE(!each.succeeds || device->quiesce()) << "a second time changes nothing";
        script.host->quiesced(script.host); // nobody waits for this one
        device->resume();
        EXPECT_EQ(device->phase(), Phase::running);
        script.quiesce = nullptr;
        EXPECT_TRUE(device->quiesce());
    }
}

// The callback that reports the end of a pending quiesce may go on for a while; the device does not hold
// still before that is over.
TEST_F(DeviceLife, PendingQuiesceWaitsForTheCallbackThatEndsIt) {
    Script script;
    std::atomic<bool> callback_over{false};
    const UniqueFd event(::eventfd(0, EFD_NONBLOCK));
    plugbay_handle watch{};
    script.quiesce = [&] {
        ::eventfd_write(event.get(), 1); // descriptors are delivered while draining
        return PLUGBAY_PENDING;
    };
    script.ready = [&](std::uint64_t, int fd, std::uint32_t) {
        eventfd_t ignored = 0;
        ::eventfd_read(fd, &ignored);
        script.host->quiesced(script.host);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        callback_over = true;
    };
    const auto device = run("vda", script);
    const auto& fds = script.table<plugbay_fd_host>(PLUGBAY_FD);
    ASSERT_EQ(fds.watch(script.host, event.get(), PLUGBAY_FD_READABLE, 0, &watch), PLUGBAY_OK);
    EXPECT_TRUE(device->quiesce());
    EXPECT_TRUE(callback_over);
}

TEST_F(DeviceLife, ResourcesGoNewestFirst) {
    Script script;
    const auto& platform_levels = platform;
    auto device = run("pic", script);
    const auto& interrupts = script.table<plugbay_interrupt_host>(PLUGBAY_INTERRUPT);
    for (const std::uint32_t gsi : {3U, 9U, 5U}) {
        plugbay_handle line{};
        ASSERT_EQ(interrupts.claim(script.host, gsi, 0, &line), PLUGBAY_OK);
        ASSERT_EQ(interrupts.set(script.host, line, 1), PLUGBAY_OK);
    }
    ASSERT_TRUE(device->quiesce());
    bool lines_up_at_destroy = false;
    script.destroy = [&] { lines_up_at_destroy = platform.levels().size() == 3; };
    device.reset();
    EXPECT_TRUE(lines_up_at_destroy);
    const auto levels = platform_levels.levels();
    ASSERT_EQ(levels.size(), 6U);
    EXPECT_EQ(levels[3], std::pair(5U, false));
    EXPECT_EQ(levels[4], std::pair(9U, false));
    EXPECT_EQ(levels[5], std::pair(3U, false));
}

TEST_F(DeviceLife, HandlesAreChecked) {
    Script mine, theirs;
    const auto one = run("one", mine);
    const auto two = run("two", theirs);
    const auto& access = mine.table<plugbay_access_host>(PLUGBAY_ACCESS);
    const auto& timers = mine.table<plugbay_timer_host>(PLUGBAY_TIMER);
    const auto& interrupts = mine.table<plugbay_interrupt_host>(PLUGBAY_INTERRUPT);
    plugbay_handle region{}, timer{}, line{};
    ASSERT_EQ(access.map_ports(mine.host, 0x80, 1, 0, &region), PLUGBAY_OK);
    ASSERT_EQ(timers.create(mine.host, PLUGBAY_CLOCK_HOST, 0, &timer), PLUGBAY_OK);
    EXPECT_EQ(access.unmap(mine.host, PLUGBAY_NO_HANDLE), PLUGBAY_STALE);
    EXPECT_EQ(access.unmap(mine.host, timer), PLUGBAY_STALE) << "of another kind";
    EXPECT_EQ(access.unmap(theirs.host, region), PLUGBAY_STALE) << "of another device";
    EXPECT_EQ(access.unmap(mine.host, region), PLUGBAY_OK);
    EXPECT_EQ(access.unmap(mine.host, region), PLUGBAY_STALE) << "given back already";
    ASSERT_EQ(interrupts.claim(mine.host, 5, 0, &line), PLUGBAY_OK);
    EXPECT_NE(line, region) << "the entry is used again, its generation is not";
    EXPECT_EQ(static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(region));
    EXPECT_EQ(interrupts.set(mine.host, region, 1), PLUGBAY_STALE);
    EXPECT_EQ(interrupts.claim(mine.host, 24, 0, &line), PLUGBAY_INVALID);
}

// Else a guest's access, or the loop, would call a null pointer.
TEST_F(DeviceLife, CallbackTablesWithHolesCountAsNone) {
    auto type = scripted::make_type();
    type.extension = [](const char* id) -> const void* {
        static constexpr plugbay_access_callbacks access{
            sizeof access, 0, [](void*, auto, auto, auto) { return std::uint64_t{0}; }, nullptr};
        static constexpr plugbay_timer_callbacks timer{sizeof timer, 0, nullptr};
        static constexpr plugbay_fd_callbacks fd{sizeof fd, 0, nullptr};
        if (id == std::string_view(PLUGBAY_ACCESS)) return &access;
        if (id == std::string_view(PLUGBAY_TIMER)) return &timer;
        if (id == std::string_view(PLUGBAY_FD)) return &fd;
        return scripted::extension(id);
    };
    Script script;
    const auto device = make("holes", type);
    ASSERT_TRUE(create(*device, script));
    plugbay_handle handle{};
    const auto& access = script.table<plugbay_access_host>(PLUGBAY_ACCESS);
    EXPECT_EQ(access.map_ports(script.host, 0x80, 1, 0, &handle), PLUGBAY_INVALID);
    EXPECT_EQ(access.map_memory(script.host, 0xd000'0000, 0x1000, 0, &handle), PLUGBAY_INVALID);
    EXPECT_EQ(
        script.table<plugbay_timer_host>(PLUGBAY_TIMER).create(script.host, PLUGBAY_CLOCK_HOST, 0, &handle),
        PLUGBAY_INVALID);
    EXPECT_EQ(
        script.table<plugbay_fd_host>(PLUGBAY_FD).watch(script.host, 0, PLUGBAY_FD_READABLE, 0, &handle),
        PLUGBAY_INVALID);
}

// The slot is looked at by guest accesses that found the region just before it went.
TEST_F(DeviceLife, SlotOutlivesTheDeviceWhileAnAccessMayReachForIt) {
    Script script;
    auto device = run("vda", script);
    plugbay_handle region{};
    ASSERT_EQ(script.table<plugbay_access_host>(PLUGBAY_ACCESS)
                  .map_memory(script.host, 0xd000'0000, 0x1000, 0, &region),
              PLUGBAY_OK);
    const std::weak_ptr<Slot> slot = device->shared_slot();
    ASSERT_TRUE(device->quiesce());
    presence.begin_lookup(bus.presences().epoch());
    device.reset();
    EXPECT_FALSE(slot.expired());
    presence.end_lookup();
    bus.presences().retire(nullptr);
    EXPECT_TRUE(slot.expired());
}

TEST_F(DeviceLife, AccessesReachTheDeviceOnceItIsCreated) {
    Script script;
    plugbay_handle region{};
    std::uint64_t during_create = 0;
    script.create = [&](const plugbay_host* host) {
        const auto status =
            script.table<plugbay_access_host>(PLUGBAY_ACCESS).map_ports(host, 0x60, 4, 99, &region);
        during_create = bus.read_port(presence, 0x60, 1);
        return status;
    };
    script.read = [](std::uint64_t token, std::uint64_t offset, std::uint32_t) {
        return token << 8 | offset;
    };
    const auto device = run("kbd", script);
    EXPECT_EQ(during_create, 0xffU);
    EXPECT_EQ(bus.read_port(presence, 0x62, 2), 99U << 8 | 2);
    EXPECT_EQ(bus.read_port(presence, 0x62, 1), 2U) << "cut to its width";
    ASSERT_TRUE(device->quiesce());
}

} // namespace
} // namespace plugbay::core
