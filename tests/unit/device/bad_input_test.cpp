// What a careless or hostile plugin does with the host's tables: everything twice, with stale handles, with other devices'
// handles, and texts of any bytes.
#include "tests/unit/device/device_fixture.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/region.h>

#include <gmock/gmock.h>
#include <sys/eventfd.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BadInput : public DeviceTest {
  protected:
    // One kind of resource. `second`: what asking for the same thing again says.
    struct Kind {
        const char* name;
        plugbay_status second;
        std::function<plugbay_status(const plugbay_host*, plugbay_handle*)> take;
        std::function<plugbay_status(const plugbay_host*, plugbay_handle)> give_back;
    };
    template <typename Table>
    static const Table& table(const plugbay_host* host, const char* id) {
        return *static_cast<const Table*>(host->extension(host, id));
    }
    std::vector<Kind> kinds() {
        std::vector<Kind> all;
        const auto kind = [&]<typename Table>(const char* name, const char* id, const Table*,
                                              plugbay_status second, auto take, auto give_back) {
            all.push_back({name, second,
                           [=](const plugbay_host* host, plugbay_handle* handle) {
                               return take(table<Table>(host, id), host, handle);
                           },
                           [=](const plugbay_host* host, plugbay_handle handle) {
                               return (table<Table>(host, id).*give_back)(host, handle);
                           }});
        };
        using Host = const plugbay_host*;
        using Handle = plugbay_handle*;
        using Access = plugbay_access_host;
        kind(
            "ports", PLUGBAY_ACCESS, static_cast<Access*>(nullptr), PLUGBAY_TAKEN,
            [](auto& t, Host h, Handle r) { return t.map_ports(h, 0x80, 4, 0, r); }, &Access::unmap);
        kind(
            "memory", PLUGBAY_ACCESS, static_cast<Access*>(nullptr), PLUGBAY_TAKEN,
            [](auto& t, Host h, Handle r) { return t.map_memory(h, 0xd000'0000, 0x1000, 0, r); },
            &Access::unmap);
        using Line = plugbay_interrupt_host;
        kind(
            "an exclusive line", PLUGBAY_INTERRUPT, static_cast<Line*>(nullptr), PLUGBAY_TAKEN,
            [](auto& t, Host h, Handle r) { return t.claim(h, 5, 0, r); }, &Line::release);
        using Timer = plugbay_timer_host;
        kind(
            "a timer", PLUGBAY_TIMER, static_cast<Timer*>(nullptr), PLUGBAY_OK,
            [](auto& t, Host h, Handle r) { return t.create(h, PLUGBAY_CLOCK_HOST, 0, r); }, &Timer::destroy);
        using Fd = plugbay_fd_host;
        kind(
            "a watch", PLUGBAY_FD, static_cast<Fd*>(nullptr), PLUGBAY_UNSUPPORTED,
            [fd = event.get()](auto& t, Host h, Handle r) {
                return t.watch(h, fd, PLUGBAY_FD_READABLE, 0, r);
            },
            &Fd::unwatch);
        using Msr = plugbay_msr_host;
        kind(
            "MSRs", PLUGBAY_MSR, static_cast<Msr*>(nullptr), PLUGBAY_TAKEN,
            [](auto& t, Host h, Handle r) {
                return t.hook(h, 0x4b50'0000, 2, PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE, 0, r);
            },
            &Msr::unhook);
        using Calls = plugbay_hypercall_host;
        kind(
            "hypercalls", PLUGBAY_HYPERCALL, static_cast<Calls*>(nullptr), PLUGBAY_TAKEN,
            [](auto& t, Host h, Handle r) { return t.claim(h, PLUGBAY_HYPERCALL_FIRST, 2, 0, r); },
            &Calls::release);
        using Queue = plugbay_worker_host;
        kind(
            "a work queue", PLUGBAY_WORKER, static_cast<Queue*>(nullptr), PLUGBAY_OK,
            [](auto& t, Host h, Handle r) { return t.create(h, 4, r); }, &Queue::destroy);
        using Events = plugbay_host_event_host;
        kind(
            "host events", PLUGBAY_HOST_EVENT, static_cast<Events*>(nullptr), PLUGBAY_OK,
            [](auto& t, Host h, Handle r) { return t.subscribe(h, PLUGBAY_EVENT_ALL, 0, r); },
            &Events::unsubscribe);
        using Memory = plugbay_region_host;
        kind(
            "RAM of its own", PLUGBAY_REGION, static_cast<Memory*>(nullptr), PLUGBAY_TAKEN,
            [](auto& t, Host h, Handle r) {
                void* pointer = nullptr;
                return t.create(h, PLUGBAY_REGION_RAM, 0, 0xd010'0000, 0x1000, 0, r, &pointer);
            },
            &Memory::remove);
        return all;
    }
    const UniqueFd event{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
};

TEST_F(BadInput, EverythingTwiceByAStrangerAndWithStaleHandles) {
    for (const Kind& kind : kinds()) {
        SCOPED_TRACE(kind.name);
        const std::size_t latches = platform.latches().size();
        Script mine;
        Script theirs;
        plugbay_handle handle{};
        std::vector<std::pair<plugbay_status, plugbay_status>> seen; // expected, found
        const auto expect = [&](plugbay_status expected, plugbay_status found) {
            seen.emplace_back(expected, found);
        };
        auto other = make("other");
        ASSERT_TRUE(create(*other, theirs));
        mine.create = [&](const plugbay_host* host) {
            expect(PLUGBAY_OK, kind.take(host, &handle));
            plugbay_handle second{};
            expect(kind.second, kind.take(host, &second));
            if (kind.second == PLUGBAY_OK) {
                EXPECT_NE(second, handle);
                expect(PLUGBAY_OK, kind.give_back(host, second));
                expect(PLUGBAY_STALE, kind.give_back(host, second));
            }
            expect(PLUGBAY_STALE, kind.give_back(theirs.host, handle));
            for (const plugbay_handle wrong :
                 {PLUGBAY_NO_HANDLE, handle + 1, handle + (std::uint64_t{1} << 32), ~std::uint64_t{0},
                  handle & 0xffff'ffff})
                expect(PLUGBAY_STALE, kind.give_back(host, wrong));
            const plugbay_handle old = handle;
            expect(PLUGBAY_OK, kind.give_back(host, handle));
            expect(PLUGBAY_STALE, kind.give_back(host, old));
            expect(PLUGBAY_OK, kind.take(host, &handle));
            EXPECT_NE(handle, old);
            expect(PLUGBAY_STALE, kind.give_back(host, old));
            expect(PLUGBAY_OK, kind.give_back(host, handle));
            expect(PLUGBAY_INVALID, kind.take(host, nullptr));
            expect(PLUGBAY_OK, kind.take(host, &handle)); // the attempt left nothing
            return PLUGBAY_OK;
        };
        auto device = make("one");
        const auto created = create(*device, mine);
        EXPECT_TRUE(created) << created.error().text();
        for (std::size_t i = 0; i < seen.size(); ++i)
            EXPECT_EQ(seen[i].first, seen[i].second) << "step " << i;
        device.reset();
        // Free for whoever comes next.
        Script next;
        next.create = [&](const plugbay_host* host) { return kind.take(host, &handle); };
        auto successor = make("next");
        const auto again = create(*successor, next);
        EXPECT_TRUE(again) << again.error().text();
        successor.reset();
        EXPECT_EQ(platform.latches().size(), latches);
    }
}

// A create that fails half-way, after all of these, leaves nothing.
TEST_F(BadInput, ACreateThatFailsHalfWayLeavesNothing) {
    for (int round = 0; round < 3; ++round) {
        Script script;
        script.give_instance = round == 1; // an instance beside a failure is nobody's
        script.create = [&](const plugbay_host* host) {
            plugbay_handle handle{};
            for (const Kind& kind : kinds())
                EXPECT_EQ(kind.take(host, &handle), PLUGBAY_OK) << kind.name << " in round " << round;
            return round == 2 ? PLUGBAY_OK : PLUGBAY_FAILED; // in round 2: it says that it went well
        };
        auto device = make("half");
        EXPECT_FALSE(create(*device, script));
    }
    EXPECT_TRUE(platform.memories.empty());
    EXPECT_EQ(bus.read_port(presence, 0x80, 1), 0xffU);
}

TEST_F(BadInput, TextsOfAnyBytesAreShownAsTheyCanBe) {
    Script script;
    std::string text = "a\x1b[2J\n\xff\xc3\xa9\x7f \xe2\x80\xae";
    script.create = [&](const plugbay_host* host) {
        host->log(host, PLUGBAY_LOG_INFO, text.c_str());
        host->log(host, 4711, nullptr);
        host->set_error(host, text.c_str());
        return PLUGBAY_FAILED;
    };
    auto created = create(*make("vda"), script);
    ASSERT_FALSE(created);
    EXPECT_THAT(created.error().message, HasSubstr("a\\x1b[2J\\n\\xff\xc3\xa9\\x7f \\xe2\\x80\\xae"));
    text.assign(1 << 20, 'x');
    created = create(*make("vda"), script);
    EXPECT_LT(created.error().message.size(), 3000U);
    EXPECT_THAT(created.error().message, HasSubstr("xxx..."));
}

} // namespace
} // namespace plugbay::core
