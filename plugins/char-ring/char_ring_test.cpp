#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace testkit = plugbay::testkit;

namespace {

class CharRing : public testing::Test {
  protected:
    CharRing() { std::filesystem::create_directories(folder_); }
    ~CharRing() override { std::filesystem::remove_all(folder_); }
    std::string path() const { return (folder_ / "dump").string(); }
    std::string contents() const {
        std::ifstream file(path(), std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }
    struct Machine {
        explicit Machine(const testkit::Properties& properties) {
            bench.add(PLUGBAY_PLUGIN_FILE, "char-ring", "ring", properties);
            bench.connect(serial, "ring");
        }
        testkit::CharPeer serial;
        testkit::Bench bench;
    };

  private:
    std::filesystem::path folder_ =
        std::filesystem::path(testing::TempDir()) / ("char-ring-" + std::to_string(getpid()));
};

} // namespace

TEST_F(CharRing, DumpsTheLastBytes) {
    std::string all;
    {
        Machine machine(testkit::Properties{{"size", "1000"}, {"dump", path()}});
        machine.bench.start();
        for (int i = 0; i < 300; ++i) {
            const std::string line = "line " + std::to_string(i) + "\n";
            EXPECT_EQ(machine.serial.offer(line), line.size());
            all += line;
        }
    }
    EXPECT_EQ(contents(), all.substr(all.size() - 1000));
}

TEST_F(CharRing, TakesMoreThanItKeepsAtOnce) {
    {
        Machine machine(testkit::Properties{{"size", "10"}, {"dump", path()}});
        machine.bench.start();
        EXPECT_EQ(machine.serial.offer("abc"), 3u);
        EXPECT_EQ(machine.serial.offer("0123456789ABCDEF"), 16u);
        EXPECT_EQ(machine.serial.offer("x"), 1u);
    }
    EXPECT_EQ(contents(), "789ABCDEFx");
}

TEST_F(CharRing, KeepsItsBytesOverResetAndCheckpoint) {
    Machine machine(testkit::Properties{{"size", "16"}});
    machine.bench.start();
    machine.serial.offer("0123456789");
    machine.bench.reset();
    machine.serial.offer("abcdefghij");
    machine.bench.quiesce();
    const auto image = machine.bench.save("ring");
    {
        Machine other(testkit::Properties{{"size", "16"}, {"dump", path()}});
        other.bench.load("ring", image);
        other.bench.start();
        other.serial.offer("!");
    }
    EXPECT_EQ(contents(), "56789abcdefghij!");
    Machine smaller(testkit::Properties{{"size", "15"}});
    EXPECT_FALSE(smaller.bench.device("ring").try_load(image));
}

TEST_F(CharRing, LeavesTheFileAloneUnlessItRan) {
    std::ofstream(path()) << "the former machine's";
    { Machine machine(testkit::Properties{{"dump", path()}}); }
    EXPECT_EQ(contents(), "the former machine's");
}

TEST_F(CharRing, SaysWhenTheFileCannotBeWritten) {
    Machine machine(testkit::Properties{{"dump", path() + "/no/such/folder"}});
    machine.bench.start();
    machine.bench.quiesce();
    machine.bench.disconnect("ring");
    machine.bench.remove("ring");
    ASSERT_EQ(machine.bench.log().size(), 1u);
    EXPECT_NE(machine.bench.log()[0].text.find("cannot be opened"), std::string::npos);
}

TEST_F(CharRing, OnlyTheLastBuildWritesTheFile) {
    {
        Machine machine(testkit::Properties{{"size", "16"}, {"dump", path()}});
        machine.bench.start();
        machine.serial.offer("one ");
        machine.bench.swap("ring", PLUGBAY_PLUGIN_FILE);
        EXPECT_FALSE(std::filesystem::exists(path()));
        machine.serial.offer("two");
    }
    EXPECT_EQ(contents(), "one two");
}
