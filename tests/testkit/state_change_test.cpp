// States that another build has saved: optional fields, new names, conversion.
#include "probe_bench.hpp"

#include <plugbay/old_state.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <initializer_list>
#include <memory>
#include <span>

namespace plugbay::testkit {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A field as a test writes it.
struct Put {
    std::string name;
    std::uint32_t kind;
    std::vector<std::byte> elements;
    std::uint64_t count = 0;
    std::uint32_t flags = 0;
};
using Puts = std::vector<Put>;

template <typename T>
Put put(std::string name, std::uint32_t kind, std::initializer_list<T> values) {
    const auto bytes = std::as_bytes(std::span(values.begin(), values.size()));
    return {std::move(name), kind, {bytes.begin(), bytes.end()}, values.size()};
}
template <std::same_as<int>... Element>
Put u8(std::string name, Element... value) {
    return put<std::uint8_t>(std::move(name), PLUGBAY_FIELD_U8, {static_cast<std::uint8_t>(value)...});
}
template <std::same_as<int>... Element>
Put u16(std::string name, Element... value) {
    return put<std::uint16_t>(std::move(name), PLUGBAY_FIELD_U16, {static_cast<std::uint16_t>(value)...});
}
Put truth(std::string name, std::uint8_t value) {
    return put(std::move(name), PLUGBAY_FIELD_BOOLEAN, {value});
}
Put text(std::string name, std::string_view value) {
    const auto bytes = std::as_bytes(std::span(value));
    return {std::move(name), PLUGBAY_FIELD_TEXT, {bytes.begin(), bytes.end()}, value.size()};
}
Put optional(Put field) {
    field.flags = PLUGBAY_FIELD_OPTIONAL;
    return field;
}

StateImage image(std::string_view type, std::uint32_t version, const Puts& fields) {
    StateBuilder builder(type, version);
    for (const Put& field : fields)
        builder.put(field.name.c_str(), field.kind, field.elements.data(), field.count, field.flags);
    std::string error;
    auto result = builder.finish(error);
    EXPECT_TRUE(result) << error;
    return *std::move(result);
}
Puts without(Puts fields, std::string_view name) {
    EXPECT_EQ(std::erase_if(fields, [&](const Put& field) { return field.name == name; }), 1u) << name;
    return fields;
}
Puts with(Puts fields, const Put& other) {
    const auto place = std::ranges::find(fields, other.name, &Put::name);
    if (place == fields.end())
        fields.push_back(other);
    else
        *place = other;
    return fields;
}

// A probe whose states the tests write.
class StateChange : public testing::Test {
  protected:
    StateChange(const char* type, std::uint32_t version)
        : type_(type), version_(version), device_(bench_.add(probe_file, type, "probe")) {}

    // Whether the device saves `result` after a load of `fields`.
    void expect_loads(std::uint32_t version, const Puts& fields, const Puts& result) {
        const Outcome outcome = device_.try_load(image(type_, version, fields));
        EXPECT_TRUE(outcome) << outcome.text;
        EXPECT_EQ(device_.save(), image(type_, version_, result));
    }
    // What the device says against `fields`; the Bench sees that it has not changed.
    std::string refusal(std::uint32_t version, const Puts& fields) {
        const StateImage before = device_.save();
        const Outcome outcome = device_.try_load(image(type_, version, fields));
        EXPECT_FALSE(outcome);
        EXPECT_EQ(device_.save(), before);
        return outcome.text;
    }

  private:
    std::string type_;
    std::uint32_t version_;
    Bench bench_;
    Device& device_;
};

class OptionalFields : public StateChange {
  protected:
    OptionalFields() : StateChange("probe-optional", 1) {}

