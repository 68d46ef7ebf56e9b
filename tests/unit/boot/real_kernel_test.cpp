// Kernels as distributions ship them, when scripts/guest or scripts/lab has fetched some.
#include "core/boot/load_image.hpp"

#include "tests/unit/boot/test_images.hpp"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

namespace fs = std::filesystem;

// PLUGBAY_TEST_KERNEL names one file; else every vmlinuz* and bzImage* where those scripts put them.
std::vector<std::string> kernels() {
    if (const char* named = std::getenv("PLUGBAY_TEST_KERNEL")) return {named};
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    const fs::path base =
        cache != nullptr ? fs::path(cache) : fs::path(home != nullptr ? home : "/") / ".cache";
    std::vector<std::string> found;
    for (const auto& folder : {base / "plugbay/lab", fs::path(PLUGBAY_SOURCE "/build/guest")}) {
        std::error_code error;
        for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
             at.increment(error)) {
            const auto name = at->path().filename().string();
            const bool is_kernel = name.starts_with("vmlinuz") || name.starts_with("bzImage");
            if (is_kernel && at->is_regular_file(error)) found.push_back(at->path().string());
        }
    }
    return found;
}

TEST(RealKernel, IsLoadedByTheLinuxProtocol) {
    const auto paths = kernels();
    if (paths.empty()) {
        GTEST_SKIP() << "no vmlinuz below ${XDG_CACHE_HOME:-~/.cache}/plugbay/lab or build/guest, and "
                        "PLUGBAY_TEST_KERNEL names none";
    }
    const auto memory = test::make_memory(std::uint64_t{512} << 20);
    for (const auto& path : paths) {
        const auto loaded = load_image(*memory, {.kernel = path, .command_line = "console=ttyS0"});
        ASSERT_TRUE(loaded) << loaded.error().text();
        EXPECT_EQ(loaded->protocol, BootProtocol::linux64) << path;
        RecordProperty("kernel", loaded->summary);
    }
}

TEST(RealKernel, IsRefusedWithTooLittleMemory) {
    const auto paths = kernels();
    if (paths.empty()) GTEST_SKIP() << "no kernel, see above";
    const auto memory = test::make_memory(std::uint64_t{8} << 20);
    const auto loaded = load_image(*memory, {.kernel = paths.front()});
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().hint.find("more memory"), std::string::npos) << loaded.error().text();
}

} // namespace
} // namespace plugbay::core
