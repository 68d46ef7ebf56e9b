// What happens outside of the guest comes to devices that listen: of the terminal, and by the control socket.
#include "running_machine.hpp"
#include "terminal.hpp"

namespace plugbay::end_to_end {
namespace {

class HostEventSources : public RunningMachine {
  protected:
    // A device says what it heard: 4:KIND,CODE,X,Y,DROPPED.
    std::string listening_machine() {
        folder_.write("waiting", "\xf4\xeb\xfd"); // hlt; jmp to it
        return folder_.write("listening.json", R"({ "memory": "16M",
            "boot": { "kernel": "waiting", "protocol": "flat" }, "plugins": [")" PROBE_PLUGIN R"("],
            "devices": [ { "type": "probe-events", "id": "ears" } ] })");
    }
};

TEST_F(HostEventSources, TheTerminalsSizeIsTold) {
    Terminal terminal(plugbay_command({"--log-level", "info", "run", listening_machine()}));
    EXPECT_TRUE(terminal.wait_for("4:16,0,110,30,0")) << terminal.screen();
    terminal.resize(40, 132);
    EXPECT_TRUE(terminal.wait_for("4:16,0,132,40,0")) << terminal.screen();
    EXPECT_EQ(plugbay({"ctl", "listening", "machine", "quit"}).status, 0);
    EXPECT_EQ(terminal.finish(), 0);
}

TEST_F(HostEventSources, KeysAndPointersComeByTheControlSocket) {
    Terminal terminal(plugbay_command({"--log-level", "info", "run", listening_machine()}));
    ASSERT_TRUE(terminal.wait_for("4:16,0,110,30,0")) << terminal.screen();
    const auto input = [](std::vector<std::string> words) {
        words.insert(words.begin(), {"ctl", "listening", "input"});
        const Outcome outcome = plugbay(words);
        EXPECT_EQ(outcome.status, 0) << outcome.text();
    };
    input({"key", "30", "--action", "press"});
    EXPECT_TRUE(terminal.wait_for("4:1,30,1,0,0")) << terminal.screen();
    input({"key", "31"});
    EXPECT_TRUE(terminal.wait_for("4:1,31,0,0,0")) << terminal.screen();
    input({"button", "272"});
    EXPECT_TRUE(terminal.wait_for("4:2,272,0,0,0")) << terminal.screen();
    input({"move", "--x", "7", "--y", "9"});
    EXPECT_TRUE(terminal.wait_for("4:4,0,7,9,0")) << terminal.screen();
    input({"position", "32767", "5"});
    EXPECT_TRUE(terminal.wait_for("4:8,0,32767,5,0")) << terminal.screen();
    EXPECT_EQ(plugbay({"ctl", "listening", "machine", "quit"}).status, 0);
    EXPECT_EQ(terminal.finish(), 0);
}

} // namespace
} // namespace plugbay::end_to_end
