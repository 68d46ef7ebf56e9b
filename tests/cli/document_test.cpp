// What the documents show of the program is what it prints.
#include "cli_test.hpp"

#include <regex>

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

    std::string type = printed("devices virtio-blk");
    const std::string folder = std::filesystem::path(plugbay_binary()).parent_path() / "plugins";
    const auto place = type.find(folder);
    ASSERT_NE(place, std::string::npos) << type;
    type.replace(place, folder.size(), "build/dev/bin/plugins");
    EXPECT_EQ(shown(reference, "plugbay devices virtio-blk"), type);
}

// But for what each build makes anew: its size, its id, the symbols that the compiler wants.
std::string without_build(const std::string& text) {
    const std::regex varying("[0-9]+ (bytes|symbols)\\n|Linker's id:  [0-9a-f]+");
    return std::regex_replace(text, varying, "...");
}

TEST_F(CommandLine, ReferenceShowsAnInspection) {
    const std::string shown_there =
        shown(page("docs/cli.md"), "plugbay inspect build/dev/bin/plugins/debugcon.so");
    const std::string folder = std::filesystem::path(plugbay_binary()).parent_path() / "plugins";
    std::string now = printed("inspect " + folder + "/debugcon.so");
    const auto place = now.find(folder);
    ASSERT_NE(place, std::string::npos) << now;
    now.replace(place, folder.size(), "build/dev/bin/plugins");
    EXPECT_EQ(without_build(shown_there), without_build(now));
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
