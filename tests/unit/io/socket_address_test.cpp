#include "core/io/socket_address.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

TEST(SocketAddress, Good) {
    const auto port = parse_socket_address("1234", "the GDB server");
    ASSERT_TRUE(port);
    EXPECT_EQ(port->host, "127.0.0.1");
    EXPECT_EQ(port->port, 1234);
    EXPECT_EQ(port->path, "");
    const auto host = parse_socket_address("0.0.0.0:0", "the GDB server");
    ASSERT_TRUE(host);
    EXPECT_EQ(host->host, "0.0.0.0");
    EXPECT_EQ(host->port, 0);
    const auto six = parse_socket_address("[::1]:65535", "the GDB server");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->port, 65535);
    const auto local = parse_socket_address("unix:/tmp/a:b", "the GDB server");
    ASSERT_TRUE(local);
    EXPECT_EQ(local->path, "/tmp/a:b");
}

TEST(SocketAddress, Wrong) {
    for (const std::string text : {"", ":", ":1", "65536", "-1", "0x10", "1 ", "localhost:1", "::1:1", "[]:1",
                                   "[1.2.3.4]:1", "1.2.3.4", "1.2.3.4:", "unix:"}) {
        const auto address = parse_socket_address(text, "the GDB server");
        ASSERT_FALSE(address) << text;
        EXPECT_NE(address.error().message.find("is no address for the GDB server"), std::string::npos);
        EXPECT_FALSE(address.error().hint.empty());
    }
    EXPECT_FALSE(parse_socket_address("unix:" + std::string(108, 'a'), "the GDB server"));
    EXPECT_TRUE(parse_socket_address("unix:" + std::string(107, 'a'), "the GDB server"));
}

} // namespace
} // namespace plugbay::core
