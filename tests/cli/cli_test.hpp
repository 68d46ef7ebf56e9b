// What the command-line tests share: a folder with a few files, and the monitor run in words.
#pragma once

#include "tests/guests/machine/monitor.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <unistd.h>

namespace plugbay::end_to_end {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandLine : public ::testing::Test {
  protected:
    [[nodiscard]] static Outcome plugbay(std::vector<std::string> arguments) {
        return run(plugbay_command(std::move(arguments)));
    }
    [[nodiscard]] static long lines_of(const std::string& text) {
        return std::count(text.begin(), text.end(), '\n');
    }

    // A machine file that boots the image "image" (which ends with status 7) and has these devices.
    std::string machine(const std::string& devices) const {
        folder_.write("image", "\xb0\x07\xe6\xf4\xf4\xeb\xfd"); // mov $7, %al; out %al, $0xf4; hlt; jmp
        return folder_.write(
            "machine.json",
            "{ \"memory\": \"16M\", \"boot\": { \"kernel\": \"image\", \"protocol\": \"flat\" },\n"
            "  \"devices\": [\n" +
                devices + " ] }\n");
    }

    TemporaryFolder folder_;
};

inline const std::string exit_device = R"({ "type": "debug-exit", "id": "exit" })";

// For mistakes that only show when the machine is put together.
class MachineErrors : public CommandLine {
  protected:
    void SetUp() override {
        if (const std::string problem = kvm_problem(); !problem.empty()) GTEST_SKIP() << problem;
    }
};

} // namespace plugbay::end_to_end
