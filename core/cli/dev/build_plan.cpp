#include "core/cli/dev/build_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace plugbay::core::dev {

namespace {

using std::filesystem::path;

constexpr std::array<const char*, 3> makefiles = {"GNUmakefile", "makefile", "Makefile"};

bool is_there(const path& file) {
    std::error_code failed;
    return std::filesystem::exists(file, failed);
}

bool is_found(std::string_view program) {
    const char* folders = std::getenv("PATH");
    std::istringstream all(folders != nullptr ? folders : "/usr/bin:/bin");
    for (std::string folder; std::getline(all, folder, ':');) {
        if (is_there(path(folder) / program)) return true;
    }
    return false;
}

// A quick build that a debugger understands: little is optimised, and the SDK's headers are compiled once.
std::vector<std::string> cmake_set_up(const BuildPlan& plan) {
    std::vector<std::string> words{"cmake", "-S", plan.folder.string(), "-B", plan.output.string()};
    if (is_found("ninja")) words.insert(words.end(), {"-G", "Ninja"});
    words.insert(words.end(), {"-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=-Og -g1",
                               "-DCMAKE_CXX_FLAGS_DEBUG=-Og -g1", "-DCMAKE_COLOR_DIAGNOSTICS=ON",
                               "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DPLUGBAY_PRECOMPILED_SDK=ON",
                               "-DPLUGBAY_PLUGIN_DIRECTORY=" + (plan.output / "plugins").string()});
    if (const path package = sdk_package(); !package.empty())
        words.push_back("-DPlugbay_DIR=" + package.string());
    return words;
}

std::string joined(const std::vector<std::string>& words) {
    std::string all;
    for (const std::string& each : words)
        all += each + '\n';
    return all;
}

path set_up_note(const BuildPlan& plan) {
    return plan.output / "plugbay-dev.txt";
}

} // namespace

path sdk_package() {
    std::error_code failed;
    const path binary = std::filesystem::read_symlink("/proc/self/exe", failed);
    const path prefix = binary.parent_path().parent_path();
    for (const char* library : {"lib", "lib64", "lib/x86_64-linux-gnu"}) {
        path package = prefix / library / "cmake" / "Plugbay";
        if (!failed && is_there(package / "PlugbayConfig.cmake")) return package;
    }
    return {};
}

Result<BuildPlan> BuildPlan::make(const path& folder, const std::string& build, const std::string& test) {
    std::error_code failed;
    BuildPlan plan;
    plan.folder = std::filesystem::canonical(folder, failed);
    if (failed || !std::filesystem::is_directory(plan.folder, failed))
        return Error{folder.string() + " is no folder", "name the one with the plugin's sources"};
    const auto shell = [](const std::string& line) { return std::vector<std::string>{"sh", "-c", line}; };
    if (!test.empty()) plan.test = shell(test);
    plan.output = plan.folder;
    if (!build.empty()) {
        plan.build = shell(build);
    } else if (is_there(plan.folder / "CMakeLists.txt")) {
        plan.cmake = true;
        plan.output = plan.folder / "build" / "dev-plugbay";
        plan.set_up = cmake_set_up(plan);
        plan.build = {"cmake", "--build", plan.output.string()};
        if (is_found("ninja")) plan.build.insert(plan.build.end(), {"--", "--quiet"});
    } else if (std::ranges::any_of(makefiles,
                                   [&](const char* each) { return is_there(plan.folder / each); })) {
        plan.build = {"make"};
    } else {
        return Error{fmt::format("{} has no CMakeLists.txt and no Makefile", plan.folder.string()),
                     "say with --build how it is built"};
    }
    return plan;
}

bool BuildPlan::wants_set_up() const {
    if (!cmake) return false;
    std::ifstream note(set_up_note(*this), std::ios::binary);
    const std::string before{std::istreambuf_iterator<char>(note), {}};
    return before != joined(set_up) || !is_there(output / "CMakeCache.txt");
}

void BuildPlan::note_set_up() const {
    std::ofstream(set_up_note(*this), std::ios::binary) << joined(set_up);
}

std::vector<std::string> BuildPlan::test_command() const {
    if (!test.empty() || !cmake || !is_there(output / "CTestTestfile.cmake")) return test;
    return {"ctest", "--test-dir", output.string(), "--output-on-failure", "--timeout", "60"};
}

} // namespace plugbay::core::dev
