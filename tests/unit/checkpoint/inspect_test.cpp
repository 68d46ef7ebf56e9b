// What is shown of a checkpoint.
#include "core/cli/inspect_checkpoint.hpp"
#include "tests/unit/checkpoint/checkpoint_fixture.hpp"

#include <functional>
#include <sstream>

namespace plugbay::core {
namespace {

using namespace test;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class InspectTest : public testing::Test {
  protected:
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path(name); }
    [[nodiscard]] std::string shown(const std::string& name,
                                    const InspectCheckpointOptions& options = {}) const {
        std::ostringstream out;
        const auto done = inspect_checkpoint(out, path(name), options);
        if (done) return out.str();
        EXPECT_EQ(out.str(), "");
        return "refused: " + done.error().text();
    }
    void write_with(const std::string& type, const std::function<void(StateBuilder&)>& put) const {
        auto writer = CheckpointWriter::create(path("a"), {});
        ASSERT_TRUE(writer);
        StateBuilder builder(type, 2);
        put(builder);
        std::string error;
        Manifest manifest = make_manifest();
        manifest.states.push_back({"vcpu0", *(*writer)->add_state(builder.finish(error).value())});
        const auto done = (*writer)->finish(manifest);
        ASSERT_TRUE(done) << done.error().text();
    }

    TemporaryFolder folder_;
};

TEST_F(InspectTest, ShowsFactsDevicesAndFields) {
    ASSERT_TRUE(write_checkpoint(path("a")));
    const std::string text = shown("a");
    EXPECT_THAT(text, ContainsRegex("Machine: +m\n"));
    EXPECT_THAT(text, ContainsRegex("Memory: +1M, 1 of 256 pages stored\n"));
    EXPECT_THAT(text, ContainsRegex("Host: +cpu_vendor = GenuineIntel\n"));
    EXPECT_THAT(text, ContainsRegex("Host file: +/var/disk.img, 4096 bytes, crc32c:01234567\n"));
    EXPECT_THAT(text, ContainsRegex("stateless +type-stateless +plugin 1.2 +1.0 +abcdef\n"));
    EXPECT_THAT(text, HasSubstr("\nvda: state of type-vda, version 7, "));
    EXPECT_THAT(text,
                ContainsRegex("  value +u64 +1\n  flag +boolean, optional +true\n  text +text +\"text\"\n"));
    EXPECT_THAT(text, Not(HasSubstr("Parent:")));
}

TEST_F(InspectTest, LongArraysAreShortenedForPeopleOnly) {
    const std::vector<std::uint32_t> numbers(1000, 0x12345678);
    const std::string text = std::string(60, 'a') + "\x1b[31m" + std::string(60, 'b');
    const std::int64_t negative = -7;
    write_with("kvm-vcpu", [&](StateBuilder& builder) {
        builder.put("numbers", PLUGBAY_FIELD_U32, numbers.data(), numbers.size(), 0);
        builder.put("text", PLUGBAY_FIELD_TEXT, text.data(), text.size(), 0);
        builder.put("negative", PLUGBAY_FIELD_I64, &negative, 1, 0);
        builder.put("empty", PLUGBAY_FIELD_U8, nullptr, 0, 0);
    });
    const std::string people = shown("a");
    EXPECT_THAT(people, ContainsRegex("numbers +u32.1000. +(0x12345678 ){8}and 992 more\n"));
    EXPECT_THAT(people, HasSubstr("\\x1b[31\" and 61 bytes more\n"));
    EXPECT_THAT(people, Not(HasSubstr("\x1b")));
    EXPECT_THAT(people, ContainsRegex("negative +i64 +-7\n"));
    EXPECT_THAT(people, ContainsRegex("empty +u8.0.\n"));
    const auto json = nlohmann::json::parse(shown("a", {.json = true}));
    const auto& fields = json["states"][0]["fields"];
    EXPECT_EQ(fields[0]["name"], "numbers");
    EXPECT_EQ(fields[0]["kind"], "u32");
    EXPECT_EQ(fields[0]["value"].size(), 1000u);
    EXPECT_EQ(fields[0]["value"][999], 0x12345678);
    EXPECT_EQ(fields[1]["value"], text);
    EXPECT_EQ(fields[2]["value"], -7);
    EXPECT_EQ(fields[3]["value"], nlohmann::json::array());
}

TEST_F(InspectTest, ShowsTheChain) {
    ASSERT_TRUE(write_checkpoint(path("a")));
    const auto parent = Checkpoint::open(path("a"));
    ASSERT_TRUE(write_checkpoint(path("b"), {.parent = &*parent}, 2));
    const std::string text = shown("b");
    EXPECT_THAT(text, HasSubstr("Parent:"));
    EXPECT_THAT(text, ContainsRegex("/b +1 +1 +[0-9a-f]{32}\n"));
    EXPECT_THAT(text, ContainsRegex("/a +256 +1 +[0-9a-f]{32}\n"));
    const auto json = nlohmann::json::parse(shown("b", {.json = true}));
    EXPECT_EQ(json["chain"].size(), 2u);
    EXPECT_EQ(json["parent"]["folder"], "a");
    EXPECT_EQ(json["devices"][0]["state"]["fields"][0]["value"], 2);
    EXPECT_FALSE(json.contains("checksum"));
}

TEST_F(InspectTest, MemoryIsReadOnlyWhenAsked) {
    ASSERT_TRUE(write_checkpoint(path("a")));
    auto memory = read_file(path("a") / memory_file);
    memory[3 * page] = std::byte{0};
    write_file(path("a") / memory_file, memory);
    EXPECT_THAT(shown("a"), HasSubstr("Memory:"));
    EXPECT_THAT(shown("a", {.verify = true}), HasSubstr("refused: "));
    EXPECT_THAT(shown("nothing"), HasSubstr("refused: "));
}

} // namespace
} // namespace plugbay::core
