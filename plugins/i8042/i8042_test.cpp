// In the words of the IBM PS/2 technical reference, and in the order in which Linux probes.
#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <random>
#include <vector>

using plugbay::testkit::Bench;
using Bytes = std::vector<unsigned>;

namespace {

constexpr unsigned keyboard_line = 1, mouse_line = 12;

struct Controller {
    explicit Controller(const char* mouse_present = "true") {
        bench.add(PLUGBAY_PLUGIN_FILE, "i8042", "keyboard", {{"mouse", mouse_present}});
        bench.start();
    }
    unsigned status() { return static_cast<unsigned>(bench.in(0x64)); }
    unsigned data() { return static_cast<unsigned>(bench.in(0x60)); }
    bool full() { return (status() & 0x01) != 0; }
    bool from_mouse() { return (status() & 0x20) != 0; }
    void command(unsigned value) { bench.out(0x64, 1, value); }
    void write(unsigned value) { bench.out(0x60, 1, value); }
    void command(unsigned value, unsigned parameter) {
        command(value);
        write(parameter);
    }
    Bytes read_all() {
        Bytes bytes;
        while (full())
            bytes.push_back(data());
        return bytes;
    }
    Bytes keyboard(unsigned byte) {
        write(byte);
        return read_all();
    }
    Bytes mouse(unsigned byte) {
        command(0xd4, byte);
        Bytes bytes;
        while (from_mouse())
            bytes.push_back(data());
        return bytes;
    }

    Bench bench;
};

} // namespace

TEST(I8042, TellsFirmwareWhatIsThere) {
    Controller controller;
    const auto& devices = controller.bench.acpi_legacy_devices();
    ASSERT_EQ(devices.size(), 2u);
    EXPECT_STREQ(devices[0].hardware_id, "PNP0303");
    EXPECT_EQ(devices[0].first_port, 0x60);
    EXPECT_EQ(devices[0].second_port, 0x64);
    EXPECT_EQ(devices[0].line, keyboard_line);
    EXPECT_STREQ(devices[1].hardware_id, "PNP0F13");
    EXPECT_EQ(devices[1].line, mouse_line);
    Controller without("false");
    EXPECT_EQ(without.bench.acpi_legacy_devices().size(), 1u);
    EXPECT_EQ(without.bench.device("keyboard").holdings().lines, 1u);
}

TEST(I8042, AnswersLinuxesProbeOfTheController) {
    Controller controller;
    EXPECT_EQ(controller.status(), 0x14u); // nothing to read, not locked, system flag
    controller.command(0xaa);
    EXPECT_EQ(controller.read_all(), Bytes{0x55});
    controller.command(0x20);
    EXPECT_EQ(controller.read_all(), Bytes{0x65});
    controller.command(0x60, 0x74); // both disabled, no interrupts
    controller.command(0x20);
    EXPECT_EQ(controller.read_all(), Bytes{0x74});
    controller.command(0xd3, 0x5a); // is there a mouse port? 5a comes back as the mouse's
    EXPECT_TRUE(controller.from_mouse());
    EXPECT_EQ(controller.read_all(), Bytes{0x5a});
    controller.command(0xa9);
    EXPECT_EQ(controller.read_all(), Bytes{0x00});
    controller.command(0xa7);
    controller.command(0x20);
    EXPECT_EQ(controller.data() & 0x20, 0x20u);
    controller.command(0xa8);
    controller.command(0x20);
    EXPECT_EQ(controller.data() & 0x20, 0x00u);
    controller.command(0x60, 0x76); // mouse interrupts, and a test of them
    controller.command(0xd3, 0xa5);
    EXPECT_EQ(controller.bench.line(mouse_line), 1);
    EXPECT_EQ(controller.bench.line(keyboard_line), 0);
    EXPECT_EQ(controller.read_all(), Bytes{0xa5});
    EXPECT_EQ(controller.bench.line(mouse_line), 0);
    controller.command(0xab);
    EXPECT_EQ(controller.read_all(), Bytes{0x00});
}

TEST(I8042, AnswersLinuxesProbeOfTheKeyboard) {
    Controller controller;
    controller.command(0x60, 0x04); // enabled, untranslated
    EXPECT_EQ(controller.keyboard(0xff), (Bytes{0xfa, 0xaa}));
    EXPECT_EQ(controller.keyboard(0xf2), (Bytes{0xfa, 0xab, 0x83}));
    EXPECT_EQ(controller.keyboard(0xf5), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xed), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x07), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xf3), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x00), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xf0), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x00), (Bytes{0xfa, 0x02}));
    EXPECT_EQ(controller.keyboard(0xf0), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x03), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xf0), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x00), (Bytes{0xfa, 0x03}));
    EXPECT_EQ(controller.keyboard(0xee), Bytes{0xee});
    EXPECT_EQ(controller.keyboard(0xfe), Bytes{0xee}); // resend
    EXPECT_EQ(controller.keyboard(0x55), Bytes{0xfe}); // what is that?
    EXPECT_EQ(controller.keyboard(0xf4), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xf6), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xf0), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x00), (Bytes{0xfa, 0x02})); // defaults
    EXPECT_EQ(controller.keyboard(0xfb), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0x1c), Bytes{0xfa}); // a key of set 3
    EXPECT_EQ(controller.keyboard(0xed), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xf4), Bytes{0xfa}); // a command instead of the argument
    EXPECT_EQ(controller.keyboard(0xee), Bytes{0xee});
    EXPECT_EQ(controller.keyboard(0xf8), Bytes{0xfa});
    EXPECT_EQ(controller.keyboard(0xfe), Bytes{0xfa}); // resend that
}

