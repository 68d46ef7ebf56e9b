// Machines that are saved, ended, and restored: what the guest computes and prints is what it would have been.
#include "core/control/control_client.hpp"
#include "machine_test.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

// A chain of numbers: each goes into a table of 64 KiB at 0x10000 and, every 64th, to the debug console, after which the guest
// waits for a tick; every 1024th also through the CMOS memory, from which the chain goes on. Beside it the PIT's interrupt, by
// a vector of the PIC, counts at 0x9000. In the end the guest waits for ten more ticks, prints the sum of the table and ends
// with status 42; it is 43 when the count of links in memory is not what it should be.
asm(PLUGBAY_GUEST_BEGIN(chain) R"(
    .code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7000, %sp
    movw $0x1000, %ax
    movw %ax, %es
    movw $(.Lchain_tick - plugbay_guest_chain + 0x7c00), 0x20 * 4
    movw $0, 0x20 * 4 + 2
    movb $0x11, %al
    outb %al, $0x20
    movb $0x20, %al
    outb %al, $0x21
    movb $4, %al
    outb %al, $0x21
    movb $1, %al
    outb %al, $0x21
    movb $0xfe, %al
    outb %al, $0x21
    movb $0x34, %al
    outb %al, $0x43
    movb $0x9c, %al
    outb %al, $0x40
    movb $0x2e, %al
    outb %al, $0x40
    movl $0, 0x9008
    movl $1, %ebx
    xorl %ecx, %ecx
    sti
1:  imull $1664525, %ebx, %ebx
    addl $1013904223, %ebx
    incl 0x9008
    movl %ecx, %edi
    andl $0x3fff, %edi
    shll $2, %edi
    xorl %ebx, %es:(%di)
    incl %ecx
    testb $0x3f, %cl
    jnz 2f
    movw $0x402, %dx
    movb %bl, %al
    outb %al, %dx
    hlt
    testw $0x3ff, %cx
    jnz 2f
    cli
    movb $0x50, %al
    outb %al, $0x70
    movb %bl, %al
    outb %al, $0x71
    movb $0, %bl
    movb $0x50, %al
    outb %al, $0x70
    inb $0x71, %al
    movb %al, %bl
    sti
2:  cmpl $40000, %ecx
    jb 1b
    movw 0x9000, %bx
    addw $10, %bx
3:  hlt
    cmpw %bx, 0x9000
    jb 3b
    cli
    movb $43, %al
    cmpl %ecx, 0x9008
    jne 6f
    xorl %edi, %edi
    xorl %ebx, %ebx
4:  addl %es:(%di), %ebx
    roll $1, %ebx
    addw $4, %di
    jnz 4b
    movw $0x402, %dx
    movb $4, %cl
5:  movb %bl, %al
    outb %al, %dx
    shrl $8, %ebx
    decb %cl
    jnz 5b
    movb $42, %al
6:  outb %al, $0xf4
7:  hlt
    jmp 7b
.Lchain_tick:
    pushw %ax
    incw %cs:0x9000
    movb $0x20, %al
    outb %al, $0x20
    popw %ax
    iretw
)" PLUGBAY_GUEST_END(chain));
PLUGBAY_GUEST_DECLARE(chain)

// Takes the steps of a hypervisor (AMD APM volume 2, section 15.4) up to a cleared global interrupt flag, which needs paging: one
// page of 4 MiB here. Prints y then, or n on a processor without SVM, and does no more.
asm(PLUGBAY_GUEST_BEGIN(hypervisor) R"(
    .code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movl $0x80000001, %eax
    cpuid
    movb $'n', %bl
    btl $2, %ecx
    jnc 1f
    movl $0x83, 0x9000
    movl %cr4, %eax
    orl $0x10, %eax
    movl %eax, %cr4
    movl $0x9000, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x1000, %eax
    wrmsr
    clgi
    movb $'y', %bl
1:  movw $0x402, %dx
    movb %bl, %al
    outb %al, %dx
2:  jmp 2b
)" PLUGBAY_GUEST_END(hypervisor));
PLUGBAY_GUEST_DECLARE(hypervisor)

