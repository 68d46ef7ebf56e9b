// What the documents show of the program is what it prints.
#include "cli_test.hpp"

namespace plugbay::end_to_end {
namespace {

std::string page(const std::string& name) {
    return bytes_of(std::filesystem::path(PLUGBAY_SOURCE) / name);
}

// The first block that is marked as of that language; empty when there is none.
std::string block(const std::string& text, const std::string& language) {
    const std::string mark = "```" + language + "\n";
    const auto start = text.find(mark);
    if (start == std::string::npos) return "";
    return text.substr(start + mark.size(), text.find("```", start + mark.size()) - start - mark.size());
}

// What stands after "$ <command>", up to the next command or the end of the block; empty when it is not there.
std::string shown(const std::string& text, const std::string& command) {
    const std::string prompt = "\n$ " + command + "\n";
    const auto start = text.find(prompt);
    if (start == std::string::npos) return "";
    const std::string rest = text.substr(start + prompt.size());
    return rest.substr(0, std::min(rest.find("```"), rest.find("$ ")));
}

// Runs "plugbay <arguments>" in that folder: both of its streams.
std::string printed(const std::string& arguments, const std::string& folder = PLUGBAY_SOURCE) {
    const Outcome outcome =
        run({"sh", "-c", R"(cd "$0" && exec "$1" )" + arguments + " 2>&1", folder, plugbay_binary()});
    return outcome.output + outcome.errors;
}

TEST_F(CommandLine, ReadmeShowsTheErrorOfAWrongOverride) {
    const std::string arguments = "run configs/linux.json --set devices.vda.nonsense=1";
    EXPECT_EQ(shown(page("README.md"), "plugbay " + arguments), printed(arguments));
}

TEST_F(CommandLine, ReferenceShowsWhatCommandsPrint) {
    const std::string reference = page("docs/cli.md");
    for (const std::string arguments : {"check configs/linux.json", "devices"})
        EXPECT_EQ(shown(reference, "plugbay " + arguments), printed(arguments));

    const std::string folder = std::filesystem::path(plugbay_binary()).parent_path() / "plugins";
    for (const std::string arguments : {"devices virtio-blk", "devices acpi-pm"}) {
        std::string type = printed(arguments);
        const auto place = type.find(folder);
        ASSERT_NE(place, std::string::npos) << type;
        type.replace(place, folder.size(), "build/dev/bin/plugins");
        EXPECT_EQ(shown(reference, "plugbay " + arguments), type);
    }
}

TEST_F(CommandLine, MachineFilesPageHasAGoodExample) {
    const std::string file = folder_.write("example.json", block(page("docs/machine-file.md"), "jsonc"));
    EXPECT_EQ(plugbay({"check", file}).errors, "");
}

TEST_F(CommandLine, MachineFilesPageShowsTheErrorsOfItsWrongExample) {
    const std::string reference = page("docs/machine-file.md");
    std::filesystem::create_directory(folder_.path("configs"));
    folder_.write("configs/linux.json", block(reference, "json"));
    EXPECT_EQ(block(reference, "text"),
              printed("check configs/linux.json --set devices.vda.nonsense=1", folder_.path("")));
}

} // namespace
} // namespace plugbay::end_to_end
