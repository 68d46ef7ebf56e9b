// Folders that are damaged, or were made to do harm.
#include "tests/unit/checkpoint/checkpoint_fixture.hpp"

#include <functional>
#include <sys/resource.h>
#include <sys/stat.h>

namespace plugbay::core {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;

class HostileFolderTest : public testing::Test {
  protected:
    HostileFolderTest() { EXPECT_TRUE(write_checkpoint(path("a"))); }

    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path(name); }
    // The refusal of a copy of "a" with one text of its manifest replaced, and its checksum right.
    [[nodiscard]] std::string forged(const std::string& from, const std::string& to) const {
        std::filesystem::remove_all(path("forged"));
        std::filesystem::copy(path("a"), path("forged"));
        forge_manifest(path("forged"), from, to);
        return refusal(path("forged"));
    }
    void layer(const std::string& name, const std::string& parent) const {
        const auto on = Checkpoint::open(path(parent));
        ASSERT_TRUE(on) << on.error().text();
        const auto done =
            write_checkpoint(path(name), {.states = false, .memory_size = memory_size, .parent = &*on}, 2);
        ASSERT_TRUE(done) << done.error().text();
    }

    TemporaryFolder folder_;
};

TEST_F(HostileFolderTest, ABitThatFlipsIsNoticed) {
    for (const char* name : {manifest_file, state_file}) {
        const auto good = read_file(path("a") / name);
        ASSERT_GT(good.size(), 100u);
        for (std::size_t at = 0; at < good.size(); ++at) {
            auto bad = good;
            bad[at] ^= static_cast<std::byte>(1 << at % 8);
            write_file(path("a") / name, bad);
            EXPECT_THAT(refusal(path("a")), HasSubstr(name)) << name << " at " << at;
        }
        write_file(path("a") / name, good);
    }
    EXPECT_EQ(refusal(path("a")), "");
}

TEST_F(HostileFolderTest, AFileThatIsCutOffIsNoticed) {
    for (const char* name : {manifest_file, state_file, memory_file, memory_sums_file}) {
        const auto good = read_file(path("a") / name);
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, good.size() / 2, good.size() - 1}) {
            write_file(path("a") / name, std::span(good).first(size));
            EXPECT_THAT(refusal(path("a")), HasSubstr(std::string("a/") + name)) << size;
        }
        auto longer = good;
        longer.push_back(std::byte{0});
        write_file(path("a") / name, longer);
        EXPECT_THAT(refusal(path("a")), HasSubstr(std::string("a/") + name));
        std::filesystem::remove(path("a") / name);
        EXPECT_THAT(refusal(path("a")), HasSubstr(std::string("a/") + name));
        write_file(path("a") / name, good);
    }
    EXPECT_EQ(refusal(path("a")), "");
}

