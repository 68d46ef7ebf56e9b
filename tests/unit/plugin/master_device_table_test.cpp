#include "core/plugin/master_device_table.hpp"

#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <dlfcn.h>

namespace plugbay::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MasterDeviceTableTest : public testing::Test {
  protected:
    // Puts a copy of a test plugin into the search path.
    std::filesystem::path install(const std::string& plugin, const std::string& as) {
        return directory_.write(as, bytes_of(test_plugin(plugin)));
    }
    [[nodiscard]] MasterDeviceTable build(std::vector<std::filesystem::path> files = {}) const {
        return MasterDeviceTable::build({.files = std::move(files), .directories = {directory_.path()}});
    }
    static std::vector<std::string> names(const MasterDeviceTable& table) {
        std::vector<std::string> result;
        for (const auto& entry : table.types())
            result.push_back(entry.type->name);
        return result;
    }

    TemporaryFolder directory_;
};

TEST_F(MasterDeviceTableTest, HoldsTheTypesOfEveryGoodPlugin) {
    install("good", "b.so");
    install("two-types", "a.so");
    install("long-name", "c.so");
    (void)directory_.write("not-a-plugin.txt", "x");
    (void)directory_.write(".hidden.so", "x");
    const auto table = build();
    EXPECT_THAT(names(table),
                ElementsAre("first-device", "good-device", std::string(33, 'n'), "second-device"));
    EXPECT_TRUE(table.refusals().empty());
    EXPECT_EQ(table.plugins().size(), 3U);
    EXPECT_EQ(table.plugins()[0]->name, "two");
    ASSERT_NE(table.find("good-device"), nullptr);
    EXPECT_EQ(table.plugin_of("good-device")->file, directory_.path() / "b.so");
    EXPECT_EQ(table.find("none"), nullptr);
    EXPECT_EQ(table.plugin_of("none"), nullptr);
}

TEST_F(MasterDeviceTableTest, ABadPluginDoesNotStopTheOthers) {
    install("good", "good.so");
    install("wrong-major", "aa.so");
    install("null-plugin-name", "zz.so");
    (void)directory_.write("text.so", "hello");
    (void)directory_.write("empty.so", "");
    std::filesystem::create_directory(directory_.path() / "x.so");
    std::filesystem::create_symlink("nowhere", directory_.path() / "dangling.so");
    const auto table = build({directory_.path() / "missing.so"});
    EXPECT_THAT(names(table), ElementsAre("good-device"));
    ASSERT_EQ(table.refusals().size(), 7U);
    EXPECT_EQ(table.refusals()[0].file.filename(), "missing.so");
    for (const auto& refusal : table.refusals()) {
        EXPECT_THAT(refusal.error.message, HasSubstr(refusal.file.string()));
    }
}

TEST_F(MasterDeviceTableTest, TheSecondPluginOfATypeIsRefusedAsAWhole) {
    install("good", "a.so");
    install("duplicate", "b.so");
    auto table = build();
    EXPECT_THAT(names(table), ElementsAre("good-device"));
    ASSERT_EQ(table.refusals().size(), 1U);
    const auto& refusal = table.refusals()[0];
    EXPECT_THAT(refusal.error.message, HasSubstr((directory_.path() / "a.so").string()));
    EXPECT_THAT(refusal.error.message, HasSubstr((directory_.path() / "b.so").string()));
    EXPECT_THAT(refusal.types, ElementsAre("good-device", "only-here"));
    EXPECT_EQ(table.plugin_of("good-device")->name, "good");

    const auto loaded = table.load("good-device");
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, HasSubstr("a.so and " + (directory_.path() / "b.so").string()));
    EXPECT_THAT(table.unknown_type("only-here").text(), HasSubstr("b.so provides device type"));
}

TEST_F(MasterDeviceTableTest, AFileReachedTwiceIsNoDuplicate) {
    const auto file = install("good", "a.so");
    std::filesystem::create_symlink("a.so", directory_.path() / "link.so");
    auto table = MasterDeviceTable::build({.files = {file, directory_.path() / "." / "a.so"},
                                           .directories = {directory_.path(), directory_.path()}});
    EXPECT_TRUE(table.refusals().empty());
    EXPECT_TRUE(table.load("good-device"));
}

