// The GDB server, with a client that speaks the protocol by hand.
#include "machine_test.hpp"
#include "tests/guests/machine/gdb_client.hpp"

#include <csignal>
#include <cstdlib>
#include <optional>

// Loaded at 0x100000. The loop begins at 0x10000f and is run three times; it writes to 0x110000.
asm(PLUGBAY_GUEST_BEGIN(counts_to_three) R"(
    .code64
    movl $0x402, %edx
    movb $'s', %al
    outb %al, %dx
    inb %dx, %al
    nop
    nop
    nop
    nop
    xorl %eax, %eax
1:  incl %eax
    movl %eax, 0x110000
    cmpl $3, %eax
    jne 1b
    end_machine
)" PLUGBAY_GUEST_END(counts_to_three));
PLUGBAY_GUEST_DECLARE(counts_to_three)

// Starts vCPU 1, which counts at 0x8000 as this one counts itself.
asm(PLUGBAY_GUEST_BEGIN(two_loops) R"(
    .code32
    start_others 6f, 7f
4:  incl 0x9010
    jmp 4b
    .code16
6:  cli
    xorw %ax, %ax
    movw %ax, %ds
8:  incw 0x9004
    jmp 8b
7:
)" PLUGBAY_GUEST_END(two_loops));
PLUGBAY_GUEST_DECLARE(two_loops)

namespace plugbay::end_to_end {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::uint64_t start = 0x100000;
constexpr const char* loop_start = "10000f"; // checked by GdbTest.TheProgramIsWhereTheTestsThink
constexpr unsigned rax = 0;

class GdbTest : public MachineTest {
  protected:
    void launch(GuestProgram program, const MachineOptions& options, const std::string& devices = "") {
        socket_ = folder_.path("gdb");
        child_.emplace(
            plugbay_command({"run", prepare(program, devices, options), "--gdb", "unix:" + socket_}));
        gdb_.emplace(socket_);
        ASSERT_TRUE(gdb_->connected()) << child_->finish(std::chrono::milliseconds(1)).text();
        ASSERT_THAT(gdb_->ask("qSupported:swbreak+;hwbreak+"), HasSubstr("QStartNoAckMode+"));
        ASSERT_EQ(gdb_->ask("?"), "T02thread:1;");
    }
    void launch() { launch(guest_program_counts_to_three(), long_64(), debugcon_to_file); }

    // The guest ends by itself, its last status 3.
    void expect_end() {
        const Outcome outcome = child_->finish(seconds(30));
        EXPECT_EQ(outcome.status, 3) << outcome.text();
        EXPECT_EQ(folder_.read("log"), "s");
    }