namespace plugbay::end_to_end {
namespace {

using core::ControlClient;
using nlohmann::json;
using namespace std::chrono_literals;

class Checkpoints : public MachineTest {
  protected:
    void SetUp() override {
        MachineTest::SetUp();
        if (IsSkipped()) return;
        ::setenv("PLUGBAY_RUNTIME_DIR", (folder_.path() / "run").c_str(), 1);
        file_ = prepare(guest_program_chain(), devices());
        static std::string undisturbed; // it is always the same
        if (undisturbed.empty()) {
            const Outcome outcome = run(plugbay_command({"run", file_}));
            ASSERT_EQ(outcome.status, 42) << outcome.text();
            undisturbed = log();
            std::filesystem::remove(folder_.path() / "log");
        }
        expected_ = undisturbed;
        ASSERT_EQ(expected_.size(), 40000U / 64 + 4);
    }
    static std::string devices() {
        return R"(, { "type": "debugcon", "id": "debug" })"
               R"(, { "type": "char-file", "id": "log", "path": "log", "append": true, "frontend": { "id": "debug" } })"
               R"(, { "type": "cmos-rtc", "id": "clock" })";
    }
    [[nodiscard]] std::string log() const {
        std::ifstream file(folder_.path() / "log", std::ios::binary);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
    [[nodiscard]] std::string folder(const std::string& name) const {
        return (folder_.path() / name).string();
    }

    void start(const std::string& command, const std::string& from) {
        monitor_ = std::make_unique<Child>(plugbay_command({command, from, "--name", "chain"}));
        connect();
    }
    // Once it answers; null: it does not.
    [[nodiscard]] static std::unique_ptr<ControlClient> client_of(const std::string& name) {
        for (int i = 0; i < 400; ++i) {
            if (auto client = ControlClient::find(name))
                return std::make_unique<ControlClient>(std::move(*client));
            std::this_thread::sleep_for(25ms);
        }
        return nullptr;
    }
    void connect() {
        client_ = client_of("chain");
        ASSERT_NE(client_, nullptr) << monitor_->finish(1s).text();
    }
    json call(const std::string& method, const json& params = json::object()) {
        auto result = client_->call(method, params, 60s);
        if (result) return *std::move(result);
        ADD_FAILURE() << method << ": " << result.error().text();
        return json::object();
    }
    static void wait_for_file(const std::string& path) {
        for (int i = 0; i < 2000 && !std::filesystem::exists(path); ++i)
            std::this_thread::sleep_for(10ms);
        ASSERT_TRUE(std::filesystem::exists(path));
    }
    // Until the guest has printed that much.
    void wait_for_bytes(std::size_t bytes) {
        for (int i = 0; i < 6000 && log().size() < bytes; ++i)
            std::this_thread::sleep_for(5ms);
        ASSERT_GE(log().size(), bytes);
    }
    // VmRSS of the monitor.
    [[nodiscard]] std::uint64_t resident_kibibytes() const {
        std::ifstream status("/proc/" + std::to_string(monitor_->id()) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("VmRSS:")) return std::stoull(line.substr(line.find(':') + 1));
        }
        ADD_FAILURE() << "no VmRSS";
        return 0;
    }
    void end() {
        call("machine.quit");
        EXPECT_EQ(monitor_->finish(20s).status, 0);
    }
    void expect_the_same() {
        const Outcome outcome = monitor_->finish(120s);
        EXPECT_EQ(outcome.status, 42) << outcome.text();
        EXPECT_TRUE(log() == expected_) << "what the guest printed is not what it should have";
    }

