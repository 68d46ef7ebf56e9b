// What compilers write, kept in bounds and made fit for a terminal.
#include "core/cli/dev/tool_output.hpp"

#include <gmock/gmock.h>

namespace plugbay::core::dev {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::StartsWith;

TEST(ToolOutput, KeepsAllOfAShortText) {
    ToolOutput output;
    output.add("one\ntw");
    output.add("o\n");
    EXPECT_EQ(output.text(), "one\ntwo\n");
    ToolOutput full;
    const std::string text(2 * ToolOutput::most_kept, 'x');
    full.add(text);
    EXPECT_EQ(full.text(), text);
}

TEST(ToolOutput, KeepsBeginningAndEndOfAnEndlessOne) {
    ToolOutput output;
    for (int i = 0; i < 1'000'000; ++i)
        output.add("line " + std::to_string(i) + "\n");
    const std::string text = output.text();
    EXPECT_THAT(text.size(), Lt(3 * ToolOutput::most_kept));
    EXPECT_THAT(text, StartsWith("line 0\nline 1\n"));
    EXPECT_THAT(text, HasSubstr("\n... "));
    EXPECT_THAT(text, HasSubstr(" bytes left out ...\nline "));
    EXPECT_THAT(text, EndsWith("line 999998\nline 999999\n"));
    ToolOutput one_line;
    for (int i = 0; i < 100'000; ++i)
        one_line.add("without an end ");
    EXPECT_THAT(one_line.text().size(), Lt(3 * ToolOutput::most_kept));
}

TEST(ToolOutput, LeavesOutWhatNinjaAdds) {
    EXPECT_EQ(
        without_build_tool("[1/2] Building CXX object lamp.o\nFAILED: lamp.o \n/usr/bin/c++ -c lamp.cpp\n"
                           "lamp.cpp:3: error: no\n[note] stays\nninja: build stopped: subcommand failed.\n"),
        "lamp.cpp:3: error: no\n[note] stays\n");
    EXPECT_EQ(without_build_tool("FAILED: "), "");
    EXPECT_EQ(without_build_tool("no end"), "no end");
    EXPECT_EQ(without_build_tool(""), "");
}

TEST(ToolOutput, ColoursStayOrGoAndNothingElseReachesTheTerminal) {
    const std::string text = "\x1b[01;31m\x1b[Kerror:\x1b[m\tno\r\n\x1b]0;title\x07\x1b[2J\xff\x1b";
    EXPECT_EQ(shown_output(text, false), "error:\tno\n\\x1b]0;title\\x07\\xff\\x1b\n");
    EXPECT_EQ(shown_output(text, true), "\x1b[01;31merror:\x1b[m\tno\n\\x1b]0;title\\x07\\xff\\x1b\x1b[0m\n");
    EXPECT_EQ(shown_output("", true), "");
    EXPECT_EQ(shown_output("\t", false), "\t\n");
    EXPECT_EQ(shown_output("\r\n", false), "\n");
}

} // namespace
} // namespace plugbay::core::dev
