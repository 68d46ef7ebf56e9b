// What the tests of whole machines share: a guest program and its devices become an image and a machine file
// in a folder of their own, and the real monitor runs them.
#pragma once

#include "core/kvm/guest_program.hpp"
#include "tests/guests/guest_assembly.hpp"
#include "tests/guests/machine/monitor.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <unistd.h>

namespace plugbay::end_to_end {

using core::GuestProgram;

struct MachineOptions {
    std::string mode = "real_16";
    std::string address = "0x7c00";
    std::string memory = "16M";
    std::string more = ""; // further members of the file, each followed by a comma
    unsigned cpus = 1;
};

inline MachineOptions protected_32() {
    return {.mode = "protected_32", .address = "0x100000"};
}
inline MachineOptions long_64() {
    return {.mode = "long_64", .address = "0x100000"};
}

// With the testkit's probe plugin, whose device types use what the shipped ones do not.
inline MachineOptions with_probes(MachineOptions options) {
    options.more += R"("plugins": [")" PROBE_PLUGIN R"("], )";
    return options;
}

// Every machine has a debug-exit at its usual port 0xf4.
class MachineTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const std::string problem = kvm_problem(); !problem.empty()) GTEST_SKIP() << problem;
    }

    // Writes both files. `devices` are entries of "devices", each preceded by a comma.
    std::string prepare(GuestProgram program, const std::string& devices = "",
                        const MachineOptions& options = {}) {
        folder_.write("image", {reinterpret_cast<const char*>(program.data()), program.size()});
        return folder_.write("machine.json",
                             "{ " + options.more + R"("memory": ")" + options.memory + R"(", "cpus": )" +
                                 std::to_string(options.cpus) +
                                 R"(, "boot": { "kernel": "image", "protocol": "flat", "mode": ")" +
                                 options.mode + R"(", "address": ")" + options.address +
                                 R"(" }, "devices": [ { "type": "debug-exit", "id": "exit" })" + devices +
                                 " ] }\n");
    }
    Outcome run_machine(GuestProgram program, const std::string& devices = "",
                        const MachineOptions& options = {}) {
        return run(plugbay_command({"run", prepare(program, devices, options)}));
    }
    // For programs of checks (guest_assembly.hpp): all of them pass and the monitor has nothing to say. Skips when a
    // device needs read-only memory and this KVM has none.
    void expect_success(GuestProgram program, const std::string& devices, const MachineOptions& options) {
        const Outcome outcome = run_machine(program, devices, options);
        if (outcome.errors.find("READONLY_MEM") != std::string::npos)
            GTEST_SKIP() << "this KVM has no READONLY_MEM";
        EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
        EXPECT_EQ(outcome.errors, "");
    }

    TemporaryFolder folder_;
};

// Entries for `devices`.
inline const std::string debugcon_to_file =
    R"(, { "type": "debugcon", "id": "debug" })"
    R"(, { "type": "char-file", "id": "log", "path": "log", "frontend": { "id": "debug" } })";
inline const std::string serial_to_stdio =
    R"(, { "type": "serial-16550", "id": "com1" })"
    R"(, { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } })";

} // namespace plugbay::end_to_end
