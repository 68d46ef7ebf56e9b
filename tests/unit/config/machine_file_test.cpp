#include "tests/temporary_folder.hpp"
#include "tests/unit/config/config_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MachineFile, EverythingInACompleteFileIsThere) {
    const auto result = check(complete_machine);
    ASSERT_THAT(lines(result), IsEmpty());
    const auto& config = *result.config;
    EXPECT_EQ(config.name, "linux");
    EXPECT_EQ(config.memory, std::uint64_t{512} << 20);
    EXPECT_EQ(config.cpus, 2U);
    EXPECT_EQ(config.io_threads, 3U);
    EXPECT_EQ(config.on_reset, OnReset::exit);
    EXPECT_EQ(config.boot.kernel, "/vm/build/vmlinuz");
    EXPECT_EQ(config.boot.initrd, "/vm/initrd.gz");
    EXPECT_EQ(config.boot.command_line, "console=ttyS0 \"q\" \u00e9\U0001F600");
    EXPECT_EQ(config.boot.protocol, "linux64");
    EXPECT_THAT(config.plugins, ElementsAre("/vm/extra.so", "/usr/lib/other.so"));
    ASSERT_EQ(config.devices.size(), 6U);
}

TEST(MachineFile, PropertiesComeInDeclaredOrderWithDefaults) {
    const auto result = check(complete_machine);
    ASSERT_TRUE(result.config);
    const auto& devices = result.config->devices;
    EXPECT_EQ(devices[0].id, "com1");
    EXPECT_EQ(devices[0].type, "serial-16550");
    EXPECT_EQ(devices[0].position, (SourcePosition{16, 5}));
    EXPECT_EQ(devices[0].properties[0].number, 0x2f8U);
    EXPECT_TRUE(devices[0].properties[0].given);
    EXPECT_EQ(devices[0].properties[0].position, (SourcePosition{16, 53}));
    EXPECT_FALSE(devices[0].link);
    EXPECT_EQ(devices[1].properties[0].number, 0U);
    EXPECT_FALSE(devices[1].properties[1].given);
    EXPECT_EQ(devices[1].properties[1].text, "/vm/char.log");
    EXPECT_EQ(devices[2].properties[0].number, 1U);
    EXPECT_EQ(devices[2].properties[2].text, "none");
    EXPECT_EQ(devices[3].properties[0].text, "/vm/disk.img");
    EXPECT_EQ(devices[3].properties[1].number, 1U);
    EXPECT_EQ(devices[3].properties[2].number, std::uint64_t{2} << 30);
    EXPECT_EQ(devices[3].properties[3].number, static_cast<std::uint64_t>(-7));
}

TEST(MachineFile, LinksNameDeviceAndPorts) {
    const auto result = check(complete_machine);
    ASSERT_TRUE(result.config);
    const auto& link = result.config->devices[1].link;
    ASSERT_TRUE(link);
    EXPECT_EQ(link->frontend_device, "com1");
    EXPECT_EQ(link->frontend_port, 0U);
    EXPECT_EQ(link->backend_port, 0U);
    EXPECT_EQ(link->position, (SourcePosition{17, 72}));
    ASSERT_EQ(link->options.size(), 2U);
    EXPECT_FALSE(link->options[0].given);
    EXPECT_EQ(link->options[1].number, 2U);
    ASSERT_TRUE(result.config->devices[5].link);
    EXPECT_EQ(result.config->devices[5].link->frontend_device, "pair");
    EXPECT_EQ(result.config->devices[5].link->frontend_port, 1U);
}

