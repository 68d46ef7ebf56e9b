// Every mistake that validation knows, with its exact line.
#include "tests/unit/config/config_fixture.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace plugbay::core {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Mistake {
    std::string text;
    std::vector<std::string> errors;
};

void expect_mistakes(const std::vector<Mistake>& mistakes) {
    for (const auto& mistake : mistakes)
        EXPECT_EQ(errors(mistake.text), mistake.errors) << mistake.text;
}

TEST(Diagnostics, TopLevel) {
    expect_mistakes({
        {"[1]", {"m.json:1:1: expected an object, the machine, found an array"}},
        {"{}", {"m.json:1:1: boot: missing required property \"boot\""}},
        {"{\"boot\": 3}", {"m.json:1:10: boot: expected an object, found 3"}},
        {"{\"boot\": {}}", {"m.json:1:10: boot.kernel: missing required property \"kernel\" of boot"}},
        {"{\"boot\": {\"kernel\": \"\"}}",
         {"m.json:1:21: boot.kernel: expected a text of 1 to 4096 bytes, found \"\""}},
        {with_member("\"memry\": 1"),
         {"m.json:2:1: memry: unknown property \"memry\"; did you mean \"memory\"? valid: $schema, name, "
          "memory, cpus, "
          "io_threads, on_reset, boot, plugins, devices"}},
        {with_member("\"name\": 5"), {"m.json:2:9: name: expected a text, found 5"}},
        {with_member("\"name\": \"a\\u0000b\""),
         {"m.json:2:9: name: expected text without the character U+0000, found \"a\\u0000b\""}},
        {with_member("\"on_reset\": \"restrat\""),
         {"m.json:2:13: on_reset: unknown value \"restrat\"; did you mean \"restart\"? valid: restart, "
          "exit"}},
        {with_member("\"on_reset\": true"),
         {"m.json:2:13: on_reset: expected one of the names, found true; valid: restart, exit"}},
        {with_member("\"plugins\": \"a.so\""), {"m.json:2:12: plugins: expected an array, found \"a.so\""}},
        {with_member("\"devices\": {}"), {"m.json:2:12: devices: expected an array, found an object"}},
        {with_member("\"devices\": [null]"),
         {"m.json:2:13: devices[0]: expected an object, one device, found null"}},
        {with_member("\"a key\": 1, \"zz\": 2, \"zz\": 3"),
         {"m.json:2:1: [\"a key\"]: unknown property \"a key\"; valid: $schema, name, memory, cpus, "
          "io_threads, "
          "on_reset, boot, plugins, devices",
          "m.json:2:13: zz: unknown property \"zz\"; valid: $schema, name, memory, cpus, io_threads, "
          "on_reset, boot, "
          "plugins, devices",
          "m.json:2:22: zz: duplicate key \"zz\", given before at 2:13"}},
    });
}

TEST(Diagnostics, FlatOnlyKeys) {
    const auto boot = [](const std::string& members) {
        return "{\"boot\": {\"kernel\": \"k\",\n" + members + "}}";
    };
    expect_mistakes({
        {boot("\"protocol\": \"flat\", \"address\": \"0x100000\", \"mode\": \"long_64\""), {}},
        {boot("\"address\": \"0x100000\""),
         {"m.json:2:1: boot.address: \"address\" is for protocol \"flat\" only; the protocol is "
          "\"automatic\""}},
        {boot("\"protocol\": \"pvh\", \"mode\": \"real_16\""),
         {"m.json:2:20: boot.mode: \"mode\" is for protocol \"flat\" only; the protocol is \"pvh\""}},
        {boot("\"protocol\": \"linux\", \"mode\": \"real\""),
         {"m.json:2:13: boot.protocol: unknown value \"linux\"; did you mean \"linux64\"? valid: automatic, "
          "linux64, "
          "pvh, multiboot, flat",
          "m.json:2:30: boot.mode: unknown value \"real\"; did you mean \"real_16\"? valid: real_16, "
          "protected_32, long_64"}},
    });
}

