#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

using namespace std::chrono_literals;
namespace testkit = plugbay::testkit;
using testing::HasSubstr;

namespace {

struct Machine {
    explicit Machine(const testkit::Properties& properties) {
        bench.add(PLUGBAY_PLUGIN_FILE, "generic", "range", properties);
        bench.start();
    }
    testkit::Bench bench;
};

std::string refusal(const testkit::Properties& properties) {
    testkit::Bench bench;
    return bench.try_add(PLUGBAY_PLUGIN_FILE, "generic", "range", properties).text;
}

class Forward : public testing::Test {
  protected:
    Forward() { std::ofstream(path_, std::ios::binary) << "0123456789abcdef"; }
    ~Forward() override { std::filesystem::remove(path_); }
    std::string contents() const {
        std::ifstream file(path_, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }
    std::string path_ = testing::TempDir() + "/generic-" + std::to_string(getpid());
};

} // namespace

TEST(Generic, IgnoresPorts) {
    Machine machine(testkit::Properties{{"first", "0x80"}, {"length", "4"}});
    machine.bench.out(0x80, 4, 0x12345678);
    EXPECT_EQ(machine.bench.in(0x80, 4), 0u);
    EXPECT_EQ(machine.bench.in(0x84), 0xffu); // behind its end
    machine.bench.advance(10s);
    EXPECT_TRUE(machine.bench.log().empty());
}

TEST(Generic, HasAFixedValue) {
    Machine machine(testkit::Properties{{"space", "memory"},
                                        {"first", "0xfed00000"},
                                        {"length", "4096"},
                                        {"behaviour", "value"},
                                        {"value", "0x1122334455667788"}});
    machine.bench.write(0xfed00ff8, 8, 1);
    EXPECT_EQ(machine.bench.read(0xfed00ff8, 8), 0x1122334455667788u);
    EXPECT_EQ(machine.bench.read(0xfed00001, 2), 0x7788u);
}

TEST(Generic, WritesTheFirstAccessesToTheLog) {
    Machine machine(
        testkit::Properties{{"first", "0x80"}, {"log", "true"}, {"behaviour", "value"}, {"value", "0x42"}});
    machine.bench.in(0x80);
    EXPECT_TRUE(machine.bench.log().empty()) << "not inside the guest's access";
    machine.bench.run();
    ASSERT_EQ(machine.bench.log().size(), 1u);
    EXPECT_EQ(machine.bench.log()[0].text, "read of 1 at 0x80: 0x42");
    for (unsigned i = 0; i < 1000; ++i) {
        machine.bench.out(0x80, 1, i);
        machine.bench.run();
    }
    EXPECT_EQ(machine.bench.log().size(), 1u);
    machine.bench.advance(1s);
    ASSERT_EQ(machine.bench.log().size(), 1u + 16 + 1);
    EXPECT_EQ(machine.bench.log()[16].text, "write of 1 at 0x80: 0x0f");
    EXPECT_EQ(machine.bench.log()[17].text, "and 984 more accesses");
    machine.bench.out(0x80, 1, 1);
    machine.bench.quiesce();
    EXPECT_EQ(machine.bench.log().size(), 19u);
}

TEST_F(Forward, BecomesOneTransferOfTheFile) {
    Machine machine(testkit::Properties{
        {"first", "0x100"}, {"length", "8"}, {"behaviour", "forward"}, {"file", path_}, {"offset", "4"}});
    EXPECT_EQ(machine.bench.in(0x100, 4), 0x37363534u); // "4567"
    EXPECT_EQ(machine.bench.in(0x107, 1), std::uint64_t{'b'});
    machine.bench.out(0x102, 2, 0x5958);
    EXPECT_EQ(contents(), "012345XY89abcdef");
    std::filesystem::resize_file(path_, 5);
    EXPECT_EQ(machine.bench.in(0x100, 1), std::uint64_t{'4'});
    EXPECT_EQ(machine.bench.in(0x100, 4), 0xffffffffu);
    EXPECT_EQ(machine.bench.in(0x102, 2), 0xffffu);
}

TEST_F(Forward, MayBeReadOnly) {
    Machine machine(testkit::Properties{{"first", "0x100"},
                                        {"length", "16"},
                                        {"behaviour", "forward"},
                                        {"file", path_},
                                        {"read_only", "true"},
                                        {"log", "true"}});
    machine.bench.out(0x100, 1, 'x');
    EXPECT_EQ(machine.bench.in(0x100), std::uint64_t{'0'});
    EXPECT_EQ(contents(), "0123456789abcdef");
    machine.bench.run();
    EXPECT_THAT(machine.bench.log().at(0).text, HasSubstr("failed"));
}

TEST_F(Forward, SaysWhatIsWrong) {
    const auto with = [&](const std::string& file, const std::string& offset) {
        return refusal({{"first", "0x100"},
                        {"length", "8"},
                        {"behaviour", "forward"},
                        {"file", file},
                        {"offset", offset}});
    };
    EXPECT_THAT(with(path_, "9"), HasSubstr("has 16 bytes"));
    EXPECT_THAT(with(path_, "18446744073709551615"), HasSubstr("no offset"));
    EXPECT_THAT(with("/nowhere/at/all", "0"), HasSubstr("cannot be opened"));
    EXPECT_THAT(with(testing::TempDir(), "0"), HasSubstr("cannot be opened"));
    EXPECT_THAT(refusal({{"first", "0x100"}, {"behaviour", "forward"}}), HasSubstr("no \"file\""));
    EXPECT_THAT(refusal({{"first", "0xffff"}, {"length", "2"}}), HasSubstr("the last one is 65535"));
    EXPECT_THAT(refusal({{"first", "0x10000"}}), HasSubstr("the last one is 65535"));
    EXPECT_NE(refusal({{"space", "memory"}, {"first", "0x1000"}}), "") << "RAM";
}

TEST_F(Forward, AnswersAllOnesWhereADeviceHasNoOffsets) {
    Machine machine(testkit::Properties{
        {"first", "0x100"}, {"length", "4"}, {"behaviour", "forward"}, {"file", "/dev/null"}});
    EXPECT_EQ(machine.bench.in(0x100, 4), 0xffffffffu);
    machine.bench.out(0x100, 4, 1);
}

TEST_F(Forward, ASwapKeepsTheFileThatIsOpen) {
    Machine machine(testkit::Properties{
        {"first", "0x600"}, {"length", "8"}, {"behaviour", "forward"}, {"file", path_}, {"offset", "4"}});
    const std::string moved = path_ + "-moved";
    std::filesystem::rename(path_, moved);
    machine.bench.swap("range", PLUGBAY_PLUGIN_FILE);
    EXPECT_EQ(machine.bench.in(0x600), std::uint64_t{'4'});
    machine.bench.out(0x600, 1, 'x');
    std::filesystem::rename(moved, path_);
    EXPECT_EQ(contents(), "0123x56789abcdef");
}
