// The faults of saving and restoring in the device managers before this one, each provably absent: one named test a fault.
// Those of what is on the disk (counts, sizes and names that are believed) are in
// tests/unit/checkpoint/hostile_folder_test.cpp.
#include "tests/unit/machine/manager_fixture.hpp"

#include "core/pci/pci_function.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

enum class Flaw : std::uint8_t { none, stateless, save, load };

struct LedgerOptions {
    std::uint16_t port = 0;
    static constexpr auto properties() {
        return plugbay::properties(plugbay::property("port", &LedgerOptions::port, "of its register"));
    }
};

// Remembers what the guest wrote last.
template <Flaw flaw = Flaw::none, std::uint32_t version = 1>
class Ledger {
  public:
    static constexpr plugbay::Type type{
        .name = "ledger", .help = "Remembers.", .state_version = version, .state_version_oldest = version};
    using Options = LedgerOptions;

    Ledger(plugbay::Host host, const Options& options)
        : host_(host), region_(host.map_ports(options.port, 1)) {
        ++living;
        note("create");
    }
    ~Ledger() {
        note("destroy");
        --living;
    }
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    void start() { note("start"); }
    void resume() { note("resume"); }
    void reset() { value_ = 0; }
    std::uint64_t read(plugbay::Access) { return value_; }
    void write(plugbay::Access, std::uint64_t value) { value_ = static_cast<std::uint8_t>(value); }
    void state(auto& fields) requires(flaw != Flaw::stateless) {
        note("state");
        fields(
            "value", value_, [](std::uint8_t) { return flaw != Flaw::load; }, "it was told to refuse");
        if constexpr (flaw == Flaw::save) throw plugbay::Failure("the disk that it asks has gone");
    }

  private:
    void note(const char* what) { journal.note(std::string(what) + " " + std::string(host_.device_id())); }

    plugbay::Host host_;
    plugbay::Region region_;
    std::uint8_t value_ = 0;
};

class AncestorState : public ManagerTest {
  protected:
    AncestorState() { manager = make_manager(); }

    std::unique_ptr<DeviceManager> make_manager() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("test")));
        return std::make_unique<DeviceManager>(
            services,
            [this](std::string_view name) -> Result<LoadedType> {
                const auto found = types.find(name);
                if (found == types.end()) return Error{"there is no type \"" + std::string(name) + "\""};
                return LoadedType{nullptr, found->second};
            },
            std::move(loops));
    }
    static DeviceConfig ledger(const std::string& id, std::uint16_t port,
                               const std::string& type = "ledger") {
        DeviceConfig config{.id = id, .type = type};
        config.properties.push_back({.given = true, .number = port});
        return config;
    }
    [[nodiscard]] Result<std::vector<DeviceState>> save() {
        std::vector<DeviceState> all;
        auto done = manager->save_all([&](std::vector<DeviceState> states) -> Result<void> {
            all = std::move(states);
            return {};
        });
        if (!done) return std::move(done).error();
        return all;
    }
    // Into a machine that was just made.
    [[nodiscard]] Result<void> restore(const std::vector<DeviceConfig>& devices,
                                       const std::vector<DeviceState>& states) {
        manager = make_manager();
        static_cast<void>(journal.take());
        return manager->restore(devices, states, {}, [this]() -> Result<void> {
            journal.note("between");
            return between;
        });
    }
    void expect_nothing_is_there() {
        EXPECT_THAT(manager->devices(), IsEmpty());
        EXPECT_EQ(in(0x100), 0xffU);
        EXPECT_EQ(in(0x200), 0xffU);
        EXPECT_EQ(living, 0);
    }

    std::map<std::string, const plugbay_device_type*, std::less<>> types{
        {"ledger", &plugbay::detail::Glue<Ledger<>>::type},
        {"stateless", &plugbay::detail::Glue<Ledger<Flaw::stateless>>::type},
        {"bad-save", &plugbay::detail::Glue<Ledger<Flaw::save>>::type}};
    Result<void> between;
    const std::vector<DeviceConfig> two{ledger("one", 0x100), ledger("two", 0x200)};
};

// --- saving

TEST_F(AncestorState, ASaveThatFailsFailsTheWhole) {
    ASSERT_TRUE(add({ledger("one", 0x100), ledger("two", 0x200, "bad-save")}));
    const auto saved = save();
    ASSERT_FALSE(saved);
    EXPECT_THAT(saved.error().text(), HasSubstr("device \"two\""));
    EXPECT_THAT(saved.error().text(), HasSubstr("the disk that it asks has gone"));
    out(0x100, 3);
    EXPECT_EQ(in(0x100), 3U); // and everybody goes on
    EXPECT_EQ(in(0x200), 0U);
}

TEST_F(AncestorState, ADeviceWithoutAStateFailsTheWhole) {
    ASSERT_TRUE(add({ledger("one", 0x100), ledger("mute", 0x200, "stateless")}));
    const auto saved = save();
    ASSERT_FALSE(saved);
    EXPECT_THAT(saved.error().text(), HasSubstr("device \"mute\" (ledger) has no state"));
}

