#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

namespace testkit = plugbay::testkit;

namespace {

// A file of its own in a place where O_DIRECT works where possible.
struct Image {
    explicit Image(std::uint64_t size = 1 << 20) {
        std::string name = (std::filesystem::current_path() / "disk-file-XXXXXX").string();
        const int file = mkstemp(name.data());
        if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0)
            throw testkit::Error("no temporary file");
        close(file);
        path = name;
    }
    ~Image() { std::filesystem::remove(path); }
    [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t offset, std::size_t length) const {
        std::vector<std::byte> result(length);
        std::ifstream file(path, std::ios::binary);
        file.seekg(static_cast<std::streamoff>(offset));
        file.read(reinterpret_cast<char*>(result.data()), static_cast<std::streamsize>(length));
        return result;
    }
    std::filesystem::path path;
};

struct Disk {
    explicit Disk(testkit::Properties properties) {
        bench.add(PLUGBAY_PLUGIN_FILE, "disk-file", "disk", properties);
        bench.connect(frontend, "disk");
        bench.start();
    }
    void fill(std::uint64_t address, std::size_t length, unsigned seed) {
        std::mt19937 random(seed);
        std::vector<std::byte> bytes(length);
        for (auto& byte : bytes)
            byte = static_cast<std::byte>(random());
        bench.write_memory(address, bytes);
    }
    [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t address, std::size_t length) {
        std::vector<std::byte> result(length);
        bench.read_memory(address, result);
        return result;
    }
    std::vector<plugbay_blk_completion> finish(std::size_t count) {
        std::vector<plugbay_blk_completion> all;
        bench.run_until([&] {
            for (const auto& each : frontend.take_completions())
                all.push_back(each);
            return all.size() >= count;
        });
        return all;
    }
    testkit::Bench bench;
    testkit::BlkPeer frontend;
};

std::string refusal(const testkit::Properties& properties) {
    testkit::Bench bench;
    const auto outcome = bench.try_add(PLUGBAY_PLUGIN_FILE, "disk-file", "disk", properties);
    return outcome ? "(it was not refused)" : outcome.text;
}

struct Mode {
    const char* name;
    const char* engine;
    const char* direct;
};
class DiskFile : public testing::TestWithParam<Mode> {
  protected:
    // "automatic" stands for io_uring, so that the tests run where the kernel refuses it.
    [[nodiscard]] testkit::Properties properties(const Image& image) const {
        return {{"path", image.path}, {"engine", GetParam().engine}, {"direct", GetParam().direct}};
    }
};
INSTANTIATE_TEST_SUITE_P(Modes, DiskFile,
                         testing::Values(Mode{"uring", "automatic", "false"},
                                         Mode{"thread", "thread", "false"},
                                         Mode{"uring_direct", "automatic", "true"},
                                         Mode{"thread_direct", "thread", "true"}),
                         [](const auto& each) { return each.param.name; });

} // namespace

TEST_P(DiskFile, WritesAndReads) {
    const Image image;
    Disk disk(properties(image));
    const auto facts = disk.frontend.facts();
    EXPECT_EQ(facts.capacity, 1u << 20);
    EXPECT_EQ(facts.flags & PLUGBAY_BLK_READ_ONLY, 0u);
    const std::uint64_t block = facts.logical_block_size;
    disk.fill(0x10000, 65536, 1);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, block, 65536, 0x10000), PLUGBAY_OK);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_FLUSH, 0, 0), PLUGBAY_OK);
    EXPECT_EQ(image.bytes(block, 65536), disk.bytes(0x10000, 65536));
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, block, 65536, 0x40000), PLUGBAY_OK);
    EXPECT_EQ(disk.bytes(0x40000, 65536), disk.bytes(0x10000, 65536));
    auto& device = disk.bench.device("disk");
    EXPECT_EQ(device.statistic("requests"), 3u);
    EXPECT_EQ(device.statistic("bytes written"), 65536u);
    EXPECT_EQ(device.statistic("bytes read"), 65536u);
    EXPECT_EQ(device.statistic("in flight"), 0u);
}

