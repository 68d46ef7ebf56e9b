// What `stats` says of a guest whose exits and accesses are known one by one.
#include "core/control/control_client.hpp"
#include "core/control/method.hpp"
#include "machine_test.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

// 1000 writes and 100 reads of a device's port, 30 writes and 50 reads of nobody's memory, 5 writes to a serial port that
// raise its line 4 times. Then it says so at 0x200000 and leaves no more.
asm(PLUGBAY_GUEST_BEGIN(known_exits) R"(
    movl $1000, %ecx
1:  outb %al, $0xe9
    loop 1b
    movl $100, %ecx
2:  inb $0xe9, %al
    loop 2b
    movl $0xd0000000, %edi
    movl $30, %ecx
3:  movl %eax, (%rdi)
    loop 3b
    movl $50, %ecx
4:  movl (%rdi), %eax
    loop 4b
    movl $0x3fc, %edx
    movb $8, %al
    outb %al, %dx
    movl $0x3f9, %edx
    movb $2, %al
    outb %al, %dx
    movl $0x3f8, %edx
    movl $3, %ecx
5:  outb %al, %dx
    loop 5b
    movl $0x200000, %edi
    movb $1, (%rdi)
    cli
6:  hlt
    jmp 6b
)" PLUGBAY_GUEST_END(known_exits));
PLUGBAY_GUEST_DECLARE(known_exits)

namespace plugbay::end_to_end {
namespace {

using core::ControlClient;
using nlohmann::json;
using namespace std::chrono_literals;

class StatisticsTest : public MachineTest {
  protected:
    static inline const std::string devices = R"(, { "type": "debugcon", "id": "debug", "port": "0xe9" })"
                                              R"(, { "type": "serial-16550", "id": "com1" })";

    void SetUp() override {
        MachineTest::SetUp();
        ::setenv("PLUGBAY_RUNTIME_DIR", folder_.path().c_str(), 1);
    }
    void TearDown() override { ::unsetenv("PLUGBAY_RUNTIME_DIR"); }

    void start() {
        const std::string file = prepare(guest_program_known_exits(), devices, long_64());
        child_.emplace(plugbay_command({"run", "--pause", "--name", "counted", file}));
        for (int i = 0; i < 1000 && !client_; ++i) {
            if (auto client = ControlClient::connect(folder_.path() / "counted.sock")) {
                client_.emplace(*std::move(client));
            } else {
                std::this_thread::sleep_for(20ms);
            }
        }
        ASSERT_TRUE(client_) << "no control socket";
    }
    json call(const std::string& method, const json& params = json::object()) {
        const auto answer = client_->call(method, params, 20s);
        EXPECT_TRUE(answer) << method << ": " << answer.error().text();
        if (!answer) return {};
        const auto wrong =
            core::schema::complaint(core::control_methods().find(method)->result, *answer, method);
        EXPECT_EQ(wrong, std::nullopt) << *wrong;
        return *answer;
    }
    void wait_for_the_guest() {
        for (int i = 0; i < 1000; ++i) {
            if (call("memory.read", {{"address", "0x200000"}, {"length", 1}})["bytes"] == "01") return;
            std::this_thread::sleep_for(20ms);
        }
        FAIL() << "the guest did not get to its end";
    }
    static json device(const json& statistics, const std::string& id) {
        for (const json& each : statistics["devices"]) {
            if (each["id"] == id) return each;
        }
        return {};
    }
    static std::uint64_t sum(const json& numbers) {
        std::uint64_t result = 0;
        for (const json& each : numbers)
            result += each.get<std::uint64_t>();
        return result;
    }
    void end() {
        call("machine.quit");
        const Outcome outcome = child_->finish(20s);
        EXPECT_EQ(outcome.status, 0) << outcome.text();
    }

