#include "core/machine/device_tree.hpp"

#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace plugbay::core {
namespace {

using DeviceTreeTest = ManagerTest;

TEST_F(DeviceTreeTest, TextPutsBackendsBelowTheirFrontends) {
    ASSERT_TRUE(add(
        {linked(device("con", "clerk", 0x200), "com"), device("com", "desk", 0x3f8), device("aux", "desk")}));
    EXPECT_EQ(tree_text(describe(*manager)), "com (desk)\n"
                                             "    ports 0x3f8-0x3f8\n"
                                             "    char/1 <- con (clerk)\n"
                                             "        ports 0x200-0x200\n"
                                             "aux (desk)\n"
                                             "    char/1 aux: not connected\n");
    ASSERT_TRUE(manager->disconnect("com", 0));
    EXPECT_EQ(tree_text(describe(*manager)), "con (clerk)\n"
                                             "    ports 0x200-0x200\n"
                                             "com (desk)\n"
                                             "    ports 0x3f8-0x3f8\n"
                                             "    char/1 com: not connected\n"
                                             "aux (desk)\n"
                                             "    char/1 aux: not connected\n");
}

TEST_F(DeviceTreeTest, JsonHasEverything) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("con", "clerk"), "com")}));
    const auto json = tree_json(describe(*manager));
    ASSERT_EQ(json["devices"].size(), 2U);
    EXPECT_EQ(json["devices"][0], nlohmann::json::parse(R"({
        "id": "com", "type": "desk", "plugin": "", "phase": "running", "resources": ["ports 0x3f8-0x3f8"],
        "ports": [{"name": "com", "interface": "char/1", "role": "frontend", "peer": "con"}]})"));
    EXPECT_EQ(json["devices"][1]["ports"][0]["peer"], "com");
    EXPECT_EQ(json["devices"][1]["ports"][0]["role"], "backend");
}

TEST_F(DeviceTreeTest, GraphvizQuotesWhatItMust) {
    ASSERT_TRUE(add({device("a\"\\\n", "desk"), linked(device("con", "clerk"), "a\"\\\n")}));
    EXPECT_EQ(tree_graphviz(describe(*manager)), "digraph machine {\n"
                                                 "    rankdir=LR;\n"
                                                 "    node [shape=box];\n"
                                                 R"x(    "a\"\\\\x0a" [label="a\"\\\\x0a (desk)"];)x"
                                                 "\n"
                                                 R"x(    "con" [label="con (clerk)"];)x"
                                                 "\n"
                                                 R"x(    "a\"\\\\x0a" -> "con" [label="char/1"];)x"
                                                 "\n}\n");
}

TEST_F(DeviceTreeTest, NoDevices) {
    EXPECT_EQ(tree_text(describe(*manager)), "");
    EXPECT_EQ(tree_json(describe(*manager))["devices"].size(), 0U);
}

} // namespace
} // namespace plugbay::core
