// A person who develops a plugin while the machine runs.
#include "running_machine.hpp"
#include "terminal.hpp"

namespace plugbay::end_to_end {
namespace {

constexpr std::chrono::seconds patience(60); // compilers on a machine that has other things to do

class Develop : public RunningMachine {
  protected:
    void SetUp() override {
        RunningMachine::SetUp();
        std::filesystem::create_directories(folder_.path() / "lamp");
        folder_.write("lamp/CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\n"
                                             "project(lamp LANGUAGES C CXX)\n"
                                             "find_package(Plugbay REQUIRED)\n"
                                             "plugbay_add_plugin(lamp SOURCES lamp.cpp LICENCE MIT)\n");
        save("1.0.0");
    }
    // The plugin, as a person saves it.
    void save(const std::string& version, const std::string& field = "value",
              const std::string& result = "value_", const std::string& reset = "value_ = 0;") const {
        folder_.write("lamp/lamp.cpp", R"(#include <plugbay/plugin.hpp>
class Lamp {
  public:
    static constexpr plugbay::Type type{.name = "lamp", .help = "A byte that stays."};
    struct Options {
        std::uint16_t port = 0x510;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("port", &Options::port, "I/O port"));
        }
    };
    Lamp(plugbay::Host host, const Options& options) : region_(host.map_ports(options.port, 1)) {}
    std::uint64_t read(plugbay::Access) { return )" +
                                           result + R"(; }
    void write(plugbay::Access, std::uint64_t value) { value_ = static_cast<std::uint8_t>(value); }
    void reset() { )" + reset + R"( }
    void state(auto& fields) { fields(")" + field +
                                           R"(", value_); }

  private:
    plugbay::Region region_;
    std::uint8_t value_ = 0;
};
PLUGBAY_PLUGIN("lamp", ")" + version + R"(", Lamp)
)");
    }
    // Says "!" on its serial line and rests.
    [[nodiscard]] std::string machine_with_lamps() {
        (void)waiting_machine();
        return folder_.write("lamps.json",
                             R"({ "memory": "16M", "boot": { "kernel": "waiting", "protocol": "flat" },
            "devices": [ { "type": "lamp", "id": "lamp" }, { "type": "lamp", "id": "other", "port": "0x520" },
                         { "type": "serial-16550", "id": "com1" },
                         { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } } ] })");
    }
    [[nodiscard]] std::string outcome() const {
        return json::parse(plugbay({"ctl", "--json", "swap", "report", "lamp"}).output, nullptr, false)
            .value("outcome", "");
    }
};

TEST_F(Develop, SwapsWhatIsGoodAndGoesBack) {
    const std::string file = machine_with_lamps();
    Terminal terminal(plugbay_command({"dev", folder_.path("lamp"), "--machine", file}));
    ASSERT_TRUE(terminal.wait_for("runs; `plugbay ctl dev-", patience)) << terminal.screen();

    save("1.1.0");
    ASSERT_TRUE(terminal.wait_for("lamp, other: lamp 1.0.0 -> lamp 1.1.0", patience)) << terminal.screen();
    ASSERT_TRUE(terminal.wait_for("live     in ")) << terminal.screen();
    EXPECT_THAT(terminal.screen(), AllOf(HasSubstr("save     lamp.cpp"), HasSubstr("pause "),
                                         HasSubstr("s (build "), HasSubstr(", swap ")));
    EXPECT_EQ(outcome(), "probation");

    save("1.2.0", "value", "vlue_"); // breaks the build
    ASSERT_TRUE(terminal.wait_for("not declared in this scope", patience)) << terminal.screen();
    EXPECT_THAT(terminal.screen(), AllOf(HasSubstr("build    failed after "), Not(HasSubstr("FAILED"))));
    EXPECT_EQ(outcome(), "probation");

    save("1.2.0", "brightness"); // breaks the state
    ASSERT_TRUE(terminal.wait_for("swap     refused at step rehearse", patience)) << terminal.screen();
    ASSERT_TRUE(terminal.wait_for("nothing has changed")) << terminal.screen();
    std::string refusal = terminal.screen();
    std::erase(refusal, '\n'); // the terminal breaks lines anywhere
    EXPECT_THAT(refusal, HasSubstr("state field brightness is missing"));

    terminal.type("b");
    ASSERT_TRUE(terminal.wait_for("lamp, other: the build before serves again")) << terminal.screen();
    terminal.type("b");
    ASSERT_TRUE(terminal.wait_for("there is no swap to go back from")) << terminal.screen();

    save("1.3.0");
    ASSERT_TRUE(terminal.wait_for("lamp 1.0.0 -> lamp 1.3.0", patience)) << terminal.screen();

    terminal.type("c");
    ASSERT_TRUE(terminal.wait_for("Ctrl-A d leaves it\n!")) << terminal.screen();
    terminal.type("\x01"
                  "d");
    ASSERT_TRUE(terminal.wait_for("console  left")) << terminal.screen();
    terminal.type("q");
    EXPECT_EQ(terminal.finish(), 0) << terminal.screen();
    EXPECT_EQ(json::parse(plugbay({"ps", "--json"}).output), json::array());
}