    std::string socket_;
    std::optional<Child> child_;
    std::optional<GdbClient> gdb_;
};

TEST_F(GdbTest, TheProgramIsWhereTheTestsThink) {
    launch();
    EXPECT_EQ(gdb_->rip(), start);
    EXPECT_EQ(gdb_->ask("m10000f,2"), "ffc0") << "inc %eax";
    EXPECT_EQ(gdb_->ask("vCont;c"), "W00");
    expect_end();
}

TEST_F(GdbTest, StepsShowWhatDevicesAnswered) {
    launch();
    EXPECT_EQ(gdb_->ask("vCont;s:1"), "T05thread:1;");
    EXPECT_EQ(gdb_->rip(), start + 5);
    EXPECT_EQ(gdb_->ask("s"), "T05thread:1;");
    EXPECT_EQ(gdb_->ask("vCont;s:1;c"), "T05thread:1;") << "outb";
    if (gdb_->rip() != start + 8) GTEST_SKIP() << "this KVM takes an access and what follows for one step";
    EXPECT_EQ(gdb_->ask("vCont;s:1"), "T05thread:1;") << "inb";
    EXPECT_EQ(gdb_->number(rax) & 0xFF, 0xE9U);
    EXPECT_EQ(gdb_->rip(), start + 9);
    EXPECT_EQ(gdb_->ask("c"), "W00");
    expect_end();
}

TEST_F(GdbTest, SoftwareBreakpointsAreHitEachTimeAndDoNotShow) {
    launch();
    ASSERT_EQ(gdb_->ask(std::string("Z0,") + loop_start + ",1"), "OK");
    EXPECT_EQ(gdb_->ask("m10000f,4"), "ffc08904");
    for (std::uint64_t round = 0; round < 2; ++round) {
        ASSERT_EQ(gdb_->ask("c"), "T05thread:1;swbreak:;");
        EXPECT_EQ(gdb_->rip(), 0x10000FU);
        EXPECT_EQ(gdb_->number(rax), round);
    }
    // Stepping goes over it, too.
    EXPECT_EQ(gdb_->ask("vCont;s:1"), "T05thread:1;");
    EXPECT_EQ(gdb_->rip(), 0x100011U);
    EXPECT_EQ(gdb_->number(rax), 2U);
    EXPECT_EQ(gdb_->ask("c"), "T05thread:1;swbreak:;");
    ASSERT_EQ(gdb_->ask(std::string("z0,") + loop_start + ",1"), "OK");
    EXPECT_EQ(gdb_->ask("c"), "W00");
    expect_end();
}

TEST_F(GdbTest, RegistersAndMemoryAreWritten) {
    launch();
    ASSERT_EQ(gdb_->ask(std::string("Z0,") + loop_start + ",1"), "OK");
    ASSERT_EQ(gdb_->ask("c"), "T05thread:1;swbreak:;");
    const std::string all = gdb_->ask("g");
    EXPECT_EQ(gdb_->ask("G" + all), "OK");
    EXPECT_EQ(gdb_->ask("g"), all);
    EXPECT_EQ(gdb_->ask("P0=0200000000000000"), "OK") << "one round left";
    EXPECT_EQ(gdb_->number(rax), 2U);
    // Over the breakpoint, which stays: "inc %eax" becomes "nop; nop".
    EXPECT_EQ(gdb_->ask("M10000f,2:9090"), "OK");
    EXPECT_EQ(gdb_->ask("m10000f,2"), "9090");
    EXPECT_EQ(gdb_->ask("P0=0300000000000000"), "OK");
    EXPECT_EQ(gdb_->ask("c"), "W00");
    expect_end();
}

TEST_F(GdbTest, MemoryEndsWhereNothingIsMapped) {
    launch();
    EXPECT_EQ(gdb_->ask("Mfffffc,4:01020304"), "OK") << "the RAM's last bytes";
    EXPECT_EQ(gdb_->ask("mfffffc,8"), "01020304");
    EXPECT_EQ(gdb_->ask("Mfffffc,5:0102030405"), "E0e");
    EXPECT_EQ(gdb_->ask("m1000000,4"), "E0e");
    // The third 2 MiB page, which this takes out of the page directory.
    EXPECT_EQ(gdb_->ask("M3ffffc,8:0102030405060708"), "OK");
    EXPECT_EQ(gdb_->ask("Mb010,8:0000000000000000"), "OK");
    EXPECT_EQ(gdb_->ask("m3ffffc,8"), "01020304");
    EXPECT_EQ(gdb_->ask("m400000,1"), "E0e");
    EXPECT_EQ(gdb_->ask("Z0,400000,1"), "E05");
    EXPECT_EQ(gdb_->ask("mffffffffffffffff,2"), "E0e");
    EXPECT_EQ(gdb_->ask("c"), "W00");
    expect_end();
}

TEST_F(GdbTest, HardwareBreakpoints) {
    launch();
    if (gdb_->ask(std::string("Z1,") + loop_start + ",1") == "E05")
        GTEST_SKIP() << "this KVM's breakpoint registers do not work";
    for (std::uint64_t round = 0; round < 3; ++round) {
        ASSERT_EQ(gdb_->ask("c"), "T05thread:1;hwbreak:;");
        EXPECT_EQ(gdb_->number(rax), round);
    }
    EXPECT_EQ(gdb_->ask("c"), "W00");
    expect_end();
}

TEST_F(GdbTest, Watchpoints) {
    launch();
    if (gdb_->ask("Z2,110000,4") == "E05") GTEST_SKIP() << "this KVM's breakpoint registers do not work";
    for (std::uint64_t round = 1; round <= 3; ++round) {
        ASSERT_EQ(gdb_->ask("c"), "T05thread:1;watch:110000;");
        EXPECT_EQ(gdb_->rip(), 0x100018U) << "after the write";
        EXPECT_EQ(gdb_->number(rax), round);
    }
    EXPECT_EQ(gdb_->ask("c"), "W00");
    expect_end();
}

TEST_F(GdbTest, ADisconnectTakesBreakpointsOutAndTheGuestRunsOn) {
    launch();
    ASSERT_EQ(gdb_->ask(std::string("Z0,") + loop_start + ",1"), "OK");
    ASSERT_EQ(gdb_->ask("c"), "T05thread:1;swbreak:;");
    gdb_.reset();
    expect_end();
}

TEST_F(GdbTest, DetachingLetsTheGuestRun) {
    launch();
    ASSERT_EQ(gdb_->ask(std::string("Z0,") + loop_start + ",1"), "OK");
    EXPECT_EQ(gdb_->ask("D"), "OK");
    EXPECT_TRUE(gdb_->at_end());
    expect_end();
}

TEST_F(GdbTest, GarbageHarmsNobody) {
    launch();
    std::string garbage;
    std::uint32_t state = 12345;
    for (int i = 0; i < 200'000; ++i) {
        state = state * 1664525 + 1013904223;
        garbage += static_cast<char>(state >> 24);
        // Commands that take the machine away from the test are left out.
        if (garbage.back() == 'k' || garbage.back() == 'D' || garbage.back() == 'G') garbage.back() = '-';
    }
    gdb_->send_bytes(garbage);
    gdb_->send_bytes("$");
    gdb_->send_bytes(std::string(100'000, 'm'));
    gdb_.reset();
    expect_end();
}

TEST_F(GdbTest, ASecondClientIsTurnedAway) {
    launch();
    GdbClient second(socket_);
    EXPECT_TRUE(second.at_end());
    EXPECT_EQ(gdb_->ask("?"), "T02thread:1;");
    EXPECT_EQ(gdb_->ask("D"), "OK");
    expect_end();
}

TEST_F(GdbTest, KillEndsTheMachine) {
    launch();
    gdb_->send("k");
    const Outcome outcome = child_->finish(seconds(30));
    EXPECT_EQ(outcome.status, 0) << outcome.text();
}

TEST_F(GdbTest, EachVcpuIsAThread) {
    auto options = protected_32();
    options.cpus = 2;
    launch(guest_program_two_loops(), options);
    EXPECT_EQ(gdb_->ask("qfThreadInfo"), "m1,2");
    EXPECT_EQ(gdb_->ask("T2"), "OK");
    EXPECT_EQ(gdb_->ask("T3"), "E03");
    gdb_->send("vCont;c");
    // Until both count. The client hears nothing before it asks.
    for (int tries = 0; tries < 100; ++tries) {
        ::usleep(50'000);
        gdb_->send_bytes("\x03");
        ASSERT_EQ(gdb_->receive(), "T02thread:1;");
        if (gdb_->ask("m9004,2") != "0000" && gdb_->ask("m9010,4") != "00000000") break;
        gdb_->send("vCont;c");
    }
    ASSERT_EQ(gdb_->ask("Hg2"), "OK");
    const std::uint64_t second = gdb_->rip(); // in a segment that begins at 0x8000
    EXPECT_TRUE(second == 5 || second == 9) << second;
    // One steps, the other holds.
    ASSERT_EQ(gdb_->ask("Hg1"), "OK");
    const std::string before = gdb_->ask("g");
    ASSERT_EQ(gdb_->ask("vCont;s:2;c"), "T05thread:2;");
    EXPECT_NE(gdb_->rip(), second);
    ASSERT_EQ(gdb_->ask("Hg1"), "OK");
    EXPECT_EQ(gdb_->ask("g"), before);
    // A breakpoint that only the second meets: its loop, behind the three instructions of 5 bytes.
    ASSERT_EQ(gdb_->ask("Z0,8005,1"), "OK");
    for (int i = 0; i < 5; ++i) {
        ASSERT_EQ(gdb_->ask("vCont;c"), "T05thread:2;swbreak:;");
        ASSERT_EQ(gdb_->rip(), 5U);
    }
    ASSERT_EQ(gdb_->ask("z0,8005,1"), "OK");
    EXPECT_EQ(gdb_->ask("D"), "OK");
    child_->send_signal(SIGTERM);
    EXPECT_EQ(child_->finish(seconds(30)).status, 128 + SIGTERM);
}

// Calls a method by plugbay ctl, which gives up after a while.
class GdbAndControl : public GdbTest {
  protected:
    void SetUp() override {
        ::setenv("PLUGBAY_RUNTIME_DIR", folder_.path("run").c_str(), 1);
        GdbTest::SetUp();
    }
    // What it printed, without what failed.
    [[nodiscard]] std::string control(std::vector<std::string> words) {
        words.insert(words.begin(), {"ctl", "machine"});
        const Outcome outcome = run(plugbay_command(words), seconds(10));
        EXPECT_EQ(outcome.status, 0) << ::testing::PrintToString(words) << outcome.text();
        return outcome.output;
    }
};

TEST_F(GdbAndControl, WhatIsSavedHasNoBreakpoints) {
    auto options = protected_32();
    options.cpus = 2;
    launch(guest_program_two_loops(), options);
    const std::string before = control({"memory", "read", "0x100000", "32"});
    // At the second instruction, which is not met again, and long enough for any breakpoint.
    for (int i = 0; i < 2; ++i)
        ASSERT_EQ(gdb_->ask("vCont;s:1"), "T05thread:1;");
    ASSERT_EQ(gdb_->ask("Z0,100001,1"), "OK");
    gdb_->send("vCont;c");
    EXPECT_EQ(control({"memory", "read", "0x100000", "32"}), before);
    EXPECT_THAT(control({"checkpoint", folder_.path("saved")}), HasSubstr("pages"));
    EXPECT_EQ(control({"memory", "read", "0x100000", "32"}), before);
    {
        Child restored(plugbay_command({"restore", folder_.path("saved"), "--pause", "--name", "restored"}));
        Outcome read;
        for (int tries = 0; tries < 100 && read.status != 0; ++tries) {
            ::usleep(50'000);
            read = run(plugbay_command({"ctl", "restored", "memory", "read", "0x100000", "32"}));
        }
        EXPECT_EQ(read.output, before) << read.text();
        restored.send_signal(SIGTERM);
        EXPECT_EQ(restored.finish(seconds(30)).status, 128 + SIGTERM);
    }
    // It is where it was.
    gdb_->send_bytes("\x03");
    ASSERT_EQ(gdb_->receive(), "T02thread:1;");
    EXPECT_EQ(gdb_->ask("P10=0100100000000000"), "OK");
    EXPECT_EQ(gdb_->ask("vCont;c"), "T05thread:1;swbreak:;");
    // Back in the checkpoint there is none, and the debugger hears of it.
    gdb_->send("vCont;c");
    static_cast<void>(control({"restore", folder_.path("saved")}));
    EXPECT_EQ(gdb_->receive(), "T05thread:1;");
    EXPECT_EQ(gdb_->ask("D"), "OK");
    EXPECT_EQ(control({"memory", "read", "0x100000", "32"}), before);
    EXPECT_THAT(control({"status"}), HasSubstr("running"));
    child_->send_signal(SIGTERM);
    EXPECT_EQ(child_->finish(seconds(30)).status, 128 + SIGTERM);
}

TEST_F(GdbAndControl, AStepThatDoesNotEndHoldsNobodyUp) {
    auto options = protected_32();
    options.cpus = 2;
    launch(guest_program_two_loops(), options);
    gdb_->send("vCont;s:2"); // it waits until the first starts it
    EXPECT_THAT(control({"registers", "read", "--vcpu", "1"}), HasSubstr("rip"));
    EXPECT_THAT(control({"memory", "read", "0x100000", "4", "--vcpu", "0"}), HasSubstr("bytes"));
    EXPECT_THAT(control({"checkpoint", folder_.path("saved")}), HasSubstr("pages"));
    gdb_->send_bytes("\x03");
    EXPECT_EQ(gdb_->receive(), "T02thread:1;");
    // Nor is one in the way of who lets the guest go.
    gdb_->send("vCont;s:2");
    static_cast<void>(control({"resume"}));
    EXPECT_THAT(control({"status"}), HasSubstr("running"));
    gdb_->send_bytes("\x03");
    EXPECT_EQ(gdb_->receive(), "T02thread:1;");
    gdb_->send("vCont;s:2");
    child_->send_signal(SIGTERM);
    EXPECT_EQ(child_->finish(seconds(30)).status, 128 + SIGTERM);
}

TEST_F(GdbTest, TheCommandLineIsChecked) {
    for (const char* place : {"99999", "localhost:1", "unix:", "1.2.3.4:x"}) {
        const Outcome outcome =
            run(plugbay_command({"run", prepare(guest_program_two_loops()), "--gdb", place}));
        EXPECT_EQ(outcome.status, 2) << place;
        EXPECT_THAT(outcome.errors, HasSubstr("is no address for the GDB server"));
    }
}

} // namespace
} // namespace plugbay::end_to_end
