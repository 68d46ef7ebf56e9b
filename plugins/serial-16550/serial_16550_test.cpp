// In the words of the PC16550D data sheet.
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

using namespace std::chrono_literals;
using plugbay::testkit::Bench;
using plugbay::testkit::CharPeer;

namespace {

constexpr unsigned rbr = 0, thr = 0, dll = 0, ier = 1, dlm = 1, iir = 2, fcr = 2, lcr = 3, mcr = 4, lsr = 5,
                   msr = 6, scr = 7;
constexpr unsigned com1_line = 4;

struct Com1 {
    explicit Com1(bool connected = true) {
        bench.add(PLUGBAY_PLUGIN_FILE, "serial-16550", "com1");
        if (connected) bench.connect(terminal, "com1");
        bench.start();
    }
    std::uint64_t in(unsigned offset) { return bench.in(static_cast<std::uint16_t>(0x3f8 + offset)); }
    void out(unsigned offset, unsigned value) {
        bench.out(static_cast<std::uint16_t>(0x3f8 + offset), 1, value);
    }
    // FIFOs on with a trigger level (bits 7 and 6), 9600 baud 8N1, OUT2 set, `enabled` interrupts.
    void set_up(unsigned enabled, unsigned trigger = 0x00) {
        out(lcr, 0x83);
        out(dll, 12);
        out(dlm, 0);
        out(lcr, 0x03);
        out(fcr, 0x01 | trigger);
        out(mcr, 0x0b);
        out(ier, enabled);
    }
    std::string read_all() {
        std::string text;
        while ((in(lsr)&0x01) != 0)
            text += static_cast<char>(in(rbr));
        return text;
    }
    int line() const { return bench.line(com1_line); }

    CharPeer terminal;
    Bench bench;
};

} // namespace

TEST(Serial16550, HasTheDataSheetsValuesAfterReset) {
    Com1 com;
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(com.in(ier), 0x00u);
        EXPECT_EQ(com.in(iir), 0x01u);
        EXPECT_EQ(com.in(lcr), 0x00u);
        EXPECT_EQ(com.in(mcr), 0x00u);
        EXPECT_EQ(com.in(lsr), 0x60u);
        EXPECT_EQ(com.in(msr), 0xb0u); // CTS, DSR, DCD; no deltas
        EXPECT_EQ(com.in(rbr), 0x00u);
        EXPECT_EQ(com.line(), 0);
        com.set_up(0x0f);
        com.terminal.offer("left over");
        com.bench.reset();
    }
}

TEST(Serial16550, TellsFirmwareWhereItIs) {
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "serial-16550", "com2", {{"port", "0x2f8"}, {"irq", "3"}});
    ASSERT_EQ(bench.acpi_legacy_devices().size(), 1u);
    const auto& device = bench.acpi_legacy_devices().front();
    EXPECT_STREQ(device.hardware_id, "PNP0501");
    EXPECT_EQ(device.first_port, 0x2f8);
    EXPECT_EQ(device.port_count, 8);
    EXPECT_EQ(device.line, 3u);
}

// What Linux's 8250 driver does to tell a 16550A from its relatives.
TEST(Serial16550, IsDetectedAsA16550A) {
    Com1 com;
    com.out(ier, 0x0f);
    EXPECT_EQ(com.in(ier), 0x0fu);
    com.out(ier, 0xff);
    EXPECT_EQ(com.in(ier), 0x0fu); // no sleep mode, no UUE
    com.out(ier, 0x00);
    EXPECT_EQ(com.in(ier), 0x00u);
    com.out(mcr, 0x10 | 0x0a);
    EXPECT_EQ(com.in(msr)&0xf0, 0x90u);
    com.out(mcr, 0xff);
    EXPECT_EQ(com.in(mcr), 0x1fu);
    com.out(mcr, 0);
    com.out(fcr, 0x01);
    EXPECT_EQ(com.in(iir)&0xc0, 0xc0u);
    com.out(fcr, 0x00);
    EXPECT_EQ(com.in(iir)&0xc0, 0x00u);
    for (const unsigned value : {0x00u, 0x55u, 0xaau, 0xffu}) {
        com.out(scr, value);
        EXPECT_EQ(com.in(scr), value);
    }
}

