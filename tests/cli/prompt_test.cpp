// A person at a terminal: ctl's prompt, and top.
#include "running_machine.hpp"
#include "terminal.hpp"

namespace plugbay::end_to_end {
namespace {

using Prompt = RunningMachine;

TEST_F(Prompt, CompletesRemembersAndGoesOnAfterMistakes) {
    start(waiting_machine(), "one");
    {
        Terminal terminal(plugbay_command({"ctl"}));
        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("stat");
        terminal.type("\t");
        ASSERT_TRUE(terminal.wait_for("one> stat"));
        terminal.type("u\t\n");
        ASSERT_TRUE(terminal.wait_for("state          running")) << terminal.screen();

        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("dev\tsh\tc\t\n"); // the device's id comes from the machine
        ASSERT_TRUE(terminal.wait_for("one> devices show com1")) << terminal.screen();
        ASSERT_TRUE(terminal.wait_for("interrupt line 4")) << terminal.screen();

        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("devices re\t");
        ASSERT_TRUE(terminal.wait_for("remove  reset")) << terminal.screen();
        ASSERT_TRUE(terminal.wait_for("one> devices re")) << terminal.screen();
        terminal.type("\x03"); // Ctrl-C drops the line
        ASSERT_TRUE(terminal.wait_for("^C")) << terminal.screen();

        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("devices show nothing\n");
        ASSERT_TRUE(terminal.wait_for("there is no device \"nothing\"")) << terminal.screen();
        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("nonsense\n");
        ASSERT_TRUE(terminal.wait_for("there is no command \"nonsense\"")) << terminal.screen();
        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("devices show 'com1\n");
        ASSERT_TRUE(terminal.wait_for("a quote is left open")) << terminal.screen();
        ASSERT_TRUE(terminal.wait_for_line("one>")) << terminal.screen();
        terminal.type("exit\n");
        EXPECT_EQ(terminal.finish(), 0) << terminal.screen();
    }
    EXPECT_THAT(folder_.read("state/plugbay/history"), HasSubstr("devices"));
    Terminal again(plugbay_command({"ctl", "one"}));
    ASSERT_TRUE(again.wait_for_line("one>"));
    again.type("\x1b[A\x1b[A"); // up: "exit"; up: the one before
    ASSERT_TRUE(again.wait_for("one> devices show 'com1")) << again.screen();
    again.type("'\n");
    ASSERT_TRUE(again.wait_for("serial-16550")) << again.screen();
    ASSERT_TRUE(again.wait_for_line("one>")) << again.screen();
    again.type("\x04"); // Ctrl-D
    EXPECT_EQ(again.finish(), 0) << again.screen();
}

TEST_F(Prompt, ShowsEventsAndTheMachinesEnd) {
    start(waiting_machine(), "one");
    Terminal terminal(plugbay_command({"ctl"}));
    ASSERT_TRUE(terminal.wait_for_line("one>"));
    terminal.type("resu"); // half a line, which stays
    ASSERT_TRUE(terminal.wait_for("one> resu"));
    ASSERT_EQ(plugbay({"ctl", "pause"}).status, 0);
    ASSERT_TRUE(terminal.wait_for("machine.paused")) << terminal.screen();
    ASSERT_TRUE(terminal.wait_for("one> resu")) << terminal.screen();
    terminal.type("me\n");
    ASSERT_TRUE(terminal.wait_for("machine.resumed")) << terminal.screen();
    ASSERT_EQ(plugbay({"ctl", "quit"}).status, 0);
    EXPECT_EQ(terminal.finish(), 0) << terminal.screen();
    EXPECT_THAT(terminal.screen(), AllOf(HasSubstr("machine.ended"), HasSubstr("The machine has ended.")));
}

TEST_F(Prompt, ColoursAreForTerminalsThatWantThem) {
    start(busy_machine(), "busy");
    for (const char* words : {"ps", "ctl devices"}) {
        Terminal coloured({"sh", "-c", "\"$0\" " + std::string(words), plugbay_binary()});
        EXPECT_EQ(coloured.finish(), 0);
        EXPECT_TRUE(coloured.coloured()) << words;
        Terminal plain({"sh", "-c", "NO_COLOR=1 \"$0\" " + std::string(words), plugbay_binary()});
        EXPECT_EQ(plain.finish(), 0);
        EXPECT_FALSE(plain.coloured()) << words;
    }
    for (const bool wanted : {true, false}) {
        Terminal top({"sh", "-c", std::string(wanted ? "" : "NO_COLOR=1 ") + "\"$0\" top", plugbay_binary()});
        ASSERT_TRUE(top.wait_for("VCPU  EXITS/S")) << top.screen();
        EXPECT_EQ(top.coloured(), wanted);
        top.type("q");
        EXPECT_EQ(top.finish(), 0);
    }
}

TEST_F(Prompt, TopFillsTheScreenAndGivesItBack) {
    start(busy_machine(), "busy");
    Terminal terminal({"sh", "-c", "echo before; \"$0\" top busy; echo \"status $?\"", plugbay_binary()});
    ASSERT_TRUE(terminal.wait_for("busy  running")) << terminal.screen();
    EXPECT_TRUE(terminal.on_other_screen());
    ASSERT_TRUE(terminal.wait_for("VCPU  EXITS/S  PORT-IN")) << terminal.screen();
    ASSERT_TRUE(terminal.wait_for("DEVICE  READS/S")) << terminal.screen();
    EXPECT_THAT(terminal.screen(), Not(HasSubstr("before")));
    ASSERT_EQ(plugbay({"ctl", "pause"}).status, 0);
    ASSERT_TRUE(terminal.wait_for("busy  paused")) << terminal.screen();
    terminal.type("q");
    ASSERT_TRUE(terminal.wait_for("status 0")) << terminal.screen();
    EXPECT_FALSE(terminal.on_other_screen());
    EXPECT_THAT(terminal.screen(), HasSubstr("before"));
}

TEST_F(Prompt, TopEndsWithItsMachine) {
    start(busy_machine(), "busy");
    Terminal terminal(plugbay_command({"top"}));
    ASSERT_TRUE(terminal.wait_for("busy  running")) << terminal.screen();
    ASSERT_EQ(plugbay({"ctl", "quit"}).status, 0);
    EXPECT_EQ(terminal.finish(), 0);
    EXPECT_THAT(terminal.screen(), HasSubstr("The machine has ended."));
}

} // namespace
} // namespace plugbay::end_to_end