// More segments than one system call takes, of odd lengths and alignments.
TEST_P(DiskFile, ManySegments) {
    const Image image(4 << 20);
    Disk disk(properties(image));
    disk.fill(0x100000, 2 << 20, 2);
    testkit::BlkRequest request;
    request.tag = 5;
    request.operation = PLUGBAY_BLK_WRITE;
    for (unsigned i = 0; request.length < (1 << 20); ++i) {
        const std::uint64_t length = std::min<std::uint64_t>((1 << 20) - request.length, 1 + i % 700);
        request.segments.push_back({0x100000 + request.length + i % 3, length});
        request.length += length;
    }
    ASSERT_GT(request.segments.size(), 2048u);
    disk.frontend.submit(request);
    auto done = disk.finish(1);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].status, PLUGBAY_OK);
    std::vector<std::byte> expected;
    for (const auto& segment : request.segments) {
        const auto part = disk.bytes(segment.address, segment.length);
        expected.insert(expected.end(), part.begin(), part.end());
    }
    EXPECT_EQ(image.bytes(0, expected.size()), expected);

    request.tag = 6;
    request.operation = PLUGBAY_BLK_READ;
    std::uint64_t at = 0x800000;
    for (auto& segment : request.segments) {
        segment.address = at;
        at += segment.length;
    }
    disk.frontend.submit(request);
    done = disk.finish(1);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(disk.bytes(0x800000, expected.size()), expected);
}

TEST_P(DiskFile, ManyRequestsAtOnce) {
    const Image image(4 << 20);
    Disk disk(properties(image));
    std::vector<testkit::BlkRequest> requests(600);
    for (std::size_t i = 0; i < requests.size(); ++i) {
        disk.fill(0x100000 + 4096 * i, 4096, static_cast<unsigned>(i));
        requests[i] = {i + 1, PLUGBAY_BLK_WRITE, 0, 4096 * i, 4096, {{0x100000 + 4096 * i, 4096}}};
    }
    disk.frontend.submit(requests);
    EXPECT_EQ(disk.finish(600).size(), 600u);
    EXPECT_EQ(image.bytes(0, 600 * 4096), disk.bytes(0x100000, 600 * 4096));
    EXPECT_EQ(disk.frontend.in_flight(), 0u);
}

// A guest chooses how many requests are copied at once: those into what is not RAM are.
TEST_P(DiskFile, ManyCopiesTakeLittleMemory) {
    constexpr std::uint64_t mebibyte = 1 << 20;
    const Image image(4 * mebibyte);
    Disk disk(properties(image));
    const auto resident = [] {
        std::uint64_t all = 0;
        std::uint64_t pages = 0;
        std::ifstream("/proc/self/statm") >> all >> pages;
        return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    };
    const std::uint64_t before = resident();
    std::vector<testkit::BlkRequest> requests(256);
    for (std::size_t i = 0; i < requests.size(); ++i)
        requests[i] = {i + 1, PLUGBAY_BLK_READ, 0, i % 4 * mebibyte, mebibyte, {{0x70000000, mebibyte}}};
    disk.frontend.submit(requests);
    for (const auto& completion : disk.finish(requests.size()))
        EXPECT_EQ(completion.status, PLUGBAY_INVALID);
    EXPECT_LT(resident(), before + 64 * mebibyte);

    // In direct mode these are copied as well, the last ones in small pieces.
    disk.fill(0x100000, 4 * mebibyte, 5);
    for (std::uint64_t i = 0; i < 4; ++i) {
        ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, i * mebibyte, mebibyte, 0x100000 + i * mebibyte),
                  PLUGBAY_OK);
    }
    requests.resize(20);
    for (std::size_t i = 0; i < requests.size(); ++i)
        requests[i].segments = {{0x600008 + i % 4 * mebibyte, mebibyte}};
    disk.frontend.submit(requests);
    for (const auto& completion : disk.finish(requests.size()))
        EXPECT_EQ(completion.status, PLUGBAY_OK);
    EXPECT_EQ(disk.bytes(0x600008, 4 * mebibyte), disk.bytes(0x100000, 4 * mebibyte));
}

TEST_P(DiskFile, DiscardsAndZeroes) {
    const Image image;
    Disk disk(properties(image));
    disk.fill(0x10000, 65536, 3);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 0, 65536, 0x10000), PLUGBAY_OK);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE_ZEROES, 4096, 4096), PLUGBAY_OK);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE_ZEROES, 16384, 4096, 0, PLUGBAY_BLK_MAY_UNMAP),
              PLUGBAY_OK);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_DISCARD, 32768, 4096), PLUGBAY_OK);
    EXPECT_EQ(image.bytes(0, 4096), disk.bytes(0x10000, 4096));
    EXPECT_EQ(image.bytes(4096, 4096), std::vector<std::byte>(4096));
    EXPECT_EQ(image.bytes(8192, 8192), disk.bytes(0x12000, 8192));
    EXPECT_EQ(image.bytes(16384, 4096), std::vector<std::byte>(4096));
    EXPECT_EQ(std::filesystem::file_size(image.path), 1u << 20);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_DISCARD, 0, 0), PLUGBAY_OK);
}