    static Puts part(const std::string& name, int low, int high, int depth) {
        return {optional(u8(name + ".low", low)), optional(u16(name + ".high", high)),
                optional(u8(name + ".inner.depth", depth))};
    }
    static Puts make(std::uint8_t flag, int colour, std::int64_t negative, int mode, int parity,
                     const Put& table, const Put& page, std::string_view words,
                     std::initializer_list<Puts> parts) {
        Puts result{put("base", PLUGBAY_FIELD_U32, {std::uint32_t{77}}),
                    optional(truth("flag", flag)),
                    optional(u8("colour", colour)),
                    optional(put("negative", PLUGBAY_FIELD_I64, {negative})),
                    optional(u8("mode", mode)),
                    optional(u16("parity", parity)),
                    optional(table),
                    optional(page),
                    optional(text("text", words))};
        for (const Puts& one : parts)
            result.insert(result.end(), one.begin(), one.end());
        result.push_back(truth("last", 1));
        return result;
    }
    const Puts otherwise = make(1, 1, -7, 1, 4, u16("table", 1, 2), u8("page"), "none",
                                {part("part", 1, 2, 3), part("parts.0", 5, 6, 3), part("parts.1", 1, 2, 3)});
    const Puts all =
        make(0, 0, -8, 3, 6, u16("table", 8, 9), u8("page", 1, 2, 3, 4), "",
             {part("part", 11, 12, 13), part("parts.0", 21, 22, 23), part("parts.1", 31, 32, 33)});
};

TEST_F(OptionalFields, AreSavedAsSuchAndLoaded) {
    expect_loads(1, all, all);
}

TEST_F(OptionalFields, TheirDefaultIsLoadedWhateverTheDeviceHeldBefore) {
    const Puts base{all.front(), all.back()};
    expect_loads(1, base, otherwise);
    expect_loads(1, all, all);
    expect_loads(1, base, otherwise);
}

TEST_F(OptionalFields, EachMayBeMissing) {
    for (const char* name : {"flag", "colour", "negative", "mode", "parity", "table", "page", "text"}) {
        SCOPED_TRACE(name);
        expect_loads(1, all, all);
        const auto is = [&](const Put& field) { return field.name == name; };
        expect_loads(1, without(all, name), with(all, *std::ranges::find_if(otherwise, is)));
    }
    EXPECT_THAT(refusal(1, without(all, "base")), HasSubstr("base is missing"));
}

TEST_F(OptionalFields, AnEmptyOneIsNotMissing) {
    expect_loads(1, {all.front(), text("text", ""), all.back()}, with(otherwise, optional(text("text", ""))));
}

TEST_F(OptionalFields, NeedNotBeMarkedInTheState) {
    Puts unmarked = all;
    for (Put& field : unmarked)
        field.flags = 0;
    expect_loads(1, unmarked, all);
}

TEST_F(OptionalFields, AreCheckedLikeAllOthersWhenTheyAreThere) {
    expect_loads(1, all, all);
    EXPECT_THAT(refusal(1, with(all, u8("mode", 4))), HasSubstr("mode: out of range"));
    EXPECT_THAT(refusal(1, with(all, u16("parity", 5))), HasSubstr("parity: it is odd"));
    EXPECT_THAT(refusal(1, with(all, u8("page", 1, 2, 3, 4, 5))), HasSubstr("page is too long"));
    EXPECT_THAT(refusal(1, with(all, u8("flag", 1))), HasSubstr("flag has another kind or count"));
    EXPECT_THAT(refusal(1, with(all, u8("colour"))), HasSubstr("colour has another kind or count"));
    EXPECT_THAT(refusal(1, with(all, u16("table", 1))), HasSubstr("table has another kind or count"));
    EXPECT_THAT(refusal(1, with(all, u8("text", 1))), HasSubstr("text has another kind or count"));
    EXPECT_THAT(refusal(1, with(all, u8("part", 1))), HasSubstr("\"part\" that this build does not know"));
}

TEST_F(OptionalFields, AStructIsThereAsAWholeButForItsOwnOptionalFields) {
    expect_loads(1, all, all);
    EXPECT_THAT(refusal(1, without(all, "part.low")), HasSubstr("part.low is missing"));
    EXPECT_THAT(refusal(1, without(all, "parts.1.low")), HasSubstr("parts.1.low is missing"));
    EXPECT_THAT(refusal(1, {all.front(), u8("parts.0.low", 1), all.back()}),
                HasSubstr("parts.1.low is missing"));
    expect_loads(1, without(all, "part.high"), with(all, optional(u16("part.high", 9))));
    expect_loads(1, without(all, "parts.1.inner.depth"), with(all, optional(u8("parts.1.inner.depth", 3))));
}

class RenamedFields : public StateChange {
  protected:
    RenamedFields() : StateChange("probe-renamed", 1) {}