TEST(Serial16550, KeepsTheDivisorLatchApart) {
    Com1 com;
    com.out(lcr, 0x83);
    com.out(dll, 0x34);
    com.out(dlm, 0x12);
    EXPECT_EQ(com.in(dll), 0x34u);
    EXPECT_EQ(com.in(dlm), 0x12u);
    com.out(lcr, 0x03);
    EXPECT_EQ(com.in(ier), 0u);
    EXPECT_EQ(com.terminal.take(), "");
}

TEST(Serial16550, TransmitsEachByteAtOnce) {
    Com1 com;
    for (const char letter : std::string("hello\n"))
        com.out(thr, static_cast<unsigned>(letter));
    EXPECT_EQ(com.terminal.take(), "hello\n");
    EXPECT_EQ(com.in(lsr), 0x60u);
}

TEST(Serial16550, CountsBytes) {
    Com1 com1;
    com1.set_up(0);
    for (const char byte : std::string("four"))
        com1.out(thr, static_cast<unsigned char>(byte));
    com1.terminal.send("yes");
    auto& device = com1.bench.device("com1");
    EXPECT_EQ(device.statistic("bytes sent"), 4u);
    EXPECT_EQ(device.statistic("bytes received"), 3u);
    EXPECT_EQ(device.statistic("receive FIFO"), 3u);
    com1.terminal.set_room(0);
    com1.out(thr, 'x');
    EXPECT_EQ(device.statistic("bytes sent"), 4u);
    EXPECT_EQ(device.statistic("transmit FIFO"), 1u);
}

TEST(Serial16550, RaisesTransmitterEmptyWhenEnabledAndAfterEachByte) {
    Com1 com;
    com.set_up(0x02);
    EXPECT_EQ(com.line(), 1);
    EXPECT_EQ(com.in(iir), 0xc2u);
    EXPECT_EQ(com.in(iir), 0xc1u); // reading it acknowledged it
    EXPECT_EQ(com.line(), 0);
    com.out(thr, 'x');
    EXPECT_EQ(com.in(lsr), 0x00u);
    EXPECT_EQ(com.line(), 0);
    com.bench.advance(1ms); // less than a character at 9600 baud, which is not waited for
    EXPECT_EQ(com.terminal.take(), "x");
    EXPECT_EQ(com.in(lsr), 0x60u);
    EXPECT_EQ(com.line(), 1);
    const auto edges = com.bench.edges(com1_line);
    com.out(thr, 'y'); // without having read IIR: a new edge all the same
    EXPECT_EQ(com.line(), 0);
    com.bench.advance(1ms);
    EXPECT_EQ(com.bench.edges(com1_line), edges + 1);
    com.out(ier, 0x00);
    EXPECT_EQ(com.line(), 0);
    com.out(ier, 0x02); // Linux relies on the interrupt coming again
    EXPECT_EQ(com.in(iir), 0xc2u);
}

TEST(Serial16550, HoldsTheTransmitFifoWhileTheBackendTakesNothing) {
    Com1 com;
    com.set_up(0x02);
    com.in(iir);
    com.terminal.set_room(2);
    for (const char letter : std::string("ab0123456789ABCDEF"))
        com.out(thr, static_cast<unsigned>(letter));
    EXPECT_EQ(com.terminal.take(), "ab");
    EXPECT_EQ(com.in(lsr)&0x60, 0x00u);
    com.in(iir);
    EXPECT_EQ(com.line(), 0);
    com.out(thr, '!'); // the FIFO is full: lost
    com.terminal.set_room(4);
    EXPECT_EQ(com.in(lsr)&0x60, 0x00u);
    EXPECT_EQ(com.line(), 0);
    com.terminal.set_room(std::nullopt);
    EXPECT_EQ(com.terminal.take(), "0123456789ABCDEF");
    EXPECT_EQ(com.in(lsr)&0x60, 0x60u);
    EXPECT_EQ(com.in(iir), 0xc2u);
}

TEST(Serial16550, OverwritesTheHoldingRegisterWithoutFifos) {
    Com1 com;
    com.terminal.set_room(0);
    com.out(thr, 'a');
    com.out(thr, 'b');
    com.terminal.set_room(std::nullopt);
    EXPECT_EQ(com.terminal.take(), "b");
}

