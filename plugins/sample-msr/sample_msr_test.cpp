#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

namespace testkit = plugbay::testkit;
using testing::HasSubstr;

namespace {

constexpr std::uint32_t control = 0x504c5500;
constexpr std::uint32_t mailbox = control + 1;
constexpr std::uint32_t count = control + 2;

struct Machine {
    explicit Machine(const testkit::Properties& properties = {}) {
        bench.add(PLUGBAY_PLUGIN_FILE, "sample-msr", "msr", properties);
    }
    testkit::Bench bench;
};

} // namespace

TEST(SampleMsr, KeepsAndCountsWhatIsPosted) {
    Machine machine;
    auto& bench = machine.bench;
    bench.start();
    EXPECT_EQ(bench.rdmsr(mailbox), 0u);
    EXPECT_TRUE(bench.wrmsr(mailbox, 0x1234567890abcdef));
    EXPECT_EQ(bench.rdmsr(mailbox), 0x1234567890abcdefu);
    EXPECT_EQ(bench.rdmsr(count), 0u);
    EXPECT_TRUE(bench.wrmsr(control, 1));
    EXPECT_EQ(bench.rdmsr(control), 1u);
    EXPECT_TRUE(bench.wrmsr(mailbox, 5));
    EXPECT_TRUE(bench.wrmsr(mailbox, 6));
    EXPECT_EQ(bench.rdmsr(count), 2u);
    EXPECT_TRUE(bench.wrmsr(control, 0));
    EXPECT_TRUE(bench.wrmsr(mailbox, 7));
    EXPECT_EQ(bench.rdmsr(count), 2u);
    bench.reset();
    EXPECT_EQ(bench.rdmsr(mailbox), 0u);
    EXPECT_EQ(bench.rdmsr(count), 0u);
}

TEST(SampleMsr, RefusesWhatTheGuestMayNotDo) {
    Machine machine;
    auto& bench = machine.bench;
    bench.start();
    EXPECT_FALSE(bench.wrmsr(count, 0)) << "read-only";
    EXPECT_FALSE(bench.wrmsr(control, 3)) << "a reserved bit";
    EXPECT_FALSE(bench.wrmsr(control, std::uint64_t{1} << 63));
    EXPECT_EQ(bench.rdmsr(control), 0u) << "nothing was set";
    EXPECT_FALSE(bench.rdmsr(control - 1));
    EXPECT_FALSE(bench.rdmsr(count + 1));
}

TEST(SampleMsr, IsFoundByCpuid) {
    Machine machine(testkit::Properties{{"first", "0x50430000"}, {"leaf", "0x40000300"}});
    const auto found = machine.bench.cpuid(0x40000300);
    std::array<char, 12> name{};
    std::memcpy(name.data(), &found[1], name.size());
    EXPECT_EQ(std::string(name.begin(), name.end()), "SampleMailbx");
    EXPECT_EQ(found[0], 0x40000301u);
    EXPECT_EQ(machine.bench.cpuid(0x40000301), (std::array<std::uint32_t, 4>{1, 0x50430000, 0, 0}));
    machine.bench.start();
    EXPECT_TRUE(machine.bench.wrmsr(0x50430001, 1));
}

TEST(SampleMsr, CanBeHiddenFromCpuid) {
    Machine machine(testkit::Properties{{"leaf", "0"}});
    EXPECT_EQ(machine.bench.cpuid(0), (std::array<std::uint32_t, 4>{}));
    EXPECT_EQ(machine.bench.cpuid(0x40000200), (std::array<std::uint32_t, 4>{}));
}

TEST(SampleMsr, ASecondOneNeedsItsOwnPlaces) {
    Machine machine;
    auto& bench = machine.bench;
    const auto refused = bench.try_add(PLUGBAY_PLUGIN_FILE, "sample-msr", "second");
    EXPECT_EQ(refused.status, PLUGBAY_TAKEN);
    EXPECT_THAT(refused.text, HasSubstr("msr"));
    EXPECT_TRUE(
        bench.try_add(PLUGBAY_PLUGIN_FILE, "sample-msr", "second", {{"first", "0x504c5510"}, {"leaf", "0"}}));
    EXPECT_FALSE(bench.try_add(PLUGBAY_PLUGIN_FILE, "sample-msr", "last", {{"first", "0xffffffff"}}))
        << "there is no MSR beyond";
}

TEST(SampleMsr, IsSavedAndLoaded) {
    Machine machine;
    machine.bench.start();
    EXPECT_TRUE(machine.bench.wrmsr(control, 1));
    EXPECT_TRUE(machine.bench.wrmsr(mailbox, 77));
    machine.bench.quiesce();
    const auto image = machine.bench.save("msr");
    Machine other;
    other.bench.load("msr", image);
    other.bench.start();
    EXPECT_EQ(other.bench.rdmsr(control), 1u);
    EXPECT_EQ(other.bench.rdmsr(mailbox), 77u);
    EXPECT_EQ(other.bench.rdmsr(count), 1u);
}
