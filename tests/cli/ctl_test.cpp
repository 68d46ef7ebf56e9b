// plugbay ps, ctl, top and run --daemon, with machines that run.
#include "running_machine.hpp"

#include <cctype>
#include <fstream>
#include <sys/stat.h>

namespace plugbay::end_to_end {
namespace {

using Ctl = RunningMachine;

TEST_F(CommandLine, CtlSaysThatNothingRuns) {
    ::setenv("PLUGBAY_RUNTIME_DIR", folder_.path("").c_str(), 1);
    for (const std::vector<std::string>& words : {std::vector<std::string>{"ctl"},
                                                  {"ctl", "status"},
                                                  {"ctl", "nothing", "status"},
                                                  {"ctl", "-m", "nothing", "status"},
                                                  {"ctl", folder_.path("no.sock"), "status"},
                                                  {"ctl", "nonsense"},
                                                  {"top"},
                                                  {"top", "nothing"}}) {
        const Outcome outcome = plugbay(words);
        EXPECT_EQ(outcome.status, 4) << outcome.text();
        EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.text();
        EXPECT_THAT(outcome.errors,
                    AllOf(StartsWith("plugbay " + words[0] + ": "), HasSubstr("plugbay"), HasSubstr("(")));
    }
    EXPECT_THAT(plugbay({"ctl", "status"}).errors,
                HasSubstr("no machine is running (`plugbay run MACHINE` starts one)"));
    const Outcome list = plugbay({"ps"});
    EXPECT_EQ(list.status, 0);
    EXPECT_EQ(lines_of(list.output), 1) << list.output;
    EXPECT_EQ(plugbay({"ps", "--json"}).output, "[]\n");
}

TEST_F(CommandLine, CtlHelpNeedsNoMachine) {
    ::setenv("PLUGBAY_RUNTIME_DIR", folder_.path("").c_str(), 1);
    const Outcome all = plugbay({"ctl", "help"});
    EXPECT_EQ(all.status, 0) << all.text();
    EXPECT_THAT(all.output, AllOf(HasSubstr("devices remove ID [--dependents] [--force]"),
                                  HasSubstr("power-button"), HasSubstr("events [")));
    EXPECT_THAT(plugbay({"ctl", "help", "devices", "remove"}).output, HasSubstr("--force"));
    EXPECT_EQ(plugbay({"ctl", "help", "nonsense"}).status, 2);
}

TEST_F(Ctl, TellsTheOnlyMachineWhatToDo) {
    start(waiting_machine(), "one");
    const Outcome status = plugbay({"ctl", "status"});
    EXPECT_EQ(status.status, 0) << status.text();
    EXPECT_THAT(status.output,
                AllOf(HasSubstr("name           one\n"), HasSubstr("state          running\n")));
    EXPECT_EQ(plugbay({"ctl", "pause"}).output, "");
    const json paused = json::parse(plugbay({"ctl", "status", "--json"}).output);
    EXPECT_EQ(paused["state"], "paused");
    EXPECT_EQ(json::parse(plugbay({"ctl", "--json", "machine", "status"}).output)["name"], "one");
    EXPECT_EQ(plugbay({"ctl", "one", "resume"}).status, 0);
    EXPECT_EQ(plugbay({"ctl", "-m", "one", "machine.status"}).status, 0);
    EXPECT_EQ(plugbay({"ctl", folder_.path("one.sock"), "status"}).status, 0);
    EXPECT_THAT(plugbay({"ctl", "devices"}).output,
                AllOf(StartsWith("ID "), HasSubstr("\ncom1 "), HasSubstr("char-stdio")));
    EXPECT_THAT(plugbay({"ctl", "devices", "tree"}).output, HasSubstr("char/1 <- terminal (char-stdio)"));
    EXPECT_EQ(plugbay({"ctl", "memory", "read", "0x7c00", "5"}).output, "bytes  baf803b021\n");

    const Outcome quit = plugbay({"ctl", "quit"});
    EXPECT_EQ(quit.status, 0) << quit.text();
    EXPECT_EQ(quit.output, "");
}

TEST_F(Ctl, RefusalsAndWrongWordsHaveStatusesOfTheirOwn) {
    start(waiting_machine(), "one");
    const Outcome refused = plugbay({"ctl", "devices", "show", "con1"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.errors, HasSubstr("there is no device \"con1\""));
    for (const std::vector<std::string>& words : {std::vector<std::string>{"devices", "shwo", "com1"},
                                                  {"devices", "show"},
                                                  {"pause", "now"},
                                                  {"devices", "remove", "com1", "--farce"},
                                                  {"memory", "read", "0", "99999999"},
                                                  {"devices", "tree", "--format", "jpeg"},
                                                  {"nonsense"}}) {
        std::vector<std::string> all{"ctl"};
        all.insert(all.end(), words.begin(), words.end());
        const Outcome wrong = plugbay(all);
        EXPECT_EQ(wrong.status, 2) << wrong.text();
        EXPECT_EQ(lines_of(wrong.errors), 1) << wrong.text();
        EXPECT_THAT(wrong.errors, HasSubstr("(")) << "what to do";
    }
    EXPECT_THAT(plugbay({"ctl", "devices", "shwo", "com1"}).errors,
                HasSubstr("did you mean \"devices show\"?"));
}

TEST_F(Ctl, WithTwoMachinesOneMustBeNamed) {
    const std::string file = waiting_machine();
    start(file, "one");
    start(file, "status"); // which is also a command
    const Outcome unclear = plugbay({"ctl", "pause"});
    EXPECT_EQ(unclear.status, 4) << unclear.text();
    EXPECT_THAT(unclear.errors, HasSubstr("2 machines are running (name one of one, status)"));
    EXPECT_EQ(plugbay({"ctl", "one", "pause"}).status, 0);
    EXPECT_THAT(plugbay({"ctl", "-m", "status", "status"}).output, HasSubstr("running"));
    EXPECT_THAT(plugbay({"ctl", "one", "status"}).output, HasSubstr("paused"));

    const Outcome list = plugbay({"ps"});
    EXPECT_THAT(list.output, AllOf(StartsWith("NAME    PID"), HasSubstr("\none "), HasSubstr("\nstatus "),
                                   HasSubstr("paused"), HasSubstr(" 16M "), HasSubstr(file)));
    const json machines = json::parse(plugbay({"ps", "--json"}).output);
    ASSERT_EQ(machines.size(), 2U);
    EXPECT_EQ(machines[0]["name"], "one");
    EXPECT_EQ(machines[0]["socket"], folder_.path("one.sock"));
    EXPECT_EQ(machines[1]["state"], "running");
}

// As plugbay@NAME runs it: in a folder of its own, which is its user's.
TEST_F(Ctl, RootFindsMachinesOfServices) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may control machines of others";
    constexpr uid_t service_user = 65534;
    const std::string own = folder_.path("web");
    ASSERT_EQ(::mkdir(own.c_str(), 0700), 0);
    ::setenv("PLUGBAY_RUNTIME_DIR", own.c_str(), 1);
    start(waiting_machine(), "web");
    ASSERT_EQ(::chown(own.c_str(), service_user, service_user), 0);
    ASSERT_EQ(::chown((own + "/web.sock").c_str(), service_user, service_user), 0);
    EXPECT_EQ(plugbay({"ctl", "web", "pause"}).status, 0);
    ::setenv("PLUGBAY_RUNTIME_DIR", folder_.path("").c_str(), 1);
    EXPECT_THAT(plugbay({"ps"}).output, AllOf(HasSubstr("\nweb "), HasSubstr("paused")));
    EXPECT_THAT(plugbay({"ctl", "web", "status"}).output, HasSubstr("paused"));
    EXPECT_EQ(plugbay({"ctl", "resume"}).status, 0);
    EXPECT_THAT(plugbay({"top", "web"}).output, StartsWith("web  running"));
    EXPECT_EQ(plugbay({"ctl", "w", "status"}).status, 4);
}

TEST_F(Ctl, PsListsWhoDoesNotAnswerAndNotWhoIsGone) {
    const std::string file = waiting_machine();
    start(file, "stuck");
    start(file, "gone");
    const json machines = json::parse(plugbay({"ps", "--json"}).output);
    ASSERT_EQ(machines.size(), 2U);
    ::kill(machines[0]["pid"].get<pid_t>(), SIGKILL); // leaves its socket
    ::kill(machines[1]["pid"].get<pid_t>(), SIGSTOP);
    std::string listed;
    for (int tries = 0; tries < 50; ++tries) { // until the kernel has closed what the dead one had
        listed = plugbay({"ps"}).output;
        if (listed.find("gone") == listed.npos) break;
    }
    EXPECT_THAT(listed, AllOf(HasSubstr("stuck  -    silent"), Not(HasSubstr("gone"))));
    ::kill(machines[1]["pid"].get<pid_t>(), SIGKILL);
}

TEST_F(Ctl, LinesOfInputAreCommands) {
    start(waiting_machine(), "one");
    Child good(plugbay_command({"ctl", "one"}));
    good.type("# a comment\npause\n\ndevices show 'com1' --json\n");
    good.close_input();
    const Outcome done = good.finish(seconds(20));
    EXPECT_EQ(done.status, 0) << done.text();
    EXPECT_EQ(json::parse(done.output)["id"], "com1");
    Child wrong(plugbay_command({"ctl"}));
    wrong.type("devices show nothing\nstatus\n");
    wrong.close_input();
    const Outcome stopped = wrong.finish(seconds(20));
    EXPECT_EQ(stopped.status, 1);
    EXPECT_EQ(stopped.output, "") << "nothing is done after what failed";
}

TEST_F(Ctl, EventsAreFollowedToTheEnd) {
    start(waiting_machine(), "one");
    Child all(plugbay_command({"ctl", "events"}));
    Child some(plugbay_command({"ctl", "--json", "one", "events", "machine.resumed", "machine.ended"}));
    std::string seen;
    for (int tries = 0; tries < 100; ++tries) { // until both have subscribed
        EXPECT_EQ(plugbay({"ctl", "pause"}).status, 0);
        EXPECT_EQ(plugbay({"ctl", "resume"}).status, 0);
        if (all.wait_for_output("machine.paused", std::chrono::milliseconds(200)) &&
            some.wait_for_output("machine.resumed", std::chrono::milliseconds(200)))
            break;
    }
    EXPECT_EQ(plugbay({"ctl", "devices", "remove", "terminal", "--force"}).status, 0);
    EXPECT_EQ(plugbay({"ctl", "quit"}).status, 0);
    const Outcome lines = all.finish(seconds(20));
    EXPECT_EQ(lines.status, 0) << lines.text();
    EXPECT_THAT(lines.output, AllOf(HasSubstr("  machine.paused\n"),
                                    HasSubstr("  link.disconnected  backend=terminal  frontend=com1\n"),
                                    HasSubstr("  device.removed  device=terminal\n"),
                                    HasSubstr("  machine.ended  reason=ended by its control socket\n")));
    const Outcome objects = some.finish(seconds(20));
    EXPECT_THAT(objects.output,
                AllOf(HasSubstr(R"("method":"machine.ended")"), Not(HasSubstr("machine.paused"))));
    for (std::size_t at = 0; at < objects.output.size(); at = objects.output.find('\n', at) + 1)
        EXPECT_TRUE(json::parse(objects.output.substr(at, objects.output.find('\n', at) - at)).is_object());
}

TEST_F(Ctl, TopWithoutATerminalIsOnePicture) {
    start(busy_machine(), "busy");
    const Outcome picture = plugbay({"top"});
    EXPECT_EQ(picture.status, 0) << picture.text();
    EXPECT_THAT(picture.output, AllOf(StartsWith("busy  running  up "), HasSubstr("VCPU  EXITS/S  PORT-IN\n"),
                                      HasSubstr("\nDEVICE "), HasSubstr("\nexit "), Not(HasSubstr("\x1b"))));
}

TEST_F(Ctl, ADaemonTellsItsErrorsAndItsStatus) {
    const Outcome wrong = plugbay({"run", machine("nonsense"), "--daemon"});
    EXPECT_EQ(wrong.status, 2) << wrong.text();
    EXPECT_THAT(wrong.errors, HasSubstr("machine.json"));
    const Outcome failed =
        plugbay({"run", machine(exit_device), "--daemon", "--set", "boot.kernel=/nothing"});
    EXPECT_EQ(failed.status, 1) << failed.text();
    EXPECT_THAT(failed.errors, HasSubstr("cannot open kernel /nothing"));
    const Outcome deaf = plugbay({"run", machine(exit_device), "--daemon", "--control", "none"});
    EXPECT_EQ(deaf.status, 1) << deaf.text();
    EXPECT_THAT(deaf.errors, HasSubstr("needs a control socket"));
    EXPECT_EQ(failed.output + wrong.output + deaf.output, "");
    EXPECT_EQ(plugbay({"ps", "--json"}).output, "[]\n");
}

TEST_F(Ctl, ADaemonLeavesItsStarterAlone) {
    const std::string file = waiting_machine();
    const Outcome started = run({"sh", "-c", R"("$0" run "$1" --daemon --control "$2" > "$3")",
                                 plugbay_binary(), file, folder_.path("d.sock"), folder_.path("out")});
    EXPECT_EQ(started.status, 0) << started.text();
    EXPECT_FALSE(started.left_children) << "it has a session of its own";
    EXPECT_THAT(folder_.read("out"), HasSubstr(folder_.path("d.sock") + "\n"));
    const std::string socket = folder_.path("d.sock");
    std::string output;
    for (int tries = 0; tries < 200 && output.find('!') == output.npos; ++tries) {
        output = folder_.read("out"); // what is written to a file goes on being written
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_THAT(output, HasSubstr("!"));
    EXPECT_EQ(plugbay({"ctl", socket, "quit"}).status, 0);
}

TEST_F(Ctl, ShellsAskWhatMayComeNext) {
    start(waiting_machine(), "one");
    const auto complete = [](std::vector<std::string> words) {
        words.insert(words.begin(), "--complete");
        return plugbay(words).output;
    };
    EXPECT_THAT(complete({""}), AllOf(HasSubstr("run\n"), HasSubstr("ctl\n"), HasSubstr("ps\n")));
    EXPECT_EQ(complete({"--log-file", "ru"}), "") << "names of files";
    EXPECT_EQ(complete({"--log-file", "x", "ru"}), "run\n");
    EXPECT_THAT(complete({"run", "--"}), AllOf(HasSubstr("--daemon\n"), HasSubstr("--set\n")));
    EXPECT_EQ(complete({"run", "x"}), "") << "names of files";
    EXPECT_EQ(complete({"top", ""}), "one\n");
    EXPECT_THAT(complete({"ctl", ""}),
                AllOf(HasSubstr("one\n"), HasSubstr("pause\n"), HasSubstr("devices\n")));
    EXPECT_EQ(complete({"ctl", "-m", ""}), "one\n");
    EXPECT_EQ(complete({"ctl", "devices", "show", "co"}), "com1\n");
    EXPECT_EQ(complete({"ctl", "one", "devices", "show", "te"}), "terminal\n");
    EXPECT_EQ(complete({"ctl", "-m", "one", "devices", "remove", "com1", "--f"}), "--force\n");
    EXPECT_EQ(complete({"ctl", "events", "machine.p"}), "machine.paused\n");
    EXPECT_EQ(complete({"ctl", "-m", "nobody", "devices", "show", ""}), "");
}

TEST_F(CommandLine, BashAsksPlugbay) {
    const std::string script = "source " PLUGBAY_SOURCE "/core/cli/shell/plugbay.bash\n"
                               "COMP_WORDS=(\"$0\" \"$@\"); COMP_CWORD=$#; _plugbay\n"
                               "printf '%s\\n' \"${COMPREPLY[@]}\"";
    const auto complete = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"bash", "-c", script, plugbay_binary()});
        return run(words).output;
    };
    EXPECT_EQ(complete({"chec"}), "check\ncheckpoint\n");
    EXPECT_EQ(complete({"run", "--dae"}), "--daemon\n");
    EXPECT_EQ(complete({"run", "x"}), "\n") << "names of files, which are bash's";
}

TEST_F(CommandLine, TheManualPageTellsAllCommands) {
    const Outcome page = plugbay({"--man-page"});
    EXPECT_THAT(page.output,
                AllOf(StartsWith(".TH PLUGBAY 1"), HasSubstr("plugbay ctl"), HasSubstr("\\-\\-daemon"),
                      HasSubstr("devices remove ID"), HasSubstr(".SH EXIT STATUS")));
    // Each status that the guide has, but for the guest's own.
    std::ifstream guide(PLUGBAY_SOURCE "/docs/cli.md");
    std::string line;
    while (std::getline(guide, line) && line != "## Exit statuses") {
    }
    int rows = 0;
    while (std::getline(guide, line) && !line.starts_with("## ")) {
        const std::string status = line.substr(0, line.find(" |", 2));
        if (status.size() < 3 || std::isdigit(static_cast<unsigned char>(status[2])) == 0) continue;
        EXPECT_THAT(page.output, HasSubstr(".TP\n\\fB" + status.substr(2) + "\\fR\n"));
        ++rows;
    }
    EXPECT_GE(rows, 7);
}

} // namespace
} // namespace plugbay::end_to_end