TEST_F(AncestorState, WhatIsWrittenMeanwhileMayFailAndIsNotIgnored) {
    ASSERT_TRUE(add(two));
    const auto saved =
        manager->save_all([](const auto&) -> Result<void> { return Error{"the disk is full"}; });
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().message, "the disk is full");
    EXPECT_EQ(in(0x100), 0U);
}

TEST_F(AncestorState, DevicesAreSavedAndRestoredOldestFirst) {
    ASSERT_TRUE(add(two));
    static_cast<void>(journal.take());
    const auto saved = save();
    ASSERT_TRUE(saved) << saved.error().text();
    ASSERT_EQ(saved->size(), 2U);
    EXPECT_EQ((*saved)[0].id, "one");
    EXPECT_EQ((*saved)[1].id, "two");
    EXPECT_THAT(journal.take(), ElementsAre("state one", "state two", "resume two", "resume one"));
}

// --- restoring

TEST_F(AncestorState, EveryDeviceGoesOnAndNoneStartsAnew) {
    ASSERT_TRUE(add(two));
    out(0x100, 11);
    out(0x200, 22);
    const auto saved = save();
    ASSERT_TRUE(saved);
    const auto restored = restore(two, *saved);
    ASSERT_TRUE(restored) << restored.error().text();
    EXPECT_EQ(in(0x100), 11U);
    EXPECT_EQ(in(0x200), 22U);
    // Each is read twice, first only to be checked.
    EXPECT_THAT(journal.take(), ElementsAre("create one", "create two", "state one", "state one", "state two",
                                            "state two", "between", "resume two", "resume one"));
}

TEST_F(AncestorState, ALiveDeviceWithoutASavedStateIsNoticed) {
    ASSERT_TRUE(add(two));
    auto saved = save();
    ASSERT_TRUE(saved);
    saved->pop_back();
    EXPECT_THAT(restore(two, *saved).error().text(), HasSubstr("no state of device \"two\" was saved"));
    expect_nothing_is_there();
}

TEST_F(AncestorState, ASavedDeviceThatIsMissingIsNoticed) {
    ASSERT_TRUE(add(two));
    const auto saved = save();
    ASSERT_TRUE(saved);
    EXPECT_THAT(restore({ledger("one", 0x100)}, *saved).error().text(),
                HasSubstr("the machine has no such device"));
    expect_nothing_is_there();
}

TEST_F(AncestorState, TwoStatesOfOneDeviceAreNoticed) {
    ASSERT_TRUE(add(two));
    auto saved = save();
    ASSERT_TRUE(saved);
    saved->push_back(saved->front());
    EXPECT_THAT(restore(two, *saved).error().text(), HasSubstr("has two states"));
    expect_nothing_is_there();
}

TEST_F(AncestorState, TheStateOfAnotherTypeIsRefused) {
    ASSERT_TRUE(add(two));
    auto saved = save();
    ASSERT_TRUE(saved);
    (*saved)[1].type = "desk";
    EXPECT_THAT(restore(two, *saved).error().text(),
                HasSubstr("is a ledger, and the state is one of a desk"));
    expect_nothing_is_there();
}

TEST_F(AncestorState, AVersionThatIsNotReadIsRefusedNamingBoth) {
    ASSERT_TRUE(add(two));
    const auto saved = save();
    ASSERT_TRUE(saved);
    types["ledger"] = &plugbay::detail::Glue<Ledger<Flaw::none, 2>>::type;
    EXPECT_THAT(restore(two, *saved).error().text(),
                HasSubstr("it has version 1, and this build reads 2 to 2"));
    expect_nothing_is_there();
}

TEST_F(AncestorState, ALoadThatFailsIsNoticedAndRolledBack) {
    ASSERT_TRUE(add(two));
    const auto saved = save();
    ASSERT_TRUE(saved);
    types["ledger"] = &plugbay::detail::Glue<Ledger<Flaw::load>>::type;
    EXPECT_THAT(restore(two, *saved).error().text(), HasSubstr("it was told to refuse"));
    expect_nothing_is_there();
}

TEST_F(AncestorState, AnythingThatFailsAfterAllWereLoadedIsRolledBackToo) {
    ASSERT_TRUE(add(two));
    const auto saved = save();
    ASSERT_TRUE(saved);
    between = Error{"a vCPU refuses its registers"};
    EXPECT_EQ(restore(two, *saved).error().message, "a vCPU refuses its registers");
    expect_nothing_is_there();
}

TEST_F(AncestorState, ADamagedStateIsRefusedAndNothingOfItIsUsed) {
    ASSERT_TRUE(add(two));
    const auto saved = save();
    ASSERT_TRUE(saved);
    for (std::size_t i = 0; i < (*saved)[0].state.size(); ++i) {
        auto damaged = *saved;
        damaged[0].state[i] ^= std::byte{0x40};
        ASSERT_FALSE(restore(two, damaged)) << "byte " << i;
        expect_nothing_is_there();
    }
}

} // namespace
} // namespace plugbay::core
