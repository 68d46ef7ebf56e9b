#include "core/cli/ctl/command_words.hpp"
#include "core/cli/ctl/completion.hpp"
#include "core/control/json_schema.hpp"
#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>

namespace plugbay::core::ctl {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

json method(const char* name, const json& params) {
    return {{"name", name}, {"help", "Does it. At once."}, {"params", params}, {"result", json::object()}};
}

json devices(json schema) {
    schema["x-completes"] = "devices";
    return schema;
}

const CommandSet& commands() {
    static const json nothing = schema::object("", {});
    static const json set = schema::object("", {{"id", devices(schema::text("the device"))},
                                                {"values", schema::map("what", schema::anything(""))}});
    static const json many =
        schema::object("", {{"address", schema::text("where")},
                            {"length", schema::integer("how much", -8, 65536)},
                            schema::optional("ratio", schema::number("of it")),
                            schema::optional("fast", schema::boolean("hurry")),
                            schema::optional("kind", schema::choice("which", {"red", "blue"})),
                            schema::optional("dev_ids", schema::list("whose", devices(schema::text("")))),
                            schema::optional("more", schema::anything("whatever"))});
    static const json list = schema::object("", {{"names", schema::list("all", schema::text("each"))}});
    static const CommandSet set_of_commands(json{
        {"methods",
         {method("machine.pause", nothing), method("machine.power_button", nothing),
          method("devices.list", nothing), method("devices.set", set), method("memory.read", many),
          method("stats", nothing),
          method("devices.add",
                 schema::object(
                     "", {{"devices", schema::list("new", schema::map("one", schema::anything("")))}})),
          method("stats.measure", schema::object("", {{"on", schema::boolean("now")}})),
          method("log.names", list),
          method("events.subscribe",
                 schema::object(
                     "", {schema::optional("events", schema::list("which", schema::text("an event")))}))}},
        {"events", {{{"name", "machine.paused"}}, {{"name", "device.added"}}}}});
    return set_of_commands;
}

std::string called(const Words& words) {
    const auto read = read_command(commands(), words);
    return read ? read->command->method + read->params.dump() : read.error().text();
}

TEST(CtlWords, AMethodsNameIsACommand) {
    EXPECT_EQ(called({"pause"}), "machine.pause{}");
    EXPECT_EQ(called({"machine", "pause"}), "machine.pause{}");
    EXPECT_EQ(called({"machine.pause"}), "machine.pause{}");
    EXPECT_EQ(called({"power-button"}), "machine.power_button{}");
    EXPECT_EQ(called({"power_button"}), "machine.power_button{}");
    EXPECT_EQ(called({"devices", "list"}), "devices.list{}");
    EXPECT_EQ(called({"devices"}), "devices.list{}");
    EXPECT_EQ(called({"stats"}), "stats{}");
    EXPECT_EQ(called({"stats", "measure", "on"}), R"(stats.measure{"on":true})");
    EXPECT_EQ(called({"events", "device.added"}), R"(events.subscribe{"events":["device.added"]})");
}

TEST(CtlWords, ParametersBecomeWhatTheirSchemaSays) {
    EXPECT_EQ(called({"memory", "read", "0x10", "0x20"}), R"(memory.read{"address":"0x10","length":32})");
    EXPECT_EQ(called({"memory", "read", "-8", "-8"}), R"(memory.read{"address":"-8","length":-8})");
    EXPECT_EQ(called({"memory", "read", "a", "4K", "--fast", "--kind", "red", "--ratio=0.5"}),
              R"(memory.read{"address":"a","fast":true,"kind":"red","length":4096,"ratio":0.5})");
    EXPECT_EQ(called({"memory", "read", "--dev-ids", "a,b", "--dev_ids=c", "--", "--fast", "1"}),
              R"(memory.read{"address":"--fast","dev_ids":["a","b","c"],"length":1})");
    EXPECT_EQ(called({"memory", "read", "a", "1", "--more", R"({"x": [1]})"}),
              R"(memory.read{"address":"a","length":1,"more":{"x":[1]}})");
    EXPECT_EQ(called({"memory", "read", "a", "1", "--more", "plain words"}),
              R"(memory.read{"address":"a","length":1,"more":"plain words"})");
    EXPECT_EQ(called({"memory", "read", "a", "1", "--fast=no"}),
              R"(memory.read{"address":"a","fast":false,"length":1})");
    EXPECT_EQ(called({"log", "names", "a", "b,c", R"(["d"])"}), R"(log.names{"names":["a","b","c","d"]})");
    EXPECT_EQ(called({"devices", "set", "vda", "read_only=true", "path=a=b", R"({"size": 1})"}),
              R"(devices.set{"id":"vda","values":{"path":"a=b","read_only":true,"size":1}})");
}

TEST(CtlWords, ListsOfObjectsAreShort) {
    EXPECT_EQ(
        called({"devices", "add", "type=a,id=b", R"({"type": "c", "slots": [1, 2]})",
                "type=d,slot=4,frontend.id=x"}),
        R"(devices.add{"devices":[{"id":"b","type":"a"},{"slots":[1,2],"type":"c"},{"frontend":{"id":"x"},"slot":4,"type":"d"}]})");
    EXPECT_EQ(called({"devices", "add", R"([{"type": "a"}])"}), R"(devices.add{"devices":[{"type":"a"}]})");
    EXPECT_THAT(called({"devices", "add", "type=a,id"}), HasSubstr("KEY=VALUE"));
}

TEST(CtlWords, FilesHoldJson) {
    const TemporaryFolder folder;
    const std::string file = folder.write("values.json", R"({"a": 1})");
    EXPECT_EQ(called({"devices", "set", "vda", "@" + file}), R"(devices.set{"id":"vda","values":{"a":1}})");
    EXPECT_THAT(called({"devices", "set", "vda", "@" + folder.path("nothing")}), HasSubstr("cannot be read"));
    EXPECT_THAT(called({"devices", "set", "vda", "@" + folder.path(".")}), HasSubstr("cannot be read"));
    folder.write("values.json", "{");
    EXPECT_THAT(called({"devices", "set", "vda", "@" + file}), HasSubstr("JSON"));
    folder.write("values.json", std::string(2 << 20, ' '));
    EXPECT_THAT(called({"devices", "set", "vda", "@" + file}), HasSubstr("too long"));
}

TEST(CtlWords, WrongWordsSayWhatIsRight) {
    EXPECT_THAT(called({"puase"}), HasSubstr(R"(no command "puase"; did you mean "pause"?)"));
    EXPECT_THAT(called({"devices", "st", "vda"}), HasSubstr(R"(did you mean "devices set"?)"));
    EXPECT_THAT(called({"memory", "read", "a"}),
                HasSubstr("wants length: how much (usage: memory read ADDRESS LENGTH"));
    EXPECT_THAT(called({"pause", "now"}), HasSubstr(R"("pause" takes no further word: "now")"));
    EXPECT_THAT(called({"memory", "read", "a", "1", "--fats"}), HasSubstr("did you mean --fast?"));
    EXPECT_THAT(called({"memory", "read", "a", "1", "--kind"}), HasSubstr("--kind wants a value"));
    EXPECT_THAT(called({"memory", "read", "a", "1", "--kind", "green"}), HasSubstr("one of red, blue"));
    EXPECT_THAT(called({"memory", "read", "a", "1", "--kind", "red", "--kind", "red"}), HasSubstr("twice"));
    EXPECT_THAT(called({"memory", "read", "a", "65537"}), HasSubstr("-8 to 65536"));
    EXPECT_THAT(called({"memory", "read", "a", "99999999999999999999"}), HasSubstr("-8 to 65536"));
    EXPECT_THAT(called({"memory", "read", "a", "x"}), HasSubstr("-8 to 65536"));
    EXPECT_THAT(called({"memory", "read", "a", "1", "--ratio", "1x"}), HasSubstr("a number"));
    EXPECT_THAT(called({"memory", "read", "a", "1", "--more", "{x"}), HasSubstr("JSON"));
    EXPECT_THAT(called({"devices", "set", "vda", "x"}), HasSubstr("KEY=VALUE"));
    EXPECT_THAT(called({"stats", "measure", "perhaps"}), HasSubstr("true or false"));
    EXPECT_THAT(called({"\x1b[2J"}), Not(HasSubstr("\x1b")));
}

TEST(CtlWords, AStrangeDescriptionIsNoHarm) {
    for (
        const char* description :
        {"null", "7", "[]", R"({"methods": 7, "events": "x"})",
         R"({"methods": [7, null, {}, {"name": 7}, {"name": ""}]})",
         R"({"methods": [{"name": "a\u001b", "params": 3}, {"name": "ok", "params": {"required": [1, "x"], "properties": 4}}]})",
         R"({"methods": [{"name": "events.subscribe", "params": {"properties": {"events": {"type": "array", "items": 3}}}}]})",
         R"({"methods": [{"name": "..", "params": {"properties": {"a": 3, "b": {"type": ["x"], "enum": 7}}}}]})"}) {
        const CommandSet strange(json::parse(description));
        EXPECT_FALSE(help_text(strange).empty());
        for (const Command& each : strange.commands()) {
            Words words = each.words;
            words.emplace_back("--b");
            (void)completions(strange, words, "", [](const std::string&) { return Words(); });
            words.emplace_back("1");
            (void)read_command(strange, words);
        }
    }
}

Words completed(const Words& words, const std::string& begun) {
    return completions(commands(), words, begun, [](const std::string& kind) {
        return kind == "devices" ? Words{"vda", "vdb", "net0", "bad\x1b"} : Words();
    });
}

TEST(CtlCompletion, OffersWhatMayComeNext) {
    EXPECT_THAT(completed({}, "p"), ElementsAre("pause", "power-button"));
    EXPECT_THAT(completed({"machine"}, "pa"), ElementsAre("pause"));
    EXPECT_THAT(completed({"devices"}, ""), ElementsAre("add", "list", "set"));
    EXPECT_THAT(completed({"help"}, "dev"), ElementsAre("devices"));
    EXPECT_THAT(completed({"help", "devices"}, "s"), ElementsAre("set"));
    EXPECT_THAT(completed({"devices", "set"}, "v"), ElementsAre("vda", "vdb"));
    EXPECT_THAT(completed({"devices", "set"}, ""), ElementsAre("net0", "vda", "vdb"));
    EXPECT_THAT(completed({"memory", "read", "a", "1"}, ""),
                ElementsAre("--dev-ids", "--fast", "--kind", "--more", "--ratio"));
    EXPECT_THAT(completed({"memory", "read", "a", "1", "--fast"}, "--f"), IsEmpty());
    EXPECT_THAT(completed({"memory", "read", "a", "1", "--fast"}, "--j"), ElementsAre("--json"));
    EXPECT_THAT(completed({"memory", "read", "--kind"}, ""), ElementsAre("blue", "red"));
    EXPECT_THAT(completed({"memory", "read", "--dev-ids"}, "n"), ElementsAre("net0"));
    EXPECT_THAT(completed({"stats", "measure"}, ""), ElementsAre("false", "true"));
    EXPECT_THAT(completed({"events"}, ""), ElementsAre("device.added", "machine.paused"));
    EXPECT_THAT(completed({"events", "device.added"}, "m"), ElementsAre("machine.paused"));
    EXPECT_THAT(completed({"nothing"}, ""), IsEmpty());
}

TEST(CtlHelp, TellsAllOfACommand) {
    const std::string help = help_text(*commands().match(Words{"memory", "read"}).command);
    EXPECT_THAT(help, HasSubstr("memory read ADDRESS LENGTH [--dev-ids DEV-IDS] [--fast] [--kind red|blue]"));
    EXPECT_THAT(help, HasSubstr("Does it. At once."));
    EXPECT_THAT(help, HasSubstr("hurry"));
    EXPECT_THAT(help_text(commands()), HasSubstr("power-button"));
}

} // namespace
} // namespace plugbay::core::ctl
