// Mistakes in machine files: where, what, and what would be right. Nothing of this needs KVM.
#include "cli_test.hpp"

#include <nlohmann/json.hpp>

namespace plugbay::end_to_end {
namespace {

TEST_F(CommandLine, ReportsAFileThatIsNotThere) {
    const std::string file = folder_.path("nothing.json");
    for (const char* command : {"run", "check"}) {
        const Outcome outcome = plugbay({command, file});
        EXPECT_EQ(outcome.status, 2);
        EXPECT_EQ(outcome.errors, file + ": the file cannot be read: No such file or directory\n");
    }
}

TEST_F(CommandLine, ReportsAFolder) {
    const Outcome outcome = plugbay({"check", folder_.path("")});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, HasSubstr("directory"));
}

TEST_F(CommandLine, ReportsBrokenJsonWhereItBreaks) {
    const std::string file =
        folder_.write("broken.json", "{\n"
                                     "  \"memory\": \"256M\", // größer\n"
                                     "  \"boot\": { \"kernel\": \"image\" \"mode\": 1 }\n"
                                     "}\n");
    const Outcome outcome = plugbay({"run", file});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, AllOf(StartsWith(file + ":3:31: "), HasSubstr("expected \",\" or \"}\"")));
}

TEST_F(CommandLine, SuggestsTheNearestType) {
    const std::string file = machine(R"(    { "type": "serial-16650", "id": "com1" })");
    const Outcome outcome = plugbay({"run", file});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors,
                AllOf(StartsWith(file + ":3:15: devices.com1.type: unknown device type \"serial-16650\""),
                      HasSubstr("did you mean \"serial-16550\"?"), HasSubstr("valid: acpi-pm, ")));
}

TEST_F(CommandLine, ReportsAWrongOverrideInOneLine) {
    const std::string file = PLUGBAY_SOURCE "/configs/linux.json";
    for (const char* command : {"run", "check"}) {
        const Outcome outcome = plugbay({command, file, "--set", "devices.vda.nonsense=1"});
        EXPECT_EQ(outcome.status, 2);
        EXPECT_EQ(outcome.output, "");
        EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
        EXPECT_THAT(outcome.errors,
                    AllOf(StartsWith(file + ": --set devices.vda.nonsense=1: devices.vda.nonsense: "),
                          HasSubstr("unknown property \"nonsense\" of virtio-blk"),
                          HasSubstr("valid: bus, slot, "), HasSubstr("serial"), HasSubstr("id, type")));
    }
}

TEST_F(CommandLine, ReportsAnOverrideThatLeadsNowhere) {
    const Outcome outcome = plugbay({"check", machine(exit_device), "--set", "devices.vdb.read_only=true"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("--set devices.vdb.read_only=true"), HasSubstr("\"vdb\"")));
}

TEST_F(CommandLine, ReportsAllMistakesAtOnce) {
    const std::string file = machine(R"(    { "type": "serial-16650", "id": "com1" },
    { "type": "debugcon", "id": "a", "prot": 1 },
    { "type": "debugcon", "id": "a" },
    { "type": "char-file", "id": "log", "path": "log", "frontend": { "id": "b" } },
    { "type": "char-stdio", "id": "terminal" },
    { "type": "virtio-blk", "id": "vda" })");
    const Outcome outcome = plugbay({"check", file, "--set", "memory=1X"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(lines_of(outcome.errors), 7) << outcome.errors;
    EXPECT_THAT(
        outcome.errors,
        AllOf(
            HasSubstr(":3:15: devices.com1.type: unknown device type"),
            HasSubstr(":4:38: devices.a.prot: unknown property \"prot\" of debugcon; did you mean \"port\"?"),
            HasSubstr(":5:33: devices[2].id: the id \"a\" is taken by the device at 4:33"),
            HasSubstr(":6:76: devices.log.frontend.id: there is no frontend \"b\"; valid: a"),
            HasSubstr(
                ":7:5: devices.terminal.frontend: missing \"frontend\": char-stdio is a backend of char/1"),
            HasSubstr(
                ":8:5: devices.vda: no backend connects to \"vda\", a frontend of blk/1 that needs one"),
            HasSubstr("--set memory=1X: memory: expected a size from 1M to 1T, found \"1X\"")));
}

TEST_F(CommandLine, PrintsMistakesAsJson) {
    const std::string file = machine(R"(    { "type": "serial-16650", "id": "com1" })");
    const Outcome outcome = plugbay({"check", file, "--json", "--set", "memory=1X"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.errors, "");
    const auto mistakes = nlohmann::json::parse(outcome.output);
    ASSERT_EQ(mistakes.size(), 2U) << outcome.output;
    for (const auto& mistake : mistakes)
        EXPECT_EQ(mistake["file"], file);
    const auto& type = mistakes[mistakes[0].contains("set") ? 1 : 0];
    EXPECT_EQ(type["kind"], "unknown_type");
    EXPECT_EQ(type["line"], 3);
    EXPECT_EQ(type["column"], 15);
    EXPECT_EQ(type["path"], "devices.com1.type");
    EXPECT_EQ(type["nearest"], "serial-16550");

    const Outcome good = plugbay({"check", machine(exit_device), "--json"});
    EXPECT_EQ(good.status, 0);
    EXPECT_EQ(good.output, "[]\n");
    EXPECT_EQ(good.errors, "");
}

TEST_F(CommandLine, ReportsMoreMemoryThanAMachineMayHave) {
    const std::string file = machine(exit_device);
    const Outcome outcome = plugbay({"run", file, "--set", "memory=2T"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.errors,
              file + ": --set memory=2T: memory: expected a size from 1M to 1T, found \"2T\"\n");
}

} // namespace
} // namespace plugbay::end_to_end
