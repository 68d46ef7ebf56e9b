#include "core/plugin/metadata_reader.hpp"

#include "tests/unit/plugin/test_plugin.hpp"

#include <plugbay/abi/plugin.h>
#include <plugbay/abi/registers.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

using testing::HasSubstr;

TEST(MetadataReader, ReadsEverythingThatAPluginDeclares) {
    const auto plugin = read_plugin_metadata(test_plugin("good"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    EXPECT_EQ(plugin->file, test_plugin("good"));
    EXPECT_EQ(plugin->name, "good");
    EXPECT_EQ(plugin->version, "1.2.3");
    EXPECT_EQ(plugin->build_id, "b1");
    EXPECT_EQ(plugin->licence, "MIT");
    EXPECT_EQ(plugin->abi_major, PLUGBAY_ABI_MAJOR);
    EXPECT_TRUE(plugin->notes.empty());
    ASSERT_EQ(plugin->types.size(), 1U);
    const TypeDescription& type = plugin->types[0];
    EXPECT_EQ(type.name, "good-device");
    EXPECT_EQ(type.state_version, 2U);
    ASSERT_EQ(type.properties.size(), 3U);
    EXPECT_EQ(type.properties[0].name, "port");
    EXPECT_EQ(type.properties[0].default_number, 0x3f8U);
    EXPECT_EQ(type.properties[0].maximum, 0xffffU);
    EXPECT_EQ(type.properties[1].choices, (std::vector<std::string>{"slow", "fast"}));
    EXPECT_EQ(type.properties[2].default_text, "out.log");
    ASSERT_EQ(type.ports.size(), 1U);
    EXPECT_EQ(type.ports[0].interface, "char/1");
    EXPECT_TRUE(type.ports[0].name.empty());
    ASSERT_EQ(type.ports[0].options.size(), 1U);
    EXPECT_EQ(type.ports[0].options[0].name, "blocking");
}

TEST(MetadataReader, ReadsTheRegisters) {
    const auto plugin = read_plugin_metadata(test_plugin("good"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    const auto& blocks = plugin->types.at(0).register_blocks;
    ASSERT_EQ(blocks.size(), 1U);
    EXPECT_EQ(blocks[0].token, 7U);
    EXPECT_EQ(blocks[0].length, 0x20U);
    ASSERT_EQ(blocks[0].registers.size(), 2U);
    const RegisterDescription& control = blocks[0].registers[0];
    EXPECT_EQ(control.name, "CONTROL");
    EXPECT_EQ(control.help, "What it does.");
    EXPECT_EQ(control.state, "control");
    EXPECT_EQ(control.reset, 1U);
    EXPECT_EQ(control.writable, 0x31U);
    ASSERT_EQ(control.fields.size(), 2U);
    EXPECT_EQ(control.fields[1].first_bit, 4U);
    EXPECT_EQ(control.fields[1].values, (std::vector<RegisterValueDescription>{{0, "slow"}, {2, "fast"}}));
    const RegisterDescription& status = blocks[0].registers[1];
    EXPECT_EQ(status.access, PLUGBAY_REGISTER_WRITE_1_TO_CLEAR);
    EXPECT_EQ(status.flags, PLUGBAY_REGISTER_COMPUTED);
    EXPECT_EQ(status.count, 3U);
    EXPECT_EQ(status.stride, 8U);
    EXPECT_EQ(status.when, "CONTROL.ENABLE=1");
    EXPECT_TRUE(status.state.empty());
}

TEST(MetadataReader, ATypeOfTheFirstSdkDeclaresNothingMore) {
    const auto plugin = read_plugin_metadata(test_plugin("first-type"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    EXPECT_TRUE(plugin->types.at(0).register_blocks.empty());
}

TEST(MetadataReader, LongNamesAreNotCut) {
    const auto plugin = read_plugin_metadata(test_plugin("long-name"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    EXPECT_EQ(plugin->name, std::string(33, 'n'));
    EXPECT_EQ(plugin->types.at(0).name, std::string(33, 'n'));
}

TEST(MetadataReader, FollowsEveryKindOfRelocation) {
    for (const char* name : {"through-symbol", "old-hash", "packed"}) {
        if (!std::filesystem::exists(test_plugin(name))) continue; // this linker cannot pack relocations
        const auto plugin = read_plugin_metadata(test_plugin(name));
        ASSERT_TRUE(plugin) << plugin.error().text();
        EXPECT_EQ(plugin->types.at(0).properties.at(2).default_text, "out.log");
        EXPECT_EQ(plugin->types.at(0).ports.at(0).options.at(0).name, "blocking");
    }
}

TEST(MetadataReader, OtherExportsAreNoted) {
    const auto plugin = read_plugin_metadata(test_plugin("extra-export"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    ASSERT_EQ(plugin->notes.size(), 1U);
    EXPECT_THAT(plugin->notes[0], HasSubstr("extra_export"));
}

TEST(MetadataReader, AnUndefinedSymbolIsForTheLoaderToFind) {
    EXPECT_TRUE(read_plugin_metadata(test_plugin("undefined-symbol")));
}

struct Refused {
    const char* plugin;
    const char* text;
};

class MetadataReaderRefuses : public testing::TestWithParam<Refused> {};

TEST_P(MetadataReaderRefuses, WithAReason) {
    const auto plugin = read_plugin_metadata(test_plugin(GetParam().plugin));
    ASSERT_FALSE(plugin);
    const std::string text = plugin.error().text();
    EXPECT_THAT(text, HasSubstr(test_plugin(GetParam().plugin).string()));
    EXPECT_THAT(text, HasSubstr(GetParam().text));
    RecordProperty("text", text);
}

INSTANTIATE_TEST_SUITE_P(
    Files, MetadataReaderRefuses,
    testing::Values(
        Refused{"no-symbol", "does not export plugbay_plugin_v1 (use the PLUGBAY_PLUGIN macro"},
        Refused{"function", "as something else than data"},
        Refused{"wrong-magic", "starts with 0000000000001234 instead of"},
        Refused{"not-constant", "must be constant-initialised"},
        Refused{"wrong-major", "was built for ABI 2.0; this plugbay speaks 1.0"},
        Refused{"newer-minor", "plugin \"good\" was built for ABI 1.7; this plugbay speaks 1.0"},
        Refused{"newer-symbol", "exports plugbay_plugin_v2"},
        Refused{"small-plugin", "its size member is 24; at least 64 is needed"},
        Refused{"huge-plugin", "outside of the file's segments"},
        Refused{"null-plugin-name", "the plugin's name is NULL"},
        Refused{"empty-plugin-name", "the name \"\" of the plugin"},
        Refused{"no-types", "has no device types"}, Refused{"null-types", "its list of device type is NULL"},
        Refused{"many-types", "4294967295 entries"}, Refused{"small-type", "its size member is 32"},
        Refused{"null-type-name", "device type 0: its name is NULL"},
        Refused{"bad-type-name", "the name \"Big Device\" of the device type"},
        Refused{"endless-name", "its name is longer than 64 bytes"},
        Refused{"same-type-twice", "the plugin has it twice"},
        Refused{"null-create", "create is not a function"}, Refused{"small-property", "its size member is 8"},
        Refused{"null-property-name", "property 0: its name is NULL"},
        Refused{"null-property-help", "property 0 \"port\": its help is NULL"},
        Refused{"control-character", "its help is not UTF-8 text without control characters"},
        Refused{"not-utf8", "its help is not UTF-8"}, Refused{"reserved-property-name", "the name \"id\""},
        Refused{"unknown-kind", "its kind is 99"},
        Refused{"default-outside", "its default is outside of its range 1 to 65535"},
        Refused{"empty-range", "its range is empty"}, Refused{"no-choices", "has no choices"},
        Refused{"property-twice", "the name is there twice"},
        Refused{"many-properties", "257 entries in its list of property"},
        Refused{"bad-interface", "its interface \"char\" is not an interface id"},
        Refused{"many-declarations", "65 entries in its list of declaration"},
        Refused{"registers-twice", "it declares plugbay.registers/1 twice"},
        Refused{"null-declaration", "declaration 1: its id is NULL"},
        Refused{"small-registers", "its size member is 8; at least 16 is needed"},
        Refused{"many-registers", "block 0: it has 1025 entries in its list of register"},
        Refused{"null-register-name", "register 0: its name is NULL"},
        Refused{"bad-register-name", "register \"A.B\": the name \"A.B\" is not possible"},
        Refused{"register-twice", "register \"STATUS\": the block has it twice"},
        Refused{"wide-register", "it is 3 bytes wide"},
        Refused{"short-block", "register \"STATUS\": it ends outside of its block of 27 bytes"},
        Refused{"unknown-access", "its access is 7"},
        Refused{"wide-field", "field \"SPEED\": it has 13 bits from bit 4, but the register has 16"},
        Refused{"value-outside", "its value 2 does not fit into it"}),
    [](const auto& parameter) {
        std::string name = parameter.param.plugin;
        for (char& character : name)
            character = character == '-' ? '_' : character;
        return name;
    });

TEST(MetadataReader, FilesThatAreNoPlugins) {
    const TemporaryFolder directory;
    const auto text_of = [](const std::filesystem::path& file) {
        const auto plugin = read_plugin_metadata(file);
        return plugin ? std::string("accepted") : plugin.error().text();
    };
    EXPECT_THAT(text_of(directory.path() / "none.so"), HasSubstr("none.so cannot be opened: No such file"));
    EXPECT_THAT(text_of(directory.write("empty.so", "")), HasSubstr("is not an ELF file: it is empty"));
    EXPECT_THAT(text_of(directory.write("text.so", "hello\n")), HasSubstr("is not an ELF file"));
    EXPECT_THAT(text_of(directory.write("short.so", "\x7f"
                                                    "ELF")),
                HasSubstr("is truncated: the ELF header"));
    EXPECT_THAT(text_of(directory.path()), HasSubstr("is a directory"));
    ASSERT_EQ(::mkfifo((directory.path() / "fifo.so").c_str(), 0600), 0);
    EXPECT_THAT(text_of(directory.path() / "fifo.so"), HasSubstr("is not a regular file"));
    if (::geteuid() != 0) {
        const auto file = directory.write("secret.so", bytes_of(test_plugin("good")));
        std::filesystem::permissions(file, std::filesystem::perms::none);
        EXPECT_THAT(text_of(file), HasSubstr("cannot be opened: Permission denied"));
    }
}

TEST(MetadataReader, OtherMachinesAndKinds) {
    const TemporaryFolder directory;
    const std::string good = bytes_of(test_plugin("good"));
    ASSERT_GT(good.size(), 64U);
    const auto text_with = [&](std::size_t at, std::vector<int> bytes) {
        std::string changed = good;
        for (std::size_t index = 0; index < bytes.size(); ++index) {
            changed[at + index] = static_cast<char>(bytes[index]);
        }
        const auto plugin = read_plugin_metadata(directory.write("changed.so", changed));
        return plugin ? std::string("accepted") : plugin.error().text();
    };
    EXPECT_THAT(text_with(18, {3, 0}),
                HasSubstr("was built for i386 (32-bit x86); this plugbay needs x86-64"));
    EXPECT_THAT(text_with(18, {183, 0}), HasSubstr("was built for aarch64"));
    EXPECT_THAT(text_with(4, {1}), HasSubstr("x32"));
    EXPECT_THAT(text_with(5, {2}), HasSubstr("big-endian"));
    EXPECT_THAT(text_with(16, {1, 0}), HasSubstr("is an object file, not a shared object"));
    EXPECT_THAT(text_with(16, {2, 0}), HasSubstr("is a program, not a shared object"));
}

} // namespace
} // namespace plugbay::core
