#include "core/hotswap/rehearsal.hpp"

#include "core/validate/exerciser.hpp"
#include "tests/temporary_folder.hpp"

#include <plugbay/unique_fd.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <poll.h>
#include <random>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true; // the sanitizer catches signals and ends the process itself
#else
constexpr bool sanitized = false;
#endif

class RehearsalTest : public testing::Test {
  protected:
    RehearsalTest() { ::setenv("PLUGBAY_RUNTIME_DIR", runtime_.path("run").c_str(), 1); }
    ~RehearsalTest() override { ::unsetenv("PLUGBAY_RUNTIME_DIR"); }

    RehearsalRequest request(const std::filesystem::path& file, const std::string& type) {
        auto staged = staging_.stage(file);
        if (!staged) throw std::runtime_error(staged.error().text());
        RehearsalRequest request{.plugin = *staged, .type = type, .id = "subject"};
        request.executable = PLUGBAY_BINARY;
        for (const auto& each : request.plugin->description().types) {
            if (each.name == type) request.properties.resize(each.properties.size());
        }
        return request;
    }
    // Of the misbehaving plugin, with a state.
    RehearsalRequest faulty(const std::string& fault) {
        auto result = request(std::filesystem::path(PLUGBAY_TEST_PLUGINS) / "misbehaving.so", "misbehaving");
        set(result, "fault", fault);
        result.state = state();
        return result;
    }
    static void set(RehearsalRequest& request, const std::string& property, const std::string& text,
                    std::uint64_t number = 0) {
        const auto& declared = request.plugin->description().types[0].properties;
        for (std::size_t i = 0; i < declared.size(); ++i) {
            if (declared[i].name != property) continue;
            request.properties[i] = {.given = true, .number = number, .text = text};
            for (std::size_t choice = 0; choice < declared[i].choices.size(); ++choice) {
                if (declared[i].choices[choice] == text) request.properties[i].number = choice;
            }
        }
    }
    static StateImage state(std::uint64_t level = 42, std::uint32_t version = 1, const char* more = nullptr) {
        StateBuilder builder("misbehaving", version);
        builder.put("level", PLUGBAY_FIELD_U64, &level, 1, 0);
        builder.put("name", PLUGBAY_FIELD_TEXT, "Ada", 3, 0);
        builder.put("writes", PLUGBAY_FIELD_U64, &level, 1, 0);
        if (more != nullptr) builder.put(more, PLUGBAY_FIELD_U64, &level, 1, 0);
        std::string error;
        return builder.finish(error).value();
    }
    static RehearsalReport report_of(const RehearsalRequest& request) {
        const auto report = rehearse(request);
        EXPECT_TRUE(report) << (report ? "" : report.error().text());
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1); // nobody is left
        return report ? *report : RehearsalReport{};
    }
    RehearsalReport report_of(const std::string& fault) { return report_of(faulty(fault)); }
    void expect_killed(const std::string& fault, const std::string& by, const std::string& step) {
        SCOPED_TRACE(fault);
        const auto report = report_of(fault);
        EXPECT_FALSE(report.passed);
        EXPECT_EQ(report.step, step);
        EXPECT_THAT(report.hint, Not(IsEmpty()));
        if (sanitized)
            EXPECT_THAT(report.why, HasSubstr(" in " + step));
        else
            EXPECT_EQ(report.why, "it was killed by " + by + " in " + step);
    }

    TemporaryFolder runtime_;
    Staging staging_;
};

TEST_F(RehearsalTest, AGoodBuildPasses) {
    const auto report = report_of("none");
    EXPECT_TRUE(report.passed) << report.why << report.output;
    EXPECT_EQ(report.step, "reset");
    EXPECT_THAT(report.differences, IsEmpty());
    EXPECT_THAT(report.not_rehearsed, IsEmpty());
    EXPECT_LT(report.duration, std::chrono::seconds(5));
    EXPECT_GT(report.duration.count(), 0);
}

TEST_F(RehearsalTest, CrashesAreToldWithTheirStep) {
    expect_killed("crash-in-create", "SIGSEGV", "create");
    expect_killed("free-twice", "SIGABRT", "create");
    expect_killed("crash-in-connect", "SIGSEGV", "connected");
    expect_killed("crash-in-load", "SIGSEGV", "load");
    expect_killed("crash-in-save", "SIGSEGV", "save");
    expect_killed("crash-in-resume", "SIGSEGV", "resume");
    expect_killed("crash-in-quiesce", "SIGSEGV", "quiesce");
    expect_killed("crash-in-reset", "SIGSEGV", "reset");
}