TEST_F(MasterDeviceTableTest, LoadsOnlyWhatIsUsedAndOnlyOnce) {
    const auto two = install("two-types", "two.so");
    const auto good = install("good", "good.so");
    auto table = build();
    const auto first = table.load("first-device");
    const auto second = table.load("second-device");
    ASSERT_TRUE(first) << first.error().text();
    ASSERT_TRUE(second) << second.error().text();
    EXPECT_EQ(first->plugin, second->plugin);
    EXPECT_NE(first->type, second->type);
    EXPECT_EQ(table.load("first-device")->type, first->type);
    EXPECT_EQ(::dlopen(good.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr);
}

TEST_F(MasterDeviceTableTest, WhatWasLoadedOutlivesTheTable) {
    install("good", "good.so");
    LoadedType type;
    {
        auto table = build();
        auto loaded = table.load("good-device");
        ASSERT_TRUE(loaded) << loaded.error().text();
        type = *loaded;
        const auto again = build();
        EXPECT_THAT(names(again), ElementsAre("good-device"));
    }
    EXPECT_STREQ(type.type->name, "good-device");
}

TEST_F(MasterDeviceTableTest, AnotherBuildOfAPluginIsKept) {
    install("two-types", "two.so");
    install("long-name", "other.so");
    auto table = build();
    const auto before = table.load("first-device");
    ASSERT_TRUE(before) << before.error().text();
    TemporaryFolder folder;
    const auto file = folder.path() / "next.so";
    std::filesystem::copy(test_plugin("two-types"), file);
    std::weak_ptr<const LoadedPlugin> next;
    {
        const auto loaded = LoadedPlugin::load(file);
        ASSERT_TRUE(loaded) << loaded.error().text();
        next = *loaded;
        table.keep("first-device", *loaded);
    }
    std::filesystem::remove(file);
    EXPECT_FALSE(next.expired());
    for (const char* type : {"first-device", "second-device"}) {
        EXPECT_EQ(table.plugin_of(type)->file, file);
        ASSERT_TRUE(table.load(type));
        EXPECT_EQ(table.load(type)->plugin, next.lock());
        EXPECT_EQ(table.find(type), &table.plugin_of(type)->types[type == std::string("second-device")]);
    }
    EXPECT_EQ(table.plugins().size(), 2U);
    EXPECT_NE(table.plugin_of(std::string(33, 'n'))->file, file);
    // The build before comes back as any other.
    table.keep("second-device", before->plugin);
    EXPECT_TRUE(next.expired());
    EXPECT_EQ(table.load("first-device")->plugin, before->plugin);
    EXPECT_EQ(table.plugins().size(), 2U);
}

// Types that it has no longer, and those that another plugin has.
TEST_F(MasterDeviceTableTest, ABuildWithOtherTypesIsKept) {
    install("two-types", "two.so");
    install("good", "good.so");
    auto table = build();
    const auto file = table.plugin_of("first-device")->file;
    const auto others = table.plugin_of("good-device")->file;
    const auto fewer = LoadedPlugin::load(test_plugin("two-as-first"));
    ASSERT_TRUE(fewer) << fewer.error().text();
    table.keep("first-device", *fewer);
    EXPECT_EQ(table.load("first-device")->plugin, *fewer);
    EXPECT_EQ(table.plugin_of("second-device")->file, file);
    EXPECT_EQ(table.plugin_of("good-device")->file, others);
    EXPECT_EQ(table.plugins().size(), 3U);
    const auto more = LoadedPlugin::load(test_plugin("two-and-good"));
    ASSERT_TRUE(more) << more.error().text();
    table.keep("first-device", *more);
    EXPECT_EQ(table.load("first-device")->plugin, *more);
    EXPECT_EQ(table.plugin_of("good-device")->file, others);
    EXPECT_EQ(table.plugins().size(), 3U);
}

TEST_F(MasterDeviceTableTest, LooksAgainAtWhatItSearched) {
    const auto changing = install("two-as-first", "a.so"); // first-device alone
    install("good", "good.so");
    (void)directory_.write("new.so", "not built yet");
    auto table = build();
    EXPECT_THAT(names(table), ElementsAre("first-device", "good-device"));
    EXPECT_EQ(table.refusals().size(), 1U);
    table.refresh();
    EXPECT_THAT(names(table), ElementsAre("first-device", "good-device"));
    EXPECT_EQ(table.refusals().size(), 1U);
    // One file is built, one is replaced, one goes.
    install("long-name", "new.so");
    std::filesystem::rename(install("two-types", "fresh"), changing);
    std::filesystem::remove(directory_.path() / "good.so");
    table.refresh();
    EXPECT_THAT(names(table), ElementsAre("first-device", std::string(33, 'n'), "second-device"));
    EXPECT_TRUE(table.refusals().empty());
    const auto loaded = table.load("second-device");
    EXPECT_TRUE(loaded) << loaded.error().text();
}

TEST_F(MasterDeviceTableTest, WhatIsLoadedStaysWhenItLooksAgain) {
    const auto file = install("two-types", "two.so");
    auto table = build();
    auto loaded = table.load("first-device");
    ASSERT_TRUE(loaded) << loaded.error().text();
    std::filesystem::rename(install("two-as-first", "fresh"), file);
    table.refresh();
    EXPECT_THAT(names(table), ElementsAre("first-device", "second-device"));
    EXPECT_EQ(table.load("first-device")->plugin, loaded->plugin);
    *loaded = {};
    table.refresh();
    EXPECT_THAT(names(table), ElementsAre("first-device"));
    // A build that was kept has taken the place of its file, wherever it is from.
    const auto next = LoadedPlugin::load(test_plugin("two-types"));
    ASSERT_TRUE(next) << next.error().text();
    table.keep("first-device", *next);
    table.refresh();
    EXPECT_TRUE(table.refusals().empty());
    EXPECT_EQ(table.load("first-device")->plugin, *next);
}

TEST_F(MasterDeviceTableTest, AFailedLoadLeavesTheTableAsItWas) {
    install("undefined-symbol", "u.so");
    install("good", "good.so");
    auto table = build();
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto loaded = table.load("undefined");
        ASSERT_FALSE(loaded);
        EXPECT_THAT(loaded.error().message, HasSubstr("device type \"undefined\": "));
        EXPECT_THAT(loaded.error().message, HasSubstr("plugbay_host_private_function"));
    }
    EXPECT_NE(table.find("undefined"), nullptr);
    EXPECT_TRUE(table.load("good-device"));
}

