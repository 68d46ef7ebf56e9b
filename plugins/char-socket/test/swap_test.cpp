// Replacing the build of a char-socket: the peer notices nothing.
#include "fixture.hpp"

#include <filesystem>

#include <sys/stat.h>

namespace {

std::string numbered(int first, int count) {
    std::string text;
    for (int i = first; i < first + count; ++i)
        text += "line " + std::to_string(i) + "\n";
    return text;
}

void swap(Socket& machine) {
    machine.bench.swap("socket", PLUGBAY_PLUGIN_FILE);
}

// A listener of the test's own, for clients.
struct Server {
    explicit Server(const std::string& name) : path(testing::TempDir() + name + std::to_string(getpid())) {
        unlink(path.c_str());
        const sockaddr_un address = Remote::local(path);
        listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (bind(listener.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener.fd, 4) != 0)
            throw std::runtime_error("no listener");
    }
    ~Server() { unlink(path.c_str()); }
    int accept() const { return ::accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK); }
    std::string path;
    Remote listener;
};

} // namespace

TEST(CharSocketSwap, BytesOnTheirWayArriveOnceAndInOrder) {
    Connected machine;
    std::string to_guest;
    std::string to_peer;
    std::string heard;
    for (int round = 0; round < 20; ++round) {
        const std::string out = numbered(round * 1000, 300);
        const std::string in = numbered(round * 1000 + 500, 300);
        to_peer += out;
        to_guest += in;
        machine.serial.set_room(static_cast<std::size_t>(round % 4 * 100));
        machine.serial.send(out);
        machine.remote.say(in);
        machine.bench.run();
        swap(machine);
        machine.serial.set_room(std::nullopt);
        heard += machine.remote.hear();
    }
    EXPECT_TRUE(machine.until([&] {
        heard += machine.remote.hear();
        return heard.size() >= to_peer.size() && machine.serial.text().size() >= to_guest.size();
    }));
    EXPECT_EQ(heard, to_peer);
    EXPECT_EQ(machine.serial.text(), to_guest);
    EXPECT_FALSE(machine.remote.closed);
    EXPECT_TRUE(machine.serial.take_events().empty()) << "no hang-up, no new connection";
    EXPECT_EQ(machine.bench.device("socket").statistic("connected"), 1u);
}

