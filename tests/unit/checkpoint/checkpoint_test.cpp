// Round trips through folders: states, memory, chains of layers.
#include "tests/unit/checkpoint/checkpoint_fixture.hpp"

#include "core/checkpoint/save_memory.hpp"

#include <cstring>
#include <sys/stat.h>

namespace plugbay::core {
namespace {

using namespace test;
using testing::HasSubstr;

class CheckpointTest : public testing::Test {
  protected:
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path(name); }
    // Full pages of `value` on the parent, at the given pages.
    void write_layer(const std::string& name, const std::string& parent,
                     const std::vector<std::uint64_t>& pages, int value) {
        const auto on = Checkpoint::open(path(parent));
        ASSERT_TRUE(on) << on.error().text();
        auto writer = CheckpointWriter::create(path(name),
                                               {.states = false, .memory_size = memory_size, .parent = &*on});
        ASSERT_TRUE(writer) << writer.error().text();
        for (const std::uint64_t each : pages)
            ASSERT_TRUE((*writer)->write_pages(each * page, filled(1, value)));
        const auto done = (*writer)->finish(make_manifest());
        ASSERT_TRUE(done) << done.error().text();
    }

    TemporaryFolder folder_;
};

TEST_F(CheckpointTest, WhatIsSavedComesBack) {
    const auto written = write_checkpoint(path("a"));
    ASSERT_TRUE(written) << written.error().text();
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened) << opened.error().text();
    const Manifest& manifest = opened->manifest();
    const Manifest before = make_manifest();
    EXPECT_EQ(manifest.machine, before.machine);
    EXPECT_EQ(manifest.vcpus, 1u);
    EXPECT_EQ(manifest.host, before.host);
    EXPECT_EQ(manifest.id.size(), 32u);
    EXPECT_FALSE(manifest.parent);
    ASSERT_EQ(manifest.devices.size(), 3u);
    EXPECT_EQ(manifest.devices[0].id, "com1");
    EXPECT_EQ(manifest.devices[1].build_id, "abcdef");
    EXPECT_EQ(manifest.devices[1].abi_major, 1);
    EXPECT_EQ(manifest.devices[1].plugin_version, "1.2");
    EXPECT_FALSE(manifest.devices[2].state);
    ASSERT_EQ(manifest.host_files.size(), 2u);
    EXPECT_EQ(manifest.host_files[0].path, "/var/disk.img");
    EXPECT_EQ(manifest.host_files[0].modified, -5);
    EXPECT_EQ(manifest.host_files[0].checksum, "crc32c:01234567");
    ASSERT_NE(opened->states().named("vcpu0"), nullptr);
    EXPECT_EQ(*opened->states().named("vcpu0"), make_image("kvm-vcpu", 1));
    EXPECT_EQ(*opened->states().device("vda"), make_image("type-vda", 1, 7));
    EXPECT_EQ(opened->states().device("stateless"), nullptr);
    EXPECT_EQ(opened->states().device("vcpu0"), nullptr);
    EXPECT_TRUE(opened->require_states());
    EXPECT_TRUE(opened->require_memory());
    const auto memory = memory_of(*opened);
    EXPECT_EQ(byte_at(memory, 3), 1);
    EXPECT_EQ(byte_at(memory, 2), 0);
    EXPECT_TRUE(opened->memory()->verify());
    EXPECT_FALSE(std::filesystem::exists(path(".a.partial")));
}

