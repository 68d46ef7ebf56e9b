#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace testkit = plugbay::testkit;

namespace {

struct Disk {
    explicit Disk(const testkit::Properties& properties = {{"size", "1M"}}) {
        bench.add(PLUGBAY_PLUGIN_FILE, "disk-ram", "disk", properties);
        bench.connect(frontend, "disk");
        bench.start();
    }
    testkit::Bench bench;
    testkit::BlkPeer frontend;
};

struct TemporaryFile {
    explicit TemporaryFile(const std::string& contents)
        : path(std::filesystem::temp_directory_path() /
               ("disk-ram-" + std::to_string(::getpid()) + "-" + std::to_string(std::rand()))) {
        std::ofstream(path) << contents;
    }
    ~TemporaryFile() { std::filesystem::remove(path); }
    std::filesystem::path path;
};

} // namespace

TEST(DiskRam, WritesReadsAndForgets) {
    Disk disk;
    EXPECT_EQ(disk.frontend.facts().capacity, 1u << 20);
    for (std::uint64_t i = 0; i < 8192; ++i)
        disk.bench.store_object(0x10000 + i, static_cast<std::uint8_t>(i * 3));
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 512, 8192, 0x10000), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 512, 8192, 0x20000), PLUGBAY_OK);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x20100), disk.bench.load_object<std::uint64_t>(0x10100));
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE_ZEROES, 1024, 7168), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 512, 8192, 0x20000), PLUGBAY_OK);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x20008), disk.bench.load_object<std::uint64_t>(0x10008));
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x20200), 0u);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x21df8), 0u);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x21e00), disk.bench.load_object<std::uint64_t>(0x11e00));
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_FLUSH, 0, 0), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_DISCARD, 0, 1 << 20), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(77, 0, 512), PLUGBAY_UNSUPPORTED);
}

TEST(DiskRam, ChecksRanges) {
    Disk disk;
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 1 << 20, 512, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, (1 << 20) - 512, 1024, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, ~0ull - 511, 1024, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 512, 0x70000000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_DISCARD, 0, 2 << 20), PLUGBAY_INVALID);
}

TEST(DiskRam, ReadOnlyFromAnImage) {
    const TemporaryFile image(std::string(600, 'x'));
    Disk disk(testkit::Properties{{"image", image.path}, {"read_only", "true"}});
    EXPECT_EQ(disk.frontend.facts().capacity, 1024u);
    EXPECT_EQ(disk.frontend.facts().flags & PLUGBAY_BLK_READ_ONLY, PLUGBAY_BLK_READ_ONLY);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 512, 512, 0x10000), PLUGBAY_OK);
    EXPECT_EQ(disk.bench.load_object<std::uint8_t>(0x10000 + 87), 'x');
    EXPECT_EQ(disk.bench.load_object<std::uint8_t>(0x10000 + 88), 0);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 0, 512, 0x10000), PLUGBAY_INVALID);
}

TEST(DiskRam, ExplainsWhatIsWrong) {
    const TemporaryFile image(std::string(1024, 'x'));
    const TemporaryFile empty("");
    const auto text = [](const testkit::Properties& properties) {
        testkit::Bench bench;
        return bench.try_add(PLUGBAY_PLUGIN_FILE, "disk-ram", "disk", properties).text;
    };
    EXPECT_NE(text({{"size", "1000"}}).find("multiple of 512"), std::string::npos);
    EXPECT_NE(text({{"image", "/nowhere/at/all"}}).find("/nowhere/at/all"), std::string::npos);
    EXPECT_NE(text({{"image", "/tmp"}}).find("not a regular file"), std::string::npos);
    EXPECT_NE(text({{"image", image.path}, {"size", "512"}}).find("do not fit"), std::string::npos);
    EXPECT_NE(text({{"image", empty.path}}).find("is empty"), std::string::npos);
}

TEST(DiskRam, StateHasTheContents) {
    Disk source(testkit::Properties{{"size", "9M"}});
    source.bench.store_object(0x10000, std::uint64_t{0x1122334455667788});
    ASSERT_EQ(source.frontend.execute(PLUGBAY_BLK_WRITE, 5 << 20, 512, 0x10000), PLUGBAY_OK);
    source.bench.quiesce();
    const auto image = source.bench.save("disk");

    Disk target(testkit::Properties{{"size", "9M"}});
    target.bench.store_object(0x10000, ~std::uint64_t{0});
    ASSERT_EQ(target.frontend.execute(PLUGBAY_BLK_WRITE, 0, 512, 0x10000), PLUGBAY_OK);
    target.bench.quiesce();
    target.bench.load("disk", image);
    EXPECT_EQ(target.bench.save("disk"), image);
    target.bench.resume();
    ASSERT_EQ(target.frontend.execute(PLUGBAY_BLK_READ, 5 << 20, 512, 0x20000), PLUGBAY_OK);
    EXPECT_EQ(target.bench.load_object<std::uint64_t>(0x20000), 0x1122334455667788u);
    ASSERT_EQ(target.frontend.execute(PLUGBAY_BLK_READ, 0, 512, 0x20000), PLUGBAY_OK);
    EXPECT_EQ(target.bench.load_object<std::uint64_t>(0x20000), 0u);

    Disk other(testkit::Properties{{"size", "8M"}});
    other.bench.quiesce();
    EXPECT_FALSE(other.bench.device("disk").try_load(image));
}

