// Methods about the machine as a whole.
#include "core/control/methods.hpp"
#include "core/machine/machine.hpp"

#include <unistd.h>

namespace plugbay::core {

using nlohmann::json;

namespace {

json status_of(const ControlTarget& target) {
    Machine& machine = target.machine;
    const MachineConfig& config = machine.config();
    return {{"name", target.name},
            {"pid", ::getpid()},
            {"state", machine.paused() ? "paused" : "running"},
            {"guest_seconds", static_cast<double>(machine.guest_time()) / 1e9},
            {"file", config.file},
            {"boot", machine.boot_summary()},
            {"cpus", config.cpus},
            {"memory", config.memory},
            {"devices", machine.devices().devices().size()}};
}

} // namespace

void add_machine_methods(MethodTable& table) {
    const auto add = [&](const char* name, const char* help, auto action) {
        table.add(Method{.name = name,
                         .help = help,
                         .params = schema::object("", {}),
                         .result = nothing(),
                         .run = [action](const ControlTarget& target, const json&) {
                             return done(action(target.machine));
                         }});
    };
    table.add(Method{
        .name = "machine.status",
        .help = "Tells what machine this is and how it is.",
        .params = schema::object("", {}),
        .result =
            schema::object("", {{"name", schema::text("by which `plugbay ctl` finds it")},
                                {"pid", schema::integer("of the monitor", 1)},
                                {"state", schema::choice("what the guest does", {"running", "paused"})},
                                {"guest_seconds", schema::number("that the guest has run, without pauses")},
                                {"file", schema::text("its machine file, as it was named")},
                                {"boot", schema::text("what was booted")},
                                {"cpus", schema::integer("virtual CPUs", 1)},
                                {"memory", schema::integer("the guest's RAM in bytes")},
                                {"devices", schema::integer("how many there are")}}),
        .run = [](const ControlTarget& target, const json&) -> Result<json> { return status_of(target); }});
    add("machine.pause", "Has the guest stand still, and its clocks with it. Pausing twice is once.",
        [](Machine& machine) { return machine.pause(); });
    add("machine.resume", "Lets a paused guest go on.", [](Machine& machine) { return machine.resume(); });
    add("machine.reset",
        "Puts everything back to power-on and boots again, as the reset button would. A paused machine stays "
        "paused.",
        [](Machine& machine) { return machine.reset(); });
    add("machine.power_button", "Presses and releases the power button: the guest is asked to shut down.",
        [](Machine& machine) { return machine.press_power_button(); });
    add("machine.quit", "Ends the machine at once, whatever the guest does.",
        [](Machine& machine) -> Result<void> {
            machine.quit();
            return {};
        });
}

} // namespace plugbay::core
