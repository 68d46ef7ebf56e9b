#include "core/hotswap/staging.hpp"

#include "core/plugin/mapped_image.hpp"
#include "core/plugin/metadata_reader.hpp"
#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace plugbay::core {
namespace {

using testing::HasSubstr;
using testing::Not;

std::filesystem::path test_plugin(const std::string& name) {
    return std::filesystem::path(PLUGBAY_TEST_PLUGINS) / (name + ".so");
}

class StagingTest : public testing::Test {
  protected:
    StagingTest() { ::setenv("PLUGBAY_RUNTIME_DIR", runtime_.path("run").c_str(), 1); }
    ~StagingTest() override { ::unsetenv("PLUGBAY_RUNTIME_DIR"); }

    // An author's file with the contents of a plugin of the tests.
    std::filesystem::path author_file(const std::string& name, const std::string& plugin) {
        return author_.write(name, bytes_of(test_plugin(plugin)));
    }
    std::string refusal(const std::filesystem::path& file) {
        const auto staged = staging_->stage(file);
        if (staged) return "taken";
        EXPECT_THAT(staged.error().message, HasSubstr(file.string()));
        EXPECT_THAT(staged.error().text(), Not(HasSubstr("incoming")));
        return staged.error().text();
    }
    std::shared_ptr<const StagedPlugin> stage(const std::filesystem::path& file) {
        auto staged = staging_->stage(file);
        EXPECT_TRUE(staged) << (staged ? "" : staged.error().text());
        return staged ? *staged : nullptr;
    }
    std::shared_ptr<const LoadedPlugin> load(const std::shared_ptr<const StagedPlugin>& staged) {
        auto loaded = staging_->load(staged);
        EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().text());
        return loaded ? *loaded : nullptr;
    }

    TemporaryFolder runtime_;
    TemporaryFolder author_;
    std::optional<Staging> staging_{std::in_place};
};

// In place its code and constants would be gone from memory, and the process with them.
TEST_F(StagingTest, AFileMayBeWrittenOverWhileACopyOfItRuns) {
    const auto file = author_file("device.so", "good");
    const auto description = read_plugin_metadata(file);
    ASSERT_TRUE(description);
    const auto loaded = staging_->load(*description);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_NE((*loaded)->image(), file);
    EXPECT_EQ((*loaded)->description().file, file);
    std::filesystem::resize_file(file, 0);
    EXPECT_STREQ((*loaded)->descriptor().name, "good");
    // What is there now is not what was described.
    (void)author_file("device.so", "two-types");
    EXPECT_FALSE(staging_->load(*description));
}

TEST_F(StagingTest, WhereNoCopyCanBeTheFileItselfRuns) {
    const auto file = author_file("device.so", "good");
    const auto description = read_plugin_metadata(file);
    ASSERT_TRUE(description);
    ASSERT_NE(stage(file), nullptr); // makes the folder, which then goes
    std::filesystem::remove_all(runtime_.path());
    const auto loaded = staging_->load(*description);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ((*loaded)->image(), file);
}

TEST_F(StagingTest, ACopyIsWhatTheFileWas) {
    const auto file = author_file("device.so", "good");
    const auto staged = stage(file);
    ASSERT_TRUE(staged);
    EXPECT_EQ(staged->description().file, file);
    EXPECT_EQ(staged->description().name, "good");
    EXPECT_THAT(staged->copy().filename().string(), testing::MatchesRegex("device-[0-9a-f]{16}\\.so"));
    author_file("device.so", "two-types"); // overwritten in place
    EXPECT_EQ(bytes_of(staged->copy()), bytes_of(test_plugin("good")));
    const auto loaded = load(staged);
    ASSERT_TRUE(loaded);
    EXPECT_STREQ(loaded->descriptor().name, "good");

    struct stat folder {};
    ASSERT_EQ(::stat(staged->copy().parent_path().c_str(), &folder), 0);
    EXPECT_EQ(folder.st_mode & 07777, 0700);
}

TEST_F(StagingTest, TwoBuildsOfOneFileAreLoadedAtOnce) {
    const auto file = author_file("device.so", "good");
    const auto old_build = load(stage(file));
    author_file("device.so", "two-types");
    const auto new_build = load(stage(file));
    ASSERT_TRUE(old_build && new_build);
    EXPECT_STREQ(old_build->descriptor().name, "good");
    EXPECT_STREQ(new_build->descriptor().name, "two");
    EXPECT_STREQ(old_build->descriptor().name, "good");
}

TEST_F(StagingTest, TheSameContentsAreTheSameImage) {
    const auto one = stage(author_file("one.so", "good"));
    const auto other = stage(author_file("other.so", "good"));
    ASSERT_TRUE(one && other);
    EXPECT_EQ(one, other);
    const auto loaded = load(one);
    EXPECT_EQ(loaded, load(other));
    EXPECT_NE(loaded, load(stage(author_file("one.so", "two-types"))));
}

TEST_F(StagingTest, ACopyGoesWithItsImageAndTheFolderWithStaging) {
    auto staged = stage(author_file("device.so", "good"));
    const auto copy = staged->copy();
    auto loaded = load(staged);
    staged = nullptr;
    EXPECT_TRUE(std::filesystem::exists(copy));
    EXPECT_TRUE(still_mapped(copy));
    loaded = nullptr;
    EXPECT_EQ(still_mapped(copy), std::nullopt);
    EXPECT_FALSE(std::filesystem::exists(copy));
    EXPECT_TRUE(std::filesystem::exists(copy.parent_path()));
    auto kept = load(stage(author_file("device.so", "good")));
    staging_.reset();
    EXPECT_FALSE(std::filesystem::exists(copy.parent_path()));
    EXPECT_STREQ(kept->descriptor().name, "good"); // loaded still
}