TEST_F(MasterDeviceTableTest, UnknownTypesAreExplained) {
    install("good", "good.so");
    (void)directory_.write("laser.so", "hello");
    auto table = build();
    EXPECT_THAT(table.unknown_type("god-device").text(), HasSubstr("did you mean \"good-device\"?"));
    EXPECT_THAT(table.unknown_type("laser").text(), HasSubstr("laser.so is not an ELF file"));
    EXPECT_THAT(table.unknown_type("x").text(), HasSubstr("\"plugbay devices\" lists"));
    EXPECT_LT(table.unknown_type(std::string(100000, 'y')).text().size(), 1000U);
    const auto loaded = table.load("laser");
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().message, "unknown device type \"laser\"");
}

TEST_F(MasterDeviceTableTest, NoPluginsAtAll) {
    const auto empty = build();
    EXPECT_THAT(empty.unknown_type("x").text(),
                HasSubstr("no plugin was found in " + directory_.path().string()));
    const auto nowhere = MasterDeviceTable::build({.files = {}, .directories = {directory_.path() / "none"}});
    EXPECT_TRUE(nowhere.refusals().empty());
    EXPECT_THAT(nowhere.unknown_type("x").text(), HasSubstr("PLUGBAY_PLUGIN_PATH"));
}

TEST(DefaultPluginDirectories, TheVariableComesFirst) {
    ASSERT_EQ(::setenv("PLUGBAY_PLUGIN_PATH", "/a::/b:", 1), 0);
    const auto with = default_plugin_directories();
    ASSERT_EQ(::unsetenv("PLUGBAY_PLUGIN_PATH"), 0);
    const auto without = default_plugin_directories();
    ASSERT_EQ(with.size(), 4U);
    EXPECT_EQ(with[0], "/a");
    EXPECT_EQ(with[1], "/b");
    ASSERT_EQ(without.size(), 2U);
    EXPECT_EQ(without[0].filename(), "plugins");
    EXPECT_EQ(without[1], without[0].parent_path().parent_path() / "lib/plugbay/plugins");
}

} // namespace
} // namespace plugbay::core