TEST(I8042, TranslatesTheKeyboardsIdentity) {
    Controller controller;
    EXPECT_EQ(controller.keyboard(0xf2), (Bytes{0xfa, 0xab, 0x41}));
}

TEST(I8042, AnswersTheMouseDriver) {
    Controller controller;
    EXPECT_EQ(controller.mouse(0xff), (Bytes{0xfa, 0xaa, 0x00}));
    EXPECT_EQ(controller.mouse(0xf2), (Bytes{0xfa, 0x00}));
    EXPECT_EQ(controller.mouse(0xe9), (Bytes{0xfa, 0x00, 0x02, 100}));
    EXPECT_EQ(controller.mouse(0xf3), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(200), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xe8), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0x03), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xe7), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xf4), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xe9), (Bytes{0xfa, 0x30, 0x03, 200}));
    EXPECT_EQ(controller.mouse(0xeb), (Bytes{0xfa, 0x08, 0x00, 0x00}));
    EXPECT_EQ(controller.mouse(0xf0), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xea), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xee), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0x42), Bytes{0x42}); // wrap mode echoes
    EXPECT_EQ(controller.mouse(0xec), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0x42), Bytes{0xfe});
    EXPECT_EQ(controller.mouse(0xf6), Bytes{0xfa});
    EXPECT_EQ(controller.mouse(0xe9), (Bytes{0xfa, 0x00, 0x02, 100}));
}

TEST(I8042, HasNoMouseWhenTold) {
    Controller controller("false");
    controller.command(0xd3, 0x5a);
    EXPECT_FALSE(controller.from_mouse());
    controller.read_all();
    controller.command(0xa9);
    EXPECT_NE(controller.read_all(), Bytes{0x00});
    EXPECT_EQ(controller.mouse(0xff), Bytes{});
}

TEST(I8042, InterruptsOnceForEachByte) {
    Controller controller;
    controller.command(0x60, 0x07); // both interrupts
    const auto before = controller.bench.edges(keyboard_line);
    controller.write(0xf2);
    EXPECT_EQ(controller.bench.line(keyboard_line), 1);
    EXPECT_EQ(controller.read_all(), (Bytes{0xfa, 0xab, 0x83}));
    EXPECT_EQ(controller.bench.edges(keyboard_line), before + 3);
    EXPECT_EQ(controller.bench.line(keyboard_line), 0);
    controller.command(0xd4, 0xff);
    EXPECT_EQ(controller.bench.line(mouse_line), 1);
    EXPECT_EQ(controller.bench.line(keyboard_line), 0);
    controller.command(0x60, 0x04);
    EXPECT_EQ(controller.bench.line(mouse_line), 0);
}

TEST(I8042, HoldsBytesOfADisabledDevice) {
    Controller controller;
    controller.command(0x60, 0x04);
    controller.write(0xf2);
    EXPECT_EQ(controller.data(), 0xfau);
    EXPECT_TRUE(controller.full());
    controller.data();
    controller.command(0xad);
    controller.read_all();
    controller.command(0xae);
    EXPECT_EQ(controller.read_all().size(), 0u);
    controller.write(0xf2);
    controller.command(0xad);
    EXPECT_EQ(controller.read_all(), Bytes{0xfa}); // it was in the output buffer already
    controller.command(0xae);
    EXPECT_EQ(controller.read_all(), (Bytes{0xab, 0x83}));
}

TEST(I8042, KeepsTheLastByteInTheDataPort) {
    Controller controller;
    controller.keyboard(0xee);
    EXPECT_EQ(controller.data(), 0xeeu);
}

TEST(I8042, StoresControllerMemory) {
    Controller controller;
    controller.command(0x7f, 0x99);
    controller.command(0x3f);
    EXPECT_EQ(controller.read_all(), Bytes{0x99});
}

TEST(I8042, SwitchesAddressLine20) {
    Controller controller;
    const auto output = [&] {
        controller.command(0xd0);
        return controller.data();
    };
    EXPECT_EQ(output() & 0x03, 0x03u);
    controller.command(0xdd);
    EXPECT_EQ(output() & 0x03, 0x01u);
    controller.command(0xdf);
    EXPECT_EQ(output() & 0x03, 0x03u);
    controller.command(0xd1, 0xdd);
    EXPECT_EQ(output() & 0x03, 0x01u);
    controller.command(0xd1, 0xdf);
    EXPECT_EQ(output() & 0x03, 0x03u);
    EXPECT_TRUE(controller.bench.requests().empty());
}

