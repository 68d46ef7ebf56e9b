// Machines that are sent to other processes: whole and with what they have open, or not at all.
#include "tests/control/control_fixture.hpp"
#include "tests/control/echo_stream.hpp"

#include <csignal>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <unistd.h>

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Moves : public ControlTest {
  protected:
    void SetUp() override {
        ControlTest::SetUp();
        if (IsSkipped()) return;
        folder_.write("image", echo_guest);
        folder_.write("disk.img", std::string(1 << 20, '\0'));
        file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
            "devices": [
              { "type": "pci-host", "id": "pci" },
              { "type": "serial-16550", "id": "com1" },
              { "type": "char-socket", "id": "wire", "address": "unix:)" +
                                               path("port") + R"(", "frontend": { "id": "com1" } },
              { "type": "virtio-blk", "id": "vda" },
              { "type": "disk-file", "id": "disk", "path": "disk.img", "frontend": { "id": "vda" } },
              { "type": "virtio-blk", "id": "vdb" },
              { "type": "disk-ram", "id": "scratch", "size": "1M", "frontend": { "id": "vdb" } } ] })");
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
    // A `plugbay restore` that listens at `place`.
    [[nodiscard]] std::unique_ptr<Child> receiver(const std::string& place,
                                                  std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"restore", place});
        auto child = start(more);
        const std::string file = place.substr(place.find(':') + 1);
        for (int i = 0; i < 400 && !std::filesystem::exists(file); ++i)
            std::this_thread::sleep_for(25ms);
        return child;
    }
    void expect_running() { EXPECT_EQ(call("machine.status")["state"], "running"); }
};

// Bytes are on their way all the time, the disk is locked by whoever has it, and nobody interrupts the connection.
TEST_F(Moves, WhatIsOpenGoesWithTheMachine) {
    run_machine();
    EchoStream stream(path("port"));
    std::atomic<bool> enough = false;
    std::string wrong = "it did not end";
    std::thread peer([&] { wrong = stream.run(enough); });
    for (int hop = 0; hop < 6 && !HasFailure(); ++hop) {
        const std::size_t before = stream.received();
        for (int i = 0; i < 1000 && stream.received() < before + 1000; ++i)
            std::this_thread::sleep_for(10ms);
        const std::string place = "unix:" + path("way" + std::to_string(hop));
        auto next = receiver(place, {"--name", "busy"});
        const json report = call("checkpoint.send", {{"to", place}, {"move", true}});
        EXPECT_EQ(report.value("moved", false), true);
        EXPECT_GT(report.value("taking_microseconds", 0.0), 0);
        const Outcome ended = monitor_->finish(20s);
        EXPECT_EQ(ended.status, 0) << ended.text();
        monitor_ = std::move(next);
        client_ = connect("busy");
        ASSERT_NE(client_, nullptr);
    }
    enough = true;
    peer.join();
    EXPECT_EQ(wrong, "");
    expect_running();
    EXPECT_EQ(call("devices.show", {{"id", "disk"}})["type"], "disk-file");
    EXPECT_EQ(end().status, 0);
}

TEST_F(Moves, AMachineThatIsRefusedRunsOn) {
    run_machine();
    EchoStream stream(path("port"));
    const std::string place = "unix:" + path("way");
    for (const auto& [setting, why] : {std::pair{"memory=32M", "bytes of memory were saved"},
                                       std::pair{"devices.vda.bus=nowhere", "needs the PCI bus"},
                                       std::pair{"devices.vda.nonsense=1", "cannot be made here"}}) {
        auto other = receiver(place, {"--set", setting});
        EXPECT_THAT(refusal("checkpoint.send", {{"to", place}, {"move", true}}), HasSubstr(why)) << setting;
        EXPECT_NE(other->finish(20s).status, 0);
    }
    std::atomic<bool> enough = false;
    std::thread stop([&] {
        std::this_thread::sleep_for(300ms);
        enough = true;
    });
    EXPECT_EQ(stream.run(enough), "");
    stop.join();
    EXPECT_GT(stream.received(), 0U);
    expect_running();
}

