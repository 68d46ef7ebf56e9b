#include "fixture.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

namespace {

class CharSocket : public testing::Test {
  protected:
    CharSocket() { std::filesystem::create_directories(folder_); }
    ~CharSocket() override { std::filesystem::remove_all(folder_); }
    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    static std::string refusal(const std::string& address) {
        testkit::Bench bench;
        return bench.try_add(PLUGBAY_PLUGIN_FILE, "char-socket", "socket", {{"address", address}}).text;
    }
    static std::string start_refusal(Socket& machine) {
        try {
            machine.bench.start();
        } catch (const testkit::Error& error) {
            return error.what();
        }
        return "";
    }

  private:
    std::filesystem::path folder_ =
        std::filesystem::path(testing::TempDir()) / ("char-socket-" + std::to_string(getpid()));
};

// Reads like a terminal until `count` bytes have come.
std::string read_all(Connected& machine, std::size_t count) {
    std::string all;
    EXPECT_TRUE(machine.until([&] { return (all += machine.remote.hear()).size() >= count; }));
    return all;
}

} // namespace

TEST_F(CharSocket, CarriesBytesBothWays) {
    Connected machine;
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    machine.serial.send(all);
    EXPECT_TRUE(machine.hears(all));
    machine.remote.say(all);
    EXPECT_TRUE(machine.until([&] { return machine.serial.text() == all; }));
    auto& device = machine.bench.device("socket");
    EXPECT_EQ(device.statistic("peers"), 1u);
    EXPECT_EQ(device.statistic("connected"), 1u);
    EXPECT_EQ(device.statistic("bytes sent"), all.size());
    EXPECT_EQ(device.statistic("bytes received"), all.size());
}

TEST_F(CharSocket, WithoutAPeerOutputVanishes) {
    Socket machine(testkit::Properties{{"address", "tcp:127.0.0.1:0"}});
    machine.bench.start();
    machine.serial.send(std::string(200000, 'x'));
    EXPECT_EQ(machine.serial.unsent(), 0u);
    Remote remote(Remote::to_port(machine.port()));
    EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
    EXPECT_EQ(remote.hear(), "");
}

TEST_F(CharSocket, TakesOnePeerAtATime) {
    Connected machine;
    Remote second(Remote::to_port(machine.port()));
    std::string told;
    EXPECT_TRUE(machine.until([&] {
        told += second.hear();
        return second.closed;
    }));
    EXPECT_EQ(told, "busy: \"socket\" has a peer already, and takes one at a time\r\n");
    machine.serial.send("still here");
    EXPECT_TRUE(machine.hears("still here"));
}

TEST_F(CharSocket, TellsOfComingAndGoing) {
    Connected machine;
    machine.remote.leave();
    EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
    machine.serial.send("into the void");
    Remote next(Remote::to_port(machine.port()));
    EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
    next.say("hello");
    EXPECT_TRUE(machine.until([&] { return machine.serial.text() == "hello"; }));
}

TEST_F(CharSocket, LeavesInputToTheGuestsPace) {
    Connected machine;
    machine.serial.set_room(0);
    const std::string text(30000, 'i');
    machine.remote.say(text);
    machine.remote.leave(); // what was said is still heard
    for (int i = 0; i < 100; ++i)
        machine.bench.advance(1ms);
    EXPECT_EQ(machine.serial.text(), "");
    EXPECT_TRUE(machine.until([&] {
        machine.serial.set_room(100);
        return machine.serial.text().size() == text.size();
    }));
    EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
}

TEST_F(CharSocket, ReplacesAPeerThatLeftInputBehind) {
    Socket machine(testkit::Properties{{"address", "unix:" + path("s")}});
    machine.bench.start();
    machine.serial.set_room(0);
    Remote first(Remote::to_path(path("s")));
    EXPECT_TRUE(machine.until([&] { return machine.opened(); }));
    first.say(std::string(50000, 'x'));
    machine.bench.advance(1ms);
    first.leave();
    machine.bench.advance(1ms); // a hang-up that cannot be taken care of must not spin
    Remote second(Remote::to_path(path("s")));
    machine.bench.advance(1ms);
    machine.serial.set_room(std::nullopt);
    machine.serial.send("welcome");
    std::string told;
    EXPECT_TRUE(machine.until([&] { return (told += second.hear()) == "welcome"; }));
}

TEST_F(CharSocket, HoldsTheGuestBackForAWhileAndThenDropsTheOldest) {
    Connected machine(testkit::Properties{{"patience", "500"}});
    std::string sent;
    const auto write = [&](std::size_t count) {
        std::string text;
        while (text.size() < count)
            text += "line " + std::to_string(sent.size() + text.size()) + "\n";
        sent += text;
        machine.serial.send(text);
        machine.bench.advance(2ms);
    };
    // The kernel's buffers grow and move on their own: full is what stays full.
    for (int full = 0; full < 5 && sent.size() < (64u << 20);) {
        if (machine.serial.unsent() == 0) write(200000);
        const std::size_t before = machine.serial.unsent();
        std::this_thread::sleep_for(20ms);
        machine.bench.advance(1ms);
        full = before != 0 && machine.serial.unsent() == before ? full + 1 : 0;
    }
    EXPECT_NE(machine.serial.unsent(), 0u) << "the peer has to be full";
    // What left meanwhile may have given it a second patience, which begins with the end of the first.
    machine.bench.advance(1s);
    EXPECT_EQ(machine.serial.unsent(), 0u); // dropped
    write(300000);
    EXPECT_EQ(machine.serial.unsent(), 0u);

    std::string heard;
    EXPECT_TRUE(machine.until([&] {
        heard += machine.remote.hear();
        return heard.ends_with(sent.substr(sent.size() - 1000));
    }));
    EXPECT_LT(heard.size(), sent.size());
    EXPECT_TRUE(sent.ends_with(heard.substr(heard.size() - 60000))) << "the newest are kept";
    EXPECT_TRUE(machine.logged("bytes were lost"));
    machine.serial.send("well again");
    EXPECT_TRUE(machine.hears("well again"));
}

