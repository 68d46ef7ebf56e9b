// Clients that do what they should not: the machine answers what it can, and never waits for them.
#include "tests/control/control_fixture.hpp"

#include <plugbay/unique_fd.hpp>

#include <array>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BadClients : public ControlTest {
  protected:
    // A connection without manners.
    [[nodiscard]] UniqueFd raw() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket("busy").string().copy(address.sun_path, sizeof address.sun_path - 1);
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    // False when the other end takes nothing for so long.
    static bool send(const UniqueFd& fd, std::string_view bytes, std::chrono::milliseconds patience = 5s) {
        while (!bytes.empty()) {
            pollfd writable{.fd = fd.get(), .events = POLLOUT, .revents = 0};
            if (::poll(&writable, 1, static_cast<int>(patience.count())) != 1) return false;
            const ssize_t size = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (size < 0 && errno != EAGAIN) return false;
            if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
        }
        return true;
    }
    // One line, or what came until the end or for ten seconds.
    static std::string receive(const UniqueFd& fd) {
        std::string line;
        for (;;) {
            pollfd readable{.fd = fd.get(), .events = POLLIN, .revents = 0};
            char byte = 0;
            if (::poll(&readable, 1, 10'000) != 1 || ::recv(fd.get(), &byte, 1, 0) != 1 || byte == '\n')
                return line;
            line += byte;
        }
    }
    void expect_machine_well() {
        EXPECT_EQ(call("machine.status")["state"], "running");
        EXPECT_EQ(end().status, 0);
    }
};

TEST_F(BadClients, AreToldWhatIsWrong) {
    run_machine();
    const UniqueFd client = raw();
    for (const std::string& line :
         std::vector<std::string>{"nonsense", "{}", "[]", "\xff\xfe", std::string(40, '[')}) {
        ASSERT_TRUE(send(client, line + "\n"));
        EXPECT_THAT(receive(client), AllOf(HasSubstr("\"error\""), HasSubstr("\"hint\""))) << line;
    }
    ASSERT_TRUE(send(client, "\n \r\n")); // nothing is no message
    ASSERT_TRUE(send(
        client,
        R"([{"jsonrpc":"2.0","id":1,"method":"machine.status"},{"jsonrpc":"2.0","method":"machine.status"}])"
        "\n"));
    EXPECT_THAT(receive(client), AllOf(::testing::StartsWith("["), HasSubstr("\"state\"")));
    expect_machine_well();
}

TEST_F(BadClients, AHundredMegabytesOnALineAreNotKept) {
    run_machine();
    const UniqueFd client = raw();
    const std::string megabyte(1 << 20, 'x');
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(send(client, megabyte));
    ASSERT_TRUE(send(client, "\n"));
    EXPECT_THAT(receive(client), HasSubstr("too long"));
    ASSERT_TRUE(send(client, R"({"jsonrpc":"2.0","id":7,"method":"machine.status"})"
                             "\n"));
    EXPECT_THAT(receive(client), HasSubstr("\"id\":7"));
    expect_machine_well();
}

TEST_F(BadClients, FewLongLinesWaitForACallThatTakesLong) {
    run_machine();
    const std::string path = (folder_.path() / "sink").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    // It takes no connection and reads nothing.
    const UniqueFd sink(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(sink.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(sink.get(), 1), 0);
    const UniqueFd client = raw();
    // While the answer to the first call goes out the second has begun, and more is read.
    ASSERT_TRUE(send(client, R"({"jsonrpc":"2.0","id":1,"method":"machine.status"})"
                             "\n"
                             R"({"jsonrpc":"2.0","id":2,"method":"checkpoint.send","params":{"to":"unix:)" +
                                 path + "\"}}\n"));
    const std::string line = std::string((1 << 20) - 1, 'x') + "\n";
    int taken = 0;
    while (taken < 8 && send(client, line, 1s))
        ++taken;
    EXPECT_LT(taken, 5);
    expect_machine_well();
}

TEST_F(BadClients, WhoSendsNoMoreStillGetsAllAnswers) {
    run_machine();
    for (const char* line : {R"({"jsonrpc":"2.0","id":1,"method":"machine.status"})",
                             R"({"jsonrpc":"2.0","id":1,"method":"describe"})", "nonsense"}) {
        const UniqueFd client = raw();
        std::string lines;
        for (int i = 0; i < 5; ++i)
            lines += std::string(line) + "\n";
        ASSERT_TRUE(send(client, lines + "{"));
        ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
        for (int i = 0; i < 5; ++i)
            EXPECT_THAT(receive(client), HasSubstr("jsonrpc")) << line;
        EXPECT_EQ(receive(client), "") << line;
        pollfd over{.fd = client.get(), .events = POLLIN, .revents = 0};
        EXPECT_EQ(::poll(&over, 1, 0), 1) << "the connection is still there";
    }
    expect_machine_well();
}

TEST_F(BadClients, HalfMessagesAreNothing) {
    run_machine();
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(send(raw(), R"({"jsonrpc":"2.0","id":1,"method":"machine.quit")"));
    expect_machine_well();
}

TEST_F(BadClients, AThousandAreTooManyAndSaidSo) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    run_machine();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 1000; ++i)
        clients.push_back(raw());
    EXPECT_THAT(receive(clients.back()), HasSubstr("128 clients are connected"));
    call("machine.status"); // the first one is served
    clients.clear();
    for (int i = 0; i < 100; ++i) { // and places come free
        const UniqueFd client = raw();
        ASSERT_TRUE(send(client, R"({"jsonrpc":"2.0","id":7,"method":"machine.status"})"
                                 "\n"));
        if (receive(client).find("\"id\":7") != std::string::npos) break;
        ASSERT_LT(i, 99);
        std::this_thread::sleep_for(20ms);
    }
    expect_machine_well();
}

