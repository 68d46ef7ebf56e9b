#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
namespace testkit = plugbay::testkit;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

struct Machine {
    explicit Machine(const testkit::Properties& properties = {}) {
        bench.add(PLUGBAY_PLUGIN_FILE, "os-debug", "kernel", properties);
    }
    void print(std::string_view text) {
        for (const char byte : text)
            bench.out(0xc0c0, 1, static_cast<unsigned char>(byte));
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        for (const auto& line : bench.log())
            all.push_back(line.text);
        return all;
    }
    testkit::CharPeer console; // before the bench, which goes first
    testkit::Bench bench;
};

} // namespace

TEST(OsDebug, LogsLines) {
    Machine machine;
    machine.bench.start();
    machine.print("hello\r\nworld");
    EXPECT_TRUE(machine.lines().empty()) << "not inside the guest's access";
    machine.bench.run();
    EXPECT_THAT(machine.lines(), ElementsAre("hello"));
    machine.print("!\n\n\x1b[2J\xff\t\n");
    machine.bench.run();
    EXPECT_THAT(machine.lines(), ElementsAre("hello", "world!", "", "\\x1b[2J\\xff\t"));
    EXPECT_EQ(machine.bench.in(0xc0c0), 0u);
}

TEST(OsDebug, WritesWholeLinesToABackend) {
    Machine machine;
    machine.bench.connect(machine.console, "kernel");
    machine.bench.start();
    machine.print("one\ntw");
    EXPECT_EQ(machine.console.take(), "one\n");
    machine.print("o \xff\n");
    EXPECT_EQ(machine.console.take(), "two \xff\n");
    machine.console.set_room(3);
    machine.print("three\nfour\n");
    EXPECT_EQ(machine.console.take(), "thr");
    machine.console.set_room(std::nullopt);
    machine.bench.run();
    EXPECT_EQ(machine.console.take(), "ee\nfour\n");
    EXPECT_TRUE(machine.lines().empty());
}

TEST(OsDebug, CutsLongLines) {
    Machine machine;
    machine.bench.connect(machine.console, "kernel");
    machine.bench.start();
    machine.print(std::string(2500, 'x') + "\n");
    EXPECT_EQ(machine.console.take(),
              std::string(1024, 'x') + "\n" + std::string(1024, 'x') + "\n" + std::string(452, 'x') + "\n");
}

TEST(OsDebug, IsRateLimited) {
    Machine machine(testkit::Properties{{"rate", "10"}});
    machine.bench.start();
    machine.bench.advance(1s);
    for (int i = 0; i < 30; ++i)
        machine.print("line " + std::to_string(i) + "\n");
    machine.bench.run();
    EXPECT_EQ(machine.lines().size(), 10u);
    machine.bench.advance(500ms);
    EXPECT_EQ(machine.lines().size(), 15u);
    machine.bench.advance(10s);
    EXPECT_EQ(machine.lines().size(), 30u);
    EXPECT_EQ(machine.lines().back(), "line 29");
}

TEST(OsDebug, LosesWholeLinesAndCountsThem) {
    Machine machine(testkit::Properties{{"rate", "1000"}});
    machine.bench.start();
    const std::string line = std::string(99, 'x') + "\n"; // 163 of them have room
    for (int i = 0; i < 1000; ++i)
        machine.print(line);
    machine.bench.advance(10s);
    const auto lines = machine.lines();
    ASSERT_EQ(lines.size(), 164u);
    EXPECT_EQ(lines.back(), "837 lines came too fast and were lost");
    machine.print("again\n");
    machine.bench.run();
    EXPECT_EQ(machine.lines().back(), "again");
}

TEST(OsDebug, ABackendThatTakesNothingHoldsNobodyUp) {
    Machine machine;
    machine.bench.connect(machine.console, "kernel");
    machine.bench.start();
    machine.console.set_room(0);
    for (int i = 0; i < 5000; ++i)
        machine.print("0123456789\n");
    machine.bench.advance(10s);
    machine.console.set_room(std::nullopt);
    machine.bench.advance(100s);
    EXPECT_EQ(machine.console.text().size() % 11, 0u);
    EXPECT_GT(machine.console.text().size(), 16000u);
    EXPECT_THAT(machine.lines().back(), HasSubstr("were lost"));
}

TEST(OsDebug, LogsWhatIsLeft) {
    Machine machine(testkit::Properties{{"rate", "1"}});
    machine.bench.start();
    machine.print("one\ntwo\nthree\nunfini");
    machine.bench.run();
    EXPECT_THAT(machine.lines(), ElementsAre("one"));
    machine.bench.quiesce();
    EXPECT_THAT(machine.lines(), ElementsAre("one", "two", "three"));
    machine.bench.resume();
    machine.print("shed");
    machine.bench.reset();
    EXPECT_EQ(machine.lines().back(), "unfinished");
}

TEST(OsDebug, KeepsLinesInItsState) {
    const testkit::Properties slow{{"rate", "1"}};
    Machine machine(slow);
    machine.bench.connect(machine.console, "kernel");
    machine.bench.start();
    machine.print("one\ntwo\nbeg");
    EXPECT_EQ(machine.console.text(), "one\n");
    machine.bench.quiesce();
    const auto image = machine.bench.save("kernel");
    Machine other(slow);
    other.bench.connect(other.console, "kernel");
    other.bench.load("kernel", image);
    other.bench.start();
    other.print("un\n");
    other.bench.advance(5s);
    EXPECT_EQ(other.console.text(), "two\nbegun\n");
}

