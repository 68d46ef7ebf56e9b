#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

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
