#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace std::chrono_literals;
using plugbay::testkit::Bench;
using plugbay::testkit::CharPeer;
using plugbay::testkit::Properties;

namespace {

class CharFile : public testing::Test {
  protected:
    CharFile() { std::filesystem::create_directories(folder_); }
    ~CharFile() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }
    std::string contents(const std::string& name) const {
        std::ifstream file(folder_ / name, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }
    void put(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name, std::ios::binary) << text;
    }

    struct Machine {
        explicit Machine(const Properties& properties) {
            bench.add(PLUGBAY_PLUGIN_FILE, "char-file", "file", properties);
            bench.connect(serial, "file");
        }
        CharPeer serial;
        Bench bench;
    };

  private:
    std::filesystem::path folder_ =
        std::filesystem::path(testing::TempDir()) / ("char-file-" + std::to_string(getpid()));
};

} // namespace

TEST_F(CharFile, WritesOutput) {
    put("out", "old");
    Machine machine({{"path", path("out")}});
    machine.bench.start();
    machine.bench.run();
    EXPECT_EQ(machine.serial.offer("hello "), 6u);
    machine.serial.offer("world\n");
    machine.bench.advance(4ms);
    EXPECT_EQ(contents("out"), ""); // it gathers
    machine.bench.advance(1ms);
    EXPECT_EQ(contents("out"), "hello world\n");
    machine.serial.offer("more");
    machine.bench.quiesce();
    EXPECT_EQ(contents("out"), "hello world\nmore");
}

TEST_F(CharFile, Appends) {
    put("out", "old ");
    Machine machine({{"path", path("out")}, {"append", "true"}});
    machine.bench.start();
    machine.serial.offer("new");
    machine.bench.advance(5ms);
    EXPECT_EQ(contents("out"), "old new");
}

TEST_F(CharFile, BoundsWhatItHoldsAndAsksForTheRest) {
    Machine machine({{"path", path("out")}});
    machine.bench.start();
    const std::string text(200000, 'x');
    machine.serial.send(text);
    EXPECT_EQ(machine.serial.unsent(), 200000u - 65536u);
    machine.bench.advance(10ms);
    EXPECT_EQ(machine.serial.unsent(), 0u);
    EXPECT_EQ(contents("out").size(), text.size());
}

TEST_F(CharFile, SaysThatThereIsRoomHoweverItCame) {
    Machine machine({{"path", path("out")}});
    machine.bench.start();
    EXPECT_EQ(machine.serial.offer(std::string(70000, 'x')), 65536u);
    machine.bench.quiesce(); // makes room
    machine.bench.resume();
    EXPECT_EQ(machine.serial.offer("y"), 1u);
    machine.bench.run();
    EXPECT_EQ(machine.serial.ready_calls(), 1u);
}

TEST_F(CharFile, ReadsInputAtTheGuestsPace) {
    std::string text;
    for (int i = 0; i < 10000; ++i)
        text += static_cast<char>(i);
    put("in", text);
    Machine machine({{"path", path("out")}, {"input", path("in")}});
    machine.serial.set_room(0);
    machine.bench.start();
    machine.bench.advance(1s);
    EXPECT_EQ(machine.serial.text(), "");
    for (int i = 0; i < 800; ++i) {
        machine.serial.set_room(16);
        machine.bench.advance(1ms);
    }
    EXPECT_EQ(machine.serial.text(), text);
}

TEST_F(CharFile, SaysWhichFileItCannotOpen) {
    Bench bench;
    const auto outcome =
        bench.try_add(PLUGBAY_PLUGIN_FILE, "char-file", "file", {{"path", path("no/such/folder")}});
    EXPECT_LT(outcome.status, 0);
    EXPECT_NE(outcome.text.find("no/such/folder"), std::string::npos);
}

TEST_F(CharFile, SurvivesAFullDisk) {
    const Properties properties{{"path", "/dev/full"}};
    Machine machine(properties);
    machine.bench.start();
    machine.serial.send(std::string(200000, 'x'));
    machine.bench.advance(1s);
    EXPECT_EQ(machine.serial.unsent(), 0u);
    EXPECT_EQ(machine.bench.log().size(), 1u);
}

