#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

using namespace std::chrono_literals;
namespace testkit = plugbay::testkit;

namespace {

// Somebody at the far end of the terminal.
struct User {
    explicit User(const std::string& path) : fd(open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK)) {}
    User(const User&) = delete;
    User& operator=(const User&) = delete;
    ~User() { leave(); }
    void leave() {
        if (fd >= 0) close(fd);
        fd = -1;
    }
    void type(std::string_view text) const {
        EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    std::string see() const {
        std::string all;
        std::array<char, 65536> piece{};
        for (;;) {
            const ssize_t count = read(fd, piece.data(), piece.size());
            if (count <= 0) return all;
            all.append(piece.data(), static_cast<std::size_t>(count));
        }
    }
    int fd;
};

struct Machine {
    explicit Machine(const testkit::Properties& properties) {
        bench.add(PLUGBAY_PLUGIN_FILE, "char-pty", "pty", properties);
        bench.connect(serial, "pty");
    }
    Machine() : Machine(testkit::Properties{}) {}

    std::string path() {
        for (const auto& line : bench.log()) {
            const std::size_t at = line.text.find("/dev/pts/");
            if (at != std::string::npos) return line.text.substr(at);
        }
        return "no terminal";
    }
    bool until(const std::function<bool()>& predicate) {
        return bench.run_until([&] {
            bench.advance(5ms);
            return predicate();
        });
    }
    bool opened() {
        for (const std::uint32_t event : serial.take_events())
            open = event == PLUGBAY_CHAR_OPENED;
        return open;
    }
    bool shows(const User& user, const std::string& text) {
        std::string all;
        const bool done = until([&] { return (all += user.see()).size() >= text.size(); });
        EXPECT_EQ(all, text);
        return done;
    }

    testkit::CharPeer serial;
    testkit::Bench bench;
    bool open = false;
};

class CharPty : public testing::Test {
  protected:
    CharPty() { std::filesystem::create_directories(folder_); }
    ~CharPty() override { std::filesystem::remove_all(folder_); }
    std::string path(const std::string& name) const { return (folder_ / name).string(); }

  private:
    std::filesystem::path folder_ =
        std::filesystem::path(testing::TempDir()) / ("char-pty-" + std::to_string(getpid()));
};

} // namespace

TEST_F(CharPty, CarriesEveryByteBothWays) {
    Machine machine;
    machine.bench.start();
    const User user(machine.path());
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    machine.serial.send(all);
    EXPECT_TRUE(machine.shows(user, all));
    user.type(all);
    EXPECT_TRUE(machine.until([&] { return machine.serial.text().size() >= all.size(); }));
    EXPECT_EQ(machine.serial.text(), all);
}

TEST_F(CharPty, SurvivesUsersThatComeAndGo) {
    Machine machine;
    machine.bench.start();
    for (int i = 0; i < 3; ++i) {
        machine.serial.send(std::string(200000, 'x')); // into the void
        EXPECT_EQ(machine.serial.unsent(), 0u);
        User user(machine.path());
        ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
        machine.serial.send("hello\n");
        EXPECT_TRUE(machine.shows(user, "hello\n"));
        termios cooked{};
        ASSERT_EQ(tcgetattr(user.fd, &cooked), 0);
        EXPECT_EQ(cooked.c_lflag & (ECHO | ICANON), 0u);
        cooked.c_lflag |= ECHO | ICANON; // not for the next one
        ASSERT_EQ(tcsetattr(user.fd, TCSANOW, &cooked), 0);
        user.leave();
        EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
    }
}

TEST_F(CharPty, HearsOneWhoComesAndGoesAtOnce) {
    Machine machine;
    machine.bench.start();
    machine.bench.advance(1s);
    {
        const User user(machine.path());
        user.type("reboot\n");
    }
    EXPECT_TRUE(machine.until([&] { return machine.serial.text() == "reboot\n"; }));
}

TEST_F(CharPty, LeavesInputToTheGuestsPace) {
    Machine machine;
    machine.bench.start();
    machine.serial.set_room(0);
    User user(machine.path());
    std::size_t typed = 0;
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    for (int i = 0; i < 300; ++i) {
        const ssize_t count = write(user.fd, std::string(1000, 'k').data(), 1000);
        if (count > 0) typed += static_cast<std::size_t>(count);
        machine.bench.advance(1ms);
    }
    EXPECT_EQ(machine.serial.text(), "");
    EXPECT_LT(typed, 300000u); // the terminal is full
    user.leave();
    machine.bench.advance(1s); // a hang-up that cannot be taken care of must not spin
    EXPECT_TRUE(machine.until([&] {
        machine.serial.set_room(100);
        return machine.serial.text().size() == typed;
    }));
    EXPECT_TRUE(machine.until([&] { return !machine.opened(); }));
}

TEST_F(CharPty, DropsWhatASleepingUserDoesNotRead) {
    Machine machine;
    machine.bench.start();
    const User user(machine.path());
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    machine.serial.send(std::string(200000, 'o'));
    machine.bench.advance(900ms);
    EXPECT_NE(machine.serial.unsent(), 0u);
    machine.bench.advance(200ms);
    EXPECT_EQ(machine.serial.unsent(), 0u);
    machine.serial.send("newest");
    std::string seen;
    EXPECT_TRUE(machine.until([&] { return (seen += user.see()).ends_with("newest"); }));
    EXPECT_LT(seen.size(), 200000u);
}