// By the file's time a restored machine finds out whether somebody wrote to it.
TEST_P(DiskFile, BeingThereLeavesTheTimeOfTheFile) {
    const Image image;
    const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
    std::filesystem::last_write_time(image.path, long_ago);
    const auto before = std::filesystem::last_write_time(image.path);
    {
        Disk disk(properties(image));
        EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 4096, 0x10000), PLUGBAY_OK);
    }
    EXPECT_EQ(std::filesystem::last_write_time(image.path), before);
}

TEST_P(DiskFile, ChecksRequests) {
    const Image image;
    Disk disk(properties(image));
    auto& frontend = disk.frontend;
    EXPECT_EQ(frontend.execute(PLUGBAY_BLK_READ, 1 << 20, 4096, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(frontend.execute(PLUGBAY_BLK_READ, ~0ull - 4095, 8192, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(frontend.execute(PLUGBAY_BLK_READ, 100, 512, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(frontend.execute(PLUGBAY_BLK_READ, 0, 4096, 0x70000000), PLUGBAY_INVALID);
    EXPECT_EQ(frontend.execute(PLUGBAY_BLK_WRITE, 0, 4096, (16 << 20) - 2048), PLUGBAY_INVALID);
    EXPECT_EQ(frontend.execute(99, 0, 4096), PLUGBAY_UNSUPPORTED);
    EXPECT_EQ(frontend.execute(PLUGBAY_BLK_READ, 0, 4096, 0x10000), PLUGBAY_OK);
}

TEST_P(DiskFile, AFileThatShrankIsAnError) {
    const Image image;
    Disk disk(properties(image));
    std::filesystem::resize_file(image.path, 8192);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 16384, 0x10000), PLUGBAY_FAILED);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 65536, 4096, 0x10000), PLUGBAY_FAILED);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 8192, 0x10000), PLUGBAY_OK);
}

TEST_P(DiskFile, QuiesceWaitsForWhatIsInFlight) {
    const Image image(4 << 20);
    Disk disk(properties(image));
    std::vector<testkit::BlkRequest> requests(300);
    for (std::size_t i = 0; i < requests.size(); ++i)
        requests[i] = {i + 1, PLUGBAY_BLK_WRITE, 0, 4096 * i, 4096, {{0x100000, 4096}}};
    requests.push_back({1000, PLUGBAY_BLK_FLUSH, 0, 0, 0, {}});
    disk.frontend.submit(requests);
    disk.bench.quiesce();
    EXPECT_EQ(disk.frontend.take_completions().size(), 301u);
    EXPECT_EQ(disk.bench.device("disk").holdings().maps, 0u);
    disk.bench.resume();
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 4096, 0x10000), PLUGBAY_OK);
}

