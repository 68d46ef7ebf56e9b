#include "core/plugin/loaded_plugin.hpp"

#include "core/plugin/metadata_reader.hpp"
#include "tests/unit/plugin/test_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include <dlfcn.h>

namespace plugbay::core {
namespace {

using testing::HasSubstr;

bool is_in_the_process(const std::filesystem::path& file) {
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (library != nullptr) ::dlclose(library);
    return library != nullptr;
}

TEST(LoadedPlugin, GivesTheTypesTable) {
    const auto plugin = LoadedPlugin::load(test_plugin("two-types"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    EXPECT_STREQ((*plugin)->descriptor().name, "two");
    const plugbay_device_type* second = (*plugin)->find_type("second-device");
    ASSERT_NE(second, nullptr);
    EXPECT_STREQ(second->name, "second-device");
    EXPECT_NE((*plugin)->find_type("first-device"), nullptr);
    EXPECT_EQ((*plugin)->find_type("third-device"), nullptr);
    void* instance = this;
    EXPECT_EQ(second->create(nullptr, nullptr, 0, &instance), PLUGBAY_OK);
    EXPECT_EQ(instance, nullptr);
}

TEST(LoadedPlugin, HasABuildId) {
    const auto own = LoadedPlugin::load(test_plugin("good"));
    ASSERT_TRUE(own) << own.error().text();
    EXPECT_EQ((*own)->build_id(), "b1");
    const auto other = LoadedPlugin::load(test_plugin("gauge"));
    ASSERT_TRUE(other) << other.error().text();
    EXPECT_THAT((*other)->build_id(), testing::MatchesRegex("[0-9a-f]{16,}")); // the linker's
}

TEST(LoadedPlugin, StaysWhileAnybodyHoldsIt) {
    auto plugin = LoadedPlugin::load(test_plugin("good"));
    ASSERT_TRUE(plugin) << plugin.error().text();
    auto second_holder = *plugin;
    *plugin = nullptr;
    EXPECT_TRUE(is_in_the_process(test_plugin("good")));
    second_holder = nullptr;
    EXPECT_FALSE(is_in_the_process(test_plugin("good")));
}

TEST(LoadedPlugin, AnUndefinedSymbolIsNamed) {
    const auto plugin = LoadedPlugin::load(test_plugin("undefined-symbol"));
    ASSERT_FALSE(plugin);
    EXPECT_THAT(plugin.error().message, HasSubstr("needs the symbol plugbay_host_private_function, which"));
    EXPECT_THAT(plugin.error().hint, HasSubstr("define plugbay_host_private_function in the plugin"));
    EXPECT_FALSE(is_in_the_process(test_plugin("undefined-symbol")));
}

TEST(LoadedPlugin, ADescriptorThatIsNotConstantIsRefused) {
    const auto plugin = LoadedPlugin::load(test_plugin("changes-when-loaded"));
    ASSERT_FALSE(plugin);
    EXPECT_THAT(plugin.error().message, HasSubstr("the plugin's name differs"));
    EXPECT_FALSE(is_in_the_process(test_plugin("changes-when-loaded")));
}

TEST(LoadedPlugin, SoAreRegistersThatAreNotConstant) {
    const auto plugin = LoadedPlugin::load(test_plugin("changes-registers"));
    ASSERT_FALSE(plugin);
    EXPECT_THAT(plugin.error().message, HasSubstr("device type \"good-device\" differs"));
    EXPECT_TRUE(LoadedPlugin::load(test_plugin("first-type"))); // a type of the first SDK, which has none
}

TEST(LoadedPlugin, AFileThatWasReplacedIsRefused) {
    const TemporaryFolder directory;
    const auto file = directory.write("x.so", bytes_of(test_plugin("good")));
    const auto description = read_plugin_metadata(file);
    ASSERT_TRUE(description);
    std::filesystem::rename(directory.write("new.so", bytes_of(test_plugin("two-types"))), file);
    const auto plugin = LoadedPlugin::load(*description);
    ASSERT_FALSE(plugin);
    EXPECT_THAT(plugin.error().message, HasSubstr("says something else when loaded"));
}

// Values were checked against what the description says of properties.
TEST(LoadedPlugin, OtherPropertiesThanDescribedAreRefused) {
    const auto described = read_plugin_metadata(test_plugin("good"));
    ASSERT_TRUE(described);
    ASSERT_FALSE(described->types[0].properties.empty());
    const auto refused = [&](const std::function<void(PropertyDescription&)>& change) {
        PluginDescription other = *described;
        change(other.types[0].properties[0]);
        const auto plugin = LoadedPlugin::load(other);
        return !plugin && plugin.error().message.find("\"good-device\" differs") != std::string::npos;
    };
    EXPECT_FALSE(refused([](PropertyDescription&) {}));
    EXPECT_TRUE(refused([](PropertyDescription& property) { ++property.maximum; }));
    EXPECT_TRUE(refused([](PropertyDescription& property) { --property.minimum; }));
    EXPECT_TRUE(refused([](PropertyDescription& property) { ++property.default_number; }));
    EXPECT_TRUE(refused([](PropertyDescription& property) { property.default_text = "x"; }));
    EXPECT_TRUE(refused([](PropertyDescription& property) { property.flags ^= PLUGBAY_PROPERTY_LIVE; }));
}

TEST(LoadedPlugin, AFileThatIsGoneIsRefused) {
    PluginDescription description;
    description.file = "/nowhere/x.so";
    const auto plugin = LoadedPlugin::load(description);
    ASSERT_FALSE(plugin);
    EXPECT_EQ(plugin.error().message,
              "/nowhere/x.so cannot be loaded: cannot open shared object file: No such file or directory");
}

TEST(LoadedPlugin, ANameWithoutDirectoryIsNotSearchedForInTheSystem) {
    const TemporaryFolder directory;
    (void)directory.write("plain.so", bytes_of(test_plugin("good")));
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(directory.path());
    const auto plugin = LoadedPlugin::load(std::filesystem::path("plain.so"));
    std::filesystem::current_path(before);
    EXPECT_TRUE(plugin) << plugin.error().text();
}

} // namespace
} // namespace plugbay::core