TEST_F(Develop, TellsWhatTheConformanceChecksFind) {
    Terminal terminal(plugbay_command({"dev", folder_.path("lamp"), "--machine", machine_with_lamps()}));
    ASSERT_TRUE(terminal.wait_for("runs; `plugbay ctl dev-", patience)) << terminal.screen();
    save("1.1.0", "value", "value_", "");
    ASSERT_TRUE(terminal.wait_for("check    lamp.so: ", patience)) << terminal.screen();
    ASSERT_TRUE(terminal.wait_for("a reset brings back the beginning")) << terminal.screen();
    EXPECT_THAT(terminal.screen(), AllOf(HasSubstr("PB-RESET-001"), HasSubstr(" 1 failed")));
    terminal.type("r");
    ASSERT_TRUE(terminal.wait_for("live     now (", patience)) << terminal.screen();
    save("1.2.0");
    ASSERT_TRUE(terminal.wait_for("lamp 1.1.0 -> lamp 1.2.0", patience)) << terminal.screen();
    const auto since = [&] { return terminal.screen().substr(terminal.screen().rfind("lamp 1.2.0")); };
    for (int i = 0; i < 600 && since().find(" checks: ") == std::string::npos; ++i)
        (void)terminal.wait_for("what is never there", std::chrono::milliseconds(100));
    EXPECT_THAT(since(), AllOf(HasSubstr("check    lamp.so: "), Not(HasSubstr("failed"))));
    terminal.type("q");
    EXPECT_EQ(terminal.finish(), 0) << terminal.screen();
}

TEST_F(Develop, StartsTheMachineAgainAfterItsEnd) {
    const std::string file = machine_with_lamps();
    save("1.0.0", "value", "vlue_");
    Child dev(plugbay_command({"dev", folder_.path("lamp"), "--machine", file}));
    ASSERT_TRUE(dev.wait_for_output("build    failed after", patience));
    EXPECT_EQ(json::parse(plugbay({"ps", "--json"}).output), json::array());
    save("1.0.0");
    ASSERT_TRUE(dev.wait_for_output("lamps.json runs", patience));
    const json machines = json::parse(plugbay({"ps", "--json"}).output);
    ASSERT_EQ(machines.size(), 1u);
    ASSERT_EQ(::kill(machines[0]["pid"].get<pid_t>(), SIGKILL), 0);
    ASSERT_TRUE(dev.wait_for_output("has ended (killed by signal 9)", patience));
    save("1.1.0");
    for (int i = 0; i < 600 && json::parse(plugbay({"ps", "--json"}).output).empty(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    dev.send_signal(SIGTERM);
    const Outcome ended = dev.finish(patience);
    EXPECT_EQ(ended.status, 128 + SIGTERM) << ended.text();
    EXPECT_FALSE(ended.left_children) << ended.text();
    EXPECT_EQ(json::parse(plugbay({"ps", "--json"}).output), json::array());
}

// With commands of its own, a build that never ends, and tests that fail.
TEST_F(Develop, JoinsAMachineAndObeysCommands) {
    start(waiting_machine(), "one");
    std::filesystem::create_directories(folder_.path() / "serial");
    const auto plugins = std::filesystem::path(plugbay_binary()).parent_path() / "plugins";
    folder_.write("serial/mode", "hang");
    folder_.write("serial/build.sh", "case $(cat mode) in\n"
                                     "hang) sleep 1000 & echo $! > pid.tmp; wait ;;\n"
                                     "endless) yes 'warning: on and on' | head -c 50000000 ;;\n"
                                     "esac\n"
                                     "cp '" +
                                         (plugins / "serial-16550.so").string() +
                                         "' new.tmp && mv new.tmp serial.so\n");
    const auto command = plugbay_command({"dev", folder_.path("serial"), "--socket", "one", "--build",
                                          "sh build.sh", "--test", "! grep -q bad mode"});
    Terminal terminal(command);
    ASSERT_TRUE(terminal.wait_for("machine  joined", patience)) << terminal.screen();
    for (int i = 0; i < 200 && folder_.read("serial/pid.tmp").empty(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const int sleeper = std::atoi(folder_.read("serial/pid.tmp").c_str());
    ASSERT_GT(sleeper, 1);
    const std::string command_line = "/proc/" + std::to_string(sleeper) + "/cmdline";
    ASSERT_NE(bytes_of(command_line), "");
    folder_.write("serial/mode", "bad");
    ASSERT_TRUE(terminal.wait_for("build    starts over", patience)) << terminal.screen();
    ASSERT_TRUE(terminal.wait_for("swap     none; s swaps all the same", patience)) << terminal.screen();
    EXPECT_EQ(bytes_of(command_line), "") << "the build that hung has left a process";
    EXPECT_THAT(terminal.screen(), HasSubstr("tests    failed after "));
    terminal.type("s");
    ASSERT_TRUE(terminal.wait_for("com1: another build of serial-16550", patience)) << terminal.screen();
    folder_.write("serial/mode", "endless");
    ASSERT_TRUE(terminal.wait_for("live     in ", patience)) << terminal.screen();
    EXPECT_THAT(terminal.screen(), HasSubstr("on and on"));
    terminal.type("\x03"); // Ctrl-C
    EXPECT_EQ(terminal.finish(), 0) << terminal.screen();
    EXPECT_EQ(plugbay({"ctl", "one", "status"}).status, 0) << "it was not our machine to end";
}

TEST_F(Develop, RefusesWhatItCannotDo) {
    EXPECT_EQ(plugbay({"dev", folder_.path("nowhere")}).status, 2);
    EXPECT_THAT(plugbay({"dev", folder_.path("")}).errors, HasSubstr("no CMakeLists.txt and no Makefile"));
    EXPECT_EQ(plugbay({"dev", folder_.path("lamp"), "--socket", "nobody"}).status, 4);
    EXPECT_EQ(plugbay({"dev", folder_.path("lamp"), "--socket", "a", "--machine", "b"}).status, 2);
}

} // namespace
} // namespace plugbay::end_to_end