namespace {

// KiB of this process's memory in memory files.
long shared_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("RssShmem:")) return std::stol(line.substr(9));
    }
    return -1;
}

} // namespace

TEST(DiskRam, ASwapHandsTheContentsOver) {
    Disk disk(testkit::Properties{{"size", "64G"}}); // as state this would take minutes
    for (unsigned round = 0; round < 20; ++round) {
        const std::uint64_t place = std::uint64_t{round} << 31;
        disk.bench.store_object(0x10000, std::uint64_t{0x1122334455667788} + round);
        ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, place, 512, 0x10000), PLUGBAY_OK);
        disk.bench.swap("disk", PLUGBAY_PLUGIN_FILE);
        for (unsigned other = 0; other <= round; ++other) {
            ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, std::uint64_t{other} << 31, 512, 0x20000),
                      PLUGBAY_OK);
            EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x20000), 0x1122334455667788 + other);
        }
    }
    EXPECT_FALSE(disk.bench.try_swap("disk", PLUGBAY_PLUGIN_FILE, {{"size", "32G"}}));
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 512, 0x20000), PLUGBAY_OK);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x20000), 0x1122334455667788u);
}

// Else the guest would go on with an empty disk.
TEST(DiskRam, ContentsThatWereLeftHaveToBeThere) {
    const std::uint64_t size = 1 << 20;
    const std::uint8_t yes = 1;
    plugbay::StateBuilder builder("disk-ram", 1);
    ASSERT_EQ(builder.put("size", PLUGBAY_FIELD_U64, &size, 1, 0), PLUGBAY_OK);
    ASSERT_EQ(builder.put("handed_over", PLUGBAY_FIELD_BOOLEAN, &yes, 1, 0), PLUGBAY_OK);
    std::string error;
    const auto state = builder.finish(error);
    ASSERT_TRUE(state) << error;
    const auto load = [&](bool left) {
        testkit::Bench bench;
        testkit::BlkPeer frontend;
        bench.leave("disk");
        if (left) {
            plugbay::UniqueFd contents(memfd_create("contents", MFD_CLOEXEC));
            EXPECT_EQ(ftruncate(contents.get(), static_cast<off_t>(size)), 0);
            bench.leave("disk", "contents", std::move(contents));
        }
        bench.add(PLUGBAY_PLUGIN_FILE, "disk-ram", "disk", {{"size", "1M"}});
        bench.connect(frontend, "disk");
        const auto loaded = bench.device("disk").try_load(*state);
        return loaded ? "loaded" : loaded.text;
    };
    EXPECT_EQ(load(true), "loaded");
    EXPECT_NE(load(false).find("it has not found them"), std::string::npos);
}

TEST(DiskRam, TheImageIsReadOnce) {
    const TemporaryFile image(std::string(1024, 'x'));
    Disk disk(testkit::Properties{{"image", image.path}});
    disk.bench.store_object(0x10000, std::uint8_t{'y'});
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 0, 512, 0x10000), PLUGBAY_OK);
    std::filesystem::remove(image.path);
    disk.bench.swap("disk", PLUGBAY_PLUGIN_FILE);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 1024, 0x20000), PLUGBAY_OK);
    EXPECT_EQ(disk.bench.load_object<std::uint8_t>(0x20000), 'y');
    EXPECT_EQ(disk.bench.load_object<std::uint8_t>(0x20200), 'x');
}

TEST(DiskRam, TakesMemoryOnlyForWhatIsWritten) {
    Disk disk(testkit::Properties{{"size", "1G"}});
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 512 << 20, 1 << 20, 0x100000), PLUGBAY_OK);
    const long before = shared_memory();
    ASSERT_GE(before, 0);
    for (std::uint64_t at = 0; at < 64 << 20; at += 1 << 20)
        ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, at, 1 << 20, 0x100000), PLUGBAY_OK);
    disk.bench.quiesce();
    static_cast<void>(disk.bench.save("disk"));
    disk.bench.resume();
    EXPECT_LT(shared_memory() - before, 1024) << "reading takes none";
    for (std::uint64_t at = 0; at < 64 << 20; at += 1 << 20)
        ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, at, 1 << 20, 0x100000), PLUGBAY_OK);
    EXPECT_GT(shared_memory() - before, 63 << 10);
    ASSERT_EQ(disk.frontend.execute(PLUGBAY_BLK_DISCARD, 0, 64 << 20), PLUGBAY_OK);
    EXPECT_LT(shared_memory() - before, 1024) << "what is discarded goes back";
}
