// A frontend and a backend that were built by different compilers, with different C++ standard libraries, in one process.
#include "tests/guests/machine/monitor.hpp"

#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>

#include <filesystem>
#include <ostream>
#include <string>

namespace plugbay::end_to_end {
namespace {

using namespace plugbay::testkit;
using namespace std::chrono_literals;
using testing::HasSubstr;

struct Pair {
    const char* name;
    const char* serial;
    const char* ring;
    // What GoogleTest shows of it.
    friend void PrintTo(const Pair& pair, std::ostream* stream) { *stream << pair.name; }
};

class TwoCompilers : public testing::TestWithParam<Pair> {
  protected:
    [[nodiscard]] std::string dump() const { return bytes_of(folder_.path("dump")); }

    TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Compilers, TwoCompilers,
                         testing::Values(Pair{"GccSerialClangRing", GCC_SERIAL, LIBCXX_RING},
                                         Pair{"ClangSerialGccRing", LIBCXX_SERIAL, GCC_RING}),
                         [](const auto& pair) { return pair.param.name; });

// Otherwise the tests would be of one compiler.
TEST(Builds, AreLinkedToTheirLibraries) {
    for (const char* const file : {LIBCXX_SERIAL, LIBCXX_RING}) {
        const std::string needed = run({"objdump", "-p", file}).output;
        EXPECT_THAT(needed, HasSubstr("libc++.so.1"));
        EXPECT_THAT(needed, Not(HasSubstr("libstdc++")));
    }
    for (const char* const file : {GCC_SERIAL, GCC_RING}) {
        const std::string needed = run({"objdump", "-p", file}).output;
        EXPECT_THAT(needed, HasSubstr("libstdc++.so.6"));
        EXPECT_THAT(needed, Not(HasSubstr("libc++")));
    }
}

TEST_P(TwoCompilers, AreLinkedOnTheTestkit) {
    {
        Bench bench;
        bench.add(GetParam().serial, "serial-16550", "com1");
        bench.add(GetParam().ring, "char-ring", "ring", {{"dump", folder_.path("dump")}});
        bench.connect("ring", "com1");
        bench.start();
        for (const char byte : std::string("across compilers"))
            bench.out(0x3f8, 1, static_cast<std::uint8_t>(byte));
        bench.run();
    }
    EXPECT_EQ(dump(), "across compilers");
}

TEST_P(TwoCompilers, GoOnFromEachOthersState) {
    {
        Bench bench;
        bench.add(GetParam().serial, "serial-16550", "com1");
        bench.add(GetParam().ring, "char-ring", "ring", {{"dump", folder_.path("dump")}});
        bench.connect("ring", "com1");
        bench.start();
        bench.out(0x3ff, 1, 0x5a); // the scratch register
        bench.out(0x3f8, 1, 'a');
        bench.swap("com1", GetParam().serial == std::string(GCC_SERIAL) ? LIBCXX_SERIAL : GCC_SERIAL);
        bench.swap("ring", GetParam().ring == std::string(GCC_RING) ? LIBCXX_RING : GCC_RING);
        EXPECT_EQ(bench.in(0x3ff), 0x5au);
        bench.out(0x3f8, 1, 'b');
        bench.run();
    }
    EXPECT_EQ(dump(), "ab");
}

// An exception is thrown and caught in each of the libraries, beside the other.
TEST_P(TwoCompilers, RefuseInTheirOwnWords) {
    Bench bench;
    bench.add(GetParam().serial, "serial-16550", "com1");
    for (const char* const file : {GCC_SERIAL, LIBCXX_SERIAL}) {
        const auto outcome = bench.try_add(file, "serial-16550", "com2", {{"irq", "3"}});
        EXPECT_EQ(outcome.status, PLUGBAY_TAKEN) << outcome.text;
        EXPECT_THAT(outcome.text, HasSubstr("com1"));
    }
}

TEST_P(TwoCompilers, RunInOneMachine) {
    if (const std::string problem = kvm_problem(); !problem.empty()) GTEST_SKIP() << problem;
    // A monitor with these builds and no others: a type that two plugins provide is refused.
    const std::filesystem::path bin = folder_.path("bin");
    std::filesystem::create_directories(bin / "plugins");
    std::filesystem::copy_file(plugbay_binary(), bin / "plugbay");
    std::filesystem::create_symlink(GetParam().serial, bin / "plugins" / "serial-16550.so");
    std::filesystem::create_symlink(GetParam().ring, bin / "plugins" / "char-ring.so");
    std::filesystem::create_symlink(std::filesystem::path(GCC_SERIAL).parent_path() / "debug-exit.so",
                                    bin / "plugins" / "debug-exit.so");

    // mov $0x3f8, %dx; mov $'o', %al; out %al, %dx; mov $'k', %al; out %al, %dx; mov $42, %al; out %al, $0xf4; hlt
    folder_.write("guest.bin", "\xba\xf8\x03\xb0\x6f\xee\xb0\x6b\xee\xb0\x2a\xe6\xf4\xf4");
    const std::string machine = folder_.write("machine.json", R"({
        "memory": "16M", "boot": { "kernel": "guest.bin", "protocol": "flat" },
        "devices": [
          { "type": "serial-16550", "id": "com1" },
          { "type": "char-ring", "id": "ring", "dump": ")" + folder_.path("dump") +
                                                                  R"(", "frontend": { "id": "com1" } },
          { "type": "debug-exit", "id": "exit" } ] })");
    const Outcome outcome =
        run({"env", "-u", "PLUGBAY_PLUGIN_PATH", bin / "plugbay", "run", machine, "--timeout", "60"});
    EXPECT_EQ(outcome.status, 42) << outcome.text();
    EXPECT_EQ(dump(), "ok");
}

} // namespace
} // namespace plugbay::end_to_end