    std::optional<Child> child_;
    std::optional<ControlClient> client_;
};

TEST_F(StatisticsTest, SaysExactlyWhatTheGuestDid) {
    start();
    if (HasFatalFailure()) return;
    call("machine.resume");
    wait_for_the_guest();
    json all = call("stats");
    // The last byte leaves the serial port a character's time after the guest wrote it, and its interrupt comes then.
    for (int i = 0; i < 500 && device(all, "com1")["interrupts"] != 4; ++i) {
        std::this_thread::sleep_for(10ms);
        all = call("stats");
    }
    ASSERT_EQ(all["vcpus"].size(), 1U);
    const json& exits = all["vcpus"][0]["exits"];
    EXPECT_EQ(exits["port_out"], 1005);
    EXPECT_EQ(exits["port_in"], 100);
    EXPECT_EQ(exits["mmio_write"], 30);
    EXPECT_EQ(exits["mmio_read"], 50);
    for (const char* none : {"msr_read", "msr_write", "hypercall", "other"})
        EXPECT_EQ(exits[none], 0) << none;
    EXPECT_TRUE(all["vcpus"][0]["handling"].empty()) << "nobody measured";

    const json debug = device(all, "debug");
    EXPECT_EQ(debug["writes"], 1000);
    EXPECT_EQ(debug["reads"], 100);
    EXPECT_EQ(debug["interrupts"], 0);
    EXPECT_TRUE(debug["latency"].empty());
    const json com1 = device(all, "com1");
    EXPECT_EQ(com1["writes"], 5);
    EXPECT_EQ(com1["reads"], 0);
    EXPECT_EQ(com1["interrupts"], 4);
    EXPECT_EQ(com1["numbers"]["bytes sent"], 3);
    EXPECT_EQ(com1["levels"], json({"receive FIFO", "transmit FIFO"}));
    const json exit = device(all, "exit");
    EXPECT_EQ(exit["writes"], 0);
    EXPECT_GT(all["guest_nanoseconds"], 0);
    end();
}

TEST_F(StatisticsTest, OneDevice) {
    start();
    if (HasFatalFailure()) return;
    const json one = call("stats", {{"device", "com1"}});
    ASSERT_EQ(one["devices"].size(), 1U);
    EXPECT_EQ(one["devices"][0]["id"], "com1");
    const auto wrong = client_->call("stats", {{"device", "com2"}}, 20s);
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().text(), ::testing::HasSubstr("there is no device \"com2\""));
    EXPECT_THAT(wrong.error().text(), ::testing::HasSubstr("com1"));
    end();
}

TEST_F(StatisticsTest, MeasuresEveryExitAndAccess) {
    start();
    if (HasFatalFailure()) return;
    call("stats.measure", {{"on", true}});
    EXPECT_EQ(call("stats")["measuring"], true);
    call("machine.resume");
    wait_for_the_guest();
    call("stats.measure", {{"on", false}});
    const json all = call("stats");
    EXPECT_EQ(all["measuring"], false);
    EXPECT_EQ(sum(all["vcpus"][0]["handling"]), sum(all["vcpus"][0]["exits"]));
    EXPECT_EQ(sum(device(all, "debug")["latency"]), 1100U);
    EXPECT_EQ(sum(device(all, "com1")["latency"]), 5U);
    EXPECT_TRUE(device(all, "exit")["latency"].empty());
    end();
}

TEST_F(StatisticsTest, CountsPauses) {
    start();
    if (HasFatalFailure()) return;
    EXPECT_EQ(call("stats")["pauses"]["count"], 0) << "it has not run yet";
    call("machine.resume");
    wait_for_the_guest();
    EXPECT_EQ(call("stats")["pauses"]["count"], 0);
    call("machine.pause");
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(call("stats")["pauses"]["count"], 0) << "it is not over";
    call("machine.resume");
    json pauses = call("stats")["pauses"];
    EXPECT_EQ(pauses["count"], 1);
    EXPECT_GE(pauses["last_nanoseconds"], 50'000'000);
    const json longest = pauses["longest_nanoseconds"];
    EXPECT_EQ(pauses["last_nanoseconds"], longest);
    call("registers.read");
    pauses = call("stats")["pauses"];
    EXPECT_EQ(pauses["count"], 2);
    EXPECT_GE(pauses["total_nanoseconds"], longest);
    call("devices.reset", {{"id", "com1"}});
    const json com1 = device(call("stats"), "com1");
    EXPECT_EQ(com1["pauses"]["count"], 1);
    EXPECT_GT(com1["pauses"]["last_nanoseconds"], 0);
    EXPECT_EQ(device(call("stats"), "debug")["pauses"]["count"], 0);
    end();
}

} // namespace
} // namespace plugbay::end_to_end