TEST_F(RehearsalTest, AHangEndsWithTheLimit) {
    for (const std::string step : {"create", "load"}) {
        auto hanging = faulty("hang-in-" + step);
        hanging.limit = std::chrono::milliseconds(700);
        const auto report = report_of(hanging);
        EXPECT_FALSE(report.passed);
        EXPECT_EQ(report.why, "it did not end within 0.7 s in " + step);
        EXPECT_LT(report.duration, std::chrono::seconds(4));
    }
    auto pending = faulty("pend-for-ever");
    pending.limit = std::chrono::milliseconds(700);
    EXPECT_EQ(report_of(pending).why, "it did not end within 0.7 s in quiesce");
}

TEST_F(RehearsalTest, ADevicesOwnTextIsToldUnchanged) {
    EXPECT_THAT(report_of("throw-in-create").why, HasSubstr("the laser is cold"));
    auto request = faulty("none");
    request.state = state(5000);
    const auto report = report_of(request);
    EXPECT_EQ(report.step, "load");
    EXPECT_THAT(report.why, HasSubstr("level"));
    auto anew = faulty("refuse-start");
    anew.state.reset();
    EXPECT_THAT(report_of(anew).why, HasSubstr("no current"));
}

TEST_F(RehearsalTest, AnExitIsNoSuccess) {
    const auto report = report_of("exit-in-create");
    EXPECT_FALSE(report.passed);
    EXPECT_EQ(report.why, "it ended the process with status 0 in create");
    EXPECT_THAT(report.hint, HasSubstr("exit()"));
}

TEST_F(RehearsalTest, StateThatComesBackDifferentIsALoss) {
    const auto report = report_of("lose-state");
    EXPECT_FALSE(report.passed);
    EXPECT_EQ(report.step, "save");
    EXPECT_THAT(report.differences, ElementsAre("field level: 42 became 0"));
    EXPECT_EQ(report.why, "the state that it saves is not the one that it loaded: field level: 42 became 0");
}

TEST_F(RehearsalTest, StatesOfOtherBuildsAreRefused) {
    auto unread = faulty("none");
    unread.state = state(1, 1, "phase");
    EXPECT_THAT(report_of(unread).why, HasSubstr("\"phase\" that this build does not know"));
    auto newer = faulty("none");
    newer.state = state(1, 9);
    EXPECT_THAT(report_of(newer).why, HasSubstr("the state has version 9, this build loads 1 to 1"));
}