    static Put ticks(const char* name) { return put(name, PLUGBAY_FIELD_U64, {std::uint64_t{99}}); }
    static Puts make(const char* enable, const char* count, const char* mode, const char* value,
                     const std::string& channels, const std::string& low, const char* level) {
        const std::string first = channels + ".0.";
        const std::string second = channels + ".1.";
        return {u8(enable, 1),       ticks(count),         u8(mode, 2),
                u8(value, 3),        u8(first + low, 4),   u8(first + "bytes", 5, 6),
                u8(second + low, 7), u8(second + "bytes"), optional(u8(level, 8))};
    }
    const Puts now = make("interrupt_enable", "ticks", "mode.now", "value", "channels", "low", "level");
    const Puts first = make("ier", "timer.count", "mode", "first", "chan", "lo", "fill");
};

TEST_F(RenamedFields, AreSavedAndLoadedUnderTheNameOfNow) {
    expect_loads(1, now, now);
}

TEST_F(RenamedFields, AreFoundUnderTheirOldNames) {
    expect_loads(1, first, now);
    expect_loads(1, make("ier", "ticks", "mode.now", "second", "chan", "low", "level"), now);
    expect_loads(1, make("interrupt_enable", "timer.count", "mode", "value", "channels", "lo", "fill"), now);
    expect_loads(1, without(first, "fill"), with(now, optional(u8("level", 5))));
}

TEST_F(RenamedFields, AreCheckedAndNamedAsTheStateHasThem) {
    EXPECT_THAT(refusal(1, with(first, u8("mode", 4))), HasSubstr("mode: out of range"));
    EXPECT_THAT(refusal(1, with(first, u16("ier", 1))), HasSubstr("ier has another kind or count"));
    EXPECT_THAT(refusal(1, with(first, u8("chan.1.lo", 1, 2))), HasSubstr("chan.1.lo has another kind"));
    EXPECT_THAT(refusal(1, without(first, "ier")), HasSubstr("interrupt_enable is missing"));
    EXPECT_THAT(refusal(1, without(first, "chan.1.lo")), HasSubstr("channels.1.low is missing"));
}

TEST_F(RenamedFields, AStateWithTwoNamesOfAFieldIsRefused) {
    EXPECT_THAT(refusal(1, with(now, u8("ier", 0))), HasSubstr("\"ier\" that this build does not know"));
    EXPECT_THAT(refusal(1, with(first, u8("interrupt_enable", 0))), HasSubstr("\"ier\""));
    EXPECT_THAT(refusal(1, with(first, u8("second", 0))), HasSubstr("\"second\""));
    EXPECT_THAT(refusal(1, with(now, u8("chan.0.lo", 0))), HasSubstr("\"chan.0.lo\""));
    EXPECT_THAT(refusal(1, with(now, u8("chan.0.low", 0))), HasSubstr("\"chan.0.low\""));
    expect_loads(1, with(now, optional(u8("ier", 0))), now); // whoever saved it can do without it
}

TEST_F(RenamedFields, OnlyWholeNamesCount) {
    EXPECT_THAT(refusal(1, with(now, u8("channels2.0.low", 0))), HasSubstr("\"channels2.0.low\""));
    EXPECT_THAT(refusal(1, with(without(first, "chan.0.lo"), u8("chan2.0.lo", 0))),
                HasSubstr("channels.0.low is missing"));
    EXPECT_THAT(refusal(1, with(without(now, "value"), u8("channels.0.first", 0))),
                HasSubstr("value is missing"));
}

// A mistake: "mode" has another name, and something else has its.
struct NameTaken {
    static constexpr std::array renamed{Renamed{.from = "mode", .to = "options"}};
    std::uint8_t options = 0;
    std::uint8_t mode = 0;
    void state(auto& fields) {
        fields("options", options);
        fields("mode", mode);
    }
};

TEST(Renamed, ANameThatAnotherFieldHadIsFoundOnTheFirstLoad) {
    const StateImage saved = image("mistaken", 1, {u8("options", 1), u8("mode", 2)});
    StateReading reading(saved);
    using plugbay::detail::StateLoader;
    NameTaken mistaken;
    try {
        StateLoader(reading.reader(), StateLoader::Pass::check).all_of(mistaken);
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_THAT(failure.what(), AllOf(HasSubstr("field mode"), HasSubstr("a name that another one had")));
    }
}

template <std::size_t N>
constexpr bool unambiguous(const Renamed (&renamed)[N]) {
    return plugbay::detail::unambiguous(renamed);
}
static_assert(plugbay::detail::covers("a", "a") && plugbay::detail::covers("a", "a.b"));
static_assert(!plugbay::detail::covers("a", "ab") && !plugbay::detail::covers("a.b", "a"));
static_assert(unambiguous({{"a", "b"}}));
static_assert(unambiguous({{"a", "c"}, {"b", "c"}}));
static_assert(unambiguous({{"a", "a.b"}}));
static_assert(unambiguous({{"a.b", "a"}}));
static_assert(!unambiguous({{"a", "a"}}));
static_assert(!unambiguous({{"a", "b"}, {"b", "a"}}));
static_assert(!unambiguous({{"a", "b"}, {"b", "c"}, {"c", "a"}}));
static_assert(!unambiguous({{"a", "b"}, {"b", "c"}}));
static_assert(!unambiguous({{"a", "b"}, {"a", "c"}}));
static_assert(!unambiguous({{"a", "b"}, {"a", "b"}}));
static_assert(!unambiguous({{"", "b"}}));
static_assert(!unambiguous({{"a", ""}}));

class ConvertedState : public StateChange {
  protected:
    ConvertedState() : StateChange("probe-converted", 3) {}

