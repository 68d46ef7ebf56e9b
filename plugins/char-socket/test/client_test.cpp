#include "fixture.hpp"

namespace {

// Listens, until it is closed, at a port that the kernel chose.
struct Server {
    Server() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (bind(listener.fd, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
            getsockname(listener.fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
            throw std::runtime_error("no port");
        port = ntohs(address.sin_port);
    }
    Remote listener{socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    unsigned port = 0;
};

} // namespace

TEST(CharSocketClient, ConnectsAgainWhenItsServerComesBack) {
    Server server; // bound, and not listening yet
    Socket machine(testkit::Properties{{"address", "tcp:127.0.0.1:" + std::to_string(server.port)},
                                       {"mode", "client"},
                                       {"reconnect", "50"}});
    machine.bench.start();
    EXPECT_TRUE(machine.until([&] { return machine.logged("Connection refused"); }));
    EXPECT_FALSE(machine.opened());

    ASSERT_EQ(listen(server.listener.fd, 1), 0);
    for (const std::string text : {"first", "second"}) {
        Remote remote;
        EXPECT_TRUE(machine.until([&] {
            remote.fd = accept(server.listener.fd, nullptr, nullptr);
            return remote.fd >= 0;
        }));
        EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
        machine.serial.send(text);
        std::string heard;
        EXPECT_TRUE(machine.until([&] { return (heard += remote.hear()) == text; }));
        remote.leave();
        EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
    }
}

TEST(CharSocketClient, SaysOnceThatNobodyIsThere) {
    Server server;
    Socket machine(testkit::Properties{{"address", "tcp:127.0.0.1:" + std::to_string(server.port)},
                                       {"mode", "client"},
                                       {"reconnect", "10"}});
    machine.bench.start();
    for (int i = 0; i < 50; ++i)
        machine.bench.advance(20ms);
    machine.serial.send(std::string(100000, 'x'));
    EXPECT_EQ(machine.serial.unsent(), 0u);
    EXPECT_EQ(machine.bench.log().size(), 1u);
}

TEST(CharSocketClient, MissingSocketFileIsTriedAgain) {
    const std::string path = testing::TempDir() + "/char-socket-client-" + std::to_string(getpid());
    Socket machine(testkit::Properties{{"address", "unix:" + path}, {"mode", "client"}});
    machine.bench.start();
    EXPECT_TRUE(machine.logged("No such file"));
    const sockaddr_un address = Remote::local(path);
    Remote listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    ASSERT_EQ(bind(listener.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener.fd, 1), 0);
    EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
    unlink(path.c_str());
}