TEST(Serial16550, LosesBytesOnAnOpenCable) {
    Com1 com(false);
    com.out(thr, 'a');
    EXPECT_EQ(com.in(lsr), 0x60u);
    EXPECT_EQ(com.in(msr), 0x00u);
}

TEST(Serial16550, InterruptsAtEachTriggerLevel) {
    constexpr std::pair<unsigned, unsigned> levels[] = {{0x00, 1}, {0x40, 4}, {0x80, 8}, {0xc0, 14}};
    for (const auto& [bits, level] : levels) {
        Com1 com;
        com.set_up(0x01, bits);
        com.terminal.offer(std::string(level - 1, 'x'));
        EXPECT_EQ(com.in(iir), 0xc1u) << level;
        com.terminal.offer("y");
        EXPECT_EQ(com.in(iir), 0xc4u) << level;
        EXPECT_EQ(com.line(), 1);
        com.in(rbr);
        EXPECT_EQ(com.in(iir), 0xc1u) << level;
        EXPECT_EQ(com.line(), 0);
    }
}

TEST(Serial16550, ReportsALonelyCharacterAfterFourCharacterTimes) {
    Com1 com;
    com.set_up(0x01, 0x80);
    com.terminal.offer("a");
    com.bench.advance(2ms);
    com.terminal.offer("b"); // starts the time anew
    com.bench.advance(4166us);
    EXPECT_EQ(com.line(), 0);
    com.bench.advance(1us); // 40 bits at 9600 baud
    EXPECT_EQ(com.line(), 1);
    EXPECT_EQ(com.in(iir), 0xccu);
    EXPECT_EQ(com.in(iir), 0xccu);
    EXPECT_EQ(com.in(rbr), 'a');
    EXPECT_EQ(com.in(iir), 0xc1u);
    com.bench.advance(4167us);
    EXPECT_EQ(com.in(iir), 0xccu);
    EXPECT_EQ(com.in(rbr), 'b');
    com.bench.advance(1s);
    EXPECT_EQ(com.line(), 0);
}

TEST(Serial16550, ReportsTheHighestOfAllPendingInterrupts) {
    Com1 com;
    com.set_up(0x0f);
    com.terminal.event(PLUGBAY_CHAR_BREAK);
    com.terminal.event(PLUGBAY_CHAR_CLOSED);
    EXPECT_EQ(com.in(iir), 0xc6u);
    EXPECT_EQ(com.in(lsr), 0xf1u); // error in FIFO, TEMT, THRE, break, data ready
    EXPECT_EQ(com.in(iir), 0xc4u);
    EXPECT_EQ(com.in(rbr), 0x00u);
    EXPECT_EQ(com.in(iir), 0xc2u);
    EXPECT_EQ(com.in(iir), 0xc0u);
    EXPECT_EQ(com.in(msr), 0x0bu);
    EXPECT_EQ(com.in(iir), 0xc1u);
    EXPECT_EQ(com.line(), 0);
}

TEST(Serial16550, GatesTheInterruptWithOut2) {
    Com1 com;
    com.set_up(0x01);
    com.out(mcr, 0x03);
    com.terminal.offer("a");
    EXPECT_EQ(com.in(iir), 0xc4u);
    EXPECT_EQ(com.line(), 0);
    com.out(mcr, 0x0b);
    EXPECT_EQ(com.line(), 1);
}

TEST(Serial16550, ShowsABreakWithItsCharacter) {
    Com1 com;
    com.set_up(0x00);
    com.terminal.offer("a");
    com.terminal.event(PLUGBAY_CHAR_BREAK);
    EXPECT_EQ(com.in(lsr), 0xe1u); // only "in the FIFO" as yet
    com.in(rbr);
    EXPECT_EQ(com.in(lsr), 0xf1u);
    EXPECT_EQ(com.in(lsr), 0x61u); // cleared by reading
    EXPECT_EQ(com.in(rbr), 0x00u);
    EXPECT_EQ(com.in(lsr), 0x60u);
}

TEST(Serial16550, HoldsInputBackInsteadOfLosingIt) {
    Com1 com;
    com.set_up(0x01, 0xc0);
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += static_cast<char>('a' + i % 26);
    com.terminal.send(text);
    EXPECT_EQ(com.terminal.unsent(), 1000u - 16u);
    EXPECT_EQ(com.read_all(), text.substr(0, 16));
    com.out(ier, 0x00); // a guest that polls waits for nothing
    com.bench.advance(16ms);
    EXPECT_EQ(com.read_all(), text.substr(16));
    EXPECT_EQ(com.in(lsr)&0x02, 0u);
}