TEST_F(RehearsalTest, WhatItPrintsIsBoundedAndPrintable) {
    const auto report = report_of("print-megabytes");
    EXPECT_TRUE(report.passed) << report.why;
    EXPECT_LT(report.output.size(), 20'000u);
    EXPECT_THAT(report.output, HasSubstr(R"(the last \x1b[31mword)"));
}

TEST_F(RehearsalTest, WhoeverLiesInTheReportIsBoundedToo) {
    const auto flood = report_of("flood-report");
    EXPECT_FALSE(flood.passed);
    EXPECT_EQ(flood.why, "it wrote into the rehearsal's report in create");
    const auto claim = report_of("claim-success");
    EXPECT_FALSE(claim.passed);
    EXPECT_THAT(claim.why, HasSubstr(" in create"));
    EXPECT_TRUE(report_of("deep-report").passed); // skipped
}

TEST_F(RehearsalTest, ThreadsAndProcessesThatAreLeftGo) {
    EXPECT_TRUE(report_of("leave-thread").passed);
    const auto report = report_of("leave-process");
    EXPECT_TRUE(report.passed) << report.why;
    EXPECT_LT(report.duration, std::chrono::seconds(4));
    ASSERT_GT(std::atoi(report.output.c_str()), 1) << report.output;
    // Gone, or a zombie that whoever adopted it has not waited for.
    const std::string status = "/proc/" + report.output + "/stat";
    std::string line;
    for (int i = 0; i < 500; ++i) {
        std::getline(std::ifstream(status), line);
        if (line.find(") Z") != std::string::npos || !std::filesystem::exists(status)) return;
        ::usleep(10'000);
    }
    FAIL() << line;
}

TEST_F(RehearsalTest, MemoryIsLimited) {
    if (sanitized) GTEST_SKIP() << "the sanitizer needs all addresses";
    const auto report = report_of("allocate-everything");
    EXPECT_FALSE(report.passed);
    EXPECT_THAT(report.why, HasSubstr("out of memory"));
}

TEST_F(RehearsalTest, TheDeviceIsNeverDestroyed) {
    const auto report = report_of("destroy");
    EXPECT_TRUE(report.passed);
    EXPECT_EQ(report.output, "");
}

TEST_F(RehearsalTest, WhatReachesOutsideDoesNotGoOn) {
    auto request = faulty("crash-in-resume");
    set(request, "file", "/nowhere/file");
    const auto report = report_of(request);
    EXPECT_TRUE(report.passed) << report.why;
    EXPECT_THAT(report.not_rehearsed, ElementsAre(AllOf(HasSubstr("resume, quiesce and reset"),
                                                        HasSubstr("its property \"file\" names a file"))));
    auto handed = faulty("needs-descriptor");
    EXPECT_FALSE(report_of(handed).passed);
    handed.handover.push_back({"connection", STDIN_FILENO});
    const auto found = report_of(handed);
    EXPECT_TRUE(found.passed) << found.why;
    EXPECT_THAT(found.not_rehearsed, ElementsAre(HasSubstr("it has descriptors of the build before it")));
}

TEST_F(RehearsalTest, AFileThatCannotBeLoadedIsToldUnderItsOwnName) {
    const auto file = std::filesystem::path(PLUGBAY_TEST_PLUGINS) / "undefined-symbol.so";
    const auto report = report_of(request(file, "undefined"));
    EXPECT_EQ(report.step, "open");
    EXPECT_THAT(report.why, AllOf(HasSubstr("undefined symbol"), HasSubstr(file.string()),
                                  Not(HasSubstr(runtime_.path().string()))));
}

TEST_F(RehearsalTest, WhatCannotBeTriedIsAnError) {
    auto unknown = faulty("none");
    unknown.type = "laser";
    EXPECT_THAT(rehearse(unknown).error().message, HasSubstr("has no device type \"laser\""));
    auto nothing = faulty("none");
    nothing.executable = "/nowhere/plugbay";
    EXPECT_THAT(rehearse(nothing).error().message, HasSubstr("No such file"));
    auto closed = faulty("none");
    closed.handover.push_back({"closed", 1 << 20});
    EXPECT_FALSE(rehearse(closed));
}

// The whole of what a machine gives: RAM, clocks, peers that are like the real ones.
TEST_F(RehearsalTest, AVirtioDiskTakesTheStateOfOneThatWorks) {
    auto disk = request(std::filesystem::path(PLUGBAY_PLUGINS) / "virtio-blk.so", "virtio-blk");
    const UniqueFd memory(::memfd_create("ram", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(memory.get(), 64 << 20), 0);
    disk.machine.memory = memory.get();
    disk.machine.memory_below_4gb = 48 << 20;
    disk.machine.memory_above_4gb = 16 << 20;
    disk.machine.guest_time = 3'600'000'000'000;
    disk.links.push_back(
        {.port = 0,
         .options = {},
         .peer = plugbay_blk_facts{sizeof(plugbay_blk_facts), PLUGBAY_BLK_READ_ONLY, 1ULL << 40, 512, 512}});
    const auto report = report_of(disk);
    EXPECT_TRUE(report.passed) << report.why << report.output;
    EXPECT_EQ(report.step, "reset");
}

// With the state of one that a guest has used, through each type's own build. Time has passed since: a state that is loaded
// is the one that was saved, and what became due meanwhile happens when the device goes on.
TEST_F(RehearsalTest, EveryBuildOfThisTreePassesItsOwnRehearsal) {
    unsigned rehearsed = 0;
    for (const auto& entry : std::filesystem::directory_iterator(PLUGBAY_PLUGINS)) {
        const testkit::PluginFile plugin(entry.path());
        for (std::uint32_t i = 0; i < plugin.plugin().type_count; ++i) {
            const plugbay_device_type& type = *plugin.plugin().types[i];
            if (type.name == std::string_view("disk-ram")) continue; // its state is the whole disk
            if (!validation::needed_properties({type.properties, type.property_count}, {},
                                               runtime_.path("scratch"))
                     .empty())
                continue;
            SCOPED_TRACE(type.name);
            validation::Exerciser subject({entry.path(), type.name});
            ASSERT_TRUE(subject.created) << subject.created.text;
            subject.bench.start();
            subject.poke();
            subject.bench.quiesce();
            auto rehearsal = request(entry.path(), type.name);
            if (type.state_version != 0) rehearsal.state = subject.device().save();
            rehearsal.machine.guest_time = subject.bench.now(PLUGBAY_CLOCK_GUEST) + 5'000'000'000;
            rehearsal.machine.calendar += 5'000'000'000;
            for (std::uint32_t port = 0; port < type.port_count; ++port)
                rehearsal.links.push_back({.port = port});
            const auto report = report_of(rehearsal);
            EXPECT_TRUE(report.passed) << report.step << ": " << report.why << report.output;
            EXPECT_THAT(report.differences, IsEmpty());
            ++rehearsed;
        }
    }
    EXPECT_GT(rehearsed, 10u);
}

TEST_F(RehearsalTest, AStateMayBeLarge) {
    constexpr std::uint64_t size = 64 << 20;
    constexpr std::uint64_t chunk = 1 << 20;
    const auto file = std::filesystem::path(PLUGBAY_PLUGINS) / "disk-ram.so";
    testkit::Bench bench;
    testkit::BlkPeer guest;
    bench.add(file, "disk-ram", "subject", {{"size", "64M"}});
    bench.connect(guest, "subject");
    bench.start();
    std::minstd_rand random(1);
    for (std::uint64_t offset = 0; offset < size; offset += chunk) {
        for (std::byte& byte : bench.memory().first(chunk))
            byte = static_cast<std::byte>(random());
        ASSERT_EQ(guest.execute(PLUGBAY_BLK_WRITE, offset, chunk), PLUGBAY_OK);
    }
    bench.quiesce();
    auto large = request(file, "disk-ram");
    set(large, "size", "", size);
    large.state = bench.save("subject");
    ASSERT_GT(large.state->bytes().size(), size);
    large.limit = std::chrono::seconds(60);
    large.links.push_back({.port = 0});
    const auto report = report_of(large);
    EXPECT_TRUE(report.passed) << report.step << ": " << report.why << report.output;
    EXPECT_THAT(report.differences, IsEmpty());
}

// It goes on trying to, and is not waited for.
TEST_F(RehearsalTest, AClientThatNobodyAnswersPasses) {
    const auto file = std::filesystem::path(PLUGBAY_PLUGINS) / "char-socket.so";
    const std::string nobody = "unix:" + runtime_.path("nobody");
    testkit::Bench bench;
    testkit::CharPeer port;
    bench.add(file, "char-socket", "subject", {{"address", nobody}, {"mode", "client"}});
    bench.connect(port, "subject");
    bench.start();
    port.send("unheard");
    bench.advance(std::chrono::seconds(3));
    bench.quiesce();
    auto client = request(file, "char-socket");
    set(client, "address", nobody);
    set(client, "mode", "client");
    client.state = bench.save("subject");
    client.links.push_back({.port = 0});
    const auto report = report_of(client);
    EXPECT_TRUE(report.passed) << report.step << ": " << report.why << report.output;
    EXPECT_THAT(report.differences, IsEmpty());
    EXPECT_LT(report.duration, std::chrono::seconds(5));
}

// A parent that dies takes its rehearsal with it.
TEST_F(RehearsalTest, NothingIsLeftOfAMonitorThatDies) {
    auto hanging = faulty("hang-in-load");
    hanging.limit = std::chrono::minutes(5);
    const pid_t monitor = ::fork();
    if (monitor == 0) {
        (void)rehearse(hanging);
        ::_exit(0);
    }
    const auto children =
        "/proc/" + std::to_string(monitor) + "/task/" + std::to_string(monitor) + "/children";
    pid_t child = 0;
    for (int i = 0; i < 500 && child == 0; ++i) {
        std::ifstream(children) >> child;
        ::usleep(10'000);
    }
    ASSERT_GT(child, 0);
    const UniqueFd watched(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    ASSERT_TRUE(watched);
    ::usleep(100'000);
    ::kill(monitor, SIGKILL);
    ::waitpid(monitor, nullptr, 0);
    pollfd ended{watched.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&ended, 1, 5000), 1);
}

} // namespace
} // namespace plugbay::core