TEST(I8042, ResetsTheMachine) {
    Controller controller;
    controller.command(0xff); // pulses nothing
    controller.command(0xf1);
    EXPECT_TRUE(controller.bench.requests().empty());
    controller.command(0xfe);
    ASSERT_EQ(controller.bench.take_requests().size(), 1u);
    controller.command(0xd1, 0xfe);
    const auto requests = controller.bench.take_requests();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests.front().request, PLUGBAY_REQUEST_RESET);
}

TEST(I8042, ForgetsEverythingOnReset) {
    Controller controller;
    controller.command(0x60, 0x03);
    controller.write(0xf2);
    controller.command(0xd4);
    controller.bench.reset();
    EXPECT_EQ(controller.status(), 0x14u);
    EXPECT_EQ(controller.bench.line(keyboard_line), 0);
    EXPECT_EQ(controller.keyboard(0xee), Bytes{0xee});
}

TEST(I8042, CarriesOnAfterSaveAndLoad) {
    Controller controller;
    controller.command(0x60, 0x05);
    controller.write(0xf2);
    controller.data();
    controller.command(0xd1); // and its byte comes later
    controller.bench.quiesce();
    const auto image = controller.bench.save("keyboard");

    Controller other;
    other.bench.quiesce();
    other.bench.load("keyboard", image);
    EXPECT_EQ(other.bench.save("keyboard"), image);
    other.bench.resume();
    EXPECT_EQ(other.bench.line(keyboard_line), 1);
    other.write(0xdd);
    EXPECT_EQ(other.read_all(), (Bytes{0xab, 0x83}));
    other.command(0xd0);
    EXPECT_EQ(other.data() & 0x02, 0x00u);
}

TEST(I8042, SurvivesNonsense) {
    for (const char* mouse : {"true", "false"}) {
        Controller controller(mouse);
        std::mt19937 random(1);
        for (int i = 0; i < 50000; ++i) {
            const std::uint16_t port = random() % 2 == 0 ? 0x60 : 0x64;
            const unsigned width = 1u << random() % 3;
            if (random() % 3 != 0)
                controller.bench.out(port, width, random());
            else
                controller.bench.in(port, width);
        }
        EXPECT_LE(controller.read_all().size(), 40u);
    }
}

TEST(I8042, RefusesOrTamesAHostileState) {
    Controller controller;
    controller.bench.quiesce();
    const auto image = controller.bench.save("keyboard");
    std::mt19937 random(2);
    int loaded = 0;
    for (int round = 0; round < 2000; ++round) {
        const auto hostile =
            plugbay::testkit::edited(image, [&](const auto& field, std::span<std::byte> elements) {
                const unsigned limit = field.kind == PLUGBAY_FIELD_BOOLEAN      ? 2
                                       : field.name == "output_source"          ? 3
                                       : field.name == "keyboard.scan_code_set" ? 4
                                       : field.name.ends_with(".first")         ? 17
                                       : field.name.ends_with(".count")         ? 17
                                                                                : 256;
                for (auto& byte : elements)
                    byte = static_cast<std::byte>(random() % limit);
            });
        if (controller.bench.device("keyboard").try_load(hostile)) ++loaded;
        controller.bench.resume();
        for (int i = 0; i < 20; ++i) {
            controller.bench.out(random() % 2 == 0 ? 0x60 : 0x64, 1, random());
            controller.data();
        }
        controller.bench.quiesce();
    }
    EXPECT_GT(loaded, 0);
}

TEST(I8042, AByteInTheBufferOutlivesASwap) {
    Controller controller;
    controller.command(0x60, 0x47);
    controller.write(0xf2); // identify: an acknowledgement and two bytes
    EXPECT_EQ(controller.bench.line(keyboard_line), 1);
    const auto edges = controller.bench.edges(keyboard_line);
    controller.bench.swap("keyboard", PLUGBAY_PLUGIN_FILE);
    EXPECT_EQ(controller.bench.line(keyboard_line), 1);
    EXPECT_EQ(controller.bench.edges(keyboard_line), edges) << "no byte twice";
    Bytes bytes;
    while (controller.full()) {
        bytes.push_back(controller.data());
        controller.bench.swap("keyboard", PLUGBAY_PLUGIN_FILE);
    }
    EXPECT_EQ(bytes, (Bytes{0xfa, 0xab, 0x41}));
    controller.command(0xd4);
    controller.bench.swap("keyboard", PLUGBAY_PLUGIN_FILE);
    controller.write(0xf2); // for the mouse, as the command before said
    EXPECT_TRUE(controller.from_mouse());
}