// As much to do in both directions as there can be, and a handler that goes on until there is nothing left, as Linux's does:
// it ends after each FIFO's worth, and the guest gets on between two interrupts.
TEST(Serial16550, LetsAHandlerEnd) {
    Com1 com;
    com.set_up(0x03, 0x80);
    std::string sent;
    std::string written;
    std::string read;
    for (int i = 0; i < 4000; ++i)
        sent += static_cast<char>('a' + i % 26);
    com.terminal.send(sent);
    // One interrupt; meanwhile the loop that the peers live on is as fast as it can be. Linux gives up after 512 passes.
    const auto handle = [&] {
        int passes = 0;
        for (; passes < 512 && (com.in(iir)&0x01) == 0; ++passes) {
            const auto status = com.in(lsr);
            auto now = status;
            for (int most = 256; most > 0 && (now & 0x01) != 0; --most, now = com.in(lsr)) {
                read += static_cast<char>(com.in(rbr));
                com.bench.run();
            }
            for (int i = 0; (status & 0x20) != 0 && i < 16; ++i) {
                written += static_cast<char>('A' + written.size() % 26);
                com.out(thr, static_cast<unsigned char>(written.back()));
                com.bench.run();
            }
        }
        return passes;
    };
    int interrupts = 0;
    for (; read.size() < sent.size(); ++interrupts) {
        ASSERT_EQ(com.line(), 1);
        ASSERT_LE(handle(), 17); // 16 FIFOs' worth are sent; one for the other direction
        ASSERT_EQ(com.line(), 0);
        com.bench.run();
        ASSERT_EQ(com.line(), 0);
        com.bench.advance(1ms);
    }
    EXPECT_LE(interrupts, 251);
    EXPECT_EQ(read, sent);
    com.bench.quiesce(); // what was written is out
    EXPECT_EQ(com.terminal.text(), written);
}

// As Linux's handler, which looks for more to do: it hears of 16 FIFOs' worth by one interrupt.
TEST(Serial16550, AnInterruptIsForManyCharacters) {
    Com1 com;
    std::string left;
    for (int i = 0; i < 1000; ++i)
        left += static_cast<char>('a' + i % 26);
    const std::string text = left;
    com.set_up(0x02);
    int interrupts = 0;
    for (; !left.empty(); ++interrupts) {
        ASSERT_EQ(com.line(), 1);
        int passes = 0;
        for (; (com.in(iir)&0x01) == 0; ++passes) {
            for (int i = 0; i < 16 && !left.empty(); ++i) {
                com.out(thr, static_cast<unsigned char>(left.front()));
                left.erase(0, 1);
            }
            if (left.empty()) com.out(ier, 0);
            EXPECT_EQ(com.line(), 0);
        }
        EXPECT_LE(passes, 16);
        EXPECT_EQ(com.line(), 0);
        com.bench.advance(2ms);
    }
    EXPECT_EQ(interrupts, 4); // of 256 each
    EXPECT_EQ(com.terminal.take(), text);
    // Few go in the first, and the next has all of its sixteen again.
    com.out(ier, 0x02);
    EXPECT_EQ(com.in(iir), 0xc2u);
    com.out(thr, 'x');
    EXPECT_EQ(com.in(iir), 0xc2u);
    EXPECT_EQ(com.terminal.take(), "x");
    EXPECT_EQ(com.in(iir), 0xc1u);
    EXPECT_EQ(com.line(), 0);
    com.bench.advance(2ms);
    EXPECT_EQ(com.line(), 0);
    int sent = 0;
    do {
        com.out(thr, 'y');
        ++sent;
    } while (com.in(iir) == 0xc2u);
    EXPECT_EQ(sent, 16);
}

// A backend that takes nothing ends the handler at once.
TEST(Serial16550, AFullBackendEndsTheHandler) {
    Com1 com;
    com.terminal.set_room(0);
    com.set_up(0x02);
    EXPECT_EQ(com.in(iir), 0xc2u);
    com.out(thr, 'x');
    EXPECT_EQ(com.in(iir), 0xc1u);
    com.bench.advance(20ms);
    EXPECT_EQ(com.line(), 0);
    com.terminal.set_room(100);
    com.bench.run();
    EXPECT_EQ(com.terminal.take(), "x");
    EXPECT_EQ(com.line(), 1);
}