// What the monitor keeps for a device lies beside the device's own state.
TEST_F(CheckpointTest, ResourcesOfDevicesComeBackByTheirNames) {
    auto writer = CheckpointWriter::create(path("a"), {});
    ASSERT_TRUE(writer) << writer.error().text();
    Manifest manifest = make_manifest();
    ASSERT_TRUE(add_states(manifest, **writer, 1));
    for (const std::size_t device : {0, 1}) {
        for (const char* name : {"PCI function 01.0 on pci0", "RAM 0xa0000-0xbffff"}) {
            const auto place = (*writer)->add_state(make_image("kept", 10 * device + std::strlen(name)));
            ASSERT_TRUE(place);
            manifest.devices[device].resources.push_back({name, *place});
        }
    }
    manifest.devices[1].guest_visible = {"PCI function 01.0 on pci0", "ports 0x3f8-0x3ff"};
    ASSERT_TRUE((*writer)->finish(manifest));
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened) << opened.error().text();
    ASSERT_EQ(opened->manifest().devices[1].resources.size(), 2u);
    EXPECT_EQ(opened->manifest().devices[0].guest_visible, std::nullopt);
    EXPECT_EQ(opened->manifest().devices[1].guest_visible, manifest.devices[1].guest_visible);
    const StateImage* const kept = opened->states().resource("vda", "RAM 0xa0000-0xbffff");
    ASSERT_NE(kept, nullptr);
    EXPECT_EQ(*kept, make_image("kept", 10 + 19));
    EXPECT_EQ(opened->states().resource("vda", "another"), nullptr);
    EXPECT_EQ(opened->states().resource("stateless", "RAM 0xa0000-0xbffff"), nullptr);
    EXPECT_EQ(opened->states().device("RAM 0xa0000-0xbffff"), nullptr);
    EXPECT_EQ(*opened->states().device("vda"), make_image("type-vda", 1, 7));

    forge_manifest(path("a"), "PCI function 01.0 on pci0", "RAM 0xa0000-0xbffff");
    EXPECT_THAT(refusal(path("a")), HasSubstr("devices[0].resources[1].name: is there twice"));
    forge_manifest(path("a"), "\"ports 0x3f8-0x3ff\"", "7");
    EXPECT_THAT(refusal(path("a")), HasSubstr("devices[1].guest_visible[1]"));
}

TEST_F(CheckpointTest, NobodyElseMayReadIt) {
    ASSERT_TRUE(write_checkpoint(path("a")));
    struct stat status {};
    ASSERT_EQ(::stat(path("a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    for (const char* name : {manifest_file, state_file, memory_file, memory_sums_file}) {
        ASSERT_EQ(::stat((path("a") / name).c_str(), &status), 0) << name;
        EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
    }
}

TEST_F(CheckpointTest, WhatIsMissingIsRefused) {
    ASSERT_TRUE(write_checkpoint(path("memory"), {.states = false, .memory_size = memory_size}));
    auto writer = CheckpointWriter::create(path("states"), {});
    ASSERT_TRUE(writer);
    Manifest manifest = make_manifest();
    ASSERT_TRUE(add_states(manifest, **writer, 1));
    EXPECT_FALSE((*writer)->write_pages(0, filled(1, 1)));
    ASSERT_TRUE((*writer)->finish(manifest));

    const auto memory = Checkpoint::open(path("memory"));
    ASSERT_TRUE(memory) << memory.error().text();
    EXPECT_THAT(memory->require_states().error().text(), HasSubstr("saved with its memory only"));
    EXPECT_TRUE(memory->require_memory());
    EXPECT_EQ(byte_at(memory_of(*memory), 3), 1);
    const auto states = Checkpoint::open(path("states"));
    ASSERT_TRUE(states) << states.error().text();
    EXPECT_THAT(states->require_memory().error().text(), HasSubstr("saved with the states only"));
    EXPECT_NE(states->states().device("com1"), nullptr);
    EXPECT_EQ(states->memory(), nullptr);
    EXPECT_FALSE(CheckpointWriter::create(path("nothing"), {.states = false}));
}

TEST_F(CheckpointTest, PagesThatAreZeroTakeNoPlace) {
    constexpr std::uint64_t size = std::uint64_t{1} << 30;
    auto writer = CheckpointWriter::create(path("a"), {.states = false, .memory_size = size});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write_pages(0, filled(4096, 0))); // 16 MiB
    ASSERT_TRUE((*writer)->write_pages(100 * page, filled(2, 1)));
    ASSERT_TRUE((*writer)->finish(make_manifest()));
    struct stat memory {};
    struct stat sums {};
    ASSERT_EQ(::stat((path("a") / memory_file).c_str(), &memory), 0);
    ASSERT_EQ(::stat((path("a") / memory_sums_file).c_str(), &sums), 0);
    EXPECT_EQ(static_cast<std::uint64_t>(memory.st_size), size);
    EXPECT_LE(memory.st_blocks * 512, 64 << 10);
    EXPECT_GE(memory.st_blocks * 512, 8 << 10);
    EXPECT_LE(sums.st_blocks * 512, 64 << 10);
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->manifest().memory->stored, 2u);
    EXPECT_TRUE(opened->memory()->verify());
}