    std::string file_;
    std::string expected_;
    std::unique_ptr<Child> monitor_;
    std::unique_ptr<ControlClient> client_;
};

TEST_F(Checkpoints, AGuestThatIsSavedAndRestoredAgainAndAgainNoticesNothing) {
    start("run", file_);
    for (int round = 0; round < 5; ++round) {
        wait_for_bytes(static_cast<std::size_t>(40 + 110 * round));
        call("machine.pause");
        const std::string name = "c" + std::to_string(round);
        const json saved = call("checkpoint", {{"folder", folder(name)}});
        EXPECT_EQ(saved.value("pause_microseconds", -1.0), 0);
        end();
        start("restore", folder(name));
    }
    expect_the_same();
}

TEST_F(Checkpoints, AChainOfFiveIsAsGoodAsAWholeOne) {
    start("run", file_);
    std::uint64_t first_pages = 0;
    for (int number = 0; number < 5; ++number) {
        wait_for_bytes(static_cast<std::size_t>(40 + 100 * number));
        if (number == 4) call("machine.pause");
        const json saved = call("checkpoint", {{"folder", folder("c" + std::to_string(number))},
                                               {"incremental", number > 0},
                                               {"track", number == 0}});
        if (number == 0) {
            first_pages = saved.value("pages", std::uint64_t{0});
            EXPECT_GT(saved.value("pause_microseconds", -1.0), 0);
        } else {
            EXPECT_LE(saved.value("pages", ~std::uint64_t{0}),
                      first_pages + 17); // the table, and what the processor marks
        }
    }
    end();
    start("restore", folder("c4"));
    expect_the_same();
}

TEST_F(Checkpoints, AGuestThatMovesToOtherProcessesWhileItRunsNoticesNothing) {
    constexpr int moves = 5;
    std::vector<std::unique_ptr<Child>> others; // wait from the beginning: the guest does not
    const auto place = [&](int number) { return "unix:" + folder("way" + std::to_string(number)); };
    for (int i = 0; i < moves; ++i)
        others.push_back(std::make_unique<Child>(plugbay_command({"restore", place(i), "--name", "chain"})));
    for (int i = 0; i < moves; ++i)
        wait_for_file(folder("way" + std::to_string(i)));
    start("run", file_);
    for (int i = 0; i < moves; ++i) {
        wait_for_bytes(static_cast<std::size_t>(40 + 100 * i));
        const json report = call("checkpoint.send", {{"to", place(i)}, {"move", true}});
        EXPECT_EQ(report.value("moved", false), true);
        EXPECT_GT(report.value("pause_microseconds", -1.0), 0);
        EXPECT_EQ(monitor_->finish(20s).status, 0);
        monitor_ = std::move(others[static_cast<std::size_t>(i)]);
        connect();
    }
    expect_the_same();
}

TEST_F(Checkpoints, WhatIsSentInBetweenIsNotMissingInAnIncrementalOne) {
    Child copy(plugbay_command({"restore", "unix:" + folder("way"), "--pause", "--name", "copy"}));
    wait_for_file(folder("way"));
    start("run", file_);
    wait_for_bytes(100);
    call("checkpoint", {{"folder", folder("c0")}, {"track", true}});
    wait_for_bytes(200);
    call("checkpoint.send", {{"to", "unix:" + folder("way")}});
    const auto other = client_of("copy");
    ASSERT_NE(other, nullptr);
    EXPECT_TRUE(other->call("machine.quit", json::object(), 20s));
    EXPECT_EQ(copy.finish(20s).status, 0);
    wait_for_bytes(300);
    call("machine.pause");
    call("checkpoint", {{"folder", folder("c1")}, {"incremental", true}});
    end();
    start("restore", folder("c1"));
    expect_the_same();
}

TEST_F(Checkpoints, TheMachineThatWasSavedGoesOn) {
    start("run", file_);
    wait_for_bytes(100);
    call("checkpoint", {{"folder", folder("c")}});
    expect_the_same();
}

// From the second generation on, too.
TEST_F(Checkpoints, MemoryThatWasNeverUsedTakesNone) {
    file_ = prepare(guest_program_chain(), devices(), {.memory = "1G"});
    start("run", file_);
    wait_for_bytes(100);
    call("machine.pause");
    const json first = call("checkpoint", {{"folder", folder("first")}});
    end();
    monitor_ =
        std::make_unique<Child>(plugbay_command({"restore", folder("first"), "--name", "chain", "--pause"}));
    connect();
    const std::uint64_t before = resident_kibibytes();
    const json second = call("checkpoint", {{"folder", folder("second")}});
    EXPECT_EQ(second["pages"], first["pages"]);
    EXPECT_LT(resident_kibibytes(), before + (64 << 10));
    call("machine.resume"); // and what the guest writes now is saved with the rest
    wait_for_bytes(300);
    call("machine.pause");
    call("checkpoint", {{"folder", folder("third")}});
    end();
    start("restore", folder("third"));
    expect_the_same();
}

TEST_F(Checkpoints, IncrementalOnesNeedABase) {
    start("run", file_);
    call("machine.pause");
    const auto refused = client_->call("checkpoint", {{"folder", folder("a")}, {"incremental", true}}, 10s);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), ::testing::HasSubstr("make one with \"track\" first"));
    EXPECT_FALSE(std::filesystem::exists(folder("a")));
    end();
}