// One that does not look whether there is more to do waits as long as the line would take: 16 characters, or what it wrote.
TEST(Serial16550, GoesOnWithoutBeingAsked) {
    Com1 com;
    com.set_up(0x03);
    com.out(lcr, 0x83);
    com.out(dll, 1); // 115200 baud: 86.8 us a character
    com.out(lcr, 0x03);
    com.terminal.send(std::string(40, 'x'));
    EXPECT_EQ(com.read_all().size(), 16u);
    com.bench.advance(1388us);
    EXPECT_EQ(com.read_all().size(), 0u);
    com.bench.advance(1us);
    EXPECT_EQ(com.read_all().size(), 16u);
    com.bench.advance(2ms);
    EXPECT_EQ(com.read_all().size(), 8u);
    com.bench.advance(10ms);
    for (const char byte : std::string("abc"))
        com.out(thr, static_cast<unsigned char>(byte));
    com.bench.advance(260us);
    EXPECT_EQ(com.terminal.take(), "");
    com.bench.advance(1us);
    EXPECT_EQ(com.terminal.take(), "abc");
    com.out(thr, 'd');
    com.bench.advance(87us);
    EXPECT_EQ(com.terminal.take(), "d");
}

// A guest that writes more than there is room for, without looking, loses nothing that the backend would take.
TEST(Serial16550, ABurstGoesThrough) {
    Com1 com;
    com.set_up(0x02);
    std::string text;
    for (int i = 0; i < 100; ++i) {
        text += static_cast<char>('a' + i % 26);
        com.out(thr, static_cast<unsigned char>(text.back()));
    }
    com.bench.advance(20ms);
    EXPECT_EQ(com.terminal.take(), text);
    com.out(fcr, 0x00); // without FIFOs too
    com.out(thr, '1');
    com.out(thr, '2');
    com.bench.advance(20ms);
    EXPECT_EQ(com.terminal.take(), "12");
}

TEST(Serial16550, TakesOneByteWithoutFifos) {
    Com1 com;
    EXPECT_EQ(com.terminal.offer("ab"), 1u);
    EXPECT_EQ(com.in(rbr), 'a');
    EXPECT_EQ(com.terminal.ready_calls(), 1u);
}

TEST(Serial16550, LoopsBackDataAndModemLines) {
    Com1 com;
    com.set_up(0x0f);
    com.out(mcr, 0x1b); // loop, OUT2, RTS, DTR
    com.in(msr);
    com.out(thr, 'q');
    EXPECT_EQ(com.terminal.take(), "");
    EXPECT_EQ(com.in(rbr), 'q');
    EXPECT_EQ(com.line(), 0); // the OUT2 pin is inactive
    constexpr std::pair<unsigned, unsigned> wires[] = {
        {0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40}, {0x08, 0x80}};
    for (const auto& [output, input] : wires) {
        com.out(mcr, 0x10 | output);
        EXPECT_EQ(com.in(msr)&0xf0, input);
    }
    com.out(mcr, 0x14); // ring on
    com.in(msr);
    com.out(mcr, 0x10); // and off: the trailing edge
    EXPECT_EQ(com.in(msr), 0x04u);
    EXPECT_EQ(com.in(msr), 0x00u);
    EXPECT_EQ(com.terminal.offer("x"), 0u); // the line in is cut off
    com.out(mcr, 0x0b);
    EXPECT_EQ(com.terminal.ready_calls(), 1u);
    EXPECT_EQ(com.terminal.offer("x"), 1u);
}

TEST(Serial16550, OverrunsInLoopback) {
    Com1 com;
    com.out(mcr, 0x10);
    com.out(thr, 'a');
    com.out(thr, 'b');
    EXPECT_EQ(com.in(lsr), 0x63u);
    EXPECT_EQ(com.in(rbr), 'b'); // the buffer register is overwritten
    com.out(fcr, 0x01);
    for (int i = 0; i < 17; ++i)
        com.out(thr, static_cast<unsigned>('A' + i));
    EXPECT_EQ(com.in(lsr), 0x63u);
    EXPECT_EQ(com.read_all(), "ABCDEFGHIJKLMNOP"); // the FIFO is kept
    com.out(lcr, 0x40);
    EXPECT_EQ(com.in(lsr), 0xf1u); // a break comes back too
}

