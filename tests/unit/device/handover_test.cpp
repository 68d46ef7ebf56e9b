// plugbay.handover/1: what builds of a device leave for each other.
#include "tests/unit/device/device_fixture.hpp"

#include <plugbay/abi/handover.h>
#include <plugbay/unique_fd.hpp>

#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

struct Pipe {
    Pipe() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        reader = UniqueFd(ends[0]);
        writer = UniqueFd(ends[1]);
    }
    // Whether nobody holds the writing end any more.
    [[nodiscard]] bool ended() const {
        char byte{};
        return ::read(reader.get(), &byte, 1) == 0;
    }
    UniqueFd reader;
    UniqueFd writer;
};

bool same_file(int one, int other) {
    struct stat first {};
    struct stat second {};
    return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

class Handover : public DeviceTest {
  protected:
    static const plugbay_handover_host& table(const Script& script) {
        return script.table<plugbay_handover_host>(PLUGBAY_HANDOVER);
    }
    static plugbay_status put(const Script& script, const char* name, int fd) {
        return table(script).put(script.host, name, fd);
    }
    static plugbay_status remove(const Script& script, const char* name) {
        return table(script).remove(script.host, name);
    }
    // Empty: not found.
    static UniqueFd take(const Script& script, const char* name) {
        int fd = -1;
        const plugbay_status status = table(script).take(script.host, name, &fd);
        EXPECT_EQ(status, fd >= 0 ? PLUGBAY_OK : PLUGBAY_NOT_FOUND);
        return UniqueFd(fd);
    }
    static bool in_place(const Script& script) {
        return (table(script).standing(script.host) & PLUGBAY_HANDOVER_IN_PLACE) != 0;
    }

    [[nodiscard]] std::unique_ptr<Device> succeed(Device& old, Script& script) {
        auto device = std::make_unique<Device>(old, LoadedType{nullptr, &scripted::type});
        EXPECT_TRUE(create(*device, script));
        return device;
    }
    Pipe pipe;
};

TEST_F(Handover, ADeviceFindsWhatItLeft) {
    Script script;
    const auto device = run("socket", script);
    EXPECT_FALSE(take(script, "connection"));
    ASSERT_EQ(put(script, "connection", pipe.reader.get()), PLUGBAY_OK);
    const UniqueFd taken = take(script, "connection");
    ASSERT_TRUE(taken);
    EXPECT_NE(taken.get(), pipe.reader.get());
    EXPECT_TRUE(same_file(taken.get(), pipe.reader.get()));
    EXPECT_EQ(::fcntl(taken.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_TRUE(take(script, "connection")); // as often as it likes

    const Pipe other;
    ASSERT_EQ(put(script, "connection", other.reader.get()), PLUGBAY_OK);
    EXPECT_TRUE(same_file(take(script, "connection").get(), other.reader.get()));
    EXPECT_EQ(remove(script, "connection"), PLUGBAY_OK);
    EXPECT_EQ(remove(script, "connection"), PLUGBAY_NOT_FOUND);
    EXPECT_FALSE(take(script, "connection"));
}

TEST_F(Handover, EachDeviceHasItsOwn) {
    Script mine;
    Script theirs;
    const auto one = run("one", mine);
    const auto other = run("other", theirs);
    ASSERT_EQ(put(mine, "connection", pipe.reader.get()), PLUGBAY_OK);
    EXPECT_FALSE(take(theirs, "connection"));
}

TEST_F(Handover, TheHostsDuplicateGoesWithTheDevice) {
    Script script;
    auto device = run("socket", script);
    ASSERT_EQ(put(script, "connection", pipe.writer.get()), PLUGBAY_OK);
    pipe.writer.reset();
    EXPECT_FALSE(pipe.ended());
    ASSERT_TRUE(device->quiesce());
    device.reset();
    EXPECT_TRUE(pipe.ended());
}

TEST_F(Handover, NamesAndDescriptorsAreChecked) {
    Script script;
    const auto device = run("socket", script);
    const std::string longest(PLUGBAY_HANDOVER_LONGEST_NAME, 'x');
    EXPECT_EQ(put(script, longest.c_str(), pipe.reader.get()), PLUGBAY_OK);
    int fd = -1;
    const std::string too_long = longest + "x";
    for (const char* const name : {"", "tab\there", "\x7f", "\xc3\xa4", too_long.c_str()}) {
        SCOPED_TRACE(name);
        EXPECT_EQ(put(script, name, pipe.reader.get()), PLUGBAY_INVALID);
        EXPECT_EQ(table(script).take(script.host, name, &fd), PLUGBAY_INVALID);
        EXPECT_EQ(remove(script, name), PLUGBAY_INVALID);
    }
    EXPECT_EQ(put(script, nullptr, pipe.reader.get()), PLUGBAY_INVALID);
    EXPECT_EQ(table(script).take(script.host, longest.c_str(), nullptr), PLUGBAY_INVALID);
    EXPECT_EQ(put(script, "closed", -1), PLUGBAY_INVALID);
    EXPECT_FALSE(take(script, "closed"));
}

TEST_F(Handover, ADeviceLeavesOnlySoMany) {
    Script script;
    const auto device = run("socket", script);
    for (unsigned i = 0; i < PLUGBAY_HANDOVER_MOST; ++i)
        ASSERT_EQ(put(script, ("number " + std::to_string(i)).c_str(), pipe.reader.get()), PLUGBAY_OK);
    EXPECT_EQ(put(script, "one more", pipe.reader.get()), PLUGBAY_NO_MEMORY);
    EXPECT_EQ(put(script, "number 5", pipe.writer.get()), PLUGBAY_OK);
    EXPECT_EQ(remove(script, "number 6"), PLUGBAY_OK);
    EXPECT_EQ(put(script, "one more", pipe.reader.get()), PLUGBAY_OK);

    Script next;
    const auto successor = succeed(*device, next);
    EXPECT_EQ(put(next, "its own", pipe.reader.get()), PLUGBAY_NO_MEMORY);
    EXPECT_EQ(remove(next, "number 7"), PLUGBAY_OK);
    EXPECT_EQ(put(next, "its own", pipe.reader.get()), PLUGBAY_OK);
    EXPECT_EQ(put(next, "number 7", pipe.reader.get()), PLUGBAY_NO_MEMORY);
}

TEST_F(Handover, ASuccessorFindsWhatTheBuildBeforeItLeft) {
    Script old_script;
    auto old = run("socket", old_script);
    EXPECT_TRUE(in_place(old_script));
    ASSERT_EQ(put(old_script, "listener", pipe.reader.get()), PLUGBAY_OK);

    Script script;
    bool found_at_create = false;
    script.create = [&](const plugbay_host*) {
        found_at_create = static_cast<bool>(take(script, "listener"));
        EXPECT_FALSE(in_place(script));
        return PLUGBAY_OK;
    };
    const auto successor = succeed(*old, script);
    EXPECT_TRUE(found_at_create);
    // The old build goes on meanwhile.
    ASSERT_EQ(put(old_script, "connection", pipe.writer.get()), PLUGBAY_OK);
    EXPECT_TRUE(take(script, "connection"));

    ASSERT_TRUE(old->quiesce());
    successor->take_over();
    EXPECT_TRUE(in_place(script));
    EXPECT_FALSE(in_place(old_script));
    bool in_place_at_end = true;
    old_script.destroy = [&] { in_place_at_end = in_place(old_script); };
    old.reset();
    EXPECT_FALSE(in_place_at_end);
    EXPECT_TRUE(take(script, "listener"));
}

TEST_F(Handover, ASuccessorThatFailsLeavesNoTrace) {
    Script old_script;
    const auto old = run("socket", old_script);
    ASSERT_EQ(put(old_script, "kept", pipe.reader.get()), PLUGBAY_OK);
    ASSERT_EQ(put(old_script, "replaced", pipe.reader.get()), PLUGBAY_OK);
    const Pipe other;
    {
        Script script;
        const auto successor = succeed(*old, script);
        EXPECT_EQ(remove(script, "kept"), PLUGBAY_OK);
        EXPECT_EQ(put(script, "replaced", other.reader.get()), PLUGBAY_OK);
        EXPECT_EQ(put(script, "new", other.reader.get()), PLUGBAY_OK);
        EXPECT_FALSE(take(script, "kept"));
        EXPECT_TRUE(same_file(take(script, "replaced").get(), other.reader.get()));
        EXPECT_TRUE(take(old_script, "kept"));
        EXPECT_TRUE(same_file(take(old_script, "replaced").get(), pipe.reader.get()));
        EXPECT_FALSE(take(old_script, "new"));
    }
    EXPECT_TRUE(in_place(old_script));
    EXPECT_TRUE(take(old_script, "kept"));
    EXPECT_FALSE(take(old_script, "new"));
}

TEST_F(Handover, WhatASuccessorDidHoldsOnceItIsInPlaceAndOnTheWayBack) {
    const int old_build = 1;
    const int new_build = 2;
    HandoverStore store(&old_build);
    const auto copy = [&] { return UniqueFd(::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 0)); };
    const auto has = [&](const int& build, const char* name) {
        UniqueFd taken;
        return store.take(&build, name, taken) == PLUGBAY_OK && taken;
    };
    ASSERT_TRUE(store.put(&old_build, "gone", copy()));
    ASSERT_TRUE(store.remove(&new_build, "gone"));
    ASSERT_TRUE(store.put(&new_build, "new", copy()));
    store.pass_to(&new_build);
    EXPECT_FALSE(has(old_build, "gone"));
    ASSERT_TRUE(store.put(&new_build, "later", copy()));
    store.pass_to(&old_build);
    EXPECT_TRUE(store.in_place(&old_build));
    EXPECT_FALSE(store.in_place(&new_build));
    store.forget(&new_build);
    EXPECT_TRUE(has(old_build, "new"));
    EXPECT_TRUE(has(old_build, "later"));
    std::vector<std::string> names;
    const auto all = store.duplicate_all();
    ASSERT_TRUE(all) << all.error().text();
    for (const auto& [name, descriptor] : *all) {
        names.push_back(name);
        EXPECT_TRUE(same_file(descriptor.get(), pipe.reader.get()));
    }
    EXPECT_EQ(names, (std::vector<std::string>{"later", "new"}));
}

// All of them, or none: what is missing would be missed by nobody.
TEST_F(Handover, DuplicatesAreNotLeftOutWhenThereAreNoDescriptors) {
    const int build = 0;
    HandoverStore store(&build);
    for (const char* name : {"first", "second"})
        ASSERT_TRUE(store.put(&build, name, UniqueFd(::dup(pipe.reader.get()))));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const UniqueFd next(::dup(pipe.reader.get())); // the lowest that is free, and then not any more
    const rlimit none{.rlim_cur = static_cast<rlim_t>(next.get()) + 1, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto refused = store.duplicate_all();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("descriptor \"first\""), std::string::npos)
        << refused.error().text();
    EXPECT_TRUE(store.duplicate_all());
}

TEST_F(Handover, BuildsHearThatAnotherIsExpected) {
    Script script;
    const auto device = run("socket", script);
    EXPECT_EQ(table(script).standing(script.host), PLUGBAY_HANDOVER_IN_PLACE);
    {
        const SuccessorExpected expected(device->handover());
        EXPECT_EQ(table(script).standing(script.host), PLUGBAY_HANDOVER_IN_PLACE | PLUGBAY_HANDOVER_EXPECTED);
        Script next;
        const auto successor = succeed(*device, next);
        EXPECT_EQ(table(next).standing(next.host), PLUGBAY_HANDOVER_EXPECTED);
    }
    EXPECT_EQ(table(script).standing(script.host), PLUGBAY_HANDOVER_IN_PLACE);
}

} // namespace
} // namespace plugbay::core