TEST_F(CheckpointTest, APageThatBecomesZeroGivesItsPlaceBack) {
    auto writer = CheckpointWriter::create(path("a"), {.states = false, .memory_size = memory_size});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write_pages(0, filled(256, 9)));
    ASSERT_TRUE((*writer)->write_pages(page, filled(200, 0)));
    ASSERT_TRUE((*writer)->write_zeros(201 * page, 10 * page));
    ASSERT_TRUE((*writer)->write_pages(5 * page, filled(1, 4)));
    ASSERT_TRUE((*writer)->finish(make_manifest()));
    struct stat memory {};
    ASSERT_EQ(::stat((path("a") / memory_file).c_str(), &memory), 0);
    EXPECT_LE(memory.st_blocks * 512, 64 * static_cast<blkcnt_t>(page));
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened);
    const auto bytes = memory_of(*opened);
    EXPECT_EQ(byte_at(bytes, 0), 9);
    EXPECT_EQ(byte_at(bytes, 1), 0);
    EXPECT_EQ(byte_at(bytes, 5), 4);
    EXPECT_EQ(byte_at(bytes, 210), 0);
    EXPECT_EQ(byte_at(bytes, 211), 9);
    EXPECT_EQ(opened->manifest().memory->stored, 256u - 210 + 1);
    EXPECT_TRUE(opened->memory()->verify());
}

TEST_F(CheckpointTest, AChainOfFiveIsOneMemory) {
    auto writer = CheckpointWriter::create(path("1"), {.states = false, .memory_size = memory_size});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write_pages(0, filled(100, 1)));
    ASSERT_TRUE((*writer)->finish(make_manifest()));
    write_layer("2", "1", {10, 11, 12, 255}, 2);
    write_layer("3", "2", {11, 200}, 3);
    write_layer("4", "3", {12, 50}, 0); // become zero
    write_layer("5", "4", {13, 14}, 5);
    const auto opened = Checkpoint::open(path("5"));
    ASSERT_TRUE(opened) << opened.error().text();
    ASSERT_EQ(opened->memory()->layers().size(), 5u);
    const auto bytes = memory_of(*opened);
    std::vector<int> expected(256, 0);
    std::fill_n(expected.begin(), 100, 1);
    expected[10] = expected[255] = 2;
    expected[11] = expected[200] = 3;
    expected[12] = expected[50] = 0;
    expected[13] = expected[14] = 5;
    for (std::uint64_t each = 0; each < 256; ++each)
        EXPECT_EQ(byte_at(bytes, each), expected[each]) << each;
    EXPECT_TRUE(opened->memory()->verify());
    // The older ones are still what they were.
    const auto third = Checkpoint::open(path("3"));
    ASSERT_TRUE(third);
    EXPECT_EQ(byte_at(memory_of(*third), 50), 1);
}

TEST_F(CheckpointTest, ALayerTakesThePlaceOfItsPagesOnly) {
    ASSERT_TRUE(write_checkpoint(path("1"), {.states = false, .memory_size = memory_size}));
    write_layer("2", "1", {7}, 2);
    struct stat memory {};
    ASSERT_EQ(::stat((path("2") / memory_file).c_str(), &memory), 0);
    EXPECT_EQ(memory.st_blocks * 512, static_cast<blkcnt_t>(page));
}