TEST(CharSocketSwap, WhatASlowPeerHasNotReadYetWaitsInTheNextBuild) {
    Connected machine(testkit::Properties{{"when_stalled", "wait"}});
    std::string all;
    while (machine.serial.unsent() == 0 && all.size() < (64u << 20)) {
        const std::string more = numbered(static_cast<int>(all.size()), 1000);
        all += more;
        machine.serial.send(more);
        machine.bench.advance(2ms);
    }
    ASSERT_GT(machine.serial.unsent(), 0u);
    EXPECT_GT(machine.bench.device("socket").statistic("bytes to send"), 60'000u);
    swap(machine);
    EXPECT_GT(machine.bench.device("socket").statistic("bytes to send"), 60'000u);
    std::string heard;
    int rounds = 0;
    EXPECT_TRUE(machine.until([&] {
        if (++rounds == 3) swap(machine);
        return (heard += machine.remote.hear()).size() >= all.size();
    }));
    EXPECT_TRUE(heard == all);
}

TEST(CharSocketSwap, ASleepingPeerHoldsTheGuestUpNoLongerThanBefore) {
    Connected machine;
    while (machine.serial.unsent() == 0) {
        machine.serial.send(std::string(65536, 'x'));
        machine.bench.advance(2ms);
    }
    swap(machine);
    EXPECT_TRUE(machine.until([&] { return machine.serial.unsent() == 0; })) << "its patience is over";
    EXPECT_TRUE(machine.logged("output is taken too slowly"));
}

TEST(CharSocketSwap, ThePeersEndIsStillItsEnd) {
    Connected machine;
    swap(machine);
    machine.remote.say("last words");
    machine.remote.leave();
    EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
    EXPECT_EQ(machine.serial.text(), "last words");
    swap(machine);
    machine.remote.fd = Remote::to_port(machine.port());
    EXPECT_TRUE(machine.until([&] { return machine.opened(); })) << "the listener is the same";
    machine.remote.say("hello");
    EXPECT_TRUE(machine.until([&] { return machine.serial.text() == "last wordshello"; }));
}

TEST(CharSocketSwap, OneWhoComesMeanwhileIsServed) {
    Socket machine(testkit::Properties{{"address", "tcp:127.0.0.1:0"}});
    machine.bench.start();
    machine.bench.quiesce();
    Remote remote(Remote::to_port(machine.port()));
    machine.bench.swap("socket", PLUGBAY_PLUGIN_FILE);
    machine.bench.resume();
    EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
    remote.say("here");
    EXPECT_TRUE(machine.until([&] { return machine.serial.text() == "here"; }));
}

TEST(CharSocketSwap, TheSocketFileStaysAndGoesAtTheEnd) {
    const std::string path = testing::TempDir() + "swap-" + std::to_string(getpid()) + ".sock";
    {
        Socket machine(testkit::Properties{{"address", "unix:" + path}});
        machine.bench.start();
        struct stat before {};
        ASSERT_EQ(lstat(path.c_str(), &before), 0);
        swap(machine);
        EXPECT_FALSE(machine.bench.try_swap("socket", PLUGBAY_PLUGIN_FILE, {{"address", "nonsense"}}));
        swap(machine);
        struct stat after {};
        ASSERT_EQ(lstat(path.c_str(), &after), 0);
        EXPECT_EQ(after.st_ino, before.st_ino);
        Remote remote(Remote::to_path(path));
        EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CharSocketSwap, AClientKeepsItsConnection) {
    const Server server("swap-client-");
    Socket machine(testkit::Properties{{"address", "unix:" + server.path}, {"mode", "client"}});
    machine.bench.start();
    swap(machine); // connected for the kernel, which the device does not know yet
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    Remote remote(server.accept());
    ASSERT_GE(remote.fd, 0);
    machine.serial.send("one ");
    swap(machine);
    machine.serial.send("two");
    std::string heard;
    EXPECT_TRUE(machine.until([&] { return (heard += remote.hear()).size() >= 7; }));
    EXPECT_EQ(heard, "one two");
    EXPECT_FALSE(remote.closed);
    EXPECT_LT(server.accept(), 0) << "nobody else has come";
    remote.leave();
    EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
    remote.fd = -1;
    EXPECT_TRUE(machine.until([&] { return (remote.fd = server.accept()) >= 0; })) << "it tries again";
}

// Cut at every byte, so that the next build begins in the middle of every command.
TEST(CharSocketSwap, TelnetGoesOnInTheMiddleOfACommand) {
    Connected machine(testkit::Properties{{"telnet", "true"}});
    EXPECT_TRUE(machine.hears("\xff\xfb\x01\xff\xfb\x03"s)); // WILL ECHO, WILL SUPPRESS GO AHEAD
    const std::string said = "a\xff\xff"
                             "b\r\0c\xff\xfd\x01"
                             "d\xff\xfd\x2a"
                             "e\xff\xfa\x2a\xff\xff\xff\xf0"
                             "f"s;
    for (const char byte : said) {
        machine.remote.say(std::string_view(&byte, 1));
        machine.bench.run();
        swap(machine);
    }
    EXPECT_TRUE(machine.until([&] { return machine.serial.text().size() >= 8; }));
    EXPECT_EQ(machine.serial.text(), "a\xff"
                                     "b\rcdef");
    EXPECT_TRUE(machine.hears("\xff\xfc\x2a"s)) << "only what was not asked for is refused, once";
}

TEST(CharSocketSwap, AFailedSwapDisturbsNobody) {
    Connected machine;
    machine.serial.send("before ");
    EXPECT_FALSE(machine.bench.try_swap("socket", PLUGBAY_PLUGIN_FILE, {{"address", "tcp:nowhere:1"}}));
    machine.serial.send("after");
    EXPECT_TRUE(machine.hears("before after"));
    EXPECT_FALSE(machine.remote.closed);
    machine.bench.quiesce();
    machine.bench.disconnect("socket");
    machine.bench.remove("socket");
    machine.remote.hear();
    EXPECT_TRUE(machine.remote.closed) << "nothing holds it when the device is gone";
}