TEST_F(HostileFolderTest, FilesOfAnotherCheckpointAreNoticed) {
    ASSERT_TRUE(write_checkpoint(path("b"), {}, 2));
    std::filesystem::copy_file(path("b") / state_file, path("a") / state_file,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_THAT(refusal(path("a")), HasSubstr("checksum"));
}

TEST_F(HostileFolderTest, DamagedMemoryIsFoundWhenItIsAskedFor) {
    auto memory = read_file(path("a") / memory_file);
    memory[3 * page + 17] ^= std::byte{1};
    write_file(path("a") / memory_file, memory);
    const auto opened = Checkpoint::open(path("a"));
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_THAT(opened->memory()->verify().error().text(),
                AllOf(HasSubstr("memory: the page at offset 12288 "), HasSubstr("checksum")));
    memory[3 * page + 17] ^= std::byte{1};
    memory[100 * page] = std::byte{1}; // where zeros were
    write_file(path("a") / memory_file, memory);
    EXPECT_THAT(opened->memory()->verify().error().text(), HasSubstr("the page at offset 409600 "));
    memory[100 * page] = std::byte{0};
    write_file(path("a") / memory_file, memory);
    EXPECT_TRUE(opened->memory()->verify());
    auto sums = read_file(path("a") / memory_sums_file);
    sums[12] ^= std::byte{1};
    write_file(path("a") / memory_sums_file, sums);
    EXPECT_THAT(opened->memory()->verify().error().text(), HasSubstr("memory.sums: its checksum"));
}

TEST_F(HostileFolderTest, LinksAndOtherThingsAreNotFollowed) {
    for (const char* name : {manifest_file, state_file, memory_file, memory_sums_file}) {
        const auto file = path("a") / name;
        std::filesystem::rename(file, path("kept"));
        std::filesystem::create_symlink(path("kept"), file);
        EXPECT_THAT(refusal(path("a")), AllOf(HasSubstr(name), HasSubstr("symbolic link")));
        std::filesystem::remove(file);
        ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
        EXPECT_THAT(refusal(path("a")), AllOf(HasSubstr(name), HasSubstr("no regular file")));
        std::filesystem::remove(file);
        std::filesystem::create_directory(file);
        EXPECT_THAT(refusal(path("a")), AllOf(HasSubstr(name), HasSubstr("no regular file")));
        std::filesystem::remove(file);
        std::filesystem::rename(path("kept"), file);
    }
    EXPECT_THAT(refusal(path("nothing")), HasSubstr("nothing"));
    write_file(path("file"), filled(1, 1));
    EXPECT_THAT(refusal(path("file")), HasSubstr("Not a directory"));
    EXPECT_EQ(refusal(path("a")), "");
}

struct Forgery {
    const char* from;
    const char* to;
    const char* expected; // in the refusal
};

void PrintTo(const Forgery& forgery, std::ostream* out) {
    *out << forgery.from << " -> " << forgery.to;
}

class ForgedManifestTest : public HostileFolderTest, public testing::WithParamInterface<Forgery> {};

TEST_P(ForgedManifestTest, IsRefused) {
    const std::string text = forged(GetParam().from, GetParam().to);
    EXPECT_THAT(text, AllOf(HasSubstr("manifest.json"), HasSubstr(GetParam().expected)));
}

INSTANTIATE_TEST_SUITE_P(
    All, ForgedManifestTest,
    testing::Values(
        Forgery{"plugbay-checkpoint", "other", "no checkpoint's manifest"},
        Forgery{"\"format_version\": 1", "\"format_version\": 2", "expected 1, found 2"},
        Forgery{"\"format_version\": 1", "\"format_version\": \"1\"", "expected 1, found \"1\""},
        Forgery{"\"vcpus\"", "\"flavour\": 1, \"vcpus\"", "which may know more than this one"},
        Forgery{"\"vcpus\"", "\"vcpus\": 1, \"vcpus\"", "is there twice"},
        Forgery{"\"ratio\"", "\"list\"", "machine.list: is there twice"},
        Forgery{"\"vcpus\": 1", "\"vcpus\": 0", "vcpus: expected an integer from 1 to 16"},
        Forgery{"\"vcpus\": 1", "\"vcpus\": 17", "vcpus: expected"},
        Forgery{"\"vcpus\": 1", "\"vcpus\": -1", "vcpus: expected"},
        Forgery{"\"vcpus\": 1", "\"vcpus\": 1.0", "vcpus: expected"},
        Forgery{"\"vcpus\": 1,", "", "missing required property \"vcpus\""},
        Forgery{"\"vcpus\": 1,", "\"vcpus\": 1 /**/,", "manifest.json:"},
        Forgery{"\"id\": \"", "\"id\": \"x", "id: expected 32 hexadecimal digits"},
        Forgery{"\"created\": \"2", "\"created\": \"x", "created: expected a time"},
        Forgery{"\"states\": true", "\"states\": false", "although \"holds\" has no states"},
        Forgery{"\"memory\": true", "\"memory\": false", "memory: expected nothing"},
        Forgery{"\"size\": 1048576", "\"size\": 1048577", "memory.size: expected a multiple of 4K"},
        Forgery{"\"size\": 1048576", "\"size\": 2097152", "the memory has 512 pages"},
        Forgery{"\"size\": 1048576", "\"size\": 2199023255552", "memory.size: expected"},
        Forgery{"\"size\": 1048576", "\"size\": 99999999999999999999999", "memory.size: expected"},
        Forgery{"\"size\": 1024,", "\"size\": 1028,", "files[\"memory.sums\"].size: expected 1024"},
        Forgery{"\"page_size\": 4096", "\"page_size\": 8192", "memory.page_size: expected"},
        Forgery{"\"kind\": \"full\"", "\"kind\": \"half\"", "memory.kind: expected"},
        Forgery{"\"kind\": \"full\"", "\"kind\": \"incremental\"", "parent: is missing"},
        Forgery{"\"decided\": 256", "\"decided\": 255", "memory.decided"},
        Forgery{"\"stored\": 1", "\"stored\": 257", "memory.stored"},
        Forgery{"\"offset\": 0", "\"offset\": 1", ".offset: expected 0"},
        Forgery{"\"offset\": 0", "\"offset\": 18446744073709551615", ".offset: expected"},
        Forgery{"\"type\": \"kvm-vcpu\"", "\"type\": \"\"", ".type: expected 1 to 255"},
        Forgery{"\"id\": \"vda\"", "\"id\": \"com1\"", "devices[1].id: is there twice"},
        Forgery{"\"abi_major\": 1", "\"abi_major\": 65536", "abi_major: expected"},
        Forgery{"\"crc32c:01234567\"", "\"md5:01234567\"", "host_files[0].checksum: expected"},
        Forgery{"\"memory.sums\"", "\"../secret\"", "unknown property \"../secret\""},
        Forgery{"\"host\": {", "\"host\": {\"x\": [], ", "host.x: expected"},
        Forgery{"\"host\": {", "\"host\": {\"x\": -1, ", "host.x: expected"},
        Forgery{"\"host_files\": [", "\"host_files\": [1, ", "host_files[0]: expected an object"},
        Forgery{"\"machine\": {", "\"machine\": 1, \"x\": {", "machine: expected an object"},
        Forgery{"\"vcpus\"", "\"parent\": {\"id\": \"\", \"folder\": \"..\"}, \"vcpus\"",
                "parent.id: expected 32"}));

TEST_F(HostileFolderTest, AStateIsWhatTheManifestSays) {
    EXPECT_THAT(
        forged("\"type\": \"kvm-vcpu\"", "\"type\": \"kvm-pit\""),
        AllOf(HasSubstr("forged/state: state of vcpu0, at offset 0"), HasSubstr("found type kvm-vcpu")));
    EXPECT_THAT(forged("\"version\": 7", "\"version\": 8"), HasSubstr("found type type-com1, version 7"));
}

TEST_F(HostileFolderTest, DepthAndNumberOfValuesAreBounded) {
    EXPECT_THAT(forged("\"machine\": {",
                       "\"machine\": {\"x\": " + std::string(1000, '[') + std::string(1000, ']') + ","),
                HasSubstr("manifest.json"));
    std::string many = "\"machine\": {\"x\": [0";
    for (int i = 0; i < 100'000; ++i)
        many += ",0";
    EXPECT_THAT(forged("\"machine\": {", many + "],"), HasSubstr("manifest.json"));
    std::filesystem::resize_file(path("a") / manifest_file, std::uintmax_t{1} << 40);
    EXPECT_THAT(refusal(path("a")), HasSubstr("expected at most 16777216"));
}

TEST_F(HostileFolderTest, AStateThatClaimsToBeHugeTakesNoMemory) {
    const auto manifest = Checkpoint::open(path("a"))->manifest();
    const std::uint64_t vda = manifest.devices[1].state->size;
    const std::uint64_t all = manifest.files.at(state_file).size;
    const std::uint64_t huge = std::uint64_t{15} << 30;
    // The manifest alone: the file is not that long.
    EXPECT_THAT(forged("\"size\": " + std::to_string(all), "\"size\": " + std::to_string(huge)),
                HasSubstr("the sum of the states' sizes"));
    EXPECT_THAT(forged("\"size\": " + std::to_string(vda) + ",", "\"size\": 18446744073709551615,"),
                HasSubstr(".size: expected"));
}

// The file is as long as the manifest says, and nothing but a hole: what it costs whoever made it.
TEST_F(HostileFolderTest, AHoleThatClaimsToBeAStateTakesNoMemory) {
    const auto manifest = Checkpoint::open(path("a"))->manifest();
    const std::uint64_t vda = manifest.devices[1].state->size;
    const std::uint64_t all = manifest.files.at(state_file).size;
    const std::uint64_t more = std::uint64_t{1} << 30;
    const auto size = [](std::uint64_t bytes) { return "\"size\": " + std::to_string(bytes); };
    const auto most_resident = [] {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss; // KiB
    };
    std::filesystem::copy(path("a"), path("sparse"));
    forge_manifest(path("sparse"), size(all), size(all + more));
    // The last of the states.
    const auto bytes = read_file(path("sparse") / manifest_file);
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto from = text.find("\"offset\": " + std::to_string(manifest.devices[1].state->offset));
    ASSERT_NE(from, std::string::npos);
    const std::string place = text.substr(from, text.find(size(vda), from) - from);
    forge_manifest(path("sparse"), place + size(vda), place + size(vda + more));
    std::filesystem::resize_file(path("sparse") / state_file, all + more);
    const long before = most_resident();
    EXPECT_THAT(refusal(path("sparse")),
                AllOf(HasSubstr("state of vda"), HasSubstr("there is no state image of")));
    EXPECT_LT(most_resident(), before + (16 << 10));
}

TEST_F(HostileFolderTest, AParentHasToBeTheRightOne) {
    layer("b", "a");
    EXPECT_EQ(refusal(path("b")), "");
    // Gone, another one, or damaged.
    std::filesystem::rename(path("a"), path("c"));
    EXPECT_THAT(refusal(path("b")), AllOf(HasSubstr("/a, the checkpoint"), HasSubstr("stay together")));
    ASSERT_TRUE(write_checkpoint(path("a")));
    EXPECT_THAT(refusal(path("b")), HasSubstr("is not the checkpoint that this one was made on"));
    std::filesystem::remove_all(path("a"));
    std::filesystem::create_directory_symlink("c", path("a"));
    EXPECT_THAT(refusal(path("b")), HasSubstr("/a, the checkpoint"));
    std::filesystem::remove(path("a"));
    std::filesystem::rename(path("c"), path("a"));
    EXPECT_EQ(refusal(path("b")), "");
    std::filesystem::resize_file(path("a") / memory_file, 4096);
    EXPECT_THAT(refusal(path("b")), HasSubstr("a/memory has 4096 bytes"));
}

TEST_F(HostileFolderTest, AParentsPathCannotLeaveTheFolder) {
    layer("b", "a");
    for (const char* name : {"../a", "/etc", ".", "..", "a/", "", "a/../../x"}) {
        std::filesystem::remove_all(path("forged"));
        std::filesystem::copy(path("b"), path("forged"));
        forge_manifest(path("forged"), "\"folder\": \"a\"", "\"folder\": \"" + std::string(name) + "\"");
        EXPECT_THAT(refusal(path("forged")), HasSubstr("parent.folder: expected the name of a folder"))
            << name;
    }
}

TEST_F(HostileFolderTest, ACircleIsNoChain) {
    layer("b", "a");
    layer("c", "b");
    const std::string a = Checkpoint::open(path("a"))->manifest().id;
    const std::string b = Checkpoint::open(path("b"))->manifest().id;
    const std::string c = Checkpoint::open(path("c"))->manifest().id;
    forge_manifest(path("b"), "\"folder\": \"a\"", "\"folder\": \"c\"");
    forge_manifest(path("b"), a, c);
    EXPECT_THAT(refusal(path("c")), HasSubstr("stands on itself"));
    EXPECT_THAT(refusal(path("b")), HasSubstr("stands on itself"));
}

TEST_F(HostileFolderTest, AChainHasAnEnd) {
    std::string newest = "a";
    for (std::size_t i = 1; i < longest_chain; ++i) {
        layer(std::to_string(i), newest);
        newest = std::to_string(i);
    }
    const auto whole = Checkpoint::open(path(newest));
    ASSERT_TRUE(whole) << whole.error().text();
    EXPECT_EQ(whole->memory()->layers().size(), longest_chain);
    const auto more = CheckpointWriter::create(
        path("more"), {.states = false, .memory_size = memory_size, .parent = &*whole});
    ASSERT_FALSE(more);
    EXPECT_THAT(more.error().text(), HasSubstr("the most that are allowed"));
    // One more below it.
    layer("b", "a");
    const std::string a = Checkpoint::open(path("a"))->manifest().id;
    const std::string b = Checkpoint::open(path("b"))->manifest().id;
    forge_manifest(path("1"), "\"folder\": \"a\"", "\"folder\": \"b\"");
    forge_manifest(path("1"), a, b);
    EXPECT_THAT(refusal(path(newest)), HasSubstr("stands on more than 63"));
}

TEST_F(HostileFolderTest, ThePagesOfALayerAreCounted) {
    layer("b", "a");
    const auto file = path("b") / memory_pages_file;
    const auto good = read_file(file);
    ASSERT_EQ(good.size(), 32u);
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto bad = good;
        bad[at] ^= std::byte{16};
        write_file(file, bad);
        EXPECT_THAT(refusal(path("b")), HasSubstr("memory.pages: its checksum")) << at;
    }
    // With a checksum that is right.
    auto bad = good;
    bad[9] = std::byte{1};
    write_file(file, bad);
    const auto digits = [](std::span<const std::byte> bytes) {
        std::array<char, 16> text{};
        std::snprintf(text.data(), text.size(), "%08x", crc32c(bytes));
        return std::string(text.data());
    };
    forge_manifest(path("b"), digits(good), digits(bad));
    EXPECT_THAT(refusal(path("b")), HasSubstr("memory.pages: expected 1 pages"));
}

} // namespace
} // namespace plugbay::core
