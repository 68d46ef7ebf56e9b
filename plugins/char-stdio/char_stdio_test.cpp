// Each test puts a pipe, a pseudo-terminal or a file in the place of the process's own standard input and
// output.
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

using namespace std::chrono_literals;
using plugbay::testkit::Bench;
using plugbay::testkit::CharPeer;

namespace {

// Takes the place of a standard descriptor for a while.
class StandIn {
  public:
    StandIn(int standard, int descriptor)
        : standard_(standard), former_(fcntl(standard, F_DUPFD_CLOEXEC, 100)) {
        fflush(nullptr);
        dup2(descriptor, standard);
    }
    ~StandIn() {
        fflush(nullptr);
        dup2(former_, standard_);
        close(former_);
    }
    StandIn(const StandIn&) = delete;
    StandIn& operator=(const StandIn&) = delete;

  private:
    int standard_;
    int former_;
};

struct Pipe {
    Pipe() {
        if (pipe2(ends.data(), O_CLOEXEC) != 0) abort();
    }
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    void close_end(std::size_t end) {
        if (ends[end] >= 0) close(ends[end]);
        ends[end] = -1;
    }
    void write(const std::string& text) const {
        EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    std::array<int, 2> ends{};
};

// What can be read without waiting.
std::string drain(int descriptor) {
    std::string text;
    pollfd entry{descriptor, POLLIN, 0};
    while (poll(&entry, 1, 0) > 0 && (entry.revents & POLLIN) != 0) {
        std::array<char, 4096> bytes;
        const ssize_t count = read(descriptor, bytes.data(), bytes.size());
        if (count <= 0) break;
        text.append(bytes.data(), static_cast<std::size_t>(count));
    }
    return text;
}

struct Machine {
    explicit Machine(bool start = true, const char* escape = "automatic") {
        bench.add(PLUGBAY_PLUGIN_FILE, "char-stdio", "stdio", {{"escape", escape}});
        bench.connect(serial, "stdio");
        if (!start) return;
        bench.start();
        bench.run();
    }
    CharPeer serial;
    Bench bench;
};

struct Piped {
    Pipe in, out;
    StandIn standard_in{0, in.ends[0]};
    StandIn standard_out{1, out.ends[1]};
};

struct OnTerminal {
    OnTerminal() {
        if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) abort();
        standard_in.emplace(0, slave);
        standard_out.emplace(1, slave);
    }
    ~OnTerminal() {
        standard_in.reset();
        standard_out.reset();
        close(master);
        close(slave);
    }
    bool raw() const {
        termios settings{};
        tcgetattr(slave, &settings);
        return (settings.c_lflag & (ICANON | ECHO | ISIG)) == 0;
    }
    void type(const std::string& text) const {
        EXPECT_EQ(write(master, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    int master = -1, slave = -1;
    std::optional<StandIn> standard_in, standard_out;
};

} // namespace

TEST(CharStdio, PassesBytesBothWays) {
    Piped piped;
    Machine machine;
    machine.serial.offer("out");
    EXPECT_EQ(drain(piped.out.ends[0]), "out");
    piped.in.write("in\x01x"); // not a terminal: no commands
    machine.bench.run();
    EXPECT_EQ(machine.serial.take(), "in\x01x");
    EXPECT_TRUE(machine.bench.requests().empty());
}

TEST(CharStdio, WritesBurstsTogether) {
    Piped piped;
    Machine machine;
    machine.bench.advance(2ms);
    machine.serial.offer("a");
    EXPECT_EQ(drain(piped.out.ends[0]), "a"); // at once
    machine.serial.offer("b");
    machine.serial.offer("c");
    EXPECT_EQ(drain(piped.out.ends[0]), "");
    machine.bench.advance(1ms);
    EXPECT_EQ(drain(piped.out.ends[0]), "bc");
}

TEST(CharStdio, PushesBackWhenOutputIsBlocked) {
    Piped piped;
    Machine machine;
    const std::string text(400000, 'x');
    std::string seen;
    machine.serial.send(text);
    machine.bench.advance(10ms);
    EXPECT_GT(machine.serial.unsent(), 200000u); // a pipe and our buffer hold 64 KiB each
    for (int i = 0; i < 100 && seen.size() < text.size(); ++i) {
        seen += drain(piped.out.ends[0]);
        machine.bench.advance(2ms);
    }
    EXPECT_EQ(seen, text);
}

TEST(CharStdio, LeavesTheSharedDescriptionsAlone) {
    Piped piped;
    OnTerminal terminal;
    Machine machine;
    for (const int descriptor : {0, 1, piped.in.ends[0], piped.out.ends[1], terminal.slave})
        EXPECT_EQ(fcntl(descriptor, F_GETFL) & O_NONBLOCK, 0);
}

TEST(CharStdio, WritesItsLastWordsWhenItGoes) {
    Piped piped;
    {
        Machine machine;
        machine.serial.offer("first ");
        machine.serial.offer("last");
    }
    EXPECT_EQ(drain(piped.out.ends[0]), "first last");
}

TEST(CharStdio, StopsReadingAtTheEndOfInput) {
    Piped piped;
    Machine machine;
    piped.in.write("tail");
    piped.in.close_end(1);
    machine.bench.run();
    EXPECT_EQ(machine.serial.take(), "tail");
    machine.bench.advance(1s);
    EXPECT_EQ(machine.bench.device("stdio").holdings().watches, 0u);
    machine.serial.offer("still here");
    machine.bench.advance(1ms);
    EXPECT_EQ(drain(piped.out.ends[0]), "still here");
}

TEST(CharStdio, SurvivesAReaderThatLeaves) {
    Piped piped;
    Machine machine;
    piped.out.close_end(0);
    machine.bench.advance(2ms);
    machine.serial.send(std::string(200000, 'x')); // no SIGPIPE either
    machine.bench.advance(1s);
    EXPECT_EQ(machine.serial.unsent(), 0u);
    EXPECT_EQ(machine.serial.take_events(), std::vector<std::uint32_t>{PLUGBAY_CHAR_CLOSED});
    EXPECT_EQ(machine.bench.log().size(), 1u);
}

TEST(CharStdio, ReadsFilesAndNothing) {
    FILE* file = tmpfile();
    const std::string text(10000, 'f');
    fputs(text.c_str(), file);
    rewind(file);
    StandIn in(0, fileno(file));
    {
        Machine machine;
        machine.bench.advance(100ms);
        EXPECT_EQ(machine.serial.take(), text);
    }
    fclose(file);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    StandIn none(0, null);
    Machine machine;
    machine.bench.advance(1s);
    EXPECT_EQ(machine.serial.take(), "");
    close(null);
}

TEST(CharStdio, WorksOnSockets) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    StandIn in(0, ends[0]);
    StandIn out(1, ends[0]);
    Machine machine;
    machine.serial.offer("ping");
    EXPECT_EQ(drain(ends[1]), "ping");
    ASSERT_EQ(write(ends[1], "pong", 4), 4);
    machine.bench.run();
    EXPECT_EQ(machine.serial.take(), "pong");
    close(ends[0]);
    close(ends[1]);
}

TEST(CharStdio, HoldsInputWhileTheGuestTakesNone) {
    Piped piped;
    Machine machine;
    machine.serial.set_room(3);
    std::string text;
    for (int i = 0; i < 20000; ++i)
        text += static_cast<char>('a' + i % 26);
    piped.in.write(text);
    machine.bench.run();
    EXPECT_EQ(machine.serial.text(), "abc");
    for (int i = 0; i < 20000 && machine.serial.text().size() < text.size(); ++i) {
        machine.serial.set_room(16);
        machine.bench.run();
    }
    EXPECT_EQ(machine.serial.text(), text);
}

TEST(CharStdio, MakesTheTerminalRawWhileTheMachineRuns) {
    OnTerminal terminal;
    termios before{};
    tcgetattr(terminal.slave, &before);
    {
        Machine machine(false);
        EXPECT_FALSE(terminal.raw());
        machine.bench.start();
        EXPECT_TRUE(terminal.raw());
        machine.bench.quiesce();
        EXPECT_FALSE(terminal.raw());
        machine.bench.resume();
        EXPECT_TRUE(terminal.raw());
    }
    termios after{};
    tcgetattr(terminal.slave, &after);
    EXPECT_EQ(after.c_lflag, before.c_lflag);
    EXPECT_EQ(after.c_iflag, before.c_iflag);
}

TEST(CharStdio, ObeysTheEscapeKey) {
    OnTerminal terminal;
    Machine machine;
    terminal.type("a\x01\x01z");
    machine.bench.run();
    EXPECT_EQ(machine.serial.take(), "a\x01z");
    terminal.type("\x01q\x03"); // an unknown command, and Ctrl-C for the guest
    machine.bench.run();
    EXPECT_EQ(machine.serial.take(), "\x03");
    terminal.type("\x01"
                  "b");
    machine.bench.run();
    EXPECT_EQ(machine.serial.take_events(), std::vector<std::uint32_t>{PLUGBAY_CHAR_BREAK});
    terminal.type("\x01h");
    machine.bench.run();
    EXPECT_NE(drain(terminal.master).find("Ctrl-A x"), std::string::npos);
    EXPECT_TRUE(machine.bench.requests().empty());
    terminal.type("\x01x");
    machine.bench.run();
    ASSERT_EQ(machine.bench.requests().size(), 1u);
    EXPECT_EQ(machine.bench.requests().front().request, PLUGBAY_REQUEST_EXIT);
    EXPECT_EQ(machine.bench.requests().front().argument, 0u);
}

TEST(CharStdio, ObeysTheEscapeKeyOfAStuckGuest) {
    OnTerminal terminal;
    Machine machine;
    machine.serial.set_room(0);
    terminal.type("hello?\x01x");
    machine.bench.run();
    EXPECT_EQ(machine.bench.requests().size(), 1u);
}

TEST(CharStdio, EscapesAsTold) {
    {
        Piped piped;
        Machine machine(true, "always");
        piped.in.write("\x01x");
        machine.bench.run();
        EXPECT_EQ(machine.bench.requests().size(), 1u);
    }
    OnTerminal terminal;
    Machine machine(true, "never");
    terminal.type("\x01x");
    machine.bench.run();
    EXPECT_EQ(machine.serial.take(), "\x01x");
    EXPECT_TRUE(machine.bench.requests().empty());
}

TEST(CharStdio, IsAloneInItsMachine) {
    Piped piped;
    CharPeer other;
    Machine machine(false);
    machine.bench.add(PLUGBAY_PLUGIN_FILE, "char-stdio", "second");
    machine.bench.connect(other, "second");
    EXPECT_THROW(machine.bench.start(), plugbay::testkit::Error);
}

TEST(CharStdio, HandsOverToAnotherBuild) {
    OnTerminal terminal;
    Machine machine;
    machine.serial.set_room(0);
    terminal.type("typed");
    machine.bench.run();
    machine.bench.quiesce();
    const auto image = machine.bench.save("stdio");
    machine.bench.disconnect("stdio");
    machine.bench.add(PLUGBAY_PLUGIN_FILE, "char-stdio", "next");
    machine.bench.load("next", image);
    machine.bench.connect(machine.serial, "next");
    machine.bench.remove("stdio");
    EXPECT_FALSE(terminal.raw());
    machine.serial.set_room(std::nullopt);
    machine.bench.resume();
    machine.bench.run();
    EXPECT_TRUE(terminal.raw());
    EXPECT_EQ(machine.serial.take(), "typed");
}

// Output that a slow reader leaves behind goes with the state, and only with the state.
TEST(CharStdio, HandsWaitingOutputOverOnce) {
    Piped piped;
    Machine machine;
    std::string text;
    for (int i = 0; i < 100000; ++i)
        text += static_cast<char>('a' + i % 26);
    machine.serial.send(text);
    machine.bench.advance(10ms);
    EXPECT_EQ(machine.serial.unsent(), 0u);
    machine.bench.quiesce();
    const auto image = machine.bench.save("stdio");
    machine.bench.disconnect("stdio");
    machine.bench.add(PLUGBAY_PLUGIN_FILE, "char-stdio", "next");
    machine.bench.load("next", image);
    machine.bench.connect(machine.serial, "next");
    std::string seen = drain(piped.out.ends[0]);
    EXPECT_LT(seen.size(), text.size());
    machine.bench.remove("stdio");
    machine.bench.resume();
    machine.bench.advance(10ms);
    seen += drain(piped.out.ends[0]);
    EXPECT_EQ(seen.size(), text.size());
    EXPECT_TRUE(seen == text); // a message with both would not fit into the pipe
}

TEST(CharStdio, RunsWithoutStandardDescriptors) {
    Piped piped;
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    Machine machine;
    machine.serial.offer("into the void");
    machine.bench.advance(1s);
    EXPECT_EQ(machine.serial.unsent(), 0u);
    EXPECT_EQ(machine.serial.take_events(), std::vector<std::uint32_t>{PLUGBAY_CHAR_CLOSED});
    ASSERT_EQ(machine.bench.log().size(), 1u);
    EXPECT_EQ(machine.bench.log().front().text.find("Success"), std::string::npos);
}

TEST(CharStdio, SaysWhyItStopsReading) {
    const int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); // every read of it fails
    Piped piped;
    StandIn in(0, folder);
    Machine machine;
    machine.bench.advance(1s);
    ASSERT_EQ(machine.bench.log().size(), 1u);
    EXPECT_NE(machine.bench.log().front().text.find("standard input"), std::string::npos);
    close(folder);
}

TEST(CharStdio, BytesOnTheirWayDuringASwapArriveOnceAndInOrder) {
    Piped piped;
    Machine machine;
    std::string sent;
    std::string written;
    for (int round = 0; round < 20; ++round) {
        const std::string out = "out " + std::to_string(round) + "\n";
        const std::string in = "in " + std::to_string(round) + "\n";
        sent += out;
        written += in;
        machine.serial.send(out);
        piped.in.write(in);
        machine.serial.set_room(static_cast<std::size_t>(round % 4));
        machine.bench.run();
        machine.bench.swap("stdio", PLUGBAY_PLUGIN_FILE);
        machine.serial.set_room(std::nullopt);
    }
    machine.bench.advance(10ms);
    EXPECT_EQ(drain(piped.out.ends[0]), sent);
    EXPECT_EQ(machine.serial.text(), written);
}

TEST(CharStdio, TheTerminalStaysRawFromBuildToBuild) {
    OnTerminal terminal;
    {
        Machine machine;
        ASSERT_TRUE(terminal.raw());
        std::atomic<bool> over{false};
        bool always_raw = true;
        std::thread watcher([&] {
            while (!over)
                always_raw = terminal.raw() && always_raw;
        });
        for (int round = 0; round < 50; ++round) {
            machine.bench.swap("stdio", PLUGBAY_PLUGIN_FILE);
            EXPECT_TRUE(terminal.raw());
            EXPECT_FALSE(machine.bench.try_swap("stdio", PLUGBAY_PLUGIN_FILE, {{"escape", "perhaps"}}));
            EXPECT_TRUE(terminal.raw());
        }
        over = true;
        watcher.join();
        EXPECT_TRUE(always_raw);
        machine.bench.quiesce();
        EXPECT_FALSE(terminal.raw()) << "as the first build found it";
        machine.bench.resume();
        EXPECT_TRUE(terminal.raw());
        machine.bench.quiesce();
        machine.bench.swap("stdio", PLUGBAY_PLUGIN_FILE);
        EXPECT_FALSE(terminal.raw()) << "a paused machine leaves it alone";
        machine.bench.resume();
        EXPECT_TRUE(terminal.raw());
    }
    EXPECT_FALSE(terminal.raw());
}

TEST(CharStdio, AnEscapeKeyIsRememberedByTheNextBuild) {
    OnTerminal terminal;
    Machine machine;
    terminal.type("\x01");
    machine.bench.run();
    machine.bench.swap("stdio", PLUGBAY_PLUGIN_FILE);
    terminal.type("x");
    machine.bench.run();
    ASSERT_EQ(machine.bench.requests().size(), 1u);
    EXPECT_EQ(machine.bench.requests()[0].request, PLUGBAY_REQUEST_EXIT);
}