    static Puts now(int divisor, int mode, const Put& fifo, std::string_view clock) {
        return {u16("timer.divisor", divisor), u8("mode", mode), fifo, text("clock", clock)};
    }
    const Puts first{u8("divisor_low", 0x34), u8("divisor_high", 0x12), u8("fifo.0.byte", 2),
                     u8("fifo.1.byte", 0),    u8("fifo.2.byte", 0),     u8("fifo.3.byte", 0),
                     u8("mode", 0),           u8("scratch", 1)};
    const Puts second{u16("divisor", 0x1234), u8("mode", 2), u8("fifo", 1, 2, 3), u8("scratch", 1)};
    const Puts third = now(0x1234, 8, u8("fifo", 7, 7), "gone");
};

TEST_F(ConvertedState, IsLoadedFromEachVersion) {
    expect_loads(3, third, third);
    expect_loads(2, second, now(0x1234, 9, u8("fifo", 1, 2, 3), "gone"));
    expect_loads(1, first, third);
}

TEST_F(ConvertedState, TheVersionOfNowIsNotConverted) {
    EXPECT_THAT(refusal(3, second), HasSubstr("mode: out of range"));
    EXPECT_THAT(refusal(3, with(third, u8("scratch", 1))), HasSubstr("\"scratch\""));
    EXPECT_THAT(refusal(3, with(third, text("mistake", "throw"))), HasSubstr("\"mistake\""));
}

TEST_F(ConvertedState, WhatIsReadIsCheckedForKindAndCount) {
    EXPECT_THAT(refusal(1, with(first, u16("divisor_low", 1))),
                HasSubstr("divisor_low has another kind or count"));
    EXPECT_THAT(refusal(1, with(first, u8("divisor_low", 1, 2))),
                HasSubstr("divisor_low has another kind or count"));
    EXPECT_THAT(refusal(1, without(first, "divisor_high")), HasSubstr("divisor_high is missing"));
    EXPECT_THAT(refusal(1, without(first, "fifo.3.byte")), HasSubstr("fifo.3.byte is missing"));
    EXPECT_THAT(refusal(2, first), HasSubstr("timer.divisor is missing"));
    EXPECT_THAT(refusal(2, without(second, "mode")), HasSubstr("mode is missing"));
}

TEST_F(ConvertedState, WhatIsPutIsCheckedByState) {
    EXPECT_THAT(refusal(1, with(first, u8("fifo.0.byte", 5))), HasSubstr("fifo is too long"));
    EXPECT_THAT(refusal(2, with(second, text("mistake", "kind"))),
                HasSubstr("clock has another kind or count"));
    EXPECT_THAT(refusal(2, with(second, text("mistake", "typo"))),
                HasSubstr("has put the state field tiemr.divisor"));
}

TEST_F(ConvertedState, ErrorsRefuseTheLoadWithTheirText) {
    EXPECT_THAT(refusal(2, with(second, u8("mode", 4))), HasSubstr("no build had mode 4"));
    EXPECT_THAT(refusal(2, with(second, text("mistake", "throw"))), HasSubstr("some text"));
}

TEST_F(ConvertedState, FieldsThatNobodyReadsOrDropsAreRefused) {
    EXPECT_THAT(refusal(2, with(second, u8("other", 1))),
                HasSubstr("\"other\" that this build does not know"));
    EXPECT_THAT(refusal(2, with(second, text("mistake", "drop"))), HasSubstr("timer.divisor is missing"));
    expect_loads(2, with(second, text("mistake", "")), now(0x1234, 9, u8("fifo", 1, 2, 3), "gone"));
    expect_loads(2, without(second, "scratch"), now(0x1234, 9, u8("fifo", 1, 2, 3), "gone"));
}

TEST_F(ConvertedState, AHostileSequenceIsNotAllocated) {
    Put huge = text("mistake", std::string(most_elements + 1, 'x'));
    EXPECT_THAT(refusal(2, with(second, huge)), HasSubstr("mistake is too long"));
}

// Builds of one device, swapped for one another while a guest uses it.
class Builds : public testing::Test {
  protected:
    // The device goes on in that build of it.
    Outcome swap(const char* file) {
        auto bench = std::make_unique<Bench>();
        Device& device = bench->add(file, "dial", "dial");
        if (bench_) {
            bench_->quiesce();
            const Outcome outcome = device.try_load(bench_->save("dial"));
            bench_->resume();
            if (!outcome) return outcome;
        }
        bench->start();
        bench_ = std::move(bench);
        return {};
    }
    void write(const std::array<std::uint8_t, 4>& registers) {
        for (std::uint16_t i = 0; i < 4; ++i)
            bench_->out(static_cast<std::uint16_t>(0x700 + i), 1, registers[i]);
    }
    std::array<std::uint64_t, 4> read() {
        return {bench_->in(0x700), bench_->in(0x701), bench_->in(0x702), bench_->in(0x703)};
    }
    using Registers = std::array<std::uint64_t, 4>;

