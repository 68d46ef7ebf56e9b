// Writing that fails or is killed: whatever had the name before is still there, and no half checkpoint ever is.
#include "tests/unit/checkpoint/checkpoint_fixture.hpp"

#include <cerrno>
#include <csignal>
#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>

namespace {

int calls_left = 0;   // until the one that something happens to; 0: none
int failure = 0;      // what happens: the error that the call has; 0: the process is killed before it
bool goes_on = false; // every later call has that error too
int calls_made = 0;

bool fails() {
    ++calls_made;
    if (calls_left == 0 || calls_left-- > 1) return false;
    if (goes_on) calls_left = 1;
    if (failure == 0) ::kill(::getpid(), SIGKILL);
    errno = failure;
    return true;
}

template <typename F>
F* next_call(const char* name) {
    return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

} // namespace

// What the writer asks the kernel for, with failures put in. These take the place of the C library's for this program.
extern "C" {
int fsync(int file) {
    static auto* const call = next_call<int(int)>("fsync");
    return fails() ? -1 : call(file);
}
int ftruncate(int file, off_t size) noexcept {
    static auto* const call = next_call<int(int, off_t)>("ftruncate");
    return fails() ? -1 : call(file, size);
}
ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
    static auto* const call = next_call<ssize_t(int, const void*, size_t, off_t)>("pwrite");
    if (fails()) return -1;
    return call(file, bytes, std::min<size_t>(size, 1000), offset); // in pieces, as the kernel may
}
int mkdirat(int folder, const char* name, mode_t mode) noexcept {
    static auto* const call = next_call<int(int, const char*, mode_t)>("mkdirat");
    return fails() ? -1 : call(folder, name, mode);
}
int renameat2(int from, const char* old_name, int to, const char* new_name, unsigned flags) noexcept {
    static auto* const call = next_call<int(int, const char*, int, const char*, unsigned)>("renameat2");
    return fails() ? -1 : call(from, old_name, to, new_name, flags);
}
// Only killed at: that a rest stays where it cannot be removed is no failure of writing.
int unlinkat(int folder, const char* name, int flags) noexcept {
    static auto* const call = next_call<int(int, const char*, int)>("unlinkat");
    return failure == 0 && fails() ? -1 : call(folder, name, flags);
}
int flock(int file, int operation) noexcept {
    static auto* const call = next_call<int(int, int)>("flock");
    return fails() ? -1 : call(file, operation);
}
}

namespace plugbay::core {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;

class WriteFailureTest : public testing::Test {
  protected:
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path(name); }
    // What the checkpoint has in page 3 and in its states; 0: it is not there. Anything else is a failure.
    static int value_of(const std::filesystem::path& folder) {
        if (!std::filesystem::exists(folder)) return 0;
        const auto opened = Checkpoint::open(folder);
        if (!opened) {
            ADD_FAILURE() << opened.error().text();
            return -1;
        }
        EXPECT_TRUE(opened->memory()->verify());
        const int value = byte_at(memory_of(*opened), 3);
        EXPECT_EQ(*opened->states().device("com1"),
                  make_image("type-com1", static_cast<std::uint64_t>(value), 7));
        return value;
    }
    // Makes each call fail in turn.
    void fail_each_call(bool replace) {
        calls_made = 0;
        ASSERT_TRUE(write_checkpoint(path("count"), {}, 1));
        const int least = calls_made;
        ASSERT_GT(least, 15);
        for (const int error_number : {ENOSPC, EIO}) {
            for (int call = 1;; ++call) {
                if (!replace) std::filesystem::remove_all(path("a"));
                const int before = value_of(path("a"));
                failure = error_number;
                calls_left = call;
                const auto written = write_checkpoint(path("a"), {.replace = replace}, before + 1);
                const bool injected = calls_left == 0;
                calls_left = 0;
                EXPECT_EQ(value_of(path("a")), written ? before + 1 : before) << call;
                if (!injected) {
                    EXPECT_TRUE(written);
                    EXPECT_GE(call, least);
                    break;
                }
                EXPECT_FALSE(written) << call;
                // At most what could not be locked, and has nothing in it.
                EXPECT_TRUE(!std::filesystem::exists(path(".a.partial")) ||
                            std::filesystem::is_empty(path(".a.partial")))
                    << call;
            }
        }
    }

    TemporaryFolder folder_;
};

TEST_F(WriteFailureTest, AFailureOfAnyCallLeavesNothing) {
    fail_each_call(false);
}

TEST_F(WriteFailureTest, AFailureOfAnyCallLeavesThePreviousOne) {
    ASSERT_TRUE(write_checkpoint(path("a"), {}, 1));
    fail_each_call(true);
}

// A disk that is gone from some call on: not even what was done can be undone.
TEST_F(WriteFailureTest, FailuresWithoutEndLeaveOneOfTheTwo) {
    ASSERT_TRUE(write_checkpoint(path("a"), {}, 1));
    int before = 1;
    int published = 0;
    for (int call = 1;; ++call) {
        failure = EIO;
        goes_on = true;
        calls_left = call;
        const auto written = write_checkpoint(path("a"), {.replace = true}, before + 1);
        calls_left = 0;
        goes_on = false;
        const int now = value_of(path("a"));
        EXPECT_TRUE(now == before || now == before + 1) << call;
        if (written) {
            EXPECT_EQ(now, before + 1);
            break;
        }
        if (now != before) ++published;
        before = now;
    }
    EXPECT_EQ(published,
              1); // when the folder around it could not be put on the disk, and the renaming not be undone
}

