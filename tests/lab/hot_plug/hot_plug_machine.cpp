// Runs a Linux machine and plugs one of its devices in and out as the guest goes along:
//
//     hot_plug_machine MACHINE.json CONSOLE DEVICE BACKEND ROUNDS
//
// MACHINE.json has DEVICE and BACKEND, which the machine is made without, and writes its console to the file CONSOLE. Each
// round adds both, waits until the guest has written "USED <round>", asks the guest to let go, and waits until the device
// is gone. Ends with the guest, with status 0 if all rounds were done and it powered off.
#include "core/cli/load_machine.hpp"
#include "core/machine/machine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <pthread.h>
#include <string>
#include <thread>
#include <vector>

namespace plugbay::core {
namespace {

using namespace std::chrono_literals;

class Plugger {
  public:
    Plugger(Machine& machine, std::vector<DeviceConfig> devices, std::string console)
        : machine_(machine), devices_(std::move(devices)), console_(std::move(console)) {}

    // False when something went wrong, which it has told.
    bool play(int rounds) {
        for (int round = 1; round <= rounds; ++round) {
            if (!on_machine([&](Machine& machine) { return machine.add_devices(devices_); })) return false;
            if (!wait([&] { return console_has("USED " + std::to_string(round)); }, "use of the device"))
                return false;
            const auto unplug = [&](Machine& machine) {
                return machine.unplug_device(devices_.front().id, true);
            };
            if (!on_machine(unplug)) return false;
            if (!wait([&] { return gone(); }, "end of the device")) return false;
            std::cout << "round " << round << std::endl;
        }
        return true;
    }
    void machine_ended() { ended_ = true; }

  private:
    // Has the machine's control thread do it, and waits.
    template <typename Work>
    bool on_machine(Work work) {
        auto done = std::make_shared<std::promise<std::string>>();
        auto answer = done->get_future();
        machine_.post([work, done](Machine& machine) {
            const Result<void> result = work(machine);
            done->set_value(result ? "" : result.error().text());
        });
        while (answer.wait_for(100ms) != std::future_status::ready) {
            if (ended_) return tell("the machine ended");
        }
        const std::string error = answer.get();
        return error.empty() || tell(error);
    }
    bool gone() {
        bool there = true;
        on_machine([&](Machine& machine) -> Result<void> {
            there = std::ranges::any_of(devices_, [&](const DeviceConfig& each) {
                return machine.devices().find(each.id) != nullptr;
            });
            return {};
        });
        return !there;
    }
    bool console_has(const std::string& text) const {
        std::ifstream file(console_, std::ios::binary);
        const std::string all{std::istreambuf_iterator<char>(file), {}};
        return all.find(text + "\r") != std::string::npos || all.find(text + "\n") != std::string::npos;
    }
    template <typename Condition>
    bool wait(Condition condition, const std::string& what) {
        for (int i = 0; i < 2400; ++i) { // two minutes, for a hung guest on a slow machine
            if (condition()) return true;
            if (ended_) return tell("the machine ended before the " + what);
            std::this_thread::sleep_for(50ms);
        }
        return tell("no " + what + " within the time limit");
    }
    static bool tell(const std::string& what) {
        std::cout << "hot_plug_machine: " << what << std::endl;
        return false;
    }

    Machine& machine_;
    const std::vector<DeviceConfig> devices_;
    const std::string console_;
    std::atomic<bool> ended_{false};
};

int run(const std::vector<std::string>& arguments) {
    auto loaded = load_machine({.file = arguments[1], .overrides = {}, .plugins = {}}, std::cerr,
                               [](std::span<const Diagnostic> mistakes) {
                                   for (const Diagnostic& mistake : mistakes)
                                       std::cerr << text_of(mistake) << '\n';
                               });
    if (!loaded) return 2;
    std::vector<DeviceConfig> later;
    for (const std::string& id : {arguments[3], arguments[4]}) {
        const auto found = std::ranges::find(loaded->config.devices, id, &DeviceConfig::id);
        if (found == loaded->config.devices.end()) return 2;
        later.push_back(*found);
        loaded->config.devices.erase(found);
    }
    sigset_t mask;
    ::sigemptyset(&mask);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
        ::sigaddset(&mask, number);
    ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    auto machine = Machine::create(loaded->config, loaded->device_types);
    if (!machine) {
        std::cout << machine.error().text() << '\n';
        return 1;
    }
    Plugger plugger(**machine, std::move(later), arguments[2]);
    bool played = false;
    std::thread player([&] { played = plugger.play(std::atoi(arguments[5].c_str())); });
    const auto outcome = (*machine)->run();
    plugger.machine_ended();
    player.join();
    if (!outcome) std::cout << outcome.error().text() << '\n';
    return played && outcome && outcome->kind == RunOutcome::Kind::power_off ? 0 : 1;
}

} // namespace
} // namespace plugbay::core

int main(int count, char** words) {
    const std::vector<std::string> arguments(words, words + count);
    if (arguments.size() != 6) {
        std::cerr << "usage: hot_plug_machine MACHINE.json CONSOLE DEVICE BACKEND ROUNDS\n";
        return 2;
    }
    return plugbay::core::run(arguments);
}
