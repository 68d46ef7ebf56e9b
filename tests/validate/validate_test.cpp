// Each plugin that is broken in one thing is found by the check that is for it, and the one that is not passes.
#include "core/validate/validate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

namespace plugbay::core::validation {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

struct Broken {
    std::string plugin; // files/<plugin>.so
    std::string id;     // that has to find it
    Verdict verdict = Verdict::failed;
    std::string why = ""; // part of the reason
    unsigned fuzz = 0;    // seconds
    unsigned limit = 30;
};

void PrintTo(const Broken& broken, std::ostream* stream) {
    *stream << broken.plugin;
}

std::vector<CheckResult> validated(const std::string& plugin, std::vector<std::string> include = {},
                                   unsigned fuzz = 0, unsigned limit = 30) {
    ValidateOptions options;
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / (plugin + ".so");
    options.include = std::move(include);
    options.fuzz = std::chrono::seconds(fuzz);
    options.limit = std::chrono::seconds(limit);
    options.executable = PLUGBAY_BINARY;
    const auto results = validate(options, [](const CheckResult&) {});
    if (!results) {
        ADD_FAILURE() << results.error().text();
        return {};
    }
    return *results;
}

std::string told(const std::vector<CheckResult>& results) {
    std::string text;
    for (const CheckResult& result : results) {
        if (result.verdict != Verdict::passed && result.verdict != Verdict::skipped)
            text += std::string(result.check->id) + " " + std::string(verdict_name(result.verdict)) +
                    " in \"" + result.step + "\": " + result.why + "\n" + result.output + "\n";
    }
    return text;
}

class BrokenPlugin : public testing::TestWithParam<Broken> {};

TEST_P(BrokenPlugin, IsFound) {
    const Broken& broken = GetParam();
    const auto results = validated(broken.plugin, {broken.id}, broken.fuzz, broken.limit);
    ASSERT_EQ(results.size(), 1u);
    EXPECT_EQ(verdict_name(results[0].verdict), verdict_name(broken.verdict)) << told(results);
    const std::string said =
        results[0].warnings.empty() ? results[0].why : results[0].why + results[0].warnings.front();
    EXPECT_THAT(said, HasSubstr(broken.why));
    EXPECT_EQ(all_good(results), broken.verdict == Verdict::warned);
    if (broken.verdict != Verdict::warned) {
        EXPECT_NE(results[0].hint, "");
    }
}

const std::vector<Broken> table = {
    {"writable-descriptor", "PB-META-001", Verdict::failed, "says something else when loaded"},
    {"answer_everything", "PB-META-002", Verdict::failed, "answers an id that nobody defined"},
    {"bad_licence", "PB-META-003", Verdict::warned, "licence"},
    {"changing_table", "PB-META-004", Verdict::failed, "another table for plugbay.access/1"},
    {"small_table", "PB-META-004", Verdict::failed, "smaller than ABI 1.0's"},
    {"not-a-plugin", "PB-FILE-001", Verdict::failed, "but no plugin"},
    {"second-export", "PB-FILE-002", Verdict::failed, "helper_of_specimen"},
    {"unique-symbol", "PB-FILE-003", Verdict::failed, "unique_of_specimen"},
    {"borrowed-symbol", "PB-FILE-004", Verdict::failed, "el_init"},
    {"missing-symbol", "PB-FILE-004", Verdict::failed, "cannot be loaded"},
    {"never-unloaded", "PB-FILE-005", Verdict::failed, "-z nodelete"},
    {"executable-stack", "PB-FILE-006", Verdict::failed, "stacks"},
    {"refuse_defaults", "PB-PROP-001", Verdict::failed, "no port was given"},
    {"narrow_create", "PB-PROP-002", Verdict::warned, "60000 is in its range, and refused"},
    {"crash_on_number", "PB-PROP-003", Verdict::crashed, "SIGABRT"},
    {"crash_on_text", "PB-PROP-004", Verdict::crashed, "SIGABRT"},
    {"crash_in_second_reset", "PB-LIFE-001", Verdict::crashed, "SIGABRT"},
    {"crash_after_quiesces", "PB-LIFE-002", Verdict::crashed, "SIGABRT"},
    {"echo-crash_on_write", "PB-LIFE-002", Verdict::crashed, "SIGABRT"},
    {"echo-trust_calls", "PB-LIFE-002", Verdict::crashed, "SIGABRT"},
    {"disk-crash_on_submit", "PB-LIFE-002", Verdict::crashed, "SIGABRT"},
    {"pend_for_ever", "PB-LIFE-002", Verdict::failed, "did not become quiescent"},
    {"quiesced_twice", "PB-LIFE-002", Verdict::failed, "quiesced"},
    {"keep_region", "PB-LIFE-003", Verdict::failed, "1 handles were not given back"},
    {"destroy_twice", "PB-LIFE-004", Verdict::crashed, "SIG"},
    {"static_register", "PB-LIFE-005", Verdict::failed, "registers was"},
    {"crash_on_access", "PB-ACCESS-001", Verdict::crashed, "SIGABRT"},
    {"wide_register", "PB-ACCESS-001", Verdict::crashed, "SIG"},
    {"exit_on_access", "PB-ACCESS-001", Verdict::crashed, "ended the process"},
    {"endless_access", "PB-ACCESS-001", Verdict::failed, "did not end within", 0, 3},
    {"slow_access", "PB-ACCESS-002", Verdict::warned, "on average"},
    {"wait_on_access", "PB-ACCESS-002", Verdict::warned, "accesses waited for something"},
    {"pci", "PB-PCI-001", Verdict::crashed, "SIGABRT"},
    {"trust_memory", "PB-DMA-001", Verdict::crashed, "SIGABRT"},
    {"virtio-trust_length", "PB-DMA-002", Verdict::crashed, "SIGABRT"},
    {"change_on_save", "PB-STATE-001", Verdict::failed, "registers was"},
    {"extra_field", "PB-STATE-001", Verdict::failed, "extra"},
    {"forget_register", "PB-STATE-002", Verdict::failed, "the guest reads"},
    {"forget_selection", "PB-STATE-002", Verdict::failed, "the guest reads"},
    {"trust_index", "PB-STATE-003", Verdict::crashed, "SIGABRT"},
    {"change_on_refusal", "PB-STATE-003", Verdict::failed, "a load that was refused changed the device"},
    {"refuse_in_silence", "PB-STATE-003", Verdict::failed, "without explaining why"},
    {"trust_length", "PB-STATE-004", Verdict::crashed, "SIGABRT"},
    {"trust_old_state", "PB-STATE-005", Verdict::crashed, "SIGABRT"},
    {"forget_reset", "PB-RESET-001", Verdict::failed, "registers is"},
    {"port-need_peer", "PB-LIFE-006", Verdict::crashed, "SIG"},
    {"port-keep_link", "PB-LIFE-006", Verdict::crashed, "SIG"},
    {"count_back", "PB-STAT-001", Verdict::failed, "falls"},
    {"count_from_seven", "PB-STAT-001", Verdict::failed, "does not begin at 0"},
    {"move_in_start", "PB-SWAP-001", Verdict::failed, "a swap to the same build"},
    {"move_in_start", "PB-SWAP-002", Verdict::failed, "a swap to the same build"},
    {"touch_while_quiesced", "PB-RULE-001", Verdict::failed, "although it is quiesced"},
    {"stale_handle", "PB-RULE-001", Verdict::failed, "the handle's object is gone"},
    {"call_from_thread", "PB-RULE-002", Verdict::failed, "another thread"},
    {"leave_thread", "PB-LEAK-001", Verdict::failed, "3 threads go on"},
    {"leave_descriptor", "PB-LEAK-002", Verdict::failed, "file descriptors are open"},
    {"leave_memory", "PB-LEAK-003", Verdict::failed, "bytes of the heap are lost"},
    {"echo-leak_on_write", "PB-LEAK-003", Verdict::failed, "bytes of the heap are lost"},
    {"never-unloaded", "PB-LEAK-004", Verdict::failed, "-z nodelete"},
    {"take_signal", "PB-PROC-001", Verdict::failed, "SIGCHLD"},
    {"block_signal", "PB-PROC-001", Verdict::failed, "SIGUSR2"},
    {"change_locale", "PB-PROC-001", Verdict::failed, "locale"},
    {"crash_late", "PB-FUZZ-001", Verdict::crashed, "SIGABRT", 10},
};

std::string name_of(const testing::TestParamInfo<Broken>& info) {
    std::string name = info.param.plugin + "_" + info.param.id;
    std::ranges::replace(name, '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Each, BrokenPlugin, testing::ValuesIn(table), name_of);

TEST(Validate, AGoodPluginPassesEverything) {
    for (const std::string plugin :
         {"none", "virtio-none", "echo-none", "disk-none", "port-none", "port-required_option"}) {
        const auto results = validated(plugin, {}, 1);
        EXPECT_TRUE(all_good(results)) << told(results);
        EXPECT_THAT(told(results), IsEmpty());
        EXPECT_GT(results.size(), 25u);
    }
}

// A check that finds nothing in any broken plugin could as well be left out.
TEST(Validate, EachCheckFindsSomething) {
    std::set<std::string> finding;
    for (const Broken& broken : table)
        finding.insert(broken.id);
    for (const Check& check : checks())
        EXPECT_THAT(finding, Contains(check.id));
}

TEST(Validate, EachCheckIsInTheDocument) {
    std::ifstream file(PLUGBAY_SOURCE "/docs/validate.md");
    std::stringstream text;
    text << file.rdbuf();
    const std::string page = text.str();
    const std::regex pattern("\\| `(PB-[A-Z]+-[0-9]{3})` \\| ([^|]*) \\| ([^|]*) \\|");
    std::vector<std::string> documented;
    for (std::sregex_iterator row(page.begin(), page.end(), pattern); row != std::sregex_iterator(); ++row)
        documented.push_back((*row)[1].str() + " " + (*row)[2].str());
    std::vector<std::string> known;
    std::set<std::string> unique;
    for (const Check& check : checks()) {
        known.push_back(std::string(check.id) + " " + check.title);
        EXPECT_TRUE(unique.insert(check.id).second) << check.id;
    }
    EXPECT_EQ(documented, known);
}

TEST(Validate, CrashingPluginsDoNotStopTheOtherChecks) {
    const auto results = validated("crash_on_access");
    EXPECT_EQ(results.size(), validated("none").size());
    EXPECT_FALSE(all_good(results));
}

TEST(Validate, ASeedRepeatsALife) {
    ValidateOptions options;
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / "crash_late.so";
    options.include = {"PB-FUZZ-001"};
    options.executable = PLUGBAY_BINARY;
    options.fuzz = std::chrono::seconds(10);
    const auto first = validate(options, [](const CheckResult&) {});
    ASSERT_TRUE(first && first->size() == 1);
    std::smatch seed;
    const std::string step = first->front().step;
    ASSERT_TRUE(std::regex_search(step, seed, std::regex("--seed ([0-9]+)"))) << step;
    options.seed = static_cast<std::uint32_t>(std::stoul(seed[1]));
    options.fuzz = std::chrono::seconds(1);
    const auto again = validate(options, [](const CheckResult&) {});
    ASSERT_TRUE(again && again->size() == 1);
    EXPECT_EQ(again->front().verdict, Verdict::crashed);
    EXPECT_EQ(again->front().step, step);
}

TEST(Validate, RefusesWhatItDoesNotKnow) {
    const auto refused = [](const ValidateOptions& options) {
        const auto results = validate(options, [](const CheckResult&) {});
        return results ? "" : results.error().text();
    };
    ValidateOptions options;
    options.file = "/nonexistent.so";
    EXPECT_THAT(refused(options), HasSubstr("is no file"));
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / "none.so";
    options.include = {"PB-NOTHING-*"};
    EXPECT_THAT(refused(options), HasSubstr("no check is called \"PB-NOTHING-*\""));
    options.include = {};
    options.types = {"speciman"};
    EXPECT_THAT(refused(options),
                AllOf(HasSubstr("no device type \"speciman\""), HasSubstr("it has: specimen")));
    options.types = {};
    options.settings = {"port"};
    EXPECT_THAT(refused(options), HasSubstr("has no value"));
}

ValidateOptions lasers(const std::string& plugin, const std::string& type) {
    ValidateOptions options;
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / (plugin + ".so");
    options.types = {type};
    options.executable = PLUGBAY_BINARY;
    return options;
}

TEST(Validate, SaysWhichChecksNeedAPeer) {
    const auto results = validate(lasers("laser-none", "laser-driver"), [](const CheckResult&) {});
    ASSERT_TRUE(results);
    EXPECT_TRUE(all_good(*results)) << told(*results);
    EXPECT_GT(lacking_peers(*results), 15u);
    for (const CheckResult& result : *results) {
        if (result.lacks_peer) {
            EXPECT_EQ(result.verdict, Verdict::skipped);
            EXPECT_THAT(result.why, HasSubstr("--peer"));
        }
    }
}

// Each end with the other, in whose place there is no fake.
TEST(Validate, DevicesStandInForFakes) {
    const std::string file = std::string(PLUGBAY_SPECIMENS) + "/laser-none.so";
    ValidateOptions driver = lasers("laser-none", "laser-driver");
    driver.peers = {file};
    driver.settings = {"laser.colour=532"};
    ValidateOptions laser = lasers("laser-none", "laser");
    laser.peers = {file + ":laser-driver"};
    for (const ValidateOptions& options : {driver, laser}) {
        const auto results = validate(options, [](const CheckResult&) {});
        ASSERT_TRUE(results) << results.error().text();
        EXPECT_TRUE(all_good(*results)) << told(*results);
        EXPECT_EQ(lacking_peers(*results), 0u);
    }
}

TEST(Validate, APeerGetsToWhatNoFakeDoes) {
    ValidateOptions options = lasers("laser-crash_on_fire", "laser");
    options.peers = {std::string(PLUGBAY_SPECIMENS) + "/laser-none.so"};
    options.include = {"PB-LIFE-002"};
    const auto results = validate(options, [](const CheckResult&) {});
    ASSERT_TRUE(results && results->size() == 1);
    EXPECT_EQ(results->front().verdict, Verdict::crashed);
}

TEST(Validate, RefusesPeersThatDoNotFit) {
    const auto refused = [](const std::string& peer, const std::vector<std::string>& settings = {}) {
        ValidateOptions options = lasers("laser-none", "laser");
        options.peers = {peer};
        options.settings = settings;
        options.include = {"PB-META-*"};
        const auto results = validate(options, [](const CheckResult&) {});
        return results ? "" : results.error().text();
    };
    const std::string folder = PLUGBAY_SPECIMENS "/";
    EXPECT_EQ(refused(folder + "laser-none.so"), "");
    EXPECT_THAT(refused(folder + "nowhere.so"), HasSubstr("--peer"));
    EXPECT_THAT(refused(folder + "laser-none.so:lasor"), HasSubstr("no device type \"lasor\""));
    EXPECT_THAT(refused(folder + "laser-none.so:laser"), HasSubstr("cannot be joined to laser"));
    EXPECT_THAT(refused(folder + "port-none.so"), HasSubstr("cannot be joined to laser"));
    EXPECT_THAT(refused(folder + "laser-none.so", {"laser-driver.most=3"}),
                HasSubstr("laser-driver has no property \"most\""));
}

TEST(Validate, SettingsAreForTypesThatAreValidated) {
    const auto refused = [](const std::vector<std::string>& types, const std::string& setting,
                            const std::vector<std::string>& kept = {}) {
        ValidateOptions options = lasers("laser-none", "laser");
        options.types = types;
        options.settings = {setting};
        options.kept = kept;
        options.include = {"PB-PROP-001"};
        options.in_process = true;
        const auto results = validate(options, [](const CheckResult&) {});
        return results ? told(*results) : results.error().text();
    };
    EXPECT_EQ(refused({}, "laser.colour=500"), "");
    EXPECT_EQ(refused({}, "colour=500"), ""); // the driver has none, and gets none
    EXPECT_THAT(refused({}, "colour=404"), HasSubstr("no such colour"));
    EXPECT_THAT(refused({}, "color=500"), HasSubstr("did you mean \"colour\"?"));
    EXPECT_THAT(refused({"laser-driver"}, "colour=500"), HasSubstr("laser-driver has no property"));
    EXPECT_THAT(refused({"laser-driver"}, "laser.colour=500"), HasSubstr("which --type leaves out"));
    EXPECT_THAT(refused({"laser"}, "colour=500", {"laser-driver.power"}),
                HasSubstr("which --type leaves out"));
}

TEST(Validate, SettingsReachTheDevice) {
    ValidateOptions options;
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / "refuse_defaults.so";
    options.include = {"PB-PROP-001", "PB-LIFE-001"};
    options.executable = PLUGBAY_BINARY;
    options.settings = {"specimen.port=0x600"};
    const auto results = validate(options, [](const CheckResult&) {});
    ASSERT_TRUE(results);
    EXPECT_TRUE(all_good(*results)) << told(*results);
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / "forget_reset.so";
    options.include = {"PB-RESET-001"};
    options.kept = {"registers"};
    const auto kept = validate(options, [](const CheckResult&) {});
    ASSERT_TRUE(kept);
    EXPECT_THAT(told(*kept), IsEmpty());
    options.file = std::filesystem::path(PLUGBAY_SPECIMENS) / "none.so";
    options.kept = {"register"};
    const auto mistyped = validate(options, [](const CheckResult&) {});
    ASSERT_TRUE(mistyped && mistyped->size() == 1);
    ASSERT_EQ(mistyped->front().verdict, Verdict::warned);
    EXPECT_THAT(mistyped->front().warnings.front(), HasSubstr("did you mean \"registers\"?"));
}

} // namespace
} // namespace plugbay::core::validation
