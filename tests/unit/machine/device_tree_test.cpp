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
    const auto devices = describe(*manager).devices;
    ASSERT_EQ(devices.size(), 2U);
    EXPECT_EQ(node_json(devices[0]), nlohmann::json::parse(R"({
        "id": "com", "type": "desk", "plugin": "", "phase": "running", "buses": [],
        "resources": ["ports 0x3f8-0x3f8"],
        "ports": [{"name": "com", "interface": "char/1", "role": "frontend", "peer": "con"}]})"));
    const auto backend = node_json(devices[1]);
    EXPECT_EQ(backend["ports"][0]["peer"], "com");
    EXPECT_EQ(backend["ports"][0]["role"], "backend");
}

TEST_F(DeviceTreeTest, GraphvizQuotesWhatItMust) {
    ASSERT_TRUE(add({device("a\"\\\n", "desk"), linked(device("con", "clerk", 0x200), "a\"\\\n")}));
    EXPECT_EQ(tree_graphviz(describe(*manager)), "digraph machine {\n"
                                                 "    rankdir=LR;\n"
                                                 "    node [shape=box];\n"
                                                 R"x(    "a\"\\\\x0a" [label="a\"\\\\x0a (desk)"];)x"
                                                 "\n"
                                                 R"x(    "con" [label="con (clerk)\lports 0x200-0x200\l"];)x"
                                                 "\n"
                                                 R"x(    "a\"\\\\x0a" -> "con" [label="char/1"];)x"
                                                 "\n}\n");
}

TEST_F(DeviceTreeTest, GraphvizJoinsBusesWithWhatIsOnThem) {
    DeviceTree tree;
    tree.devices.resize(2);
    tree.devices[0].id = "pci";
    tree.devices[0].type = "bridge";
    tree.devices[0].resources = {"PCI bus \"0\""};
    tree.devices[1].id = "disk";
    tree.devices[1].type = "virtio-blk";
    tree.devices[1].buses = {"pci"};
    EXPECT_EQ(tree_graphviz(tree), "digraph machine {\n"
                                   "    rankdir=LR;\n"
                                   "    node [shape=box];\n"
                                   R"x(    "pci" [label="pci (bridge)\lPCI bus \"0\"\l"];)x"
                                   "\n"
                                   R"x(    "disk" [label="disk (virtio-blk)"];)x"
                                   "\n"
                                   R"x(    "pci" -> "disk" [style=dashed];)x"
                                   "\n}\n");
}

TEST_F(DeviceTreeTest, NoDevices) {
    EXPECT_EQ(tree_text(describe(*manager)), "");
    EXPECT_TRUE(describe(*manager).devices.empty());
}

} // namespace
} // namespace plugbay::core
