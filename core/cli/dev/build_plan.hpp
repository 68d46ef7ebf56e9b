// How the plugin in a folder is built and tested, and where its files come to lie.
#pragma once

#include "core/base/result.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace plugbay::core::dev {

struct BuildPlan {
    std::filesystem::path folder;    // the sources; absolute
    std::filesystem::path output;    // below which plugin files are looked for
    std::vector<std::string> build;  // the command
    std::vector<std::string> test;   // --test; empty: tests of a CMake build, if it has some
    std::vector<std::string> set_up; // the command that makes the build folder; empty: there is none
    bool cmake = false;              // in a build folder of its own

    // `build`, `test`: a shell's command lines; empty: CMake or Make, whichever the folder is made for.
    // An error when it is not clear how it is built.
    [[nodiscard]] static Result<BuildPlan> make(const std::filesystem::path& folder, const std::string& build,
                                                const std::string& test);

    // Whether `set_up` was not run yet, with these words, or failed.
    [[nodiscard]] bool wants_set_up() const;
    // After it was.
    void note_set_up() const;
    // The command for the tests, now that it is built; empty: there are none.
    [[nodiscard]] std::vector<std::string> test_command() const;
};

// The folder of the CMake package of this monitor's SDK, installed or of the build tree; empty: it is not there.
[[nodiscard]] std::filesystem::path sdk_package();

} // namespace plugbay::core::dev
