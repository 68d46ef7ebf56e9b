#include "core/cli/new_command.hpp"

#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace plugbay::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class NewCommand : public testing::Test {
  protected:
    NewOptions options(const std::string& type) const {
        NewOptions options;
        options.type = type;
        options.folder = folder_.path("made");
        options.templates = PLUGBAY_SOURCE "/sdk/template";
        return options;
    }
    static std::string refused(const NewOptions& options) {
        std::ostringstream out;
        const auto done = new_command(out, options);
        return done ? "" : done.error().text();
    }
    std::string made(const std::string& name) const {
        std::ifstream file(std::filesystem::path(folder_.path("made")) / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }

    TemporaryFolder folder_;
};

TEST_F(NewCommand, FillsTheTemplateIn) {
    std::ostringstream out;
    const auto done = new_command(out, options("two-words"));
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_THAT(out.str(), AllOf(HasSubstr("cmake -S "), HasSubstr("/build/two-words.so")));
    EXPECT_THAT(made("two-words.cpp"),
                AllOf(HasSubstr("class TwoWords {"), HasSubstr(".name = \"two-words\""),
                      HasSubstr("map_memory"), Not(HasSubstr("map_ports")), Not(HasSubstr("@"))));
    EXPECT_THAT(made("CMakeLists.txt"), HasSubstr("plugbay_add_plugin(two-words SOURCES two-words.cpp"));
    EXPECT_NE(made("two-words_test.cpp"), "");
    EXPECT_NE(made("machine.json"), "");
    EXPECT_EQ(made("guest.bin").size(), 20u);
}

TEST_F(NewCommand, MakesWhatItOffers) {
    std::set<std::string> different;
    for (const std::string& combination : new_combinations()) {
        SCOPED_TRACE(combination);
        NewOptions each = options("thing");
        each.language = combination.substr(0, combination.find(' '));
        each.kind = combination.substr(combination.find(' ') + 1);
        EXPECT_EQ(refused(each), "");
        std::string all;
        for (const auto& entry : std::filesystem::directory_iterator(each.folder)) {
            if (entry.path().extension() != ".bin") all += made(entry.path().filename());
        }
        EXPECT_THAT(all, AllOf(Not(HasSubstr("@TYPE@")), Not(HasSubstr("@mmio@")), Not(HasSubstr("@pio@"))));
        EXPECT_THAT(made("README.md"), HasSubstr("plugbay validate build/thing.so"));
        different.insert(all);
        std::filesystem::remove_all(each.folder);
    }
    EXPECT_EQ(different.size(), 9u);
}

TEST_F(NewCommand, RefusesNamesThatNoTypeHas) {
    for (const std::string name : {"", "Big", "9p", "a b", "a_b", "-a", "a-", "a--b", "../up", "caf\xc3\xa9"})
        EXPECT_THAT(refused(options(name)), HasSubstr("cannot be the name of a device type")) << name;
    EXPECT_THAT(refused(options(std::string(65, 'a'))), HasSubstr("cannot be the name"));
    for (const std::string name : {"test", "preinstall"})
        EXPECT_THAT(refused(options(name)), HasSubstr("a name of the build's own")) << name;
    EXPECT_FALSE(std::filesystem::exists(folder_.path("made")));
}

TEST_F(NewCommand, RefusesNamesThatAFileOfTheTemplateHas) {
    NewOptions abi = options("abi");
    abi.language = "rust";
    EXPECT_THAT(refused(abi), AllOf(HasSubstr("cannot be called abi"), HasSubstr("another file abi.rs")));
    EXPECT_FALSE(std::filesystem::exists(folder_.path("made")));
    abi.language = "cpp";
    EXPECT_EQ(refused(abi), "");
}

TEST_F(NewCommand, SaysCommandsThatCanBePasted) {
    NewOptions blank = options("lamp");
    blank.folder = folder_.path("Anna's lamp");
    std::ostringstream out;
    ASSERT_TRUE(new_command(out, blank));
    const std::string quoted = "'" + folder_.path(R"(Anna'\''s lamp)");
    EXPECT_THAT(out.str(), AllOf(HasSubstr("  cmake -S " + quoted + "' -B " + quoted + "/build'"),
                                 HasSubstr("  cmake --build " + quoted + "/build' --target lamp\n"),
                                 HasSubstr("  plugbay validate " + quoted + "/build/lamp.so'\n")));
}

TEST_F(NewCommand, RefusesWhatHasNoTemplate) {
    NewOptions virtio = options("thing");
    virtio.language = "rust";
    virtio.kind = "virtio";
    EXPECT_THAT(refused(virtio),
                AllOf(HasSubstr("no template for a virtio device in rust"), HasSubstr("cpp virtio")));
    virtio.language = "cobol";
    EXPECT_THAT(refused(virtio), HasSubstr("in cobol"));
    EXPECT_FALSE(std::filesystem::exists(folder_.path("made")));
}

TEST_F(NewCommand, TouchesNothingThatIsThere) {
    std::filesystem::create_directory(folder_.path("made"));
    EXPECT_THAT(refused(options("thing")), HasSubstr("is there already"));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path("made")));
    NewOptions lost = options("thing");
    lost.folder = folder_.path("nowhere/made");
    EXPECT_THAT(refused(lost), HasSubstr("no folder can be made in"));
    lost.folder = folder_.path("other");
    lost.templates = folder_.path("no-templates");
    EXPECT_THAT(refused(lost), HasSubstr("cannot be read"));
    EXPECT_FALSE(std::filesystem::exists(folder_.path("other")));
}

} // namespace
} // namespace plugbay::core