// By their sizes and times, or, if that was asked for, by what is in them.
TEST_F(Checkpoints, DisksThatChangedAreNoticed) {
    const std::string disk = folder("disk.img");
    std::ofstream(disk) << std::string(8192, 'd');
    file_ =
        prepare(guest_program_chain(),
                devices() + R"(, { "type": "pci-host", "id": "pci" }, { "type": "virtio-blk", "id": "vda" },
                        { "type": "disk-file", "id": "disk", "path": "disk.img", "frontend": { "id": "vda" } })");
    start("run", file_);
    call("machine.pause");
    call("checkpoint", {{"folder", folder("times")}});
    call("checkpoint", {{"folder", folder("sums")}, {"checksum_disks", true}});
    end();
    const auto refusal = [&](const char* name, std::vector<std::string> more = {}) {
        std::vector<std::string> command{"restore", folder(name), "--pause", "--timeout", "1"};
        command.insert(command.end(), more.begin(), more.end());
        const Outcome outcome = run(plugbay_command(std::move(command)));
        return outcome.status == 1 ? outcome.errors : "status " + std::to_string(outcome.status);
    };
    const auto with_copy = [&](const char* name, const std::string& contents) {
        const std::string copy = folder(name);
        std::ofstream(copy) << contents;
        return std::vector<std::string>{"--set", "devices.disk.path=" + copy};
    };
    const auto good = with_copy("good", std::string(8192, 'd'));
    const auto changed = with_copy("changed", "D" + std::string(8191, 'd'));
    const auto shorter = with_copy("shorter", std::string(4096, 'd'));
    const auto accepting = [](std::vector<std::string> more) {
        more.emplace_back("--accept-changed-disks");
        return more;
    };
    for (int i = 0; i < 3; ++i)                    // to be made of it leaves the disk as it was
        EXPECT_EQ(refusal("times"), "status 124"); // it went on
    EXPECT_EQ(refusal("times", good), "status 124");
    EXPECT_EQ(refusal("sums", good), "status 124");
    EXPECT_THAT(refusal("sums", changed),
                ::testing::HasSubstr("changed, a disk of the machine, is no copy of what the guest knows"));
    EXPECT_EQ(refusal("sums", accepting(changed)), "status 124");
    for (const auto& more : {shorter, accepting(shorter)}) {
        EXPECT_THAT(refusal("times", more),
                    ::testing::HasSubstr("shorter, a disk of the machine, has 4096 bytes"));
    }
    std::filesystem::last_write_time(disk, std::filesystem::file_time_type::clock::now() + 1h);
    EXPECT_THAT(refusal("times"), ::testing::HasSubstr("disk.img, a disk of the machine, has changed since"));
    EXPECT_EQ(refusal("times", accepting({})), "status 124");
    EXPECT_EQ(refusal("times", good), "status 124"); // what was there then does not matter
    EXPECT_EQ(refusal("sums"), "status 124");
    std::fstream(disk) << "D";
    EXPECT_THAT(refusal("sums"), ::testing::HasSubstr("has changed since"));
    std::filesystem::remove(disk);
    EXPECT_THAT(refusal("sums"), ::testing::HasSubstr("is not there any more"));
    EXPECT_EQ(refusal("sums", good), "status 124");
}

// What KVM holds of a guest inside the guest is not saved.
TEST_F(Checkpoints, AGuestWithGuestsOfItsOwnIsRefusedAndGoesOn) {
    file_ = prepare(guest_program_hypervisor(), devices());
    start("run", file_);
    wait_for_bytes(1);
    if (log() == "y") {
        const auto refused = client_->call("checkpoint", {{"folder", folder("a")}}, 10s);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), ::testing::HasSubstr("runs a guest of its own"));
        EXPECT_FALSE(std::filesystem::exists(folder("a")));
        const auto kept =
            client_->call("checkpoint.send", {{"to", "unix:" + folder("way")}, {"move", true}}, 10s);
        EXPECT_FALSE(kept);
        EXPECT_EQ(call("machine.status").value("state", ""), "running");
    }
    end();
    if (log() == "n") GTEST_SKIP() << "the guest's processor has no SVM";
}

// Builds of the device type "dial", of other versions and with other versions of its state.
class CheckpointsOfDials : public Checkpoints {
  protected:
    // A checkpoint "a" of a machine with one, whose plugin is named on the command line.
    void save_with(const std::string& plugin) {
        file_ = prepare(guest_program_chain(), devices() + R"(, { "type": "dial", "id": "dial" })");
        monitor_ =
            std::make_unique<Child>(plugbay_command({"run", file_, "--plugin", plugin, "--name", "chain"}));
        connect();
        call("machine.pause");
        call("checkpoint", {{"folder", folder("a")}});
        end();
    }
    [[nodiscard]] Outcome restore_with(const std::vector<std::string>& more) {
        std::vector<std::string> command{"restore", folder("a"), "--pause", "--timeout", "1"};
        command.insert(command.end(), more.begin(), more.end());
        return run(plugbay_command(std::move(command)));
    }
};

