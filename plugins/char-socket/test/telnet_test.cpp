#include "fixture.hpp"

namespace {

constexpr char will = '\xfb';
constexpr char wont = '\xfc';
constexpr char perform = '\xfd'; // DO
constexpr char dont = '\xfe';
constexpr char echo = 1;
constexpr char suppress_go_ahead = 3;
constexpr char terminal_type = 24;

std::string command(char verb, char option) {
    return {'\xff', verb, option};
}

struct TelnetServer : Connected {
    TelnetServer() : Connected(testkit::Properties{{"telnet", "true"}}) {
        hears(command(will, echo) + command(will, suppress_go_ahead));
    }
    bool guest_hears(const std::string& text) {
        std::string all;
        const bool done = until([&] { return (all += serial.take()).size() >= text.size(); });
        EXPECT_EQ(all, text);
        return done;
    }
};

} // namespace

TEST(Telnet, EscapesBothWays) {
    TelnetServer machine;
    machine.serial.send("a\xff"
                        "b\r\nc\rd\r");
    EXPECT_TRUE(machine.hears("a\xff\xff"
                              "b\r\nc\r\0d\r\0"s));
    machine.remote.say("x\xff\xffy\r\0z\r\n\n"s);
    EXPECT_TRUE(machine.guest_hears("x\xffy\rz\r\n"));
}

TEST(Telnet, AgreesToWhatItOfferedAndRefusesTheRest) {
    TelnetServer machine;
    machine.remote.say(command(perform, echo) + command(perform, suppress_go_ahead) + // agreed: no answer
                       command(will, suppress_go_ahead) + command(will, terminal_type) +
                       command(perform, terminal_type) + command(will, echo) + command(wont, terminal_type) +
                       command(dont, terminal_type));
    EXPECT_TRUE(machine.hears(command(perform, suppress_go_ahead) + command(dont, terminal_type) +
                              command(wont, terminal_type) + command(dont, echo)));
    machine.remote.say(command(will, suppress_go_ahead) + command(dont, echo) + command(dont, echo) +
                       command(perform, echo));
    EXPECT_TRUE(machine.hears(command(wont, echo) + command(will, echo)));
    EXPECT_EQ(machine.serial.text(), "");
}

TEST(Telnet, SkipsSubnegotiationsAndOtherCommands) {
    TelnetServer machine;
    machine.remote.say("a\xff\xfa\x18\xff\xff quoted \xff\xf0"
                       "b\xff\xf1"
                       "c");
    EXPECT_TRUE(machine.guest_hears("abc"));
}

TEST(Telnet, BreaksInOrder) {
    TelnetServer machine;
    machine.remote.say("ab\xff\xf3"
                       "h");
    EXPECT_TRUE(machine.guest_hears("abh"));
    EXPECT_THAT(machine.serial.take_events(), testing::Contains(PLUGBAY_CHAR_BREAK));
}

// Whatever way the stream is cut, the guest hears the same.
TEST(Telnet, SurvivesEveryCut) {
    const std::string stream = "a\xff\xff" + command(perform, terminal_type) + "b\r\0"s +
                               "\xff\xfa\x1f\0\x50\xff\xff\x18\xff\xf0"s + "c\r\n\xff\xf3" +
                               command(will, echo) + "\xff\xffz";
    TelnetServer machine;
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
        machine.remote.say(stream.substr(0, cut));
        for (int i = 0; i < 3; ++i)
            machine.bench.advance(1ms);
        machine.remote.say(stream.substr(cut));
        EXPECT_TRUE(machine.guest_hears("a\xff"
                                        "b\rc\r\xffz"))
            << "cut at " << cut;
    }
    for (const char byte : stream) {
        machine.remote.say(std::string(1, byte));
        machine.bench.advance(1ms);
    }
    EXPECT_TRUE(machine.guest_hears("a\xff"
                                    "b\rc\r\xffz"));
}

// A peer that asks for options and reads no answer costs bounded memory, and stays in step.
TEST(Telnet, BoundsItsAnswers) {
    TelnetServer machine;
    std::string questions;
    for (int i = 0; i < 100000; ++i)
        questions += command(perform, terminal_type);
    std::size_t asked = 0;
    std::size_t answered = 0;
    EXPECT_TRUE(machine.until([&] {
        if (asked < questions.size()) {
            const ssize_t count = send(machine.remote.fd, questions.data() + asked, questions.size() - asked,
                                       MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count > 0) asked += static_cast<std::size_t>(count);
            if (asked < questions.size() / 2) return false; // reads nothing meanwhile
        }
        answered += machine.remote.hear().size();
        return asked == questions.size() && answered == questions.size();
    }));
    machine.remote.say("in step");
    EXPECT_TRUE(machine.guest_hears("in step"));
}

// Whoever sends at random gets into nobody's way.
TEST(Telnet, SurvivesNonsense) {
    TelnetServer machine;
    std::uint32_t seed = 1;
    for (int round = 0; round < 200; ++round) {
        std::string noise;
        for (int i = 0; i < 100; ++i) {
            seed = seed * 1664525 + 1013904223;
            noise += (seed >> 24) % 4 == 0 ? '\xff' : static_cast<char>(240 + (seed >> 16) % 16);
        }
        machine.remote.say(noise);
        machine.serial.send("\xff\r\n");
        machine.bench.advance(1ms);
        machine.remote.hear();
    }
    EXPECT_FALSE(machine.remote.closed);
}

TEST(TelnetClient, AnswersAServer) {
    Remote listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const std::string path = testing::TempDir() + "/telnet-client-" + std::to_string(getpid());
    const sockaddr_un address = Remote::local(path);
    ASSERT_EQ(bind(listener.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener.fd, 1), 0);
    Socket machine(testkit::Properties{{"address", "unix:" + path}, {"mode", "client"}, {"telnet", "true"}});
    machine.bench.start();
    Remote server(accept(listener.fd, nullptr, nullptr));
    unlink(path.c_str());
    ASSERT_GE(server.fd, 0);
    server.say(command(will, echo) + command(will, suppress_go_ahead) + command(perform, suppress_go_ahead) +
               command(perform, echo) + command(perform, terminal_type));
    const std::string wanted = command(perform, echo) + command(perform, suppress_go_ahead) +
                               command(will, suppress_go_ahead) + command(wont, echo) +
                               command(wont, terminal_type);
    std::string heard;
    EXPECT_TRUE(machine.until([&] { return (heard += server.hear()).size() >= wanted.size(); }));
    EXPECT_EQ(heard, wanted);
}