TEST_P(DiskFile, LocksTheFile) {
    const Image image;
    {
        Disk disk(properties(image));
        const int changes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        ASSERT_GE(inotify_add_watch(changes, image.path.c_str(), IN_MODIFY), 0);
        EXPECT_NE(refusal(properties(image)).find(image.path), std::string::npos);
        std::array<char, 4096> event{};
        EXPECT_LT(read(changes, event.data(), event.size()), 0); // whoever is refused has not touched it
        close(changes);
        EXPECT_NE(refusal(properties(image)).find("in use"), std::string::npos);
        EXPECT_NE(refusal({{"path", image.path}, {"read_only", "true"}}).find("being written"),
                  std::string::npos);
        Disk without(testkit::Properties{{"path", image.path}, {"lock", "false"}});
    }
    Disk first(testkit::Properties{{"path", image.path}, {"read_only", "true"}});
    Disk second(testkit::Properties{{"path", image.path}, {"read_only", "true"}});
    EXPECT_NE(refusal(properties(image)).find("in use"), std::string::npos);
    EXPECT_EQ(second.frontend.execute(PLUGBAY_BLK_WRITE, 0, 4096, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(second.frontend.execute(PLUGBAY_BLK_READ, 0, 4096, 0x10000), PLUGBAY_OK);
}

TEST(DiskFileErrors, SayWhatToDo) {
    const Image odd(1000);
    const Image empty(0);
    EXPECT_NE(refusal({{"path", odd.path}}).find("truncate -s 1024"), std::string::npos);
    EXPECT_NE(refusal({{"path", empty.path}}).find("is empty"), std::string::npos);
    EXPECT_NE(refusal({{"path", "/nowhere/disk.img"}}).find("does not exist"), std::string::npos);
    EXPECT_NE(refusal({{"path", "/"}}).find("is a directory"), std::string::npos);
    EXPECT_NE(refusal({{"path", "/"}, {"read_only", "true"}}).find("is a directory"), std::string::npos);
    EXPECT_NE(refusal({{"path", "/dev/null"}}).find("neither"), std::string::npos);
    const Image closed;
    std::filesystem::permissions(closed.path, std::filesystem::perms::none);
    if (access(closed.path.c_str(), R_OK) != 0) { // root may read everything
        EXPECT_NE(refusal({{"path", closed.path}}).find("permissions"), std::string::npos);
    }
    const std::filesystem::path pipe = closed.path.string() + ".pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_NE(refusal({{"path", pipe}, {"read_only", "true"}}).find("neither"), std::string::npos);
    std::filesystem::remove(pipe);
}

namespace {

// From here on the kernel takes nothing from this process's io_urings, as when its memory is used up.
bool refuse_submissions() {
    const auto jump = static_cast<std::uint16_t>(BPF_JMP | BPF_JEQ | BPF_K);
    const auto leave = static_cast<std::uint16_t>(BPF_RET | BPF_K);
    std::array filter{
        sock_filter{static_cast<std::uint16_t>(BPF_LD | BPF_W | BPF_ABS), 0, 0, offsetof(seccomp_data, nr)},
        sock_filter{jump, 0, 1, SYS_io_uring_enter}, sock_filter{leave, 0, 0, SECCOMP_RET_ERRNO | EAGAIN},
        sock_filter{leave, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

// 0 when all is well; else where it was not. More requests than the ring has room for, and again when the ring is
// full of what was refused.
int refused_requests_fail(const Image& image) {
    Disk disk({{"path", image.path}, {"engine", "io_uring"}});
    if (!refuse_submissions()) return 1;
    for (int round = 0; round < 3; ++round) {
        std::vector<testkit::BlkRequest> requests(300);
        for (std::size_t i = 0; i < requests.size(); ++i)
            requests[i] = {
                .tag = i, .operation = PLUGBAY_BLK_READ, .length = 512, .segments = {{0x10000, 512}}};
        disk.frontend.submit(requests);
        const auto done = disk.finish(requests.size());
        if (done.size() != requests.size()) return 2;
        for (const auto& each : done) {
            if (each.status != PLUGBAY_FAILED) return 3;
        }
    }
    return 0;
}

} // namespace

TEST(DiskFileRing, RequestsThatTheKernelRefusesFail) {
    const Image image;
    if (const auto text = refusal({{"path", image.path}, {"engine", "io_uring"}});
        text != "(it was not refused)")
        GTEST_SKIP() << text;
    EXPECT_EXIT(_exit(refused_requests_fail(image)), testing::ExitedWithCode(0), "");
}

TEST_P(DiskFile, ASwapKeepsTheFileItsLockAndWhatIsInFlight) {
    const Image image;
    Disk disk(properties(image));
    std::vector<std::byte> copy(1 << 20);
    std::mt19937 random(3);
    for (unsigned round = 0; round < 12; ++round) {
        for (std::uint64_t i = 0; i < 8; ++i) { // different places, so that their order is open
            const std::uint64_t offset = (i * 16 + random() % 16) * 8192;
            const std::uint64_t address = 0x100000 + i * 8192;
            disk.fill(address, 8192, static_cast<unsigned>(random()));
            const auto written = disk.bytes(address, 8192);
            std::copy(written.begin(), written.end(), copy.begin() + static_cast<std::ptrdiff_t>(offset));
            disk.frontend.submit({.tag = i,
                                  .operation = PLUGBAY_BLK_WRITE,
                                  .offset = offset,
                                  .length = 8192,
                                  .segments = {{address, 8192}}});
        }
        disk.bench.swap("disk", PLUGBAY_PLUGIN_FILE);
        const auto done = disk.finish(8);
        ASSERT_EQ(done.size(), 8u) << "each once";
        for (const auto& each : done)
            EXPECT_EQ(each.status, PLUGBAY_OK);
        if (round == 5) std::filesystem::rename(image.path, image.path.string() + ".moved");
    }
    std::filesystem::rename(image.path.string() + ".moved", image.path);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_FLUSH, 0, 0), PLUGBAY_OK);
    EXPECT_TRUE(image.bytes(0, copy.size()) == copy);
    EXPECT_NE(refusal({{"path", image.path}}).find("is in use"), std::string::npos)
        << "it is locked as before";
    disk.bench.quiesce();
    disk.bench.disconnect("disk");
    disk.bench.remove("disk");
    EXPECT_EQ(refusal({{"path", image.path}}), "(it was not refused)") << "and the lock goes with the device";
}