namespace {

constexpr std::uint32_t call = 0x120;

// The usual 16 MiB of RAM, and a text at 0x1000.
struct CallMachine : Machine {
    CallMachine() : Machine(testkit::Properties{{"hypercall", "0x120"}}) {
        bench.connect(console, "kernel");
        bench.start();
        put(0x1000, "one\ntwo\n");
    }
    void put(std::uint64_t address, std::string_view text) {
        for (const char byte : text)
            bench.write(address++, 1, static_cast<unsigned char>(byte));
    }
};

} // namespace

TEST(OsDebug, TakesTextFromMemoryByHypercall) {
    CallMachine machine;
    EXPECT_EQ(machine.bench.hypercall(call, 0x1000, 8), 8u);
    EXPECT_EQ(machine.console.take(), "one\ntwo\n");
    EXPECT_EQ(machine.bench.hypercall(call, 0x1000, 2), 2u);
    machine.print("ly\n");
    EXPECT_EQ(machine.console.take(), "only\n") << "both ways lead to the same lines";
    EXPECT_EQ(machine.bench.hypercall(call, 0x1000, 0), 0u);
    EXPECT_EQ(machine.bench.hypercall(call, 0x1000, 0xdeadbeef00000004), 4u) << "32 bits of length";
    EXPECT_EQ(machine.console.take(), "one\n");
}

TEST(OsDebug, TakesLongTextInSeveralCalls) {
    CallMachine machine;
    for (int i = 0; i < 1000; ++i)
        machine.put(0x2000 + static_cast<std::uint64_t>(i) * 10, "123456789\n");
    EXPECT_EQ(machine.bench.hypercall(call, 0x2000, 10000), 4096u);
    EXPECT_EQ(machine.bench.hypercall(call, 0x2000 + 4096, 10000 - 4096), 4096u);
    EXPECT_EQ(machine.bench.hypercall(call, 0x2000 + 8192, 10000 - 8192), 1808u);
    machine.bench.advance(100s);
    EXPECT_EQ(machine.console.take().size(), 10000u);
    EXPECT_EQ(machine.bench.hypercall(call, 0x2000, 0xffffffff), 4096u) << "however much it says";
}

TEST(OsDebug, RefusesTextThatIsNotInMemory) {
    CallMachine machine;
    constexpr std::uint64_t end = 16 << 20;
    struct Case {
        std::uint64_t address, length;
    };
    for (const Case& each :
         {Case{end, 1}, Case{end - 1, 2}, Case{end - 4095, 0xffffffff}, Case{0xd0000000, 8},
          Case{0xfee00000, 1}, Case{~std::uint64_t{0}, 1}, Case{~std::uint64_t{0}, 2},
          Case{~std::uint64_t{0} - 4095, 4096}, Case{std::uint64_t{1} << 63, 4096}}) {
        EXPECT_EQ(machine.bench.hypercall(call, each.address, each.length), PLUGBAY_HYPERCALL_FAILED)
            << std::hex << each.address << " " << each.length;
    }
    machine.put(end - 4, "end\n");
    EXPECT_EQ(machine.bench.hypercall(call, end - 4, 4), 4u) << "the last bytes are RAM";
    EXPECT_EQ(machine.console.take(), "end\n") << "and nothing else was taken";
}

TEST(OsDebug, HasACallOnlyWhenAsked) {
    Machine machine;
    machine.bench.start();
    EXPECT_EQ(machine.bench.hypercall(call, 0x1000, 1), PLUGBAY_HYPERCALL_UNKNOWN);
    machine.bench.quiesce();
    const auto refused =
        machine.bench.try_add(PLUGBAY_PLUGIN_FILE, "os-debug", "low", {{"port", "0xc1"}, {"hypercall", "5"}});
    EXPECT_EQ(refused.status, PLUGBAY_INVALID) << "numbers below 0x100 are the host's";
}

TEST(OsDebug, ASwapInTheMiddleOfALineSaysItOnce) {
    for (const bool with_console : {false, true}) {
        SCOPED_TRACE(with_console);
        testkit::Bench bench;
        testkit::CharPeer console;
        bench.add(PLUGBAY_PLUGIN_FILE, "os-debug", "debug");
        if (with_console) bench.connect(console, "debug");
        bench.start();
        for (const char byte : std::string_view("one\ntwo\nthr")) {
            bench.out(0xc0c0, 1, static_cast<unsigned char>(byte));
            bench.swap("debug", PLUGBAY_PLUGIN_FILE);
        }
        bench.out(0xc0c0, 1, 'e');
        bench.out(0xc0c0, 1, 'e');
        bench.out(0xc0c0, 1, '\n');
        bench.advance(1s);
        std::string said = console.take();
        for (const auto& line : bench.log())
            said += line.text + "\n";
        EXPECT_EQ(said, "one\ntwo\nthree\n");
    }
}