TEST_F(CheckpointsOfDials, PluginsOfTheCommandLineArePartOfTheMachine) {
    const std::string plugin = folder("dial.so");
    std::filesystem::copy_file(DIAL_1, plugin);
    save_with(plugin);
    EXPECT_EQ(restore_with({}).status, 124);
    EXPECT_EQ(restore_with({"--plugin", DIAL_1_1}).status, 124); // takes the place of the other
    std::filesystem::remove(plugin);
    EXPECT_EQ(restore_with({"--plugin", DIAL_1}).status, 124);
    const Outcome outcome = restore_with({});
    EXPECT_EQ(outcome.status, 2) << outcome.text();
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("device \"dial\" was of plugin dial 1.0.0 (build "));
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("give --plugin FILE"));
}

TEST_F(CheckpointsOfDials, NewerBuildsReadOlderStatesAndOlderOnesRefuseNewer) {
    save_with(DIAL_1);
    EXPECT_EQ(restore_with({"--plugin", DIAL_2}).status, 124);
    std::filesystem::remove_all(folder("a"));
    save_with(DIAL_2);
    const Outcome outcome = restore_with({"--plugin", DIAL_1});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("plugin dial 2.0.0 saved its state in version 2, and "
                                                     "the build that is here reads 1 to 1"));
}

TEST_F(CheckpointsOfDials, AnotherTypeUnderTheSameIdIsRefused) {
    save_with(DIAL_1);
    const Outcome outcome = restore_with({"--set", "devices.dial.type=pvpanic"});
    EXPECT_EQ(outcome.status, 1) << outcome.text();
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("device \"dial\" was a dial, and is a pvpanic now"));
}

TEST_F(Checkpoints, AnotherMachineIsRefusedBeforeAnythingIsMade) {
    start("run", file_);
    call("machine.pause");
    call("checkpoint", {{"folder", folder("a")}});
    end();
    for (const auto& [setting, why] : {std::pair{"memory=32M", "bytes of memory were saved"},
                                       std::pair{"cpus=2", "1 vCPUs were saved, and the machine has 2"}}) {
        const Outcome outcome = run(plugbay_command({"restore", folder("a"), "--set", setting}));
        EXPECT_EQ(outcome.status, 1);
        EXPECT_THAT(outcome.errors, ::testing::HasSubstr(why));
    }
    EXPECT_EQ(run(plugbay_command({"restore", folder("nowhere")})).status, 1);
}

// Whatever tells the guest where a device is.
TEST_F(Checkpoints, DevicesThatAreElsewhereAreRefused) {
    const std::string serial = R"(, { "type": "serial-16550", "id": "com1" })"
                               R"(, { "type": "char-file", "id": "lines", "path": "lines", )"
                               R"("frontend": { "id": "com1" } })";
    start("run", prepare(guest_program_chain(), devices() + serial));
    call("machine.pause");
    call("checkpoint", {{"folder", folder("a")}});
    end();
    const auto restored_with = [&](const std::vector<std::string>& settings) {
        std::vector<std::string> command{"restore", folder("a"), "--pause", "--timeout", "1"};
        for (const std::string& setting : settings) {
            command.emplace_back("--set");
            command.push_back(setting);
        }
        const Outcome outcome = run(plugbay_command(std::move(command)));
        return outcome.status == 1 ? outcome.errors : "status " + std::to_string(outcome.status);
    };
    EXPECT_THAT(restored_with({"devices.com1.port=0x2f8", "devices.com1.irq=3"}),
                ::testing::HasSubstr("device \"com1\": the guest knows its interrupt line 4, ports "
                                     "0x3f8-0x3ff, which it does not have here; it has interrupt line 3, "
                                     "ports 0x2f8-0x2ff"));
    EXPECT_THAT(restored_with({"devices.lines.frontend.id=debug", "devices.log.frontend.id=com1"}),
                ::testing::HasSubstr("device \"lines\" was connected to \"com1\", and is to \"debug\" now"));
    // The same into a machine that runs.
    Child other(
        plugbay_command({"run", file_, "--pause", "--name", "other", "--set", "devices.com1.port=0x3e8"}));
    const auto client = client_of("other");
    ASSERT_NE(client, nullptr);
    const auto refused = client->call("restore", {{"folder", folder("a")}}, 20s);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), ::testing::HasSubstr("the guest knows its ports 0x3f8-0x3ff"));
    EXPECT_TRUE(client->call("machine.quit", json::object(), 20s));
    EXPECT_EQ(other.finish(20s).status, 0);
    EXPECT_EQ(restored_with({}), "status 124");
}

} // namespace
} // namespace plugbay::end_to_end