TEST(Serial16550, ClearsFifosOnCommandAndOnSwitching) {
    Com1 com;
    com.set_up(0x00);
    com.terminal.offer("abc");
    com.out(fcr, 0x03);
    EXPECT_EQ(com.in(lsr), 0x60u);
    com.terminal.offer("abc");
    com.terminal.set_room(0);
    com.out(thr, 'x');
    com.out(fcr, 0x05);
    EXPECT_EQ(com.in(lsr), 0x61u);
    com.out(fcr, 0x00);
    EXPECT_EQ(com.in(lsr), 0x60u);
    com.terminal.set_room(std::nullopt);
    EXPECT_EQ(com.terminal.take(), "");
}

TEST(Serial16550, FollowsTheFarEndWithItsModemLines) {
    Com1 com;
    com.set_up(0x08);
    com.terminal.event(PLUGBAY_CHAR_CLOSED);
    EXPECT_EQ(com.line(), 1);
    EXPECT_EQ(com.in(msr), 0x0bu);
    EXPECT_EQ(com.line(), 0);
    com.terminal.event(PLUGBAY_CHAR_OPENED);
    EXPECT_EQ(com.in(msr), 0xbbu);
    com.bench.quiesce();
    com.bench.disconnect("com1");
    com.bench.resume();
    EXPECT_EQ(com.in(msr), 0x0bu);
}

TEST(Serial16550, CarriesOnAfterSaveAndLoad) {
    Com1 com;
    com.set_up(0x03, 0x80);
    com.out(lcr, 0x1b);
    com.out(scr, 0x5a);
    com.terminal.set_room(0);
    com.out(thr, '1');
    com.out(thr, '2');
    com.terminal.send("0123456789abcdefXYZ");
    com.bench.quiesce();
    const auto image = com.bench.save("com1");

    Bench other;
    CharPeer terminal;
    other.add(PLUGBAY_PLUGIN_FILE, "serial-16550", "com1");
    other.connect(terminal, "com1");
    other.load("com1", image);
    EXPECT_EQ(other.save("com1"), image);
    other.start();
    other.run();
    EXPECT_EQ(terminal.take(), "12"); // what was held goes out
    EXPECT_EQ(other.in(0x3f8 + scr), 0x5au);
    EXPECT_EQ(other.in(0x3f8 + lcr), 0x1bu);
    EXPECT_EQ(other.line(com1_line), 1);
    std::string text;
    for (int i = 0; i < 16; ++i)
        text += static_cast<char>(other.in(0x3f8));
    EXPECT_EQ(text, "0123456789abcdef");
    other.advance(16ms);
    EXPECT_GE(terminal.ready_calls(), 1u); // the refused backend is asked again
}

TEST(Serial16550, TimesOutAfterLoad) {
    Com1 com;
    com.set_up(0x01, 0x80);
    com.terminal.offer("a");
    com.bench.quiesce();
    const auto image = com.bench.save("com1");
    Bench other;
    other.add(PLUGBAY_PLUGIN_FILE, "serial-16550", "com1");
    other.load("com1", image);
    other.start();
    other.advance(5ms);
    EXPECT_EQ(other.line(com1_line), 1);
}

TEST(Serial16550, SurvivesNonsense) {
    Com1 com;
    std::mt19937 random(1);
    for (int i = 0; i < 50000; ++i) {
        const unsigned width = 1u << random() % 3;
        const auto port = static_cast<std::uint16_t>(0x3f8 + random() % 8);
        if (random() % 2 == 0)
            com.bench.out(port, width, random());
        else
            com.bench.in(port, width);
        if (random() % 16 == 0) com.terminal.offer("some input that is longer than the FIFO");
        if (random() % 64 == 0) com.terminal.event(1 + random() % 4);
        if (random() % 64 == 0) com.terminal.set_room(random() % 20);
        if (random() % 64 == 0) com.bench.advance(std::chrono::microseconds(random() % 10000));
    }
    EXPECT_TRUE(com.bench.log().empty());
}

