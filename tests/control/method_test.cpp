// Every method, through the real socket with a real machine.
#include "tests/control/control_fixture.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Methods : public ControlTest {
  protected:
    std::vector<std::string> ids() {
        std::vector<std::string> result;
        const json all = call("devices.list");
        for (const auto& device : all["devices"])
            result.push_back(device["id"]);
        return result;
    }
    double guest_seconds() { return call("machine.status")["guest_seconds"]; }

    static std::string plugin(const std::string& name) { return PLUGBAY_PLUGINS "/" + name + ".so"; }
    void swap() {
        EXPECT_THAT(refusal("swap.report", {{"device", "com1"}}), HasSubstr("never swapped"));
        call("events.subscribe", {{"events", {"device.swapped", "swap.over"}}});
        const json tried =
            call("swap", {{"device", "com1"}, {"file", plugin("serial-16550")}, {"dry_run", true}});
        EXPECT_EQ(tried["outcome"], "tried");
        EXPECT_EQ(tried["pause_microseconds"], 0);
        EXPECT_GT(tried["snapshot_microseconds"], 0);
        const json swapped =
            call("swap", {{"device", "com1"}, {"file", plugin("serial-16550")}, {"probation", 100}});
        EXPECT_EQ(swapped["outcome"], "probation");
        EXPECT_GT(swapped["pause_microseconds"], 0);
        EXPECT_THAT(swapped["before"].get<std::string>(), HasSubstr("serial-16550 1"));
        EXPECT_EQ(event(), R"(device.swapped {"device":"com1"})");
        EXPECT_THAT(event(), HasSubstr(R"("outcome":"committed")"));
        EXPECT_EQ(call("swap.report", {{"device", "com1"}})["outcome"], "committed");
        EXPECT_THAT(ids(), ElementsAre("power", "pci", "com1", "ring", "com2", "vda", "disk"));
        // The guest goes on writing.
        const auto sent = [&] {
            return call("stats", {{"device", "com1"}})["devices"][0]["writes"].get<std::uint64_t>();
        };
        const std::uint64_t then = sent();
        for (int i = 0; i < 500 && sent() == then; ++i)
            std::this_thread::sleep_for(20ms);
        EXPECT_GT(sent(), then);

        const json both = call("swap", {{"device", "com1"},
                                        {"file", plugin("serial-16550")},
                                        {"all", true},
                                        {"probation", 0},
                                        {"rehearse", false}});
        EXPECT_EQ(both["devices"], json({"com1", "com2"}));
        EXPECT_EQ(both["outcome"], "committed");
        for (const char* each :
             {"acpi-pm power", "pci-host pci", "char-ring ring", "virtio-blk vda", "disk-ram disk"}) {
            const std::string names = each;
            const std::size_t space = names.find(' ');
            const json done = call("swap", {{"device", names.substr(space + 1)},
                                            {"file", plugin(names.substr(0, space))},
                                            {"probation", 0},
                                            {"timeout", 1000}});
            EXPECT_EQ(done["outcome"], "committed") << each << done.dump();
            EXPECT_THAT(done["notes"].dump(), HasSubstr("the build before is reclaimed"));
        }
        EXPECT_THAT(refusal("swap", {{"device", "com1"}, {"file", plugin("virtio-rng")}}),
                    AllOf(HasSubstr("step stage"), HasSubstr("no device type \"serial-16550\"")));
        EXPECT_THAT(refusal("swap", {{"device", "com1"}, {"file", "nothing.so"}, {"directory", "/tmp"}}),
                    HasSubstr("/tmp/nothing.so"));
        EXPECT_THAT(refusal("swap", {{"device", "nobody"}, {"file", plugin("virtio-rng")}}),
                    HasSubstr("nobody"));
        EXPECT_EQ(call("swap.report", {{"device", "com1"}})["outcome"], "refused");
    }
    void swap_back() {
        EXPECT_THAT(refusal("swap.back", {{"device", "com1"}}), HasSubstr("no build on probation"));
        call("swap", {{"device", "com1"},
                      {"file", plugin("serial-16550")},
                      {"probation", 60000},
                      {"rehearse", false}});
        call("swap.back", {{"device", "com1"}});
        const json report = call("swap.report", {{"device", "com1"}});
        EXPECT_EQ(report["outcome"], "rolled_back");
        EXPECT_EQ(report["why"], "it was asked for");
        // A machine that ends in the middle of a probation ends well.
        call("swap", {{"device", "com1"},
                      {"file", plugin("serial-16550")},
                      {"probation", 60000},
                      {"rehearse", false}});
    }

    void status() {
        const json now = call("machine.status");
        EXPECT_EQ(now["name"], "busy");
        EXPECT_EQ(now["state"], "running");
        EXPECT_EQ(now["cpus"], 1);
        EXPECT_EQ(now["memory"], 16 << 20);
        EXPECT_EQ(now["devices"], 7);
        EXPECT_EQ(now["file"], file_);
    }
    void pause_and_resume() {
        call("machine.pause");
        call("machine.pause");
        const double then = guest_seconds();
        std::this_thread::sleep_for(50ms);
        EXPECT_EQ(guest_seconds(), then);
        EXPECT_EQ(call("machine.status")["state"], "paused");
        call("machine.resume");
        call("machine.resume");
        EXPECT_EQ(call("machine.status")["state"], "running");
        std::this_thread::sleep_for(20ms);
        EXPECT_GT(guest_seconds(), then);
    }
    void reset() {
        call("machine.reset");
        EXPECT_EQ(call("machine.status")["state"], "running");
        call("machine.pause");
        call("machine.reset");
        EXPECT_EQ(call("machine.status")["state"], "paused");
        EXPECT_EQ(call("registers.read")["registers"]["rip"], "0x7c00");
        call("machine.resume");
    }
    void power_button() { call("machine.power_button"); }

    void list() { EXPECT_THAT(ids(), ElementsAre("power", "pci", "com1", "ring", "com2", "vda", "disk")); }
    void tree() {
        EXPECT_THAT(call("devices.tree")["tree"].get<std::string>(), HasSubstr("com1 (serial-16550)"));
        EXPECT_THAT(call("devices.tree", {{"format", "graphviz"}})["tree"].get<std::string>(),
                    HasSubstr("graph"));
    }
    void show() {
        const json device = call("devices.show", {{"id", "com1"}});
        EXPECT_EQ(device["type"], "serial-16550");
        EXPECT_EQ(device["phase"], "running");
        EXPECT_EQ(device["ports"][0]["peer"], "ring");
        EXPECT_EQ(device["properties"]["port"], 0x3f8);
        EXPECT_THAT(refusal("devices.show", {{"id", "com11"}}), HasSubstr("did you mean \"com1\"?"));
    }
    void set() {
        const json debug{{"type", "os-debug"}, {"id", "debug"}, {"rate", 5}};
        call("devices.add", {{"devices", json::array({debug})}});
        const json before = call("devices.show", {{"id", "debug"}});
        EXPECT_EQ(before["properties"]["rate"], 5);
        EXPECT_EQ(before["live"], json({"rate"}));
        call("devices.set", {{"id", "debug"}, {"property", "rate"}, {"value", "0x10"}});
        EXPECT_EQ(call("devices.show", {{"id", "debug"}})["properties"]["rate"], 16);
        const auto wrong = [&](const char* property, const json& value) {
            return refusal("devices.set", {{"id", "debug"}, {"property", property}, {"value", value}});
        };
        EXPECT_THAT(wrong("rate", 0), HasSubstr("an integer from 1 to"));
        EXPECT_THAT(wrong("rat", 1), HasSubstr("did you mean \"rate\"?"));
        EXPECT_THAT(wrong("port", 0x200), HasSubstr("does not change while the machine runs"));
        EXPECT_EQ(call("devices.show", {{"id", "debug"}})["properties"]["rate"], 16);
    }
    void add_and_remove() {
        const json debug{{"type", "debugcon"}, {"id", "debug"}};
        call("devices.add", {{"devices", json::array({debug})}});
        EXPECT_THAT(ids(), ::testing::Contains("debug"));
        EXPECT_THAT(refusal("devices.add", {{"devices", json::array({debug})}}),
                    HasSubstr("\"debug\" is taken by a device of the machine"));
        EXPECT_THAT(
            refusal("devices.add", {{"devices", json::array({{{"type", "debugcom"}, {"id", "two"}}})}}),
            HasSubstr("did you mean \"debugcon\"?"));
        EXPECT_THAT(
            refusal("devices.add",
                    {{"devices",
                      json::array({{{"type", "char-null"}, {"id", "n"}, {"frontend", {{"id", "com1"}}}}})}}),
            HasSubstr("\"com1\" is taken by the machine's device \"ring\""));
        EXPECT_THAT(refusal("devices.remove", {{"id", "debug"}}), HasSubstr("remove it without asking"));
        EXPECT_EQ(call("devices.remove", {{"id", "debug"}, {"force", true}})["state"], "removed");
        EXPECT_THAT(ids(), Not(::testing::Contains("debug")));
        EXPECT_THAT(refusal("devices.remove", {{"id", "disk"}, {"force", true}}), HasSubstr("\"vda\""));
        EXPECT_EQ(call("devices.remove", {{"id", "vda"}, {"force", true}, {"dependents", true}})["state"],
                  "removed");
        EXPECT_THAT(ids(), ElementsAre("power", "pci", "com1", "ring", "com2"));
        const json pair =
            json::parse(R"([{"type": "disk-ram", "id": "disk", "size": "1M", "frontend": {"id": "vda"}},
                                          {"type": "virtio-blk", "id": "vda"}])");
        call("devices.add", {{"devices", pair}});
        EXPECT_EQ(call("devices.show", {{"id", "disk"}})["ports"][0]["peer"], "vda");
        EXPECT_EQ(call("devices.remove", {{"id", "vda"}, {"dependents", true}})["state"], "asked");
        list_has_both_disks(); // the guest knows nothing of ACPI, and never lets go
    }
    void list_has_both_disks() { EXPECT_THAT(ids(), ::testing::IsSupersetOf({"vda", "disk"})); }
    void reset_device() {
        call("devices.reset", {{"id", "com1"}});
        EXPECT_THAT(refusal("devices.reset", {{"id", "nobody"}}), HasSubstr("no device \"nobody\""));
    }

    void links() {
        const json all = call("links.list")["links"];
        ASSERT_EQ(all.size(), 2U);
        EXPECT_EQ(all[0], json({{"interface", "char/1"}, {"frontend", "com1"}, {"backend", "ring"}}));
        EXPECT_THAT(refusal("links.connect", {{"backend", "ring"}, {"frontend", "com2"}}),
                    HasSubstr("\"ring\" is connected to \"com1\""));
        EXPECT_THAT(refusal("links.disconnect", {{"port", "com2"}}),
                    HasSubstr("no port \"com2\" is connected"));
        call("links.disconnect", {{"port", "com1"}});
        EXPECT_EQ(call("links.list")["links"].size(), 1U);
        EXPECT_THAT(refusal("links.connect", {{"backend", "ring"}, {"frontend", "vda"}}), HasSubstr("blk/1"));
        call("links.connect", {{"backend", "ring"}, {"frontend", "com2"}});
        call("links.disconnect", {{"port", "ring"}});
        call("links.connect", {{"backend", "ring"}, {"frontend", "com1"}});
        EXPECT_EQ(call("links.list")["links"].size(), 2U);
    }
    void replace() {
        EXPECT_EQ(
            call("links.replace",
                 {{"frontend", "vda"}, {"device", {{"type", "disk-ram"}, {"id", "disk2"}, {"size", "2M"}}}}),
            json({{"removed", "disk"}}));
        EXPECT_EQ(call("devices.show", {{"id", "disk2"}})["ports"][0]["peer"], "vda");
        EXPECT_THAT(
            refusal("links.replace", {{"frontend", "vda"}, {"device", {{"type", "char-null"}, {"id", "x"}}}}),
            HasSubstr("char/1"));
        EXPECT_THAT(refusal("links.replace",
                            {{"frontend", "vda"},
                             {"device", {{"type", "disk-file"}, {"id", "x"}, {"path", "/nowhere/disk"}}}}),
                    HasSubstr("/nowhere/disk"));
        const json links = call("links.list");
        EXPECT_THAT(
            refusal("links.replace",
                    {{"frontend", "com1"},
                     {"device", {{"type", "char-null"}, {"id", "x"}, {"frontend", {{"id", "com2"}}}}}}),
            HasSubstr("\"frontend\" is not \"com1\""));
        EXPECT_EQ(call("links.list"), links);
        EXPECT_EQ(call("devices.show", {{"id", "vda"}})["ports"][0]["peer"], "disk2");
        call("links.replace",
             {{"frontend", "vda"}, {"device", {{"type", "disk-ram"}, {"id", "disk"}, {"size", "1M"}}}});
    }

    void input() {
        call("input.key", {{"code", 30}}); // acpi-pm listens, for its own key
        call("input.key", {{"code", 30}, {"action", "release"}});
        EXPECT_THAT(refusal("input.key", {{"code", 0}}), HasSubstr("code"));
        EXPECT_THAT(refusal("input.button", {{"code", 272}}), HasSubstr("no device of this machine listens"));
        EXPECT_THAT(refusal("input.move", {{"x", -3}}), HasSubstr("no device of this machine listens"));
        EXPECT_THAT(refusal("input.position", {{"x", 1}, {"y", 2}}),
                    HasSubstr("no device of this machine listens"));
        EXPECT_THAT(refusal("input.position", {{"x", 1}, {"y", 32768}}), HasSubstr("32767"));
    }

    void registers() {
        EXPECT_EQ(call("registers.read", {{"vcpu", 0}})["registers"]["rdx"], "0x3f8");
        EXPECT_THAT(refusal("registers.read", {{"vcpu", 1}}), HasSubstr("no vCPU 1"));
    }
    void memory() {
        EXPECT_EQ(call("memory.read", {{"address", "0x7c00"}, {"length", 4}})["bytes"], "baf803b0");
        EXPECT_EQ(call("memory.read", {{"address", "31744"}, {"length", 4}, {"vcpu", 0}})["bytes"],
                  "baf803b0");
        for (const char* address : {"0xfffffe", "0xffffffffffffffff", "0x1000000"})
            EXPECT_THAT(refusal("memory.read", {{"address", address}, {"length", 4}}),
                        HasSubstr("no RAM at"));
        EXPECT_THAT(refusal("memory.read", {{"address", "up there"}, {"length", 4}}),
                    HasSubstr("no address"));
        EXPECT_THAT(refusal("memory.read", {{"address", "0"}, {"length", 65537}}), HasSubstr("65536"));
        EXPECT_EQ(
            call("memory.read", {{"address", "0"}, {"length", 65536}})["bytes"].get<std::string>().size(),
            131072U);
    }

    void gdb() {
        const std::string place = "unix:" + (folder_.path() / "gdb").string();
        EXPECT_THAT(refusal("gdb.stop"), HasSubstr("no GDB server"));
        EXPECT_THAT(refusal("gdb.start", {{"address", "nowhere:x"}}), HasSubstr("nowhere"));
        EXPECT_EQ(call("gdb.start", {{"address", place}})["place"], (folder_.path() / "gdb").string());
        EXPECT_THAT(refusal("gdb.start", {{"address", "0"}}), HasSubstr("already"));
        EXPECT_TRUE(std::filesystem::exists(folder_.path() / "gdb"));
        call("gdb.stop");
        EXPECT_FALSE(std::filesystem::exists(folder_.path() / "gdb"));
        call("gdb.start", {{"address", "0"}}); // goes with the machine
    }
    void log() {
        const auto level_of = [&](const std::string& name) -> std::string {
            const json all = call("log.levels");
            for (const auto& each : all["levels"])
                if (each["name"] == name) return each["level"];
            return "none";
        };
        EXPECT_EQ(level_of("machine"), "warning");
        EXPECT_EQ(level_of("com1"), "warning");
        call("log.set", {{"level", "debug"}, {"name", "com1"}});
        call("log.set", {{"level", "error"}});
        EXPECT_EQ(level_of("machine"), "error");
        EXPECT_EQ(level_of("com1"), "debug");
        EXPECT_THAT(refusal("log.set", {{"level", "debug"}, {"name", "com11"}}), HasSubstr("com1"));
        call("log.set", {{"level", "warning"}});
    }
    void stats() {
        const auto writes = [](const json& all) { return all["devices"][0]["writes"].get<std::uint64_t>(); };
        call("stats.measure", {{"on", true}});
        const json before = call("stats", {{"device", "com1"}});
        std::this_thread::sleep_for(20ms);
        const json after = call("stats", {{"device", "com1"}});
        EXPECT_EQ(after["devices"].size(), 1U);
        EXPECT_GT(writes(after), writes(before));
        EXPECT_GT(after["vcpus"][0]["exits"]["port_out"], before["vcpus"][0]["exits"]["port_out"]);
        EXPECT_FALSE(after["devices"][0]["latency"].empty());
        EXPECT_EQ(call("stats")["devices"].size(), 7U);
        EXPECT_THAT(refusal("stats", {{"device", "com3"}}), HasSubstr("com1"));
        call("stats.measure", {{"on", false}});
    }
    void state() {
        const json state = call("devices.state", {{"id", "com2"}});
        EXPECT_EQ(state["type"], "serial-16550");
        const auto divisor =
            std::ranges::find(state["fields"], "divisor", [](const json& field) { return field["name"]; });
        ASSERT_NE(divisor, state["fields"].end());
        EXPECT_EQ((*divisor)["kind"], "u16");
        EXPECT_EQ((*divisor)["count"], 1);
        EXPECT_TRUE((*divisor)["value"].is_number());
        EXPECT_THAT(refusal("devices.state", {{"id", "com3"}}), HasSubstr("com"));
    }
    // Saved while the guest runs; then one thing of the guest's and one of a device's are changed, and are as before again.
    // More in move_test.cpp.
    void send() {
        const std::string place = (folder_.path() / "way").string();
        auto copy = start({"restore", "unix:" + place, "--pause", "--name", "copy"});
        for (int i = 0; i < 400 && !std::filesystem::exists(place); ++i)
            std::this_thread::sleep_for(25ms);
        const json report = call("checkpoint.send", {{"to", "unix:" + place}});
        EXPECT_EQ(report["moved"], false);
        EXPECT_EQ(call("checkpoint.progress")["bytes"], report["bytes"]);
        EXPECT_THAT(refusal("checkpoint.cancel"), HasSubstr("not being sent"));
        const auto other = connect("copy");
        ASSERT_NE(other, nullptr);
        EXPECT_TRUE(other->call("machine.quit", json::object(), 10s));
        EXPECT_EQ(copy->finish(20s).status, 0);
    }
    void checkpoint() {
        const std::string folder = (folder_.path() / "saved").string();
        std::filesystem::remove_all(folder);
        EXPECT_THAT(refusal("checkpoint", {{"folder", folder}, {"incremental", true}}),
                    HasSubstr("\"track\""));
        const json saved = call("checkpoint", {{"folder", folder + "/"}, {"track", true}});
        EXPECT_EQ(saved["folder"], folder);
        EXPECT_GT(saved["pages"], 0);
        EXPECT_THAT(refusal("checkpoint", {{"folder", folder}}), HasSubstr("saved"));
        call("checkpoint", {{"folder", folder + "-2"}, {"incremental", true}});
        call("machine.pause");
        const double before = guest_seconds();
        call("restore", {{"folder", folder}});
        EXPECT_LT(guest_seconds(), before);
        EXPECT_EQ(call("machine.status")["state"], "paused");
        call("machine.resume");
        call("devices.remove", {{"id", "ring"}, {"force", true}});
        EXPECT_THAT(refusal("restore", {{"folder", folder}}),
                    HasSubstr("device \"ring\" was saved, and the machine has none"));
        EXPECT_THAT(refusal("restore", {{"folder", folder + "-3"}}), HasSubstr("saved-3"));
        std::filesystem::remove_all(folder + "-2");
    }
    // The rest is in shadow_test.cpp.
    void shadow() {
        call("events.subscribe", {{"events", {"shadow.over"}}});
        const std::string file = PLUGBAY_PLUGINS "/serial-16550.so";
        EXPECT_EQ(call("shadow", {{"device", "com1"}, {"file", file}, {"duration", 60'000}})["outcome"],
                  "running");
        EXPECT_EQ(call("shadow.report", {{"device", "com1"}})["device"], "com1");
        call("shadow.stop", {{"device", "com1"}});
        EXPECT_THAT(event(), AllOf(HasSubstr("shadow.over"), HasSubstr(R"("outcome":"equal")")));
    }
    void trace() {
        call("events.subscribe", {{"events", {"trace.access", "trace.over"}}});
        call("trace.start", {{"device", "com1"}});
        EXPECT_EQ(call("trace.list")["devices"], json({"com1"}));
        EXPECT_THAT(refusal("trace.start", {{"device", "com1"}}), HasSubstr("is traced already"));
        const std::string first = event();
        for (const char* part :
             {"trace.access", R"("device":"com1")", R"("from":"vcpu0")", R"("kind":"write")",
              R"("offset":"0x0")", R"("region":"ports 0x3f8")", R"("value":"0x78")", R"("width":1)"})
            EXPECT_THAT(first, HasSubstr(part));
        call("trace.stop", {{"device", "com1"}});
        std::string last;
        for (int i = 0; i < 100'000 && last.find("trace.over") == std::string::npos; ++i)
            last = event();
        EXPECT_THAT(last, AllOf(HasSubstr(R"("device":"com1")"), HasSubstr("it was asked for")));
        EXPECT_EQ(call("trace.list")["devices"], json::array());
        EXPECT_THAT(refusal("trace.stop", {{"device", "com1"}}), HasSubstr("is not traced"));
    }
    void describe() { EXPECT_EQ(call("describe"), core::description_of(core::control_methods())); }
    void subscribe() {
        EXPECT_EQ(call("events.subscribe", {{"events", {"machine.paused"}}})["events"],
                  json({"machine.paused"}));
        EXPECT_THAT(refusal("events.subscribe", {{"events", {"machine.started"}}}),
                    HasSubstr("machine.reset"));
        call("events.subscribe", {{"events", json::array()}});
    }
};

TEST_F(Methods, AllWork) {
    const std::map<std::string, std::function<void()>> tests{
        {"checkpoint", [&] { checkpoint(); }},
        {"checkpoint.cancel", [] {}},   // with checkpoint.send
        {"checkpoint.progress", [] {}}, // with checkpoint.send
        {"checkpoint.send", [&] { send(); }},
        {"describe", [&] { describe(); }},
        {"devices.add", [&] { add_and_remove(); }},
        {"devices.list", [&] { list(); }},
        {"devices.remove", [] {}}, // with devices.add
        {"devices.reset", [&] { reset_device(); }},
        {"devices.set", [&] { set(); }},
        {"devices.show", [&] { show(); }},
        {"devices.state", [&] { state(); }},
        {"devices.tree", [&] { tree(); }},
        {"events.subscribe", [&] { subscribe(); }},
        {"gdb.start", [&] { gdb(); }},
        {"gdb.stop", [] {}},     // with gdb.start
        {"input.button", [] {}}, // with input.key
        {"input.key", [&] { input(); }},
        {"input.move", [] {}},     // with input.key
        {"input.position", [] {}}, // with input.key
        {"links.connect", [&] { links(); }},
        {"links.disconnect", [] {}}, // with links.connect
        {"links.list", [] {}},
        {"links.replace", [&] { replace(); }},
        {"log.levels", [&] { log(); }},
        {"log.set", [] {}}, // with log.levels
        {"machine.pause", [&] { pause_and_resume(); }},
        {"machine.power_button", [&] { power_button(); }},
        {"machine.quit", [] {}}, // the last
        {"machine.reset", [&] { reset(); }},
        {"machine.resume", [] {}}, // with machine.pause
        {"machine.status", [&] { status(); }},
        {"memory.read", [&] { memory(); }},
        {"registers.read", [&] { registers(); }},
        {"restore", [] {}}, // with checkpoint
        {"shadow", [&] { shadow(); }},
        {"shadow.report", [] {}}, // with shadow
        {"shadow.stop", [] {}},   // with shadow
        {"stats", [&] { stats(); }},
        {"stats.measure", [] {}}, // with stats
        {"swap", [&] { swap(); }},
        {"swap.back", [&] { swap_back(); }},
        {"swap.report", [] {}}, // with swap
        {"trace.list", [] {}},  // with trace.start
        {"trace.start", [&] { trace(); }},
        {"trace.stop", [] {}}, // with trace.start
    };
    std::set<std::string> tested;
    std::set<std::string> known;
    for (const auto& [name, test] : tests)
        tested.insert(name);
    for (const auto& [name, method] : core::control_methods().methods())
        known.insert(name);
    EXPECT_EQ(tested, known) << "each method has its test here";

    for (const auto& [name, test] : tests) {
        run_machine();
        if (HasFatalFailure()) return;
        SCOPED_TRACE(name);
        test();
        const Outcome outcome = end();
        EXPECT_EQ(outcome.status, 0) << outcome.text();
    }
}

TEST_F(Methods, EventsTellWhatHappened) {
    run_machine();
    call("events.subscribe");
    call("machine.pause");
    EXPECT_EQ(event(), "machine.paused {}");
    call("machine.resume");
    EXPECT_EQ(event(), "machine.resumed {}");
    call("machine.reset");
    EXPECT_EQ(event(), "machine.reset {}");
    call("devices.add",
         {{"devices", json::array({{{"type", "char-null"}, {"id", "n"}, {"frontend", {{"id", "com2"}}}}})}});
    EXPECT_EQ(event(), R"(device.added {"device":"n"})");
    EXPECT_EQ(event(), R"(link.connected {"backend":"n","frontend":"com2"})");
    call("links.disconnect", {{"port", "com2"}});
    EXPECT_EQ(event(), R"(link.disconnected {"backend":"n","frontend":"com2"})");
    call("devices.remove", {{"id", "n"}, {"force", true}});
    EXPECT_EQ(event(), R"(device.removed {"device":"n"})");
    call("machine.quit");
    EXPECT_EQ(event(), R"(machine.ended {"reason":"ended by its control socket"})");
    EXPECT_THAT(event(), HasSubstr("has ended"));
    EXPECT_EQ(monitor_->finish(20s).status, 0);
}

TEST_F(Methods, ABackendThatIsNeededIsNotReplaced) {
    file_ = folder_.write("busy.json", R"({
        "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" }, "plugins": [")" PLUGBAY_TEST_PLUGINS
                                       R"(/relay.so"],
        "devices": [ { "type": "serial-16550", "id": "com1" },
                     { "type": "relay", "id": "relay", "frontend": { "id": "com1" } },
                     { "type": "char-ring", "id": "ring", "frontend": { "id": "relay.far" } } ] })");
    run_machine();
    const json before = call("links.list");
    EXPECT_THAT(
        refusal("links.replace", {{"frontend", "com1"}, {"device", {{"type", "char-null"}, {"id", "new"}}}}),
        HasSubstr("device \"relay\" is needed by \"ring\""));
    EXPECT_EQ(ids(), std::vector<std::string>({"com1", "relay", "ring"}));
    const json after = call("links.list");
    EXPECT_THAT(after["links"], ::testing::UnorderedElementsAreArray(before["links"]));
    EXPECT_EQ(end().status, 0);
}

TEST_F(Methods, UnknownNamesAreErrors) {
    run_machine();
    EXPECT_THAT(refusal("machine.stats"), AllOf(HasSubstr("no method"), HasSubstr("machine.status")));
    EXPECT_THAT(refusal("machine.pause", {{"now", true}}), HasSubstr("there is no \"now\""));
    EXPECT_THAT(refusal("devices.show", {{"ident", "com1"}}), HasSubstr("\"id\" is missing"));
    EXPECT_EQ(end().status, 0);
}

TEST_F(Methods, AMachineThatWasStartedPausedWaits) {
    run_machine({"--pause"});
    EXPECT_EQ(call("machine.status")["state"], "paused");
    EXPECT_EQ(call("machine.status")["guest_seconds"], 0.0);
    EXPECT_EQ(call("registers.read")["registers"]["rip"], "0x7c00");
    call("machine.resume");
    std::this_thread::sleep_for(50ms);
    EXPECT_NE(call("registers.read")["registers"]["rip"], "0x7c00");
    EXPECT_EQ(end().status, 0);
}

TEST_F(Methods, TheSocketIsThisUsersAloneAndGoesWithTheMachine) {
    run_machine();
    const auto status = std::filesystem::status(socket("busy"));
    EXPECT_EQ(status.type(), std::filesystem::file_type::socket);
    EXPECT_EQ(status.permissions(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_EQ(end().status, 0);
    EXPECT_THAT(std::vector(std::filesystem::directory_iterator(folder_.path() / "run"), {}), IsEmpty());
}

} // namespace
} // namespace plugbay::end_to_end
