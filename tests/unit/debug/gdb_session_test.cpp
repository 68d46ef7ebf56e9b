// The conversation, over a machine that only remembers.
#include "core/debug/gdb_session.hpp"

#include "core/debug/gdb_packet.hpp"
#include "core/debug/gdb_registers.hpp"

#include <gmock/gmock.h>

#include <map>
#include <random>

namespace plugbay::core {
namespace {

using enum ResumeAction;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class FakeTarget : public DebugTarget {
  public:
    std::uint32_t vcpu_count() const override { return 3; }
    bool stopped() const override { return stopped_; }
    Result<void> stop() override {
        stopped_ = true;
        return {};
    }
    Result<void> resume(const std::vector<ResumeAction>& actions) override {
        EXPECT_EQ(actions.size(), 3U);
        if (fails) return Error{"it does not want to"};
        actions_ = actions;
        stopped_ = false;
        return {};
    }
    Result<DebugRegisters> registers(std::uint32_t vcpu) override {
        EXPECT_LT(vcpu, 3U);
        return registers_[vcpu];
    }
    Result<void> set_registers(std::uint32_t vcpu, const DebugRegisters& registers) override {
        registers_[vcpu] = registers;
        return {};
    }
    std::size_t read_memory(std::uint32_t, std::uint64_t address, std::span<std::byte> bytes) override {
        std::size_t done = 0;
        while (done < bytes.size() && address + done < 0x1000) {
            bytes[done] = memory_[address + done];
            ++done;
        }
        return done;
    }
    bool write_memory(std::uint32_t, std::uint64_t address, std::span<const std::byte> bytes) override {
        if (address >= 0x1000 || bytes.size() > 0x1000 - address) return false;
        for (std::size_t i = 0; i < bytes.size(); ++i)
            memory_[address + i] = bytes[i];
        return true;
    }
    Result<void> insert(std::uint32_t, const DebugBreakpoint& breakpoint) override {
        if (fails) return Error{"there is no room"};
        breakpoints_.push_back(breakpoint);
        return {};
    }
    void remove(const DebugBreakpoint& breakpoint) override { std::erase(breakpoints_, breakpoint); }
    void detach() override { detached_ = true; }
    void end_machine() override { ended_ = true; }

    bool fails = false;
    bool stopped_ = false;
    bool detached_ = false;
    bool ended_ = false;
    std::vector<ResumeAction> actions_;
    std::array<DebugRegisters, 3> registers_;
    std::map<std::uint64_t, std::byte> memory_;
    std::vector<DebugBreakpoint> breakpoints_;
};

class GdbSessionTest : public ::testing::Test {
  protected:
    std::string ask(std::string_view content) {
        sent_.clear();
        session_.packet(content);
        if (sent_.empty()) return "(nothing)";
        EXPECT_EQ(sent_.size(), 1U);
        return sent_.front();
    }