TEST_F(CheckpointTest, ARunIsMappedAsItLies) {
    ASSERT_TRUE(write_checkpoint(path("a")));
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened);
    std::vector<MemoryRun> runs;
    ASSERT_TRUE(opened->memory()->for_each_run([&](const MemoryRun& run) {
        runs.push_back(run);
        return Result<void>();
    }));
    ASSERT_EQ(runs.size(), 3u);
    EXPECT_EQ(runs[0].file, -1);
    EXPECT_GE(runs[1].file, 0);
    EXPECT_EQ(runs[1].offset, 3 * page);
    EXPECT_EQ(runs[1].length, page);
    EXPECT_EQ(runs[2].file, -1);
    // A visitor's error ends it.
    int visited = 0;
    EXPECT_FALSE(opened->memory()->for_each_run([&visited](const MemoryRun&) -> Result<void> {
        ++visited;
        return Error{"enough"};
    }));
    EXPECT_EQ(visited, 1);
}

TEST_F(CheckpointTest, ACopyWithoutHolesIsTheSame) {
    ASSERT_TRUE(write_checkpoint(path("a")));
    std::filesystem::create_directory(path("b"));
    for (const char* name : {manifest_file, state_file, memory_file, memory_sums_file})
        write_file(path("b") / name, read_file(path("a") / name));
    const auto opened = Checkpoint::open(path("b"));
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_EQ(byte_at(memory_of(*opened), 3), 1);
    EXPECT_TRUE(opened->memory()->verify());
}

TEST_F(CheckpointTest, OneIsReplacedAsAWhole) {
    ASSERT_TRUE(write_checkpoint(path("a"), {}, 1));
    const auto old = Checkpoint::open(path("a"));
    ASSERT_TRUE(old);
    EXPECT_THAT(write_checkpoint(path("a"), {}, 2).error().text(), HasSubstr("is there already"));
    ASSERT_TRUE(write_checkpoint(path("a"), {.replace = true}, 2));
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(byte_at(memory_of(*opened), 3), 2);
    EXPECT_NE(opened->manifest().id, old->manifest().id);
    // Who has the old one open keeps it.
    EXPECT_EQ(byte_at(memory_of(*old), 3), 1);
    EXPECT_FALSE(std::filesystem::exists(path(".a.partial")));
}

TEST_F(CheckpointTest, OnlyACheckpointIsReplaced) {
    std::filesystem::create_directory(path("mine"));
    write_file(path("mine") / "letter", filled(1, 'x'));
    EXPECT_THAT(write_checkpoint(path("mine"), {.replace = true}).error().text(),
                HasSubstr("is no checkpoint"));
    ASSERT_TRUE(write_checkpoint(path("a")));
    write_file(path("a") / "letter", filled(1, 'x'));
    EXPECT_THAT(write_checkpoint(path("a"), {.replace = true}).error().text(),
                HasSubstr("\"letter\" in it is no part of a checkpoint"));
    std::filesystem::create_directory_symlink("a", path("link"));
    EXPECT_FALSE(write_checkpoint(path("link"), {.replace = true}));
    write_file(path("file"), filled(1, 'x'));
    EXPECT_FALSE(write_checkpoint(path("file"), {.replace = true}));
    EXPECT_TRUE(std::filesystem::exists(path("mine") / "letter"));
    EXPECT_EQ(refusal(path("a")), "");
    for (const char* name : {"..", ".", "/"})
        EXPECT_FALSE(write_checkpoint(path("a") / name)) << name;
}

TEST_F(CheckpointTest, AParentStaysWhereItIsNeeded) {
    ASSERT_TRUE(write_checkpoint(path("1"), {.states = false, .memory_size = memory_size}));
    write_layer("2", "1", {7}, 2);
    const auto second = Checkpoint::open(path("2"));
    ASSERT_TRUE(second);
    for (const char* name : {"1", "2"}) {
        const auto refused = CheckpointWriter::create(
            path(name), {.states = false, .memory_size = memory_size, .parent = &*second, .replace = true});
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(),
                    HasSubstr("cannot be replaced by a checkpoint that stands on it"));
    }
    std::filesystem::create_directory(path("elsewhere"));
    const auto far = CheckpointWriter::create(
        path("elsewhere/3"), {.states = false, .memory_size = memory_size, .parent = &*second});
    ASSERT_FALSE(far);
    EXPECT_THAT(far.error().text(), HasSubstr("not in the same folder"));
    const auto large = CheckpointWriter::create(
        path("3"), {.states = false, .memory_size = 2 * memory_size, .parent = &*second});
    ASSERT_FALSE(large);
    EXPECT_THAT(large.error().text(), HasSubstr("take a full checkpoint"));
}