TEST_F(BadClients, WhoDoesNotReadIsNotReadFrom) {
    run_machine();
    const UniqueFd client = raw();
    const std::string calls = [] {
        std::string lines;
        for (int i = 0; i < 1000; ++i)
            lines += R"({"jsonrpc":"2.0","id":1,"method":"describe"})"
                     "\n";
        return lines;
    }();
    int taken = 0;
    while (taken < 200 && send(client, calls))
        ++taken;
    EXPECT_LT(taken, 200);
    const UniqueFd deaf = raw(); // subscribed, and never reads
    ASSERT_TRUE(send(deaf, R"({"jsonrpc":"2.0","id":1,"method":"events.subscribe"})"
                           "\n"));
    for (int i = 0; i < 3000; ++i) {
        call("machine.pause");
        call("machine.resume");
    }
    std::string line;
    for (int i = 0; i < 50'000 && line.find("\"dropped\"") == line.npos; ++i) {
        pollfd readable{.fd = deaf.get(), .events = POLLIN, .revents = 0};
        if (::poll(&readable, 1, 0) == 0) { // it has read all: the next event can be sent, and tells
            call("machine.pause");
            call("machine.resume");
        }
        line = receive(deaf);
    }
    EXPECT_THAT(line, HasSubstr("\"dropped\""));
    expect_machine_well();
}

// The mode keeps others out already; this is for who has been let into the folder, and to a socket that he may write to.
TEST_F(BadClients, OtherUsersAreTurnedAway) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    run_machine();
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0711), 0);
    ASSERT_EQ(::chmod((folder_.path() / "run").c_str(), 0711), 0);
    ASSERT_EQ(::chmod(socket("busy").c_str(), 0666), 0);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr uid_t somebody = 65534;
        if (::setresgid(somebody, somebody, somebody) != 0 || ::setresuid(somebody, somebody, somebody) != 0)
            ::_exit(1);
        const std::string line = receive(raw());
        ::_exit(::write(pipe[1], line.data(), line.size()) < 0 ? 1 : 0);
    }
    ::close(pipe[1]);
    std::array<char, 4096> answer{};
    const ssize_t size = ::read(pipe[0], answer.data(), answer.size());
    ::close(pipe[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ASSERT_GT(size, 0);
    EXPECT_THAT(std::string(answer.data(), static_cast<std::size_t>(size)),
                HasSubstr("user 65534 may not control this machine"));
    expect_machine_well();
}

TEST_F(BadClients, CallsRaceWithTheEnd) {
    for (int round = 0; round < 5; ++round) {
        run_machine();
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([this] {
                auto client = ControlClient::find("busy");
                if (!client) return;
                while (client->call("devices.list", json::object(), 10s)) {
                }
            });
        }
        std::this_thread::sleep_for(20ms);
        call("machine.quit");
        for (std::thread& thread : threads)
            thread.join();
        EXPECT_EQ(monitor_->finish(20s).status, 0);
    }
}

TEST_F(BadClients, WhatACrashLeftIsReplaced) {
    run_machine();
    monitor_->send_signal(SIGKILL);
    static_cast<void>(monitor_->finish(20s));
    EXPECT_TRUE(std::filesystem::exists(socket("busy")));
    EXPECT_THAT(core::ControlClient::find("busy").error().text(), HasSubstr("no machine named \"busy\""));
    run_machine();
    expect_machine_well();
}

TEST_F(BadClients, TwoMachinesDoNotShareAName) {
    run_machine();
    const Outcome same = run(plugbay_command({"run", file_, "--name", "busy"}));
    EXPECT_EQ(same.status, 1);
    EXPECT_THAT(same.errors,
                AllOf(HasSubstr("a running machine has the control socket"), HasSubstr("--name")));
    const auto second = start({"run", file_}); // without a name of its own it gets one
    auto other = connect("busy-2");
    ASSERT_NE(other, nullptr);
    EXPECT_THAT(ControlClient::find("").error().text(), HasSubstr("name one of busy-2, busy"));
    EXPECT_TRUE(other->call("machine.quit", json::object()));
    EXPECT_EQ(second->finish(20s).status, 0);
    expect_machine_well();
}

TEST_F(BadClients, WhatIsNoSocketOfOursStays) {
    const std::string file = folder_.write("precious.txt", "precious");
    const Outcome over_file = run(plugbay_command({"run", file_, "--control", file}));
    EXPECT_EQ(over_file.status, 1) << over_file.text();
    EXPECT_THAT(over_file.errors, HasSubstr("is no socket"));
    EXPECT_EQ(folder_.read("precious.txt"), "precious");

    const std::string path = (folder_.path() / "other.sock").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd other(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(other.get(), 8), 0);
    const Outcome over_socket = run(plugbay_command({"run", file_, "--control", path}));
    EXPECT_EQ(over_socket.status, 1) << over_socket.text();
    EXPECT_THAT(over_socket.errors, HasSubstr("another program listens"));
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

TEST_F(BadClients, NamesThatAreNoneAreRefused) {
    for (const char* name : {"../busy", ".busy", "a/b", "\x1b[2J"}) {
        const Outcome outcome = run(plugbay_command({"run", file_, "--name", name}));
        EXPECT_EQ(outcome.status, 1) << name;
        EXPECT_THAT(outcome.errors, HasSubstr("cannot name a running machine")) << name;
    }
    const Outcome outcome = run(plugbay_command({"run", file_, "--control", std::string(200, 'x')}));
    EXPECT_THAT(outcome.errors, HasSubstr("too long"));
}

} // namespace
} // namespace plugbay::end_to_end