TEST_F(WriteFailureTest, ALimitOnFilesIsExplained) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit small{.rlim_cur = 3 * page, .rlim_max = limit.rlim_max};
    const auto old_action = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto written = write_checkpoint(path("a"));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, old_action);
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().text(), HasSubstr("a/memory cannot"));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(WriteFailureTest, AWriterThatIsKilledLeavesThePreviousOne) {
    ASSERT_TRUE(write_checkpoint(path("a"), {}, 1));
    int before = 1;
    int replaced = 0;
    int killed_in_it = 0;
    for (int round = 0; round < 150; ++round) {
        const int next = before % 200 + 1;
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) ::_exit(write_checkpoint(path("a"), {.replace = true}, next) ? 0 : 1);
        const bool may_end = round % 10 == 9;
        std::this_thread::sleep_for(std::chrono::microseconds(round * 150 % 12'000));
        if (!may_end) ::kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            EXPECT_EQ(WEXITSTATUS(status), 0);
        }
        if (std::filesystem::exists(path(".a.partial"))) ++killed_in_it;
        const int now = value_of(path("a"));
        EXPECT_TRUE(now == before || now == next) << now;
        if (WIFEXITED(status)) {
            EXPECT_EQ(now, next);
        }
        if (now == next) ++replaced;
        before = now;
    }
    RecordProperty("killed_while_writing", killed_in_it);
    EXPECT_GT(killed_in_it, 0);
    EXPECT_GT(replaced, 0);
    ASSERT_TRUE(write_checkpoint(path("a"), {.replace = true}, 201));
    EXPECT_EQ(value_of(path("a")), 201);
    EXPECT_FALSE(std::filesystem::exists(path(".a.partial")));
}

TEST_F(WriteFailureTest, BeingKilledBeforeAnyCallIsSurvived) {
    ASSERT_TRUE(write_checkpoint(path("a"), {}, 1));
    int before = 1;
    int killed = 0;
    for (;;) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            failure = 0;
            calls_left = killed + 1;
            ::_exit(write_checkpoint(path("a"), {.replace = true}, before + 1) ? 0 : 1);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        const int now = value_of(path("a"));
        if (WIFEXITED(status)) {
            EXPECT_EQ(WEXITSTATUS(status), 0);
            EXPECT_EQ(now, before + 1);
            break;
        }
        ASSERT_EQ(WTERMSIG(status), SIGKILL);
        EXPECT_TRUE(now == before || now == before + 1) << killed;
        before = now;
        ++killed;
    }
    EXPECT_GT(killed, 20);
    EXPECT_GT(before, 1); // some were killed when all was done but to remove the old one
    EXPECT_FALSE(std::filesystem::exists(path(".a.partial")));
}

TEST_F(WriteFailureTest, TwoWritersOfOneNameDoNotMeet) {
    const auto first = CheckpointWriter::create(path("a"), {.memory_size = memory_size});
    ASSERT_TRUE(first);
    const auto second = CheckpointWriter::create(path("a"), {.memory_size = memory_size});
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().text(), AllOf(HasSubstr(".a.partial"), HasSubstr("another process")));
    // Another name is another matter.
    EXPECT_TRUE(CheckpointWriter::create(path("b"), {.memory_size = memory_size}));
    Manifest manifest = make_manifest();
    ASSERT_TRUE(add_states(manifest, **first, 5));
    ASSERT_TRUE((*first)->write_pages(3 * page, filled(1, 5)));
    ASSERT_TRUE((*first)->finish(manifest));
    EXPECT_EQ(value_of(path("a")), 5);
}

TEST_F(WriteFailureTest, OneThatAppearsMeanwhileIsNotReplaced) {
    const auto writer = CheckpointWriter::create(path("a"), {.states = false, .memory_size = memory_size});
    ASSERT_TRUE(writer);
    ASSERT_TRUE(write_checkpoint(path("b"), {}, 7));
    std::filesystem::rename(path("b"), path("a"));
    const auto done = (*writer)->finish(make_manifest());
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().text(), HasSubstr("is there already"));
    EXPECT_EQ(value_of(path("a")), 7);
}

TEST_F(WriteFailureTest, OnlyACheckpointsRestIsRemoved) {
    std::filesystem::create_directory(path(".a.partial"));
    write_file(path(".a.partial") / memory_file, filled(1, 1));
    ASSERT_TRUE(write_checkpoint(path("a"), {}, 1));
    std::filesystem::create_directory(path(".b.partial"));
    write_file(path(".b.partial") / "letter", filled(1, 1));
    EXPECT_THAT(write_checkpoint(path("b"), {}, 1).error().text(), HasSubstr("\"letter\" in it is not"));
    EXPECT_TRUE(std::filesystem::exists(path(".b.partial") / "letter"));
    std::filesystem::create_directory_symlink("a", path(".c.partial"));
    EXPECT_FALSE(write_checkpoint(path("c"), {}, 1));
    EXPECT_EQ(value_of(path("a")), 1);
}

} // namespace
} // namespace plugbay::core
