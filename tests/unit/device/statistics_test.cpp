// What is counted of a device, and what it tells of itself.
#include "core/device/device_numbers.hpp"
#include "tests/unit/device/device_fixture.hpp"

#include <plugbay/abi/interrupt.h>

#include <plugbay/unique_fd.hpp>
#include <sys/eventfd.h>

namespace plugbay::core {
namespace {

class Statistics : public DeviceTest {};

TEST_F(Statistics, CountsInterruptsThatRise) {
    Script script;
    const auto device = run("com1", script);
    const auto& interrupts = script.table<plugbay_interrupt_host>(PLUGBAY_INTERRUPT);
    plugbay_handle line{};
    ASSERT_EQ(interrupts.claim(script.host, 4, 0, &line), PLUGBAY_OK);
    for (const std::uint32_t level : {0U, 1U, 1U, 0U, 1U, 0U})
        ASSERT_EQ(interrupts.set(script.host, line, level), PLUGBAY_OK);
    EXPECT_EQ(device->counts().interrupts.value(), 2U);
}

TEST_F(Statistics, CountsWhatTheLoopDelivers) {
    Script script;
    const auto device = run("nic", script);
    const auto& timers = script.table<plugbay_timer_host>(PLUGBAY_TIMER);
    plugbay_handle timer{};
    ASSERT_EQ(timers.create(script.host, PLUGBAY_CLOCK_HOST, 0, &timer), PLUGBAY_OK);
    ASSERT_EQ(timers.arm(script.host, timer, 1, 0), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return device->counts().timers.value() == 1; }));

    const UniqueFd event(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    script.ready = [&](std::uint64_t, int fd, std::uint32_t) {
        eventfd_t ignored = 0;
        ::eventfd_read(fd, &ignored);
    };
    const auto& fds = script.table<plugbay_fd_host>(PLUGBAY_FD);
    plugbay_handle watch{};
    ASSERT_EQ(fds.watch(script.host, event.get(), PLUGBAY_FD_READABLE, 0, &watch), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return device->counts().descriptors.value() == 1; }));

    const auto& access = script.table<plugbay_access_host>(PLUGBAY_ACCESS);
    const auto& doorbells = script.table<plugbay_doorbell_host>(PLUGBAY_DOORBELL);
    plugbay_handle region{}, doorbell{};
    ASSERT_EQ(access.map_ports(script.host, 0x80, 4, 0, &region), PLUGBAY_OK);
    ASSERT_EQ(doorbells.create(script.host, region, 0, 4, 0, 0, 0, &doorbell), PLUGBAY_OK);
    ASSERT_EQ(doorbells.ring(script.host, doorbell), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return device->counts().doorbells.value() == 1; }));
    EXPECT_EQ(device->counts().held_back.value(), 0U);

    ASSERT_TRUE(device->quiesce());
    ASSERT_EQ(doorbells.ring(script.host, doorbell), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return device->counts().held_back.value() == 1; }));
    EXPECT_EQ(device->counts().doorbells.value(), 1U);
    device->resume();
    EXPECT_TRUE(eventually([&] { return device->counts().doorbells.value() == 2; }));
    ASSERT_TRUE(device->quiesce());
}

TEST_F(Statistics, NumbersAreTakenWithTheirKind) {
    Script script;
    script.numbers = [](const plugbay_statistics_writer* writer) {
        EXPECT_EQ(writer->put(writer, "requests", PLUGBAY_STATISTIC_COUNT, 7), PLUGBAY_OK);
        EXPECT_EQ(writer->put(writer, "in flight", PLUGBAY_STATISTIC_LEVEL, 3), PLUGBAY_OK);
    };
    const auto device = run("vda", script);
    const auto numbers = read_numbers(*device);
    ASSERT_EQ(numbers.size(), 2U);
    EXPECT_EQ(numbers[0].name, "requests");
    EXPECT_EQ(numbers[0].value, 7U);
    EXPECT_FALSE(numbers[0].level);
    EXPECT_EQ(numbers[1].name, "in flight");
    EXPECT_TRUE(numbers[1].level);
}

TEST_F(Statistics, NumbersThatMakeNoSenseAreLeftOut) {
    Script script;
    script.numbers = [](const plugbay_statistics_writer* writer) {
        const auto put = [&](const char* name, std::uint32_t kind) {
            return writer->put(writer, name, kind, 1);
        };
        EXPECT_EQ(put(nullptr, PLUGBAY_STATISTIC_COUNT), PLUGBAY_INVALID);
        EXPECT_EQ(put("", PLUGBAY_STATISTIC_COUNT), PLUGBAY_INVALID);
        EXPECT_EQ(put("a\nb", PLUGBAY_STATISTIC_COUNT), PLUGBAY_INVALID);
        EXPECT_EQ(put("\xff", PLUGBAY_STATISTIC_COUNT), PLUGBAY_INVALID);
        EXPECT_EQ(put(std::string(PLUGBAY_STATISTICS_LONGEST_NAME + 1, 'x').c_str(), PLUGBAY_STATISTIC_COUNT),
                  PLUGBAY_INVALID);
        EXPECT_EQ(put("x", 0), PLUGBAY_INVALID);
        EXPECT_EQ(put("x", 3), PLUGBAY_INVALID);
        EXPECT_EQ(put("x", PLUGBAY_STATISTIC_COUNT), PLUGBAY_OK);
        EXPECT_EQ(put("x", PLUGBAY_STATISTIC_LEVEL), PLUGBAY_TAKEN);
        for (unsigned i = 1; i < PLUGBAY_STATISTICS_MOST; ++i)
            EXPECT_EQ(put(std::to_string(i).c_str(), PLUGBAY_STATISTIC_COUNT), PLUGBAY_OK);
        EXPECT_EQ(put("y", PLUGBAY_STATISTIC_COUNT), PLUGBAY_NO_MEMORY);
    };
    const auto device = run("vda", script);
    EXPECT_EQ(read_numbers(*device).size(), std::size_t{PLUGBAY_STATISTICS_MOST});
}

} // namespace
} // namespace plugbay::core
