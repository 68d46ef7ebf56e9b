// docs/control-methods.md is what the table of methods says. PLUGBAY_WRITE_DOCUMENTS=1 writes it.
#include "core/control/method.hpp"
#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

namespace plugbay::core {
namespace {

TEST(MethodsDocument, IsWhatTheTableSays) {
    const std::filesystem::path file = std::filesystem::path(PLUGBAY_SOURCE) / "docs/control-methods.md";
    const std::string wanted =
        "# Methods and events of the control socket\n\n"
        "Written by the program itself; [control.md](control.md) is about the protocol.\n\n" +
        markdown_of(control_methods());
    if (std::getenv("PLUGBAY_WRITE_DOCUMENTS") != nullptr) std::ofstream(file, std::ios::binary) << wanted;
    EXPECT_EQ(bytes_of(file), wanted)
        << "run this test with PLUGBAY_WRITE_DOCUMENTS=1 in its environment, which writes the document";
}

} // namespace
} // namespace plugbay::core