  private:
    std::unique_ptr<Bench> bench_;
};

TEST_F(Builds, WithAnOptionalFieldMoreGoThereAndBack) {
    swap(DIAL_1);
    write({1, 0x34, 0x12, 0x55});
    EXPECT_TRUE(swap(DIAL_1_1));
    EXPECT_EQ(read(), (Registers{1, 0x34, 0x12, 0xff}));
    write({2, 0x35, 0x13, 0x56});
    EXPECT_TRUE(swap(DIAL_1));
    EXPECT_EQ(read(), (Registers{2, 0x35, 0x13, 0xff}));
    write({3, 0x36, 0x14, 0x57});
    EXPECT_TRUE(swap(DIAL_1_1));
    EXPECT_EQ(read(), (Registers{3, 0x36, 0x14, 0xff}));
}

TEST_F(Builds, WithRenamedAddedAndMergedFieldsTakeOlderStates) {
    swap(DIAL_1);
    write({1, 0x34, 0x12, 0});
    EXPECT_TRUE(swap(DIAL_2));
    EXPECT_EQ(read(), (Registers{0x81, 0x34, 0x12, 0xff}));
    swap(DIAL_2);
    EXPECT_EQ(read(), (Registers{0x81, 0x34, 0x12, 0xff}));
}

TEST_F(Builds, KeepOptionalFieldsOverAConversion) {
    swap(DIAL_1_1);
    write({2, 0, 0, 0x56});
    EXPECT_TRUE(swap(DIAL_2));
    EXPECT_EQ(read(), (Registers{2, 0, 0, 0x56}));
}

TEST_F(Builds, OfAHigherStateVersionDoNotGoBack) {
    swap(DIAL_1);
    write({1, 0x34, 0x12, 0});
    swap(DIAL_2);
    write({2, 0x35, 0x13, 0x56});
    const Outcome outcome = swap(DIAL_1);
    EXPECT_THAT(outcome.text, HasSubstr("the state has version 2, this build loads 1 to 1"));
    EXPECT_EQ(read(), (Registers{0x82, 0x35, 0x13, 0x56})); // the one that ran goes on
}

} // namespace
} // namespace plugbay::testkit
