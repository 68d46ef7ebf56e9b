#include "core/base/nearest_name.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace plugbay::core {
namespace {

TEST(Nearest, NamesThatResemble) {
    const std::vector<std::string> names{"read_only", "path", "size", "id", "type", "virtio-blk"};
    struct Case {
        std::string name;
        std::string nearest;
    };
    const std::vector<Case> cases{
        {"read_onyl", "read_only"},
        {"readonly", "read_only"},
        {"READ_ONLY", "read_only"},
        {"pth", "path"},
        {"sise", "size"},
        {"typ", "type"},
        {"di", "id"},
        {"virtio", "virtio-blk"},
        {"nonsense", ""},
        {"", ""},
        {"x", ""},
        {"vi", ""},
        {std::string(5000, 'p'), ""},
    };
    for (const auto& [name, nearest] : cases)
        EXPECT_EQ(nearest_name(name, names), nearest) << name;
    EXPECT_EQ(nearest_name("path", {}), "");
}

} // namespace
} // namespace plugbay::core