    FakeTarget target_;
    std::vector<std::string> sent_;
    GdbSession session_{target_, [this](std::string content) { sent_.push_back(std::move(content)); }};
};

TEST_F(GdbSessionTest, AClientStopsTheTarget) {
    EXPECT_TRUE(target_.stopped_);
    EXPECT_EQ(ask("?"), "T02thread:1;");
    EXPECT_EQ(ask("qAttached"), "1");
    EXPECT_EQ(ask("vMustReplyEmpty"), "");
    EXPECT_EQ(ask("QStartNoAckMode"), "OK");
}

TEST_F(GdbSessionTest, TheDescriptionComesInPiecesAndIsWhole) {
    std::string xml;
    for (;;) {
        std::string question = "qXfer:features:read:target.xml:";
        append_hex_number(question, xml.size());
        const std::string part = ask(question + ",100");
        ASSERT_FALSE(part.empty());
        xml += part.substr(1);
        if (part.front() == 'l') break;
        ASSERT_EQ(part.size(), 0x101U);
    }
    EXPECT_EQ(xml, gdb_target_description());
    EXPECT_EQ(ask("qXfer:features:read:target.xml:ffffffffffffffff,100"), "l");
    EXPECT_EQ(ask("qXfer:features:read:target.xml:0"), "E16");
}

TEST_F(GdbSessionTest, RegistersGoThereAndBack) {
    target_.registers_[1].general.rip = 0xFFFFFFFF81000000;
    target_.registers_[1].general.rflags = 0x246;
    target_.registers_[1].special.cs.selector = 0x10;
    target_.registers_[1].special.cr3 = 0x1234000;
    target_.registers_[1].floating.xmm[15][0] = 0xAB;
    target_.registers_[1].floating.tags = 0x81;
    const DebugRegisters before = target_.registers_[1];
    EXPECT_EQ(ask("Hg2"), "OK");
    const std::string all = ask("g");
    EXPECT_EQ(all.size(), gdb_registers_size() * 2);
    EXPECT_EQ(ask("G" + all), "OK");
    EXPECT_EQ(target_.registers_[1], before);
    EXPECT_EQ(ask("p10"), "00000081ffffffff");
    EXPECT_EQ(ask("P10=efbeadde00000000"), "OK");
    EXPECT_EQ(target_.registers_[1].general.rip, 0xDEADBEEFU);
    EXPECT_EQ(ask("p12"), "10000000");
    EXPECT_EQ(ask("P12=18000000"), "E05") << "cs";
    EXPECT_EQ(ask("p22"), "fc3f0000") << "the tag word: 0 and 7 in use";
    EXPECT_EQ(target_.registers_[0], DebugRegisters{});
    // Every register by its number.
    std::string each;
    for (std::size_t i = 0; i < gdb_register_count(); ++i) {
        std::string question = "p";
        append_hex_number(question, i);
        each += ask(question);
    }
    EXPECT_EQ(each, ask("g"));
    EXPECT_EQ(ask("p42"), "E16") << "the first that is not there";
    EXPECT_EQ(ask("P10=00"), "E16");
    EXPECT_EQ(ask("P42="), "E16");
    EXPECT_EQ(ask("G00"), "E16");
}

TEST_F(GdbSessionTest, Memory) {
    EXPECT_EQ(ask("Mffc,4:01020304"), "OK");
    EXPECT_EQ(ask("mffc,4"), "01020304");
    EXPECT_EQ(ask("mffe,10"), "0304") << "what there is";
    EXPECT_EQ(ask("m1000,1"), "E0e");
    EXPECT_EQ(ask("m0,0"), "");
    EXPECT_EQ(ask("Mfff,2:0102"), "E0e");
    EXPECT_EQ(ask("X10,2:#$"), "OK");
    EXPECT_EQ(ask("m10,2"), "2324");
    EXPECT_EQ(ask("X0,0:"), "OK") << "asks whether X is known";
    EXPECT_EQ(ask("X0,3:ab"), "E16");
    EXPECT_EQ(ask("M0,1:0"), "E16");
    EXPECT_EQ(ask("m0,ffffffffffffffff").size(), 0x1000U * 2) << "bounded by the packet, here by the memory";
}

TEST_F(GdbSessionTest, Breakpoints) {
    EXPECT_EQ(ask("Z0,10,1"), "OK");
    EXPECT_EQ(ask("Z1,20,1"), "OK");
    EXPECT_EQ(ask("Z2,30,8"), "OK");
    EXPECT_EQ(ask("Z4,40,2"), "OK");
    EXPECT_EQ(ask("Z3,40,2"), "") << "reads alone cannot be watched";
    using Kind = DebugBreakpoint::Kind;
    EXPECT_THAT(target_.breakpoints_, ElementsAre(DebugBreakpoint{.address = 0x10},
                                                  DebugBreakpoint{.kind = Kind::hardware, .address = 0x20},
                                                  DebugBreakpoint{Kind::write_watch, 0x30, 8},
                                                  DebugBreakpoint{Kind::access_watch, 0x40, 2}));
    EXPECT_EQ(ask("z0,10,1"), "OK");
    EXPECT_EQ(ask("z1,20,1"), "OK");
    EXPECT_EQ(ask("z2,30,8"), "OK");
    EXPECT_EQ(ask("z4,40,2"), "OK");
    EXPECT_THAT(target_.breakpoints_, IsEmpty());
    target_.fails = true;
    EXPECT_EQ(ask("Z0,10,1"), "E05");
    EXPECT_EQ(ask("Z0,10"), "E16");
    EXPECT_EQ(ask("Z0,,1"), "E16");
}

TEST_F(GdbSessionTest, ContinuingIsAnsweredByTheStop) {
    EXPECT_THAT(ask("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386"),
                StartsWith("PacketSize=4000;"));
    EXPECT_EQ(ask("vCont;c"), "(nothing)");
    EXPECT_THAT(target_.actions_, ElementsAre(run, run, run));
    EXPECT_EQ(ask("g"), "(nothing)") << "it waits for the stop";
    target_.stopped_ = true;
    session_.stopped({DebugStop::Reason::breakpoint, 2, {.address = 0x10}});
    EXPECT_THAT(sent_, ElementsAre("T05thread:3;swbreak:;"));
    EXPECT_EQ(ask("qC"), "QC3") << "what stopped is looked at";
    EXPECT_EQ(ask("?"), "T05thread:3;swbreak:;");
    session_.stopped({DebugStop::Reason::step, 1, {}});
    EXPECT_THAT(sent_, ElementsAre("T05thread:3;swbreak:;")) << "nobody waits";

    const auto told = [&](const DebugStop& stop) {
        EXPECT_EQ(ask("c"), "(nothing)");
        target_.stopped_ = true;
        session_.stopped(stop);
        return sent_.front();
    };
    using Kind = DebugBreakpoint::Kind;
    EXPECT_EQ(told({DebugStop::Reason::breakpoint, 0, {Kind::hardware, 0x10, 1}}), "T05thread:1;hwbreak:;");
    EXPECT_EQ(told({DebugStop::Reason::breakpoint, 0, {Kind::write_watch, 0x10, 4}}),
              "T05thread:1;watch:10;");
    EXPECT_EQ(told({DebugStop::Reason::breakpoint, 0, {Kind::access_watch, 0x10, 4}}),
              "T05thread:1;awatch:10;");
    EXPECT_EQ(told({DebugStop::Reason::reset, 0, {}}), "T05thread:1;");
}

TEST_F(GdbSessionTest, AnOldClientIsNotToldWhatItDoesNotKnow) {
    EXPECT_EQ(ask("vCont;c"), "(nothing)");
    session_.stopped({DebugStop::Reason::breakpoint, 0, {.address = 0x10}});
    EXPECT_THAT(sent_, ElementsAre("T05thread:1;"));
}

TEST_F(GdbSessionTest, ActionsGoToThreads) {
    const auto actions = [&](std::string_view content) {
        EXPECT_EQ(ask(content), "(nothing)") << content;
        target_.stopped_ = true;
        session_.stopped({DebugStop::Reason::step, 1, {}});
        return target_.actions_;
    };
    EXPECT_THAT(actions("vCont;c:1"), ElementsAre(run, hold, hold));
    EXPECT_THAT(actions("vCont;t:2;c"), ElementsAre(run, hold, run));
    EXPECT_THAT(actions("vCont;C05:-1"), ElementsAre(run, run, run));
    EXPECT_THAT(actions("vCont;s:3;c"), ElementsAre(hold, hold, step)) << "one steps alone";
    EXPECT_THAT(actions("vCont;s"), ElementsAre(hold, step, hold)) << "the one that stopped";
    EXPECT_THAT(actions("vCont;S05:1"), ElementsAre(step, hold, hold));
    EXPECT_EQ(ask("Hg1"), "OK");
    EXPECT_THAT(actions("s"), ElementsAre(step, hold, hold));
    EXPECT_EQ(ask("Hc3"), "OK");
    EXPECT_THAT(actions("c"), ElementsAre(hold, hold, run));
    EXPECT_EQ(ask("Hc-1"), "OK");
    EXPECT_EQ(ask("Hg1"), "OK");
    EXPECT_THAT(actions("C05;1234"), ElementsAre(run, run, run));
    EXPECT_EQ(target_.registers_[0].general.rip, 0x1234U);
    EXPECT_EQ(ask("vCont;t"), "T05thread:2;") << "nothing runs: stopped already";
    for (const char* wrong :
         {"vCont;", "vCont;x", "vCont;c:", "vCont;c:zz", "vContc", "vCont;C", "cx", "Cx", "H", "Hx1"})
        EXPECT_EQ(ask(wrong), "E16") << wrong;
    EXPECT_EQ(ask("vCont;c:4"), "E03");
    EXPECT_EQ(ask("Hg4"), "E03");
    target_.fails = true;
    EXPECT_EQ(ask("vCont;c"), "E05");
    EXPECT_EQ(ask("g").size(), gdb_registers_size() * 2) << "it stands still yet";
}

TEST_F(GdbSessionTest, CtrlCStops) {
    session_.interrupt();
    EXPECT_THAT(sent_, IsEmpty()) << "it stood still";
    EXPECT_EQ(ask("vCont;c"), "(nothing)");
    session_.interrupt();
    EXPECT_THAT(sent_, ElementsAre("T02thread:1;"));
    EXPECT_TRUE(target_.stopped_);
}

TEST_F(GdbSessionTest, WhatSomebodyElseLetGoIsNotTouched) {
    target_.stopped_ = false;
    for (const char* command : {"g", "G00", "p0", "m0,1", "M0,1:00", "Z0,0,1", "c", "s", "vCont;c"})
        EXPECT_EQ(ask(command), "E10") << command;
}

TEST_F(GdbSessionTest, LeavingDetaches) {
    EXPECT_EQ(ask("D"), "OK");
    EXPECT_TRUE(target_.detached_);
    EXPECT_FALSE(target_.ended_);
    EXPECT_FALSE(session_.attached());
    EXPECT_EQ(ask("g"), "(nothing)");
}

TEST_F(GdbSessionTest, KillingEndsTheMachine) {
    EXPECT_EQ(ask("k"), "(nothing)");
    EXPECT_TRUE(target_.detached_);
    EXPECT_TRUE(target_.ended_);
}

TEST_F(GdbSessionTest, TheEndIsToldToWhoWaits) {
    EXPECT_EQ(ask("vCont;c"), "(nothing)");
    session_.machine_ended();
    EXPECT_THAT(sent_, ElementsAre("W00"));
    EXPECT_EQ(ask("?"), "(nothing)");
}

TEST_F(GdbSessionTest, AnyPacketIsSurvived) {
    std::mt19937 random(7);
    const std::string_view letters = "?gGpPmMXZzcCsSHTvqQ0123456789abcdef,:;=-";
    const std::vector<std::string> starts = {
        "vCont;", "qXfer:features:read:target.xml:", "qThreadExtraInfo,", "Z2,", "M0,", "Hg", "P", ""};
    for (int round = 0; round < 100'000; ++round) {
        std::string content = starts[random() % starts.size()];
        for (auto length = random() % 24; length > 0; --length)
            content += random() % 8 ? letters[random() % letters.size()] : static_cast<char>(random());
        if (content.starts_with('D') || content.starts_with('k') || content.starts_with("vKill")) continue;
        sent_.clear();
        session_.packet(content);
        ASSERT_LE(sent_.size(), 1U);
        if (random() % 4 == 0) session_.interrupt();
    }
    session_.interrupt();
    EXPECT_EQ(ask("g").size(), gdb_registers_size() * 2);
}

} // namespace
} // namespace plugbay::core