TEST_F(CheckpointTest, AParentOpenedThroughALinkHasItsOwnName) {
    ASSERT_TRUE(write_checkpoint(path("1"), {.states = false, .memory_size = memory_size}));
    std::filesystem::create_directory_symlink("1", path("latest"));
    write_layer("2", "latest", {7}, 2);
    const auto second = Checkpoint::open(path("2"));
    ASSERT_TRUE(second) << second.error().text();
    EXPECT_EQ(second->manifest().parent->folder, "1");
}

TEST_F(CheckpointTest, TheGuestsMemoryIsSavedAndThenWhatChanged) {
    const auto memory = *GuestMemory::create(64 << 20);
    const std::uint64_t size = memory->size();
    ASSERT_TRUE(memory->write(0x5000, filled(2, 1)));
    auto writer = CheckpointWriter::create(path("1"), {.states = false, .memory_size = size});
    ASSERT_TRUE(save_memory(*memory, **writer));
    ASSERT_TRUE((*writer)->finish(make_manifest()));
    // Reading did not make pages of what the guest never touched.
    struct stat ram {};
    ASSERT_EQ(::fstat(memory->file(), &ram), 0);
    EXPECT_EQ(ram.st_blocks * 512, static_cast<blkcnt_t>(2 * page));

    memory->start_dirty_tracking();
    ASSERT_TRUE(memory->write(0x6000, filled(1, 2)));
    ASSERT_TRUE(memory->write(size - page, filled(1, 3)));
    const auto first = Checkpoint::open(path("1"));
    writer = CheckpointWriter::create(path("2"), {.states = false, .memory_size = size, .parent = &*first});
    ASSERT_TRUE(writer) << writer.error().text();
    ASSERT_TRUE(save_pages(*memory, memory->take_dirty_pages(), **writer));
    ASSERT_TRUE((*writer)->finish(make_manifest()));
    const auto second = Checkpoint::open(path("2"));
    ASSERT_TRUE(second) << second.error().text();
    EXPECT_EQ(second->manifest().memory->decided, 2u);
    const auto bytes = memory_of(*second);
    EXPECT_EQ(byte_at(bytes, 5), 1);
    EXPECT_EQ(byte_at(bytes, 6), 2);
    EXPECT_EQ(byte_at(bytes, size / page - 1), 3);
    EXPECT_EQ(byte_at(memory_of(*first), 6), 1);
}

TEST_F(CheckpointTest, WhatIsNoWholePageIsNotWritten) {
    auto writer = CheckpointWriter::create(path("a"), {.states = false, .memory_size = memory_size});
    ASSERT_TRUE(writer);
    EXPECT_FALSE((*writer)->write_pages(1, filled(1, 1)));
    EXPECT_FALSE((*writer)->write_pages(0, std::vector<std::byte>(page - 1)));
    EXPECT_FALSE((*writer)->write_pages(memory_size, filled(1, 1)));
    EXPECT_FALSE((*writer)->write_zeros(0, memory_size + page));
    EXPECT_FALSE((*writer)->write_zeros(~std::uint64_t{0} & ~(page - 1), 2 * page));
    EXPECT_FALSE((*writer)->add_state(make_image("kvm-vcpu", 1)));
}

TEST_F(CheckpointTest, AManifestThatCouldNotBeReadIsNotWritten) {
    for (const int mistake : {0, 1, 2}) {
        auto writer = CheckpointWriter::create(path("a"), {.states = false, .memory_size = memory_size});
        ASSERT_TRUE(writer);
        Manifest manifest = make_manifest();
        if (mistake == 0) manifest.devices[1].id = manifest.devices[0].id;
        if (mistake == 1) manifest.vcpus = 1000;
        if (mistake == 2) manifest.host_files[0].path = "\xff";
        EXPECT_FALSE((*writer)->finish(manifest)) << mistake;
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path("")));
}

} // namespace
} // namespace plugbay::core
