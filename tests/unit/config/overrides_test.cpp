#include "tests/unit/config/config_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string here(const std::string& file) {
    return (std::filesystem::current_path() / file).string();
}

TEST(Overrides, ReplaceAndAdd) {
    const auto result =
        check(complete_machine, {"memory=1G", "cpus=\"0x4\"", "name=a=b", "boot.kernel=vmlinuz",
                                 "boot.command_line=", "devices.com1.port=0x3e8", "devices[0].irq=7",
                                 "devices.disk.read_only=false", "devices.console.frontend.echo=true",
                                 "plugins[0]=x.so", "devices.vda.serial=\"123\"", "cpus=5"});
    ASSERT_THAT(lines(result), IsEmpty());
    const auto& config = *result.config;
    EXPECT_EQ(config.memory, std::uint64_t{1} << 30);
    EXPECT_EQ(config.cpus, 5U);
    EXPECT_EQ(config.name, "a=b");
    EXPECT_EQ(config.boot.kernel, here("vmlinuz"));
    EXPECT_EQ(config.boot.initrd, "/vm/initrd.gz");
    EXPECT_EQ(config.boot.command_line, "");
    EXPECT_EQ(config.devices[0].properties[0].number, 0x3e8U);
    EXPECT_EQ(config.devices[0].properties[1].number, 7U);
    EXPECT_EQ(config.devices[0].properties[1].position, (SourcePosition{0, 0, 7}));
    EXPECT_EQ(config.devices[3].properties[1].number, 0U);
    EXPECT_EQ(config.devices[1].link->options[0].number, 1U);
    EXPECT_THAT(config.plugins, ElementsAre(here("x.so"), "/usr/lib/other.so"));
    EXPECT_EQ(config.devices[2].properties[2].text, "123");
}

TEST(Overrides, MakeMissingObjectsAndTakeWholeOnes) {
    const auto made = check("{}", {"boot.kernel=/k"});
    ASSERT_THAT(lines(made), IsEmpty());
    EXPECT_EQ(made.config->boot.kernel, "/k");
    const auto whole =
        check("{}", {R"(boot={"kernel": "/k"})", R"(devices=[{"type": "wide", "id": "net.0"}])",
                     "devices.net.0.number=3"});
    ASSERT_THAT(lines(whole), IsEmpty());
    EXPECT_EQ(whole.config->devices[0].properties[0].number, 3U);
    EXPECT_EQ(whole.config->devices[0].position, (SourcePosition{0, 0, 2}));
}

TEST(Overrides, TheLongestIdIsTheOneMeant) {
    const auto result =
        check(with_devices(R"({ "type": "wide", "id": "a" }, { "type": "wide", "id": "a.b" })"),
              {"devices.a.b.number=1", "devices.a.number=2"});
    ASSERT_THAT(lines(result), IsEmpty());
    EXPECT_EQ(result.config->devices[0].properties[0].number, 2U);
    EXPECT_EQ(result.config->devices[1].properties[0].number, 1U);
}

TEST(Overrides, MistakesNameTheFileAndTheOverride) {
    struct Case {
        std::string override_text;
        std::string problem; // after the override
    };
    const std::vector<Case> cases{
        {"devices.vda.nonsense=1",
         "devices.vda.nonsense: unknown property \"nonsense\" of virtio-blk; valid: bus, "
         "slot, serial, id, type"},
        {"devices.vdb.bus=pci",
         "devices: there is no device \"vdb\"; did you mean \"vda\"? valid: com1, console, "
         "vda, disk, pair, second"},
        {"devices.vda.bus=isa", "devices.vda.bus: unknown value \"isa\"; valid: pci, mmio"},
        {"devices[9].bus=pci", "devices: there is no element 9, only 6"},
        {"devices[x].bus=pci", "devices: expected a number in [ ]"},
        {"devices[0]bus=pci", "devices[0]: expected \".\" or \"[\" before \"bus\""},
        {"memory[0]=1", "memory: this is \"512M\", no array"},
        {"memory.x=1", "memory: this is \"512M\", which has no member \"x\""},
        {"plugins.a=1", "plugins: this is an array, which has no member \"a\""},
        {"nothing[0]=1", "nothing: there is no such array"},
        {"cpus", "expected path=value, found no \"=\""},
        {"=1", "expected a name in the path, found its end"},
        {"boot.=1", "boot: expected a name in the path, found its end"},
        {"new.x.=1", "new.x: expected a name in the path, found its end"},
        {"boot..x=1", "boot: expected a name in the path, found \".x\""},
        {"cpus=99", "cpus: expected an integer from 1 to 16, found 99"},
        {"cpus=lots", "cpus: expected an integer from 1 to 16, found \"lots\""},
        {"name=12", "name: expected a text, found 12 (for text, write it in double quotes)"},
        {"bot.kernel=k",
         "bot: unknown property \"bot\"; did you mean \"boot\"? valid: $schema, name, memory, cpus, "
         "io_threads, on_reset, boot, plugins, devices"},
        {"boot={}", "boot.kernel: missing required property \"kernel\" of boot"},
        {R"(boot={"kernel":"k","kernel":"l"})",
         R"(boot.kernel: duplicate key "kernel", given before at --set boot={"kernel":"k","kernel":"l"})"},
        {"devices.disk.frontend.id=vdb",
         "devices.disk.frontend.id: there is no frontend \"vdb\"; did you mean \"vda\"? valid: vda"},
    };
    for (const auto& [text, problem] : cases) {
        EXPECT_THAT(errors(complete_machine, {text}), ElementsAre("m.json: --set " + text + ": " + problem));
    }
}

TEST(Overrides, DepthIsLimited) {
    std::string path = "boot";
    for (int i = 0; i < 100'000; ++i)
        path += ".x";
    EXPECT_THAT(errors(complete_machine, {path + "=1"}), testing::SizeIs(1));
    EXPECT_THAT(errors(complete_machine, {"name=" + std::string(100'000, '[')}), testing::SizeIs(1));
    EXPECT_THAT(errors(complete_machine, {"name=\xff"}),
                ElementsAre("m.json: --set name=\xff: expected UTF-8 text"));
}

} // namespace
} // namespace plugbay::core