TEST_F(Moves, AReceiverThatIsKilledCostsNothing) {
    run_machine();
    const std::string place = "unix:" + path("way");
    auto other = receiver(place);
    other->send_signal(SIGSTOP); // it accepts nothing and reads nothing
    auto sent = std::async(std::launch::async, [&] {
        auto client = ControlClient::find("busy");
        return client ? client->call("checkpoint.send", {{"to", place}, {"move", true}}, 60s)
                      : Result<json>(client.error());
    });
    for (int i = 0; i < 400 && call("checkpoint.progress")["sending"] != true; ++i)
        std::this_thread::sleep_for(5ms);
    // Two at once are one too many, and so are a checkpoint and a way back.
    EXPECT_THAT(refusal("checkpoint.send", {{"to", place}}), HasSubstr("is being sent already"));
    EXPECT_THAT(refusal("checkpoint", {{"folder", path("saved")}}), HasSubstr("the machine is being sent"));
    EXPECT_THAT(refusal("restore", {{"folder", path("saved")}}), HasSubstr("the machine is being sent"));
    other->send_signal(SIGKILL);
    const auto result = sent.get();
    EXPECT_FALSE(result);
    expect_running();
    EXPECT_THAT(refusal("checkpoint.cancel"), HasSubstr("not being sent"));
}

TEST_F(Moves, ItCanBeCancelled) {
    run_machine();
    const std::string place = "unix:" + path("way");
    auto other = receiver(place);
    other->send_signal(SIGSTOP);
    auto sent = std::async(std::launch::async, [&] {
        auto client = ControlClient::find("busy");
        return client ? client->call("checkpoint.send", {{"to", place}, {"move", true}}, 60s)
                      : Result<json>(client.error());
    });
    for (int i = 0; i < 400 && call("checkpoint.progress")["sending"] != true; ++i)
        std::this_thread::sleep_for(5ms);
    call("checkpoint.cancel");
    const auto result = sent.get();
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().text(), HasSubstr("cancelled"));
    expect_running();
    other->send_signal(SIGCONT);
    EXPECT_EQ(other->finish(20s).status, 1);
}

// In the background, where somebody has to be told where it is.
TEST_F(Moves, ABackgroundThatNobodyWaitsForRefuses) {
    run_machine();
    const std::string place = "unix:" + path("way");
    auto other = receiver(place, {"--daemon"});
    other->send_signal(SIGKILL); // who started it; the background goes on
    const std::string output = "/proc/" + std::to_string(other->id()) + "/fd/1";
    for (int i = 0; i < 400 && std::filesystem::is_symlink(output); ++i)
        std::this_thread::sleep_for(5ms);
    EXPECT_THAT(refusal("checkpoint.send", {{"to", place}, {"move", true}}),
                HasSubstr("has not waited for it"));
    EXPECT_EQ(other->finish(20s).status, -SIGKILL);
    expect_running();
}

TEST_F(Moves, ABackgroundWithoutAPlaceForItsSocketRefuses) {
    run_machine();
    const std::string place = "unix:" + path("way");
    auto command = plugbay_command({"restore", place, "--daemon"});
    command.insert(command.begin(), {"/usr/bin/env", "PLUGBAY_RUNTIME_DIR=" + path("nowhere/run")});
    Child other(command);
    for (int i = 0; i < 400 && !std::filesystem::exists(path("way")); ++i)
        std::this_thread::sleep_for(25ms);
    EXPECT_THAT(refusal("checkpoint.send", {{"to", place}, {"move", true}}), HasSubstr("control sockets"));
    EXPECT_NE(other.finish(20s).status, 0);
    expect_running();
}

// What is open goes as a whole: a disk in memory that does not arrive would be an empty one there.
TEST_F(Moves, AMachineWithoutDescriptorsToSendRunsOn) {
    run_machine();
    const std::string place = "unix:" + path("way");
    auto other = receiver(place);
    rlimit before{};
    ASSERT_EQ(::prlimit(monitor_->id(), RLIMIT_NOFILE, nullptr, &before), 0);
    // Enough to be cancelled, for the connection, and for one of the devices' descriptors.
    rlim_t limit = 0;
    for (int left = 3; left > 0; ++limit) {
        if (!std::filesystem::is_symlink("/proc/" + std::to_string(monitor_->id()) + "/fd/" +
                                         std::to_string(limit)))
            --left;
    }
    const rlimit few{.rlim_cur = limit, .rlim_max = before.rlim_max};
    ASSERT_EQ(::prlimit(monitor_->id(), RLIMIT_NOFILE, &few, nullptr), 0);
    const std::string why = refusal("checkpoint.send", {{"to", place}, {"move", true}});
    EXPECT_THAT(why, AllOf(HasSubstr("its descriptor \""), HasSubstr("ulimit -n")));
    expect_running();
    EXPECT_NE(other->finish(20s).status, 0);
}

