// What a service manager and a test runner see of "run".
#include "cli_test.hpp"
#include "unix_datagrams.hpp"

#include <csignal>
#include <cstdlib>

namespace plugbay::end_to_end {
namespace {

using std::chrono::seconds;

// A machine whose guest halts for ever.
class Service : public MachineErrors {
  protected:
    void SetUp() override {
        MachineErrors::SetUp();
        file_ = machine(exit_device);
        folder_.write("image", "\xf4\xeb\xfd");
    }
    void TearDown() override { ::unsetenv("NOTIFY_SOCKET"); }
    // Starts the machine, has it ended, and looks at what came.
    void expect_notifications(const std::string& address) {
        const UnixDatagrams manager(address);
        ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
        Child child(plugbay_command({"run", file_}));
        EXPECT_EQ(manager.receive(seconds(30)), "READY=1\nSTATUS=machine: the guest runs");
        child.send_signal(SIGTERM);
        const Outcome outcome = child.finish(seconds(30));
        EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.text();
        EXPECT_EQ(manager.receive(seconds(1)), "STOPPING=1\nSTATUS=machine: the machine ends");
    }
    std::string file_;
};

TEST_F(Service, TellsTheServiceManager) {
    expect_notifications(folder_.path("notify"));
}

TEST_F(Service, TellsTheServiceManagerOfAnAbstractName) {
    expect_notifications("@plugbay-test-" + std::to_string(::getpid()));
}

TEST_F(Service, AServiceManagerThatIsGoneIsNoFailure) {
    folder_.write("image", "\xb0\x07\xe6\xf4\xf4\xeb\xfd");
    for (const std::string& address : {folder_.path("nobody"), std::string("vsock:2:1234"), std::string("@"),
                                       "/" + std::string(200, 'x')}) {
        ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
        const Outcome outcome = plugbay({"run", file_});
        EXPECT_EQ(outcome.status, 7) << address << outcome.text();
        EXPECT_EQ(outcome.errors, "");
    }
}

TEST_F(Service, IsNotReadyWhenTheMachineCannotBeMade) {
    const std::string address = folder_.path("notify");
    const UnixDatagrams manager(address);
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    EXPECT_EQ(plugbay({"run", file_, "--set", "boot.kernel=" + folder_.path("nothing")}).status, 1);
    EXPECT_EQ(manager.receive(std::chrono::milliseconds(0)), "");
}

TEST_F(Service, TimeoutEndsTheMachine) {
    const Outcome outcome = run(plugbay_command({"run", file_, "--timeout", "1"}), seconds(40));
    EXPECT_EQ(outcome.status, 124) << outcome.text();
    EXPECT_EQ(outcome.errors, "error: the time that --timeout gives is over, so the guest was stopped\n");
    EXPECT_GE(outcome.took, seconds(1));
}

TEST_F(Service, TimeoutDoesNotTouchAMachineThatEndsBefore) {
    folder_.write("image", "\xb0\x07\xe6\xf4\xf4\xeb\xfd");
    const Outcome outcome = plugbay({"run", file_, "--timeout", "1000"});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_LT(outcome.took, seconds(100));
}

TEST_F(CommandLine, TimeoutIsANumberOfSeconds) {
    for (const char* wrong : {"0", "-1", "soon", "5000000000"}) {
        const Outcome outcome = plugbay({"run", machine(exit_device), "--timeout", wrong});
        EXPECT_EQ(outcome.status, 2) << wrong << outcome.text();
        EXPECT_THAT(outcome.errors, HasSubstr("--timeout"));
    }
}

} // namespace
} // namespace plugbay::end_to_end
