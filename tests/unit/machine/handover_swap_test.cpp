// A device that leaves a descriptor for its next build, in a swap by the device manager.
#include "core/machine/device_manager.hpp"
#include "core/machine/swap_journal.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <plugbay/plugin.hpp>
#include <plugbay/unique_fd.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

std::vector<std::string> said;

// Has a pipe, of which one byte for each build is in the kernel.
template <int build, bool loads = true>
class Pipe {
  public:
    static constexpr plugbay::Type type{.name = "pipe", .help = "Keeps a pipe."};
    explicit Pipe(plugbay::Host host)
        : handover_(host.handover()), reader_(handover_.take("reader")), writer_(handover_.take("writer")) {
        if (!reader_) {
            int ends[2] = {-1, -1};
            if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw plugbay::Failure("no pipe");
            reader_ = plugbay::UniqueFd(ends[0]);
            writer_ = plugbay::UniqueFd(ends[1]);
            handover_.put("reader", reader_);
            handover_.put("writer", writer_);
        }
        handover_.put("latest", writer_);
        say("create");
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() { say("destroy"); }
    plugbay_status quiesce() {
        say("quiesce");
        return PLUGBAY_OK;
    }
    void resume() { say("resume"); }
    void reset() {
        const char byte = '0' + build;
        if (::write(writer_.get(), &byte, 1) != 1) say("cannot write");
        std::string all(16, '\0');
        const ssize_t count = ::read(reader_.get(), all.data(), all.size());
        said.push_back("read " + all.substr(0, static_cast<std::size_t>(count)));
        if (::write(writer_.get(), all.data(), static_cast<std::size_t>(count)) != count) say("cannot write");
    }
    void state(auto& fields) {
        std::uint8_t number = build;
        if (handover_.hands_over(fields)) fields("number", number);
    }
    void loaded() {
        if (!loads) throw plugbay::Failure("it was told not to");
        say("load");
    }

  private:
    void say(const char* what) {
        said.push_back(std::string(what) + " " + std::to_string(build) +
                       (handover_.in_place() ? " in place" : "") +
                       (handover_.expected() ? ", another is expected" : ""));
    }

    plugbay::Handover handover_;
    plugbay::UniqueFd reader_;
    plugbay::UniqueFd writer_;
};

template <typename Device>
LoadedType build_of() {
    return LoadedType{nullptr, &plugbay::detail::Glue<Device>::type};
}

class HandoverSwap : public ManagerTest {
  protected:
    HandoverSwap() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("swap")));
        manager = std::make_unique<DeviceManager>(
            services, [](std::string_view) -> Result<LoadedType> { return build_of<Pipe<1>>(); },
            std::move(loops));
        const std::vector<DeviceConfig> devices{{.id = "pipe", .type = "pipe"}};
        EXPECT_TRUE(add(devices));
        said.clear();
    }
    ~HandoverSwap() override { said.clear(); }
    Result<void> swap(LoadedType type) {
        const std::vector<DeviceManager::Replacement> all{
            {.id = "pipe", .type = std::move(type), .properties = {}}};
        SwapJournal journal;
        auto done = manager->replace(all, journal, std::chrono::milliseconds(200));
        if (!done) return std::move(done).error();
        return {};
    }
};

TEST_F(HandoverSwap, WhatIsInTheKernelIsReadByTheNextBuild) {
    ASSERT_TRUE(manager->reset("pipe"));
    said.clear();
    const auto done = swap(build_of<Pipe<2>>());
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_THAT(said, ::testing::ElementsAre(
                          "create 2, another is expected", "quiesce 1 in place, another is expected",
                          "load 2, another is expected", "resume 2 in place", "destroy 1"));
    said.clear();
    ASSERT_TRUE(manager->reset("pipe"));
    EXPECT_THAT(said, ::testing::Contains("read 12"));
    EXPECT_EQ(manager->find("pipe")->handover()->duplicate_all()->size(), 3u);
}

TEST_F(HandoverSwap, AfterAFailureTheOldBuildHasWhatItHad) {
    ASSERT_TRUE(manager->reset("pipe"));
    EXPECT_FALSE(swap(build_of<Pipe<2, false>>()));
    EXPECT_THAT(said, ::testing::Contains("destroy 2"));
    said.clear();
    ASSERT_TRUE(manager->reset("pipe"));
    EXPECT_THAT(said, ::testing::ElementsAre("quiesce 1 in place", "read 11", "resume 1 in place"));
    ASSERT_TRUE(swap(build_of<Pipe<2>>()));
}

TEST_F(HandoverSwap, ASnapshotIsForABuildThatIsTried) {
    const auto state = manager->snapshot("pipe", std::chrono::milliseconds(200));
    ASSERT_TRUE(state);
    EXPECT_THAT(said, ::testing::ElementsAre("quiesce 1 in place, another is expected",
                                             "resume 1 in place, another is expected"));
    const auto loaded = manager->find("pipe")->load(*state);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().text(), ::testing::HasSubstr("no checkpoint"));
}

} // namespace
} // namespace plugbay::core