// 80 KB a second: the guest goes at the terminal's pace, and nothing is lost.
TEST_F(CharPty, WaitsForASlowAndSteadyUser) {
    Machine machine;
    machine.bench.start();
    const User user(machine.path());
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    std::string text;
    while (text.size() < 500000)
        text += "line " + std::to_string(text.size()) + "\n";
    machine.serial.send(text);
    std::string seen;
    std::array<char, 8192> piece{};
    EXPECT_TRUE(machine.bench.run_until([&] {
        machine.bench.advance(100ms);
        const ssize_t count = read(user.fd, piece.data(), piece.size());
        if (count > 0) seen.append(piece.data(), static_cast<std::size_t>(count));
        return seen.size() >= text.size();
    }));
    EXPECT_EQ(seen.size(), text.size());
    EXPECT_TRUE(seen == text);
    EXPECT_EQ(machine.bench.log().size(), 1u) << machine.bench.log().back().text;
}

TEST_F(CharPty, MakesALink) {
    std::string terminal;
    {
        Machine machine(testkit::Properties{{"link", path("com1")}});
        machine.bench.start();
        terminal = machine.path();
        EXPECT_EQ(std::filesystem::read_symlink(path("com1")), terminal);
        Machine second(testkit::Properties{{"link", path("com1")}});
        try {
            second.bench.start();
            ADD_FAILURE() << "the link is another's";
        } catch (const testkit::Error& error) {
            EXPECT_NE(std::string(error.what()).find("it leads to " + terminal), std::string::npos)
                << error.what();
        }
    }
    EXPECT_FALSE(std::filesystem::is_symlink(path("com1")));
}

TEST_F(CharPty, ReplacesOnlyALinkThatLeadsNowhere) {
    std::filesystem::create_symlink("/dev/pts/99999", path("com1"));
    Machine machine(testkit::Properties{{"link", path("com1")}});
    machine.bench.start();
    EXPECT_EQ(std::filesystem::read_symlink(path("com1")), machine.path());

    std::ofstream(path("file")) << "mine";
    Machine other(testkit::Properties{{"link", path("file")}});
    EXPECT_THROW(other.bench.start(), testkit::Error);
    EXPECT_TRUE(std::filesystem::is_regular_file(path("file")));
}

TEST_F(CharPty, KeepsUntakenInputInItsState) {
    Machine machine;
    machine.bench.start();
    machine.serial.set_room(0);
    const User user(machine.path());
    user.type("typed");
    machine.bench.advance(1s);
    machine.bench.quiesce();
    const auto image = machine.bench.save("pty");
    Machine other;
    other.bench.load("pty", image);
    other.bench.start();
    other.bench.advance(1s);
    EXPECT_EQ(other.serial.text(), "typed");
    EXPECT_THAT(other.serial.take_events(), testing::ElementsAre(PLUGBAY_CHAR_CLOSED));
}

TEST_F(CharPty, AUserNoticesNoSwap) {
    Machine machine({{"link", path("com1")}});
    machine.bench.start();
    const User user(path("com1"));
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    std::string shown;
    std::string sent;
    std::string typed;
    for (int round = 0; round < 20; ++round) {
        const std::string text = "out " + std::to_string(round) + "\n";
        sent += text;
        machine.serial.send(text);
        const std::string keys = "in " + std::to_string(round) + "\r";
        typed += keys;
        user.type(keys);
        machine.serial.set_room(static_cast<std::size_t>(round % 3));
        machine.bench.run();
        machine.bench.swap("pty", PLUGBAY_PLUGIN_FILE);
        machine.serial.send("."); // before the new build has looked for a user
        sent += ".";
        machine.serial.set_room(std::nullopt);
        shown += user.see();
    }
    EXPECT_TRUE(machine.until([&] {
        shown += user.see();
        return shown.size() >= sent.size() && machine.serial.text().size() >= typed.size();
    }));
    EXPECT_EQ(shown, sent);
    EXPECT_EQ(machine.serial.text(), typed);
    EXPECT_TRUE(machine.serial.take_events().empty());
    EXPECT_EQ(std::filesystem::read_symlink(path("com1")), machine.path());
}

TEST_F(CharPty, KeepsWhatASleepingUserHasNotRead) {
    Machine machine(testkit::Properties{{"when_stalled", "wait"}});
    machine.bench.start();
    const User user(machine.path());
    ASSERT_TRUE(machine.until([&] { return machine.opened(); }));
    std::string sent;
    while (machine.serial.unsent() == 0) {
        sent += std::string(1000, static_cast<char>('a' + sent.size() / 1000 % 26));
        machine.serial.send(sent.substr(sent.size() - 1000));
        machine.bench.advance(2ms);
    }
    machine.bench.swap("pty", PLUGBAY_PLUGIN_FILE);
    std::string shown;
    EXPECT_TRUE(machine.until([&] { return (shown += user.see()).size() >= sent.size(); }));
    EXPECT_TRUE(shown == sent);
}

TEST_F(CharPty, TheLinkGoesWithTheLastBuild) {
    {
        Machine machine({{"link", path("com1")}});
        machine.bench.start();
        machine.bench.swap("pty", PLUGBAY_PLUGIN_FILE);
        EXPECT_TRUE(std::filesystem::is_symlink(path("com1")));
        machine.bench.advance(1s);
        EXPECT_TRUE(std::filesystem::is_symlink(path("com1")));
    }
    EXPECT_FALSE(std::filesystem::is_symlink(path("com1")));
}
