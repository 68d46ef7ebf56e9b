#include "core/debug/gdb_address.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

TEST(GdbAddress, Good) {
    const auto port = parse_gdb_address("1234");
    ASSERT_TRUE(port);
    EXPECT_EQ(port->host, "127.0.0.1");
    EXPECT_EQ(port->port, 1234);
    EXPECT_EQ(port->path, "");
    const auto host = parse_gdb_address("0.0.0.0:0");
    ASSERT_TRUE(host);
    EXPECT_EQ(host->host, "0.0.0.0");
    EXPECT_EQ(host->port, 0);
    const auto six = parse_gdb_address("[::1]:65535");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->port, 65535);
    const auto local = parse_gdb_address("unix:/tmp/a:b");
    ASSERT_TRUE(local);
    EXPECT_EQ(local->path, "/tmp/a:b");
}

TEST(GdbAddress, Wrong) {
    for (const std::string text : {"", ":", ":1", "65536", "-1", "0x10", "1 ", "localhost:1", "::1:1", "[]:1",
                                   "[1.2.3.4]:1", "1.2.3.4", "1.2.3.4:", "unix:"}) {
        const auto address = parse_gdb_address(text);
        ASSERT_FALSE(address) << text;
        EXPECT_NE(address.error().message.find("is no address for the GDB server"), std::string::npos);
        EXPECT_FALSE(address.error().hint.empty());
    }
    EXPECT_FALSE(parse_gdb_address("unix:" + std::string(108, 'a')));
    EXPECT_TRUE(parse_gdb_address("unix:" + std::string(107, 'a')));
}

} // namespace
} // namespace plugbay::core