// Whatever is asked for while the machine changes hands: it never begins again at the side that it left.
TEST_F(Moves, AResetThatIsAskedForOnTheWayIsNotDoneHere) {
    file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
            "plugins": [")" PLUGBAY_TEST_PLUGINS R"(/misbehaving.so"],
            "devices": [ { "type": "serial-16550", "id": "com1" },
                         { "type": "misbehaving", "id": "bad", "fault": "reset-in-quiesce" },
                         { "type": "char-null", "id": "nothing", "frontend": { "id": "bad" } },
                         { "type": "char-null", "id": "wire", "frontend": { "id": "com1" } } ] })");
    run_machine();
    const std::string place = "unix:" + path("way");
    auto next = receiver(place, {"--name", "busy", "--set", "devices.bad.fault=none"});
    EXPECT_EQ(call("checkpoint.send", {{"to", place}, {"move", true}}).value("moved", false), true);
    const Outcome ended = monitor_->finish(20s);
    EXPECT_EQ(ended.status, 0) << ended.text();
    EXPECT_THAT(ended.errors, Not(HasSubstr("starting again")));
    monitor_ = std::move(next);
    client_ = connect("busy");
    ASSERT_NE(client_, nullptr);
    expect_running();
}

TEST_F(Moves, NobodyThere) {
    run_machine();
    EXPECT_THAT(refusal("checkpoint.send", {{"to", "unix:" + path("nobody")}}),
                HasSubstr("cannot connect to"));
    EXPECT_THAT(refusal("checkpoint.send", {{"to", "somewhere"}}),
                HasSubstr("no place to send a machine to"));
    EXPECT_THAT(refusal("checkpoint.send", {{"to", "tcp:127.0.0.1:1"}, {"move", true}}),
                HasSubstr("moves over a Unix socket"));
    EXPECT_THAT(refusal("checkpoint.send", {{"to", "unix:a"}, {"move", true}, {"contents", "memory"}}),
                HasSubstr("a machine moves as a whole"));
    expect_running();
}

class Copies : public ControlTest {
  protected:
    [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
};

TEST_F(Copies, GoThroughTheStandardStreams) {
    run_machine();
    const std::string file = path("stream");
    const auto shell = [](const std::string& line) { return run({"/bin/sh", "-c", line}, 60s); };
    const Outcome sent = shell("'" + plugbay_binary() + "' checkpoint busy - >'" + file + "'");
    EXPECT_EQ(sent.status, 0) << sent.text();
    EXPECT_GT(std::filesystem::file_size(file), 4096U);
    EXPECT_EQ(call("machine.status")["state"], "running"); // it runs on
    end();
    const std::string restore = "'" + plugbay_binary() +
                                "' restore - --plugin '" PLUGBAY_PLUGINS
                                "/char-ring.so' --timeout 1 --name copy <'";
    EXPECT_EQ(shell(restore + file + "'").status, 124);
    // Whatever is cut off is missed.
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
    const Outcome cut = shell(restore + file + "'");
    EXPECT_EQ(cut.status, 1);
    EXPECT_THAT(cut.errors, HasSubstr("the stream ended"));
}

TEST_F(Copies, GoOverTcp) {
    run_machine();
    const std::string place = "tcp:127.0.0.1:" + std::to_string(20'000 + ::getpid() % 10'000);
    auto copy = start({"restore", place, "--name", "copy", "--pause"});
    json report;
    for (int i = 0; i < 200 && report.empty(); ++i) {
        auto sent = client_->call("checkpoint.send", {{"to", place}}, 30s);
        if (sent) report = *sent;
        std::this_thread::sleep_for(25ms);
    }
    EXPECT_EQ(report.value("moved", true), false);
    EXPECT_GT(report.value("bytes", 0), 4096);
    const auto other = connect("copy");
    ASSERT_NE(other, nullptr);
    const auto status = other->call("machine.status", json::object(), 10s);
    ASSERT_TRUE(status);
    EXPECT_EQ((*status)["state"], "paused");
    EXPECT_EQ(call("machine.status")["state"], "running");
    ASSERT_TRUE(other->call("machine.quit", json::object(), 10s));
    EXPECT_EQ(copy->finish(20s).status, 0);
}

TEST_F(Copies, APartIsNoMachine) {
    run_machine();
    for (const std::string contents : {"devices", "memory"}) {
        const std::string place = path("way-" + contents);
        auto copy = start({"restore", "unix:" + place});
        for (int i = 0; i < 400 && !std::filesystem::exists(place); ++i)
            std::this_thread::sleep_for(25ms);
        // The receiver may hang up before all is sent.
        static_cast<void>(
            client_->call("checkpoint.send", {{"to", "unix:" + place}, {"contents", contents}}, 30s));
        const Outcome outcome = copy->finish(20s);
        EXPECT_EQ(outcome.status, 1);
        EXPECT_THAT(outcome.errors, HasSubstr("only a part of a machine"));
    }
}

} // namespace
} // namespace plugbay::end_to_end