TEST(Serial16550, SplitsWideAccessesIntoBytes) {
    Com1 com;
    com.bench.out(0x3f8, 2, 0x0541); // 'A', and IER = 5
    EXPECT_EQ(com.terminal.take(), "A");
    EXPECT_EQ(com.in(ier), 0x05u);
    EXPECT_EQ(com.bench.in(0x3f8 + lsr, 2), 0xb060u);
}

TEST(Serial16550, RefusesOrTamesAHostileState) {
    Com1 com;
    com.bench.quiesce();
    const auto image = com.bench.save("com1");
    std::mt19937 random(2);
    int loaded = 0;
    for (int round = 0; round < 300; ++round) {
        const auto hostile =
            plugbay::testkit::edited(image, [&](const auto& field, std::span<std::byte> elements) {
                const unsigned limit = field.kind == PLUGBAY_FIELD_BOOLEAN                              ? 2
                                       : field.name.ends_with("first") || field.name.ends_with("count") ? 18
                                                                                                        : 256;
                for (auto& byte : elements)
                    byte = static_cast<std::byte>(random() % limit);
            });
        if (com.bench.device("com1").try_load(hostile)) ++loaded;
        com.bench.resume();
        for (int i = 0; i < 100; ++i) {
            com.bench.out(static_cast<std::uint16_t>(0x3f8 + random() % 8), 1, random());
            com.bench.in(static_cast<std::uint16_t>(0x3f8 + random() % 8));
            if (i % 8 == 0) com.terminal.offer("abc");
        }
        com.bench.advance(1s);
        com.bench.quiesce();
    }
    EXPECT_GT(loaded, 0);
}

TEST(Serial16550, BytesOnTheirWayDuringASwapArriveOnceAndInOrder) {
    Com1 com;
    com.set_up(0x0f, 0xc0);
    std::string sent;
    std::string typed;
    std::string read;
    for (int round = 0; round < 40; ++round) {
        const std::string keys = "<" + std::to_string(round) + ">";
        typed += keys;
        com.terminal.send(keys);
        com.terminal.set_room(static_cast<std::size_t>(round % 3));
        for (int i = 0; i < 10 && (com.in(lsr)&0x20) != 0; ++i) {
            const char byte = static_cast<char>('a' + sent.size() % 26);
            sent += byte;
            com.out(thr, static_cast<unsigned char>(byte));
        }
        com.bench.run();
        const int line = com.line();
        com.bench.swap("com1", PLUGBAY_PLUGIN_FILE);
        EXPECT_EQ(com.line(), line);
        com.terminal.set_room(std::nullopt);
        com.bench.advance(1ms);
        if ((com.in(lsr)&0x01) != 0) read += static_cast<char>(com.in(rbr));
        com.bench.advance(20ms);
        if (round % 3 == 2) read += com.read_all();
    }
    for (int i = 0; i < 100; ++i) {
        com.bench.advance(20ms);
        read += com.read_all();
    }
    EXPECT_EQ(com.terminal.text(), sent);
    EXPECT_EQ(read, typed);
}

TEST(Serial16550, ASwapDoesNotLookLikeTheFarEndComingBack) {
    Com1 com;
    com.set_up(0x08);
    com.terminal.event(PLUGBAY_CHAR_CLOSED);
    const auto before = com.in(msr);
    EXPECT_NE(before & 0x0f, 0u);
    const auto quiet = com.in(msr);
    EXPECT_EQ(quiet & 0x0f, 0u);
    com.bench.swap("com1", PLUGBAY_PLUGIN_FILE);
    com.bench.run();
    EXPECT_EQ(com.in(msr), quiet);
    EXPECT_EQ(com.line(), 0);
    com.terminal.event(PLUGBAY_CHAR_OPENED);
    EXPECT_NE(com.in(msr), quiet);
}

TEST(Serial16550, WhatAFullBackendRefusedIsSentAfterASwap) {
    Com1 com;
    com.set_up(0);
    com.terminal.set_room(0);
    for (const char byte : std::string("held"))
        com.out(thr, static_cast<unsigned char>(byte));
    com.bench.advance(100ms);
    com.bench.swap("com1", PLUGBAY_PLUGIN_FILE);
    com.terminal.set_room(std::nullopt);
    com.bench.advance(100ms);
    EXPECT_EQ(com.terminal.text(), "held");
}
