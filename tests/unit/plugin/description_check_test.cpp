#include "core/plugin/description_check.hpp"

#include <plugbay/abi/plugin.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace plugbay::core {
namespace {

using testing::HasSubstr;

PropertyDescription number(std::uint32_t kind, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    PropertyDescription property;
    property.kind = kind;
    property.name = "value";
    property.default_number = value;
    property.minimum = low;
    property.maximum = high;
    return property;
}

PropertyDescription text(std::string value, std::uint64_t low, std::uint64_t high) {
    auto property = number(PLUGBAY_PROPERTY_STRING, 0, low, high);
    property.default_text = std::move(value);
    return property;
}

PluginDescription plugin_with(PropertyDescription property) {
    PluginDescription plugin;
    plugin.name = "p";
    plugin.version = "1";
    plugin.types.resize(1);
    plugin.types[0].name = "t";
    plugin.types[0].properties.push_back(std::move(property));
    return plugin;
}

std::string refusal(const PluginDescription& plugin) {
    const auto done = check_description(plugin);
    return done ? "" : done.error().text();
}

std::string refusal(PropertyDescription property) {
    return refusal(plugin_with(std::move(property)));
}

std::string refusal(PortDescription port) {
    auto plugin = plugin_with(number(PLUGBAY_PROPERTY_BOOLEAN, 0, 0, 0));
    plugin.types[0].ports.push_back(std::move(port));
    return refusal(plugin);
}

constexpr std::uint64_t minus(std::uint64_t value) {
    return ~value + 1;
}

TEST(DescriptionCheck, Ranges) {
    EXPECT_EQ(refusal(number(PLUGBAY_PROPERTY_UNSIGNED, 5, 5, 5)), "");
    EXPECT_EQ(refusal(number(PLUGBAY_PROPERTY_SIZE, 0, 0, ~0ULL)), "");
    EXPECT_EQ(refusal(number(PLUGBAY_PROPERTY_SIGNED, minus(1), minus(5), 5)), "");
    EXPECT_THAT(refusal(number(PLUGBAY_PROPERTY_SIGNED, minus(6), minus(5), 5)), HasSubstr("-5 to 5"));
    EXPECT_THAT(
        refusal(number(PLUGBAY_PROPERTY_UNSIGNED, 4, 5, 9)),
        HasSubstr("device type \"t\": property \"value\": its default is outside of its range 5 to 9"));
    EXPECT_THAT(refusal(number(PLUGBAY_PROPERTY_UNSIGNED, 0, 1, 0)), HasSubstr("its range is empty"));
    auto required = number(PLUGBAY_PROPERTY_UNSIGNED, 0, 5, 9);
    required.flags = PLUGBAY_PROPERTY_REQUIRED;
    EXPECT_EQ(refusal(required), "");
    required.flags = 0x80;
    EXPECT_THAT(refusal(required), HasSubstr("does not define"));
    EXPECT_THAT(refusal(number(PLUGBAY_PROPERTY_BOOLEAN, 2, 0, 0)), HasSubstr("a boolean is 0 or 1"));
    EXPECT_THAT(refusal(number(0, 0, 0, 0)), HasSubstr("its kind is 0"));
    EXPECT_THAT(refusal(number(8, 0, 0, 0)), HasSubstr("its kind is 8"));
}

TEST(DescriptionCheck, Texts) {
    EXPECT_EQ(refusal(text("abc", 1, 3)), "");
    EXPECT_EQ(refusal(text("", 1, 3)), "") << "no text";
    EXPECT_THAT(refusal(text("abcd", 1, 3)), HasSubstr("of 4 bytes is outside of its range 1 to 3"));
    EXPECT_THAT(refusal(text("", 0, 0)), HasSubstr("maximum > 0"));
}

TEST(DescriptionCheck, Choices) {
    auto choice = number(PLUGBAY_PROPERTY_CHOICE, 1, 0, 0);
    EXPECT_THAT(refusal(choice), HasSubstr("has no choices"));
    choice.choices = {"a", "b"};
    EXPECT_EQ(refusal(choice), "");
    choice.default_number = 2;
    EXPECT_THAT(refusal(choice), HasSubstr("its default is choice number 2, but there are 2"));
    choice.default_number = 0;
    choice.choices = {"a", "a"};
    EXPECT_THAT(refusal(choice), HasSubstr("its choice \"a\" is there twice"));
    choice.choices = {"a", ""};
    EXPECT_THAT(refusal(choice), HasSubstr("empty text"));
    choice.kind = PLUGBAY_PROPERTY_STRING;
    EXPECT_THAT(refusal(choice), HasSubstr("not of the kind choice"));
}

TEST(DescriptionCheck, PropertyNames) {
    for (const char* name : {"", "Value", "a-b", "a b", "id", "type", "frontend"}) {
        auto property = number(PLUGBAY_PROPERTY_BOOLEAN, 0, 0, 0);
        property.name = name;
        EXPECT_THAT(refusal(property), HasSubstr("the name \"" + property.name + "\"")) << name;
    }
}

TEST(DescriptionCheck, Ports) {
    PortDescription port;
    port.role = PLUGBAY_PORT_FRONTEND;
    port.interface = "char/1";
    EXPECT_EQ(refusal(port), "");
    auto changed = port;
    changed.role = 3;
    EXPECT_THAT(refusal(changed), HasSubstr("port 0: its role is 3"));
    changed = port;
    changed.flags = 2;
    EXPECT_THAT(refusal(changed), HasSubstr("does not define"));
    changed = port;
    changed.name = "A";
    EXPECT_THAT(refusal(changed), HasSubstr("the name \"A\" of the port"));
    changed = port;
    changed.role = PLUGBAY_PORT_BACKEND;
    changed.options.push_back(number(PLUGBAY_PROPERTY_BOOLEAN, 0, 0, 0));
    EXPECT_THAT(refusal(changed), HasSubstr("a backend's port has options"));
    auto plugin = plugin_with(number(PLUGBAY_PROPERTY_BOOLEAN, 0, 0, 0));
    plugin.types[0].ports = {port, port};
    EXPECT_THAT(refusal(plugin), HasSubstr("another frontend of this type has the same name"));
    plugin.types[0].ports[1].role = PLUGBAY_PORT_BACKEND;
    EXPECT_EQ(refusal(plugin), "");
    plugin.types[0].ports[0].role = PLUGBAY_PORT_BACKEND;
    EXPECT_THAT(refusal(plugin), HasSubstr("port 1: it is a second backend"));
    plugin.types[0].ports[0].flags = plugin.types[0].ports[1].flags = PLUGBAY_PORT_OPTIONAL;
    EXPECT_THAT(refusal(plugin), HasSubstr("port 1: it is a second backend"));
}

TEST(DescriptionCheck, InterfaceIds) {
    for (const char* id : {"char/1", "com.example.laser/1", "virtio-bus/12"})
        EXPECT_TRUE(is_interface_id(id)) << id;
    for (const char* id : {"", "char", "/1", "char/", "char/0", "char/01", "char/1x", "Char/1", "a..b/1",
                           ".a/1", "a./1", "-a/1", "char/1/2", "char/123456"}) {
        EXPECT_FALSE(is_interface_id(id)) << id;
    }
    EXPECT_FALSE(is_interface_id(std::string(70, 'a') + "/1"));
}

TEST(DescriptionCheck, StateVersions) {
    auto plugin = plugin_with(number(PLUGBAY_PROPERTY_BOOLEAN, 0, 0, 0));
    const auto with = [&](std::uint32_t version, std::uint32_t oldest) {
        plugin.types[0].state_version = version;
        plugin.types[0].state_version_oldest = oldest;
        return refusal(plugin);
    };
    EXPECT_EQ(with(0, 0), "");
    EXPECT_EQ(with(3, 2), "");
    EXPECT_THAT(with(3, 0), HasSubstr("state version 3"));
    EXPECT_THAT(with(1, 2), HasSubstr("loads from version 2"));
}

} // namespace
} // namespace plugbay::core