TEST_F(CharFile, KeepsTheFileAndTheInputsPlaceOverSaveAndLoad) {
    put("in", std::string(3000, 'i') + "end");
    const Properties properties{{"path", path("out")}, {"input", path("in")}};
    Machine machine(properties);
    machine.serial.set_room(100);
    machine.bench.start();
    machine.serial.offer("before ");
    machine.bench.advance(5ms);
    machine.bench.quiesce();
    const auto image = machine.bench.save("file");

    Machine other(properties);
    other.bench.load("file", image);
    other.bench.start();
    other.serial.offer("after");
    other.bench.advance(10ms);
    EXPECT_EQ(contents("out"), "before after");
    EXPECT_EQ(other.serial.text().size(), 2903u);
    EXPECT_TRUE(other.serial.text().ends_with("end"));
}

// A pipe whose reader is slow leaves output behind: it goes with the state, and only with the state.
TEST_F(CharFile, HandsWaitingOutputOverOnce) {
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    const int reader = open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    const struct Closer {
        int descriptor;
        ~Closer() { close(descriptor); }
    } after_the_writers{reader};
    const auto drain = [&] {
        std::string text;
        std::string piece(4096, '\0');
        for (ssize_t count = 0; (count = read(reader, piece.data(), piece.size())) > 0;)
            text.append(piece, 0, static_cast<std::size_t>(count));
        return text;
    };
    const Properties properties{{"path", path("pipe")}};
    std::string text;
    for (int i = 0; i < 100000; ++i)
        text += static_cast<char>('a' + i % 26);
    std::string seen;
    Machine other(properties);
    {
        Machine machine(properties);
        machine.bench.start();
        machine.serial.send(text);
        machine.bench.advance(100ms);
        EXPECT_EQ(machine.serial.unsent(), 0u);
        machine.bench.quiesce();
        other.bench.load("file", machine.bench.save("file"));
        seen = drain();
        EXPECT_LT(seen.size(), text.size());
    }
    other.bench.start();
    other.bench.advance(100ms);
    seen += drain();
    EXPECT_EQ(seen.size(), text.size());
    EXPECT_TRUE(seen == text);
}

TEST_F(CharFile, ASwapLosesAndRepeatsNothing) {
    put("in", std::string(1000, 'i') + std::string(1000, 'j') + std::string(3000, 'k'));
    put("out", "the former machine's");
    Machine machine({{"path", path("out")}, {"input", path("in")}});
    machine.bench.start();
    std::string written;
    for (int round = 0; round < 20; ++round) {
        const std::string text = "line " + std::to_string(round) + "\n";
        written += text;
        machine.serial.send(text);
        machine.serial.set_room(static_cast<std::size_t>(round % 3 * 70));
        machine.bench.run();
        if (round == 10) std::filesystem::rename(path("out"), path("moved")); // as log rotation does
        machine.bench.swap("file", PLUGBAY_PLUGIN_FILE);
    }
    machine.serial.set_room(std::nullopt);
    machine.bench.advance(20ms);
    EXPECT_EQ(contents("moved"), written);
    EXPECT_FALSE(std::filesystem::exists(path("out")));
    EXPECT_EQ(machine.serial.text(), contents("in"));
}

TEST_F(CharFile, ASwapBeforeStartLeavesTheFileToBeEmptied) {
    put("out", "old");
    Machine machine({{"path", path("out")}});
    machine.bench.swap("file", PLUGBAY_PLUGIN_FILE);
    EXPECT_EQ(contents("out"), "old");
    machine.bench.start();
    EXPECT_EQ(contents("out"), "");
}

// What a slow pipe has not taken goes to the next build once.
TEST_F(CharFile, PipesGoOnInTheNextBuild) {
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    const int reader = open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    std::string seen;
    std::string text;
    {
        Machine machine({{"path", path("pipe")}});
        machine.bench.start();
        for (int i = 0; i < 100000; ++i)
            text += static_cast<char>('a' + i % 26);
        machine.serial.send(text);
        machine.bench.advance(100ms);
        std::string piece(4096, '\0');
        for (int i = 0; i < 10000 && seen.size() < text.size(); ++i) {
            machine.bench.swap("file", PLUGBAY_PLUGIN_FILE);
            machine.bench.advance(20ms);
            const ssize_t count = read(reader, piece.data(), piece.size());
            if (count > 0) seen.append(piece, 0, static_cast<std::size_t>(count));
        }
    }
    close(reader);
    EXPECT_EQ(seen.size(), text.size());
    EXPECT_TRUE(seen == text);
}