TEST_F(CharSocket, DropsTheNewestIfToldTo) {
    Connected machine(testkit::Properties{{"when_stalled", "drop_newest"}, {"patience", "0"}});
    std::size_t sent = 0;
    while (!machine.logged("too slowly") && sent < (64u << 20)) {
        machine.serial.send(std::string(100000, 'o'));
        sent += 100000;
        machine.bench.advance(2ms);
    }
    machine.serial.send(std::string(200000, 'n'));
    EXPECT_EQ(machine.serial.unsent(), 0u);
    const std::string heard = read_all(machine, 100000);
    EXPECT_TRUE(machine.until([&] { return machine.logged("taken again"); }));
    EXPECT_EQ(heard.find('n'), std::string::npos);
}

TEST_F(CharSocket, WaitsForEverIfToldTo) {
    Connected machine(testkit::Properties{{"when_stalled", "wait"}});
    const std::string text(16 << 20, 'w');
    machine.serial.send(text);
    machine.bench.advance(1h);
    EXPECT_NE(machine.serial.unsent(), 0u);
    EXPECT_EQ(read_all(machine, text.size()), text);
    EXPECT_EQ(machine.serial.unsent(), 0u);
}

TEST_F(CharSocket, SendsWhatIsLeftAtTheEnd) {
    Connected machine;
    machine.serial.send("last words");
    machine.bench.quiesce();
    machine.bench.disconnect("socket");
    machine.bench.remove("socket");
    EXPECT_EQ(machine.remote.hear(), "last words");
    EXPECT_TRUE(machine.remote.closed);
}

TEST_F(CharSocket, RemovesItsSocketFile) {
    {
        Socket machine(testkit::Properties{{"address", "unix:" + path("s")}});
        machine.bench.start();
        EXPECT_TRUE(std::filesystem::is_socket(path("s")));
    }
    EXPECT_FALSE(std::filesystem::exists(path("s")));
}

TEST_F(CharSocket, LeavesAFileThatAnotherPutThere) {
    {
        Socket machine(testkit::Properties{{"address", "unix:" + path("s")}});
        machine.bench.start();
        std::filesystem::remove(path("s"));
        std::ofstream(path("s")) << "mine";
    }
    EXPECT_TRUE(std::filesystem::exists(path("s")));
}

TEST_F(CharSocket, ReplacesAStaleSocketFileOnly) {
    const sockaddr_un address = Remote::local(path("s"));
    {
        Remote dead(socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(bind(dead.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    ASSERT_TRUE(std::filesystem::exists(path("s")));
    Socket machine(testkit::Properties{{"address", "unix:" + path("s")}});
    machine.bench.start();
    Remote remote(Remote::to_path(path("s")));
    EXPECT_TRUE(machine.until([&] { return machine.opened(); }));

    Socket second(testkit::Properties{{"address", "unix:" + path("s")}});
    EXPECT_NE(start_refusal(second).find("somebody listens there"), std::string::npos);
    std::ofstream(path("file")) << "not a socket";
    Socket third(testkit::Properties{{"address", "unix:" + path("file")}});
    EXPECT_NE(start_refusal(third).find("not a socket"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(path("file")));
}

TEST_F(CharSocket, SaysWhatIsWrongWithAnAddress) {
    EXPECT_NE(refusal("com1").find("say tcp:HOST:PORT"), std::string::npos);
    EXPECT_NE(refusal("tcp:127.0.0.1").find("the port"), std::string::npos);
    EXPECT_NE(refusal("tcp:127.0.0.1:65536").find("0 to 65535"), std::string::npos);
    EXPECT_NE(refusal("tcp:127.0.0.1:12x").find("\"12x\""), std::string::npos);
    EXPECT_NE(refusal("tcp:localhost:1").find("names are not looked up"), std::string::npos);
    EXPECT_NE(refusal("tcp:::1:1").find("[::1]"), std::string::npos);
    EXPECT_NE(refusal("unix:s").find("absolute path"), std::string::npos);
    EXPECT_NE(refusal("unix:/" + std::string(200, 'x')).find("107"), std::string::npos);
    Socket machine(testkit::Properties{{"address", "unix:" + path("no/such/folder/s")}});
    EXPECT_NE(start_refusal(machine).find("No such file"), std::string::npos);
}

TEST_F(CharSocket, KeepsUntakenInputInItsState) {
    Connected machine;
    machine.serial.set_room(0);
    machine.remote.say("typed");
    for (int i = 0; i < 10; ++i)
        machine.bench.advance(1ms);
    machine.bench.quiesce();
    const auto image = machine.bench.save("socket");

    Socket other(testkit::Properties{{"address", "tcp:127.0.0.1:0"}});
    other.bench.load("socket", image);
    other.bench.start();
    EXPECT_TRUE(other.until([&] { return other.serial.text() == "typed"; }));
    EXPECT_THAT(other.serial.take_events(), testing::ElementsAre(PLUGBAY_CHAR_CLOSED));
}