// Of a monitor that was killed; not of one that runs, and nothing that only has such a name.
TEST_F(StagingTest, FoldersThatWereLeftAreRemoved) {
    const auto file = author_file("device.so", "good");
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t monitor = ::fork();
    if (monitor == 0) {
        const auto staged = staging_->stage(file);
        const std::string folder = staged ? (*staged)->copy().parent_path().string() : "";
        (void)!::write(ready[1], folder.data(), folder.size());
        for (;;)
            ::pause();
    }
    std::array<char, 4096> name{};
    const ssize_t length = ::read(ready[0], name.data(), name.size());
    ASSERT_GT(length, 0);
    const std::filesystem::path left(std::string(name.data(), static_cast<std::size_t>(length)));
    const auto place = left.parent_path();
    const auto link = place / "plugbay-staged-link";
    std::filesystem::create_directory_symlink(author_.path(), link);
    std::ofstream(place / "plugbay-staged-file") << "mine";

    const auto own = stage(file);
    ASSERT_TRUE(own);
    EXPECT_EQ(own->copy().parent_path().parent_path(), place);
    EXPECT_TRUE(std::filesystem::exists(left)); // its monitor runs
    ::kill(monitor, SIGKILL);
    ::waitpid(monitor, nullptr, 0);
    {
        Staging next;
        ASSERT_TRUE(next.stage(file));
        EXPECT_FALSE(std::filesystem::exists(left));
    }
    EXPECT_TRUE(std::filesystem::exists(own->copy()));
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    EXPECT_TRUE(std::filesystem::exists(file)); // behind the link
    EXPECT_EQ(bytes_of(place / "plugbay-staged-file"), "mine");
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(StagingTest, WhatIsNoRegularFileIsRefusedWithoutWaiting) {
    const auto fifo = author_.path("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THAT(refusal(fifo), HasSubstr("is not a regular file"));
    EXPECT_THAT(refusal("/dev/zero"), HasSubstr("is not a regular file"));
    EXPECT_THAT(refusal(author_.path()), HasSubstr("is a directory"));
    EXPECT_THAT(refusal(author_.path("nothing.so")), HasSubstr("No such file"));
    const auto large = author_.write("large.so", "");
    std::filesystem::resize_file(large, Staging::largest_file + 1);
    EXPECT_THAT(refusal(large), HasSubstr("is larger than 1024 MiB"));
    EXPECT_EQ(::access(runtime_.path("run").c_str(), F_OK) == 0 &&
                  std::filesystem::exists(std::filesystem::path(runtime_.path("run")) / "incoming"),
              false);
}

TEST_F(StagingTest, ASymbolicLinkIsFollowed) {
    const auto link = author_.path() / "link.so";
    std::filesystem::create_symlink(author_file("real.so", "good"), link);
    const auto staged = stage(link);
    ASSERT_TRUE(staged);
    EXPECT_EQ(staged->description().file, link);
}

TEST_F(StagingTest, ErrorsNameTheAuthorsFileOnly) {
    EXPECT_THAT(refusal(author_.write("text.so", "hello")), HasSubstr("is not an ELF file"));
    EXPECT_THAT(refusal(author_file("device.so", "wrong-major")), HasSubstr("ABI"));
    const auto file = author_file("undefined.so", "undefined-symbol");
    const auto staged = stage(file);
    ASSERT_TRUE(staged);
    const auto loaded = staging_->load(staged);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, HasSubstr(file.string() + " cannot be loaded: it needs the symbol"));
    EXPECT_THAT(loaded.error().message, Not(HasSubstr(staged->copy().string())));
}

TEST_F(StagingTest, APinnedImageSaysWhyAndIsUsedAgain) {
    const std::pair<const char*, const char*> reasons[] = {
        {"pinned-by-flag", "linked with -z nodelete"},
        {"pinned-by-symbol", "the unique symbol unique_symbol"},
        {"pinned-by-thread", "thread_local"}};
    for (const auto& [name, reason] : reasons) {
        auto staged = stage(author_file("device.so", name));
        const auto copy = staged->copy();
        auto loaded = load(staged);
        const auto* descriptor = &loaded->descriptor();
        staged = nullptr;
        loaded = nullptr;
        const auto why = still_mapped(copy);
        ASSERT_TRUE(why) << name;
        EXPECT_THAT(*why, HasSubstr(reason));
        EXPECT_TRUE(std::filesystem::exists(copy));
        EXPECT_EQ(&load(stage(author_file("device.so", name)))->descriptor(), descriptor);
    }
}

TEST_F(StagingTest, AThreadsDestructorsPinNoLongerThanTheThread) {
    std::shared_ptr<const LoadedPlugin> loaded;
    std::filesystem::path copy;
    std::thread([&] {
        const auto staged = stage(author_file("device.so", "pinned-by-thread"));
        copy = staged->copy();
        loaded = load(staged);
    }).join();
    loaded = nullptr;
    EXPECT_EQ(still_mapped(copy), std::nullopt);
}

} // namespace
} // namespace plugbay::core
