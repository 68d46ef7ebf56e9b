// What counts as a change of a source.
#include "core/cli/dev/source_watch.hpp"
#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>

namespace plugbay::core::dev {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class Watch : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_.write("lamp.cpp", "1");
        fs::create_directories(folder_.path() / "include/deep");
        fs::create_directories(folder_.path() / "build/dev");
        fs::create_directories(folder_.path() / "out");
        folder_.write("out/CMakeCache.txt", "");
    }
    SourceWatch watch(bool beside = false) {
        auto watch = SourceWatch::start(folder_.path(), beside);
        if (!watch) throw std::runtime_error(watch.error().text());
        return *std::move(watch);
    }
    TemporaryFolder folder_;
};

TEST_F(Watch, SeesSourcesAtAnyDepth) {
    SourceWatch seen = watch();
    EXPECT_THAT(seen.take(false), IsEmpty());
    folder_.write("lamp.cpp", "2");
    folder_.write("include/deep/lamp.hpp", "2");
    EXPECT_THAT(seen.take(false), ElementsAre("include/deep/lamp.hpp", "lamp.cpp"));
    EXPECT_THAT(seen.take(false), IsEmpty());
    fs::remove(folder_.path() / "lamp.cpp");
    EXPECT_THAT(seen.take(false), ElementsAre("lamp.cpp"));
}

TEST_F(Watch, SeesFoldersThatComeAndGo) {
    SourceWatch seen = watch();
    fs::create_directories(folder_.path() / "new/deeper");
    folder_.write("new/deeper/one.cpp", "1");
    EXPECT_THAT(seen.take(false), ElementsAre("new/deeper/one.cpp"));
    folder_.write("new/deeper/two.cpp", "1");
    EXPECT_THAT(seen.take(false), ElementsAre("new/deeper/two.cpp"));
    TemporaryFolder elsewhere;
    fs::rename(folder_.path() / "new", elsewhere.path() / "new");
    (void)seen.take(false);
    elsewhere.write("new/deeper/one.cpp", "2");
    EXPECT_THAT(seen.take(false), IsEmpty());
}

TEST_F(Watch, PassesOverBuildsAndWhatEditorsLeave) {
    SourceWatch seen = watch();
    for (const char* name : {".lamp.cpp.swp", "lamp.cpp~", "#lamp.cpp#", ".#lamp.cpp", "4913", "lamp.o",
                             "lamp.so", "build/dev/lamp.cpp", "out/generated.cpp"})
        folder_.write(name, "1");
    fs::create_directories(folder_.path() / ".git");
    folder_.write(".git/index", "1");
    EXPECT_THAT(seen.take(false), IsEmpty());
    fs::rename(folder_.path() / "lamp.cpp~", folder_.path() / "lamp.cpp"); // a save, in the end
    EXPECT_THAT(seen.take(false), ElementsAre("lamp.cpp"));
}

TEST_F(Watch, TakesNamesOfAnyBytes) {
    SourceWatch seen = watch();
    const std::string name = "\xff\n\x1b[2J\"'$(x).cpp";
    folder_.write(name, "1");
    EXPECT_THAT(seen.take(false), ElementsAre(name));
}

TEST_F(Watch, TellsProductsOfABuildBesideTheSources) {
    SourceWatch seen = watch(true);
    folder_.write("version.inc", "1"); // new while a build runs
    folder_.write("lamp.cpp", "2");    // and a save
    EXPECT_THAT(seen.take(true), ElementsAre("lamp.cpp"));
    folder_.write("version.inc", "2");
    EXPECT_THAT(seen.take(false), IsEmpty());
    folder_.write("other.cpp", "1"); // new while none runs
    EXPECT_THAT(seen.take(false), ElementsAre("other.cpp"));
    folder_.write("other.cpp", "2");
    EXPECT_THAT(seen.take(true), ElementsAre("other.cpp"));
    folder_.write("other.cpp", "3");
    EXPECT_THAT(seen.take(true), ElementsAre("other.cpp"));
    folder_.write("other.cpp", "4"); // every build writes it
    EXPECT_THAT(seen.take(true), IsEmpty());
}

} // namespace
} // namespace plugbay::core::dev