TEST(Diagnostics, NumbersAndSizes) {
    const auto wide = [](const std::string& member) {
        return with_devices("{ \"type\": \"wide\", \"id\": \"w\", " + member + " }");
    };
    const std::string whole = "an integer from 0 to 0xffffffffffffffff";
    const std::string any = "an integer from -9223372036854775808 to 9223372036854775807";
    expect_mistakes({
        {with_member("\"cpus\": 0"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found 0"}},
        {with_member("\"cpus\": 17"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found 17"}},
        {with_member("\"cpus\": \"16\""), {}},
        {with_member("\"cpus\": \"0x10\""), {}},
        {with_member("\"cpus\": -1"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found -1"}},
        {with_member("\"cpus\": 1.0"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found 1.0"}},
        {with_member("\"cpus\": 1e1"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found 1e1"}},
        {with_member("\"cpus\": true"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found true"}},
        {with_member("\"cpus\": null"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found null"}},
        {with_member("\"cpus\": []"), {"m.json:2:9: cpus: expected an integer from 1 to 16, found an array"}},
        {with_member("\"cpus\": \"1_0\""),
         {"m.json:2:9: cpus: expected an integer from 1 to 16, found \"1_0\""}},
        {with_member("\"cpus\": \"08\""),
         {"m.json:2:9: cpus: expected an integer from 1 to 16, found \"08\""}},
        {with_member("\"cpus\": \" 1\""),
         {"m.json:2:9: cpus: expected an integer from 1 to 16, found \" 1\""}},
        {with_member("\"cpus\": \"+1\""),
         {"m.json:2:9: cpus: expected an integer from 1 to 16, found \"+1\""}},
        {with_member("\"cpus\": \"0x\""),
         {"m.json:2:9: cpus: expected an integer from 1 to 16, found \"0x\""}},
        {with_member("\"cpus\": \"\""), {"m.json:2:9: cpus: expected an integer from 1 to 16, found \"\""}},
        {with_member("\"memory\": \"512M\""), {}},
        {with_member("\"memory\": \"1T\""), {}},
        {with_member("\"memory\": 1048576"), {}},
        {with_member("\"memory\": \"1048576\""), {}},
        {with_member("\"memory\": \"1023K\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"1023K\""}},
        {with_member("\"memory\": \"2T\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"2T\""}},
        {with_member("\"memory\": 1048577"),
         {"m.json:2:11: memory: expected a multiple of 4K, found 1048577"}},
        {with_member("\"memory\": \"1.5G\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"1.5G\""}},
        {with_member("\"memory\": \"512 M\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"512 M\""}},
        {with_member("\"memory\": \"512MB\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"512MB\""}},
        {with_member("\"memory\": \"M\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"M\""}},
        {with_member("\"memory\": \"99999999T\""),
         {"m.json:2:11: memory: expected a size from 1M to 1T, found \"99999999T\""}},
        {wide("\"number\": 18446744073709551615, \"offset\": -9223372036854775808"), {}},
        {wide("\"number\": \"0xffffffffffffffff\", \"offset\": \"-0x8000000000000000\""), {}},
        {wide("\"number\": 18446744073709551616"),
         {"m.json:3:40: devices.w.number: expected " + whole + ", found 18446744073709551616"}},
        {wide("\"number\": \"0x10000000000000000\""),
         {"m.json:3:40: devices.w.number: expected " + whole + ", found \"0x10000000000000000\""}},
        {wide("\"number\": 1e400"), {"m.json:3:40: the number is too large"}},
        {wide("\"number\": " + std::string(100, '9')),
         {"m.json:3:40: devices.w.number: expected " + whole + ", found " + std::string(40, '9') + "..."}},
        {wide("\"offset\": 9223372036854775808"),
         {"m.json:3:40: devices.w.offset: expected " + any + ", found 9223372036854775808"}},
        {wide("\"offset\": \"-9223372036854775809\""),
         {"m.json:3:40: devices.w.offset: expected " + any + ", found \"-9223372036854775809\""}},
        {with_devices(
             "{ \"type\": \"char-filter\", \"id\": \"f\" },\n"
             "{ \"type\": \"virtio-blk\", \"id\": \"v\" },\n"
             "{ \"type\": \"disk-file\", \"id\": \"d\", \"path\": \"p\", \"frontend\": { \"id\": \"v\" },\n"
             "\"priority\": -21, \"size\": -1, \"read_only\": 1 }"),
         {"m.json:6:13: devices.d.priority: expected an integer from -20 to 19, found -21",
          "m.json:6:26: devices.d.size: expected a size from 0 to 1024T, found -1",
          "m.json:6:43: devices.d.read_only: expected true or false, found 1"}},
    });
}

TEST(Diagnostics, DevicesByThemselves) {
    const std::string long_id(65, 'x');
    expect_mistakes({
        {with_devices("{ }"),
         {"m.json:3:1: devices[0].type: missing required property \"type\" of a device",
          "m.json:3:1: devices[0].id: missing required property \"id\" of a device"}},
        {with_devices("{ \"type\": 7, \"id\": 8 }"),
         {"m.json:3:11: devices[0].type: expected a text, found 7",
          "m.json:3:20: devices[0].id: expected a text, found 8"}},
        {with_devices("{ \"type\": \"virtio-blkk\", \"id\": \"a\" }"),
         {"m.json:3:11: devices.a.type: unknown device type \"virtio-blkk\"; did you mean \"virtio-blk\"? "
          "valid: "
          "serial-16550, char-stdio, virtio-blk, disk-file, dual-serial, char-filter, wide, laser"}},
        {with_devices("{ \"type\": \"laser\", \"id\": \"a\" }"),
         {"m.json:3:11: devices.a.type: device type \"laser\" is not available: plugin laser.so needs ABI "
          "1.3, this "
          "is 1.0"}},
        {with_devices("{ \"type\": \"wide\", \"id\": \"\" }"),
         {"m.json:3:25: devices[0].id: expected 1 to 64 letters, digits, \".\", \"_\" or \"-\", found \"\""}},
        {with_devices("{ \"type\": \"wide\", \"id\": \"a b\" }"),
         {"m.json:3:25: devices[0].id: expected 1 to 64 letters, digits, \".\", \"_\" or \"-\", found \"a "
          "b\""}},
        {with_devices("{ \"type\": \"wide\", \"id\": \"" + long_id + "\" }"),
         {"m.json:3:25: devices[0].id: expected 1 to 64 letters, digits, \".\", \"_\" or \"-\", found \"" +
          long_id + "\""}},
        {with_devices("{ \"type\": \"wide\", \"id\": \"a\" },\n  { \"id\": \"a\", \"type\": \"wide\" }"),
         {"m.json:4:11: devices[1].id: the id \"a\" is taken by the device at 3:25"}},
        {with_devices("{ \"type\": \"wide\", \"id\": \"a\", \"numbr\": 1 }"),
         {"m.json:3:30: devices.a.numbr: unknown property \"numbr\" of wide; did you mean \"number\"? valid: "
          "number, "
          "offset, id, type"}},
        {with_devices("{ \"type\": \"serial-16550\", \"id\": \"a\", \"nonsense\": 1 }"),
         {"m.json:3:38: devices.a.nonsense: unknown property \"nonsense\" of serial-16550; valid: port, irq, "
          "id, "
          "type"}},
        {with_devices(
             "{ \"type\": \"wide\", \"id\": \"a\", \"number\": 1, \"number\": { \"x\": 1, \"x\": 2 } }"),
         {"m.json:3:43: devices.a.number: duplicate key \"number\", given before at 3:30",
          "m.json:3:63: devices.a.number.x: duplicate key \"x\", given before at 3:55"}},
        {with_devices("{ \"type\": \"virtio-blk\", \"id\": \"v\", \"serial\": \"123456789012345678901\" },\n"
                      "{ \"type\": \"disk-file\", \"id\": \"d\", \"frontend\": { \"id\": \"v\" } }"),
         {"m.json:3:46: devices.v.serial: expected a text of 0 to 20 bytes, found \"123456789012345678901\"",
          "m.json:4:1: devices.d.path: missing required property \"path\" of disk-file"}},
    });
}

const std::string disk = R"({ "type": "disk-file", "id": "disk", "path": "p", "frontend": )";
const std::string vda = R"({ "type": "virtio-blk", "id": "vda" },)"
                        "\n";
const std::string com = R"({ "type": "serial-16550", "id": "com1" },)"
                        "\n";

TEST(Diagnostics, Links) {
    expect_mistakes({
        {with_devices(vda + disk + "{ \"id\": \"vdb\" } }"),
         {"m.json:4:71: devices.disk.frontend.id: there is no frontend \"vdb\"; did you mean \"vda\"? valid: "
          "vda"}},
        {with_devices(com + disk + "{ \"id\": \"vdb\" } }"),
         {"m.json:4:71: devices.disk.frontend.id: there is no frontend \"vdb\"; no device is a "
          "frontend "
          "of blk/1"}},
        {with_devices(vda + com + disk + "{ \"id\": \"com1\" } }"),
         {"m.json:3:1: devices.vda: no backend connects to \"vda\", a frontend of blk/1 that needs one; "
          "valid: "
          "disk-file",
          "m.json:5:71: devices.disk.frontend.id: disk-file connects to blk/1, but \"com1\" is a frontend of "
          "char/1; "
          "valid: vda"}},
        {with_devices(vda + disk + "{ \"id\": \"vda\" } },\n" +
                      R"({ "type": "disk-file", "id": "more", "path": "p", "frontend": { "id": "vda" } })"),
         {"m.json:5:71: devices.more.frontend.id: the frontend \"vda\" is taken by the device at 4:1, "
          "devices.disk"}},
        {with_devices(R"({ "type": "virtio-blk", "id": "vda" })"),
         {"m.json:3:1: devices.vda: no backend connects to \"vda\", a frontend of blk/1 that needs one; "
          "valid: "
          "disk-file"}},
        {with_devices(vda + R"({ "type": "disk-file", "id": "disk", "path": "p" })"),
         {"m.json:3:1: devices.vda: no backend connects to \"vda\", a frontend of blk/1 that needs one; "
          "valid: "
          "disk-file",
          "m.json:4:1: devices.disk.frontend: missing \"frontend\": disk-file is a backend of blk/1; valid: "
          "vda"}},
        {with_devices(vda + disk + "\"vda\" }"),
         {"m.json:3:1: devices.vda: no backend connects to \"vda\", a frontend of blk/1 that needs one; "
          "valid: "
          "disk-file",
          "m.json:4:63: devices.disk.frontend: expected an object, found \"vda\""}},
        {with_devices(com + R"({ "type": "char-stdio", "id": "c", "frontend": { } })"),
         {"m.json:4:48: devices.c.frontend.id: missing required property \"id\" of a connection"}},
        {with_devices(R"({ "type": "wide", "id": "w", "frontend": { "id": "w" } })"),
         {"m.json:3:30: devices.w.frontend: \"frontend\" is for backends; wide is none"}},
        {with_devices(com +
                      R"({ "type": "char-stdio", "id": "c", "frontend": { "id": "com1", "speed": 9600, )" +
                      "\n" + R"("echo": 1, "parity": "odd" } })"),
         {"m.json:4:64: devices.c.frontend.speed: unknown property \"speed\" of the connection to \"com1\"; "
          "valid: "
          "echo, parity, id",
          "m.json:5:9: devices.c.frontend.echo: expected true or false, found 1"}},
        {with_devices(R"({ "type": "dual-serial", "id": "pair" },)"
                      "\n"
                      R"({ "type": "char-stdio", "id": "c", "frontend": { "id": "pair" } },)"
                      "\n"
                      R"({ "type": "char-stdio", "id": "d", "frontend": { "id": "pair.c" } })"),
         {"m.json:4:56: devices.c.frontend.id: the device \"pair\", dual-serial, has named ports; did you "
          "mean \"pair.a\"? valid: pair.a, pair.b",
          "m.json:5:56: devices.d.frontend.id: there is no frontend \"pair.c\"; did you mean \"pair.a\"? "
          "valid: "
          "pair.a, pair.b"}},
        {with_devices(
             R"({ "type": "dual-serial", "id": "pair" }, { "type": "serial-16550", "id": "pair.a" })"),
         {"m.json:3:42: devices.pair.a: its port \"pair.a\" is named like one of the device at 3:1"}},
        {with_devices(R"({ "type": "char-filter", "id": "f", "frontend": { "id": "f" } })"),
         {"m.json:3:57: devices.f.frontend.id: a device cannot be its own frontend"}},
        {with_devices(com + R"({ "type": "char-filter", "id": "f", "frontend": { "id": "com1" } },)"
                            "\n"
                            R"({ "type": "char-stdio", "id": "c", "frontend": { "id": "f" } })"),
         {}},
        {with_devices(com + R"({ "type": "char-stdio", "id": "c", "frontend": { "id": "wide" } },)"
                            "\n"
                            R"({ "type": "wide", "id": "wide" })"),
         {"m.json:4:56: devices.c.frontend.id: the device \"wide\", wide, is no frontend; valid: com1"}},
    });
}

TEST(Diagnostics, OneMistakeIsReportedOnce) {
    expect_mistakes({
        // A type that nobody knows is not also a missing peer, nor a missing frontend.
        {with_devices(vda + R"({ "type": "disk-fil", "id": "disk", "frontend": { "id": "vda" } })"),
         {"m.json:4:11: devices.disk.type: unknown device type \"disk-fil\"; did you mean \"disk-file\"? "
          "valid: "
          "serial-16550, char-stdio, virtio-blk, disk-file, dual-serial, char-filter, wide, laser"}},
        {with_devices(R"({ "type": "laser", "id": "l" },)"
                      "\n" +
                      disk + "{ \"id\": \"l\" } }"),
         {"m.json:3:11: devices.l.type: device type \"laser\" is not available: plugin laser.so needs ABI "
          "1.3, this "
          "is 1.0"}},
        {with_devices(R"({ "type": "laser", "id": "l" },)"
                      "\n" +
                      disk + "{ \"id\": \"l.beam\" } }"),
         {"m.json:3:11: devices.l.type: device type \"laser\" is not available: plugin laser.so needs ABI "
          "1.3, this "
          "is 1.0"}},
    });
}

TEST(Diagnostics, AllMistakesOfAFileInItsOrder) {
    EXPECT_THAT(
        errors(R"({
  "memory": "12Q",
  "cpus": 99,
  "boot": { "kernal": "k" },
  "devices": [
    { "type": "serial-16550", "id": "com1", "irq": 24, "irq": 5 },
    { "type": "char-stdio", "id": "com1", "raw": "yes", "frontend": { "id": "com2" } },
    { "typ": "wide" }
  ],
  "bott": 1
})"),
        ElementsAre("m.json:2:13: memory: expected a size from 1M to 1T, found \"12Q\"",
                    "m.json:3:11: cpus: expected an integer from 1 to 16, found 99",
                    "m.json:4:11: boot.kernel: missing required property \"kernel\" of boot",
                    "m.json:4:13: boot.kernal: unknown property \"kernal\" of boot; did you mean \"kernel\"? "
                    "valid: kernel, initrd, command_line, protocol, address, mode",
                    "m.json:6:52: devices.com1.irq: expected an integer from 0 to 23, found 24",
                    "m.json:6:56: devices.com1.irq: duplicate key \"irq\", given before at 6:45",
                    "m.json:7:35: devices[1].id: the id \"com1\" is taken by the device at 6:37",
                    "m.json:7:50: devices[1].raw: expected true or false, found \"yes\"",
                    "m.json:7:77: devices[1].frontend.id: there is no frontend \"com2\"; did you mean "
                    "\"com1\"? valid: com1",
                    "m.json:8:5: devices[2].type: missing required property \"type\" of a device",
                    "m.json:8:5: devices[2].id: missing required property \"id\" of a device",
                    "m.json:10:3: bott: unknown property \"bott\"; did you mean \"boot\"? valid: $schema, "
                    "name, memory, cpus, io_threads, on_reset, boot, plugins, devices"));
}

TEST(Diagnostics, AFileOfMistakesEnds) {
    std::string devices;
    for (int i = 0; i < 1500; ++i)
        devices += std::string(i == 0 ? "" : ",\n") + R"({ "type": "x", "id": "" })";
    const auto result = check(with_devices(devices));
    EXPECT_EQ(result.diagnostics.size(), maximum_diagnostics);
    std::string names;
    for (int i = 0; i < 10'500; ++i)
        names +=
            std::string(i == 0 ? "" : ",\n") + R"({ "type": "wide", "id": "w)" + std::to_string(i) + "\" }";
    EXPECT_THAT(errors(with_devices(names)),
                ElementsAre("m.json:10003:1: devices[10000]: more than 10000 devices"));
}

TEST(Diagnostics, TheSourceLineHasACaret) {
    const auto result = check("{\"boot\": {\"kernel\": \"k\"},\n\t\"n\u00e4me\": \"\u00fc\", \"cpus\": 0 }");
    ASSERT_EQ(result.diagnostics.size(), 2U);
    EXPECT_EQ(text_with_source(result.diagnostics[1]),
              "m.json:2:23: cpus: expected an integer from 1 to 16, found 0\n"
              "     \"n\u00e4me\": \"\u00fc\", \"cpus\": 0 }\n"
              "                          ^");
}

TEST(Diagnostics, JsonHasTheParts) {
    const auto result = check(with_member("\"cpu\": 1"), {"memory=1K"});
    const auto json = json_of(result.diagnostics);
    ASSERT_EQ(json.size(), 2U);
    EXPECT_EQ(
        json[0].dump(),
        R"({"kind":"unknown_key","file":"m.json","line":2,"column":1,"path":"cpu",)"
        R"("message":"unknown property \"cpu\"","found":"cpu","nearest":"cpus",)"
        R"("valid":["$schema","name","memory","cpus","io_threads","on_reset","boot","plugins","devices"]})");
    EXPECT_EQ(json[1].dump(), R"({"kind":"out_of_range","file":"m.json","set":"memory=1K","path":"memory",)"
                              R"("message":"expected a size from 1M to 1T, found \"1K\"",)"
                              R"("expected":"a size from 1M to 1T","found":"\"1K\""})");
    Diagnostic foreign{.file = "\xff.json", .message = "x"};
    EXPECT_EQ(json_of({&foreign, 1})[0]["file"], "\"<ff>.json\"");
}

} // namespace
} // namespace plugbay::core
