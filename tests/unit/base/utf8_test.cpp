#include "core/base/utf8.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

TEST(Utf8, WhatCanBeShownIsWellFormed) {
    for (const char* good : {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_printable_utf8(good)) << good;
    }
    for (const char* bad :
         {"\x01", "\n", "\x7f", "\x80", "\xc0\xaf", "\xc1\xbf", "\xc2\x80", "\xc3", "\xe0\x9f\xbf",
          "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff"}) {
        EXPECT_FALSE(is_printable_utf8(bad)) << bad;
    }
}

TEST(Utf8, WhatCannotBeShownAsItIs) {
    EXPECT_TRUE(is_printable_utf8("plain, \u00a0 \u00e9\u20ac"));
    for (const char* text : {"\x1b[31m", "a\n", "\u0085"})
        EXPECT_FALSE(is_printable_utf8(text)) << text;
    for (const char* text : {"\u200e", "\u2028", "\u202e", "\u2066"})
        EXPECT_FALSE(is_printable_utf8(text)) << "reorders or ends a line";
}

TEST(Utf8, WhatCannotBeShownIsShownByItsBytes) {
    EXPECT_EQ(printable_text("plain, \u00e9\u20ac"), "plain, \u00e9\u20ac");
    EXPECT_EQ(printable_text("\x1b[31m\n\r\t"), R"(\x1b[31m\n\r\t)");
    EXPECT_EQ(printable_text(std::string_view("\0\x7f\xe2\x82z\xff", 6)), R"(\x00\x7f\xe2\x82z\xff)");
    EXPECT_EQ(printable_text("\u202e\u0085"), R"(\xe2\x80\xae\xc2\x85)");
}

} // namespace
} // namespace plugbay::core