TEST(MachineFile, ASmallFileGetsTheDefaults) {
    const auto result = check(R"({"boot": {"kernel": "/k"}})");
    ASSERT_THAT(lines(result), IsEmpty());
    EXPECT_EQ(result.config->name, "m");
    EXPECT_EQ(result.config->memory, std::uint64_t{256} << 20);
    EXPECT_EQ(result.config->cpus, 1U);
    EXPECT_EQ(result.config->io_threads, 1U);
    EXPECT_EQ(result.config->on_reset, OnReset::restart);
    EXPECT_EQ(result.config->boot.kernel, "/k");
    EXPECT_EQ(result.config->boot.initrd, "");
    EXPECT_EQ(result.config->boot.protocol, "automatic");
    EXPECT_EQ(result.config->boot.address, 0x7c00U);
    EXPECT_EQ(result.config->boot.mode, "real_16");
    EXPECT_THAT(result.config->devices, IsEmpty());
}

TEST(MachineFile, PluginsAreKnownBeforeTheCatalogIs) {
    const auto document =
        parse_machine_text(R"({"plugins": ["a.so", 7, "", "/b.so", "../c.so"]})", "m.json", "/vm");
    EXPECT_THAT(document.plugins, ElementsAre("/vm/a.so", "/b.so", "/vm/../c.so"));
    EXPECT_THAT(lines(validate(document, make_catalog())),
                ElementsAre("m.json:1:1: boot: missing required property \"boot\"",
                            "m.json:1:22: plugins[1]: expected a path, found 7",
                            "m.json:1:25: plugins[2]: expected a text of 1 to 4096 bytes, found \"\""));
}

TEST(MachineFile, FilesAreReadAndPathsAreRelativeToThem) {
    const TemporaryFolder folder;
    const auto file =
        folder.write("small.json", R"({"boot": {"kernel": "vmlinuz"}, "$schema": "machine.schema.json"})");
    const std::vector<std::string> overrides{"boot.initrd=initrd.gz"};
    const auto document = read_machine_file(file, overrides);
    const auto result = validate(document, make_catalog());
    ASSERT_THAT(lines(result), IsEmpty());
    EXPECT_EQ(result.config->name, "small");
    EXPECT_EQ(result.config->boot.kernel, folder.path("vmlinuz"));
    EXPECT_EQ(result.config->boot.initrd, (std::filesystem::current_path() / "initrd.gz").string());
}

TEST(MachineFile, FilesThatCannotBeReadAreErrors) {
    EXPECT_THAT(lines(validate(read_machine_file("/nonexistent/m.json"), make_catalog())),
                ElementsAre("/nonexistent/m.json: the file cannot be read: No such file or directory"));
    EXPECT_THAT(lines(validate(read_machine_file("/"), make_catalog())),
                ElementsAre("/: the file cannot be read: Is a directory"));
    EXPECT_THAT(lines(validate(read_machine_file("/dev/zero"), make_catalog())),
                ElementsAre("/dev/zero: the file is larger than 16 MiB"));
}

TEST(MachineConfig, WhereNamesThePlace) {
    const auto result = check(complete_machine, {"devices.com1.irq=5"});
    ASSERT_TRUE(result.config);
    EXPECT_EQ(where(*result.config, result.config->devices[2].position), "m.json:18:5");
    EXPECT_EQ(where(*result.config, result.config->devices[0].properties[1].position),
              "m.json: --set devices.com1.irq=5");
    EXPECT_EQ(where(*result.config, {}), "m.json");
}

TEST(MachineConfig, AbiValuesPointIntoTheConfig) {
    const auto result = check(complete_machine);
    ASSERT_TRUE(result.config);
    const auto& properties = result.config->devices[3].properties;
    const auto values = abi_values(properties);
    ASSERT_EQ(values.size(), 4U);
    EXPECT_EQ(values[0].flags, PLUGBAY_VALUE_GIVEN);
    EXPECT_EQ(values[0].text, properties[0].text.c_str());
    EXPECT_EQ(values[0].text_length, std::string("/vm/disk.img").size());
    EXPECT_EQ(values[1].number, 1U);
    EXPECT_STREQ(values[1].text, "");
    EXPECT_EQ(static_cast<std::int64_t>(values[3].number), -7);
}

} // namespace
} // namespace plugbay::core
