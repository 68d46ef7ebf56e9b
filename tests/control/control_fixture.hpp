// A machine that runs, with its control socket: the built monitor on /dev/kvm, with a guest that never rests.
#pragma once

#include "core/control/control_client.hpp"
#include "core/control/method.hpp"
#include "tests/guests/machine/monitor.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

namespace plugbay::end_to_end {

using core::ControlClient;
using core::Result;
using nlohmann::json;
using namespace std::chrono_literals;

class ControlTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const std::string problem = kvm_problem(); !problem.empty()) GTEST_SKIP() << problem;
        ::setenv("PLUGBAY_RUNTIME_DIR", (folder_.path() / "run").c_str(), 1);
        // mov $0x3f8, %dx; mov $'x', %al; 1: out %al, %dx; jmp 1b
        folder_.write("image", "\xba\xf8\x03\xb0\x78\xee\xeb\xfd");
        file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
            "devices": [
              { "type": "acpi-pm", "id": "power" },
              { "type": "pci-host", "id": "pci" },
              { "type": "serial-16550", "id": "com1" },
              { "type": "char-ring", "id": "ring", "frontend": { "id": "com1" } },
              { "type": "serial-16550", "id": "com2", "port": "0x2f8", "irq": 3 },
              { "type": "virtio-blk", "id": "vda" },
              { "type": "disk-ram", "id": "disk", "size": "1M", "frontend": { "id": "vda" } } ] })");
    }
    [[nodiscard]] static std::unique_ptr<Child> start(const std::vector<std::string>& arguments) {
        return std::make_unique<Child>(plugbay_command(arguments));
    }
    // Waits until the machine answers.
    [[nodiscard]] static std::unique_ptr<ControlClient> connect(const std::string& name) {
        for (int i = 0; i < 200; ++i) {
            if (auto client = ControlClient::find(name))
                return std::make_unique<ControlClient>(std::move(*client));
            std::this_thread::sleep_for(50ms);
        }
        ADD_FAILURE() << "no machine named " << name;
        return nullptr;
    }
    // The monitor of busy.json, and a client.
    void run_machine(std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"run", file_});
        monitor_ = start(more);
        client_ = connect("busy");
        ASSERT_NE(client_, nullptr);
    }
    // A call that works, whose result is what its schema says.
    json call(const std::string& method, const json& params = json::object()) {
        auto result = client_->call(method, params, 30s);
        if (!result) {
            ADD_FAILURE() << method << ": " << result.error().text();
            return json::object();
        }
        const core::Method* const known = core::control_methods().find(method);
        if (known == nullptr) {
            ADD_FAILURE() << "no such method: " << method;
        } else {
            EXPECT_EQ(core::schema::complaint(known->result, *result, "result"), std::nullopt) << method;
        }
        return std::move(*result);
    }
    // A call that does not, and why.
    std::string refusal(const std::string& method, const json& params = json::object()) {
        const auto result = client_->call(method, params, 30s);
        if (!result) return result.error().text();
        ADD_FAILURE() << method << " worked: " << result->dump();
        return {};
    }
    // The next event, as "name params".
    std::string event() {
        const auto next = client_->next_event(10s);
        if (!next) return next.error().text();
        if (!*next) return "none";
        return (**next)["method"].get<std::string>() + " " + (**next)["params"].dump();
    }
    // Ends the machine that runs and looks at what it said.
    Outcome end() {
        call("machine.quit");
        return monitor_->finish(20s);
    }
    [[nodiscard]] std::filesystem::path socket(const std::string& name) const {
        return folder_.path() / "run" / (name + ".sock");
    }

    TemporaryFolder folder_;
    std::string file_;
    std::unique_ptr<Child> monitor_;
    std::unique_ptr<ControlClient> client_;
};

} // namespace plugbay::end_to_end
