// Machines that run while tests tell them what to do.
#pragma once

#include "cli_test.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace plugbay::end_to_end {

using nlohmann::json;
using std::chrono::seconds;

class RunningMachine : public MachineErrors {
  protected:
    void SetUp() override {
        ::setenv("PLUGBAY_RUNTIME_DIR", folder_.path("").c_str(), 1);
        ::setenv("XDG_STATE_HOME", folder_.path("state").c_str(), 1);
        MachineErrors::SetUp();
    }

    // A machine that says "!" on its serial line and then does nothing for ever.
    std::string waiting_machine() {
        // mov $0x3f8, %dx; mov $'!', %al; out %al, %dx; hlt; jmp to the hlt
        folder_.write("waiting", "\xba\xf8\x03\xb0\x21\xee\xf4\xeb\xfd");
        return folder_.write("waiting.json",
                             R"({ "memory": "16M", "boot": { "kernel": "waiting", "protocol": "flat" },
            "devices": [ { "type": "debug-exit", "id": "exit" },
                         { "type": "serial-16550", "id": "com1" },
                         { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } } ] })");
    }
    // One that reads a port without pause.
    std::string busy_machine() {
        folder_.write("busy", "\xe4\xf4\xeb\xfc"); // in $0xf4, %al; jmp to it
        return folder_.write("busy.json",
                             R"({ "memory": "16M", "boot": { "kernel": "busy", "protocol": "flat" },
            "devices": [ { "type": "debug-exit", "id": "exit" } ] })");
    }
    // In the background until the test's end.
    void start(const std::string& file, const std::string& name) {
        const Outcome started = plugbay({"run", file, "--daemon", "--name", name});
        ASSERT_EQ(started.status, 0) << started.text();
        ASSERT_EQ(started.output, name + "\n");
    }
    void TearDown() override {
        const Outcome listed = plugbay({"ps", "--json"});
        for (const json& machine : json::parse(listed.output, nullptr, false)) {
            if (machine.is_object() && machine.contains("pid")) ::kill(machine["pid"].get<pid_t>(), SIGKILL);
        }
    }
};

} // namespace plugbay::end_to_end
