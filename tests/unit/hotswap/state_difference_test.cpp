#include "core/hotswap/state_difference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace plugbay::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Image {
  public:
    explicit Image(std::uint32_t version = 1) : builder_("device", version) {}
    Image& put(const char* name, std::uint64_t value, std::uint32_t flags = 0) {
        builder_.put(name, PLUGBAY_FIELD_U64, &value, 1, flags);
        return *this;
    }
    Image& put(const char* name, const std::vector<std::uint16_t>& values) {
        builder_.put(name, PLUGBAY_FIELD_U16, values.data(), values.size(), 0);
        return *this;
    }
    Image& put(const char* name, std::int64_t value) {
        builder_.put(name, PLUGBAY_FIELD_I64, &value, 1, 0);
        return *this;
    }
    Image& put(const char* name, const std::string& text) {
        builder_.put(name, PLUGBAY_FIELD_TEXT, text.data(), text.size(), 0);
        return *this;
    }
    [[nodiscard]] StateImage finish() const {
        std::string error;
        return builder_.finish(error).value();
    }

  private:
    StateBuilder builder_;
};

// "text", with "?" behind it when it is allowed.
std::vector<std::string> texts(const Image& before, const Image& after) {
    std::vector<std::string> result;
    for (const auto& each : state_differences(before.finish(), after.finish()))
        result.push_back(each.text + (each.allowed ? "?" : ""));
    return result;
}

TEST(StateDifference, EqualStatesHaveNone) {
    Image image;
    image.put("a", std::uint64_t{5}).put("b", std::vector<std::uint16_t>{}).put("c", std::string("x"));
    EXPECT_THAT(texts(image, image), IsEmpty());
}

TEST(StateDifference, BothValuesAreTold) {
    Image before;
    before.put("interrupt_enable", std::uint64_t{5})
        .put("offset", std::int64_t{-3})
        .put("line", std::string("a\tb"));
    Image after;
    after.put("interrupt_enable", std::uint64_t{0})
        .put("offset", std::int64_t{3})
        .put("line", std::string("ab"));
    EXPECT_THAT(texts(before, after),
                ElementsAre("field interrupt_enable: 5 became 0", "field offset: -3 became 3",
                            R"(field line: "a\tb" became "ab")"));
}

TEST(StateDifference, RegistersHaveNamesAndBits) {
    RegisterDescription one;
    one.name = "IER";
    one.state = "interrupt_enable";
    one.fields = {
        {.first_bit = 0, .bit_count = 1, .access = 1, .name = "ERBFI", .help = "", .values = {}},
        {.first_bit = 1, .bit_count = 2, .access = 1, .name = "MODE", .help = "", .values = {{2, "fast"}}}};
    RegisterDescription plain;
    plain.name = plain.state = "scratch";
    const std::vector<RegisterBlockDescription> map{
        {.flags = 0, .token = 0, .length = 8, .name = "", .registers = {one, plain}}};
    Image before;
    before.put("interrupt_enable", std::uint64_t{1})
        .put("scratch", std::uint64_t{7})
        .put("other", std::uint64_t{1});
    Image after;
    after.put("interrupt_enable", std::uint64_t{4}).put("scratch", std::uint64_t{8});
    std::vector<std::string> texts;
    for (const auto& each : state_differences(before.finish(), after.finish(), map))
        texts.push_back(each.text);
    EXPECT_THAT(texts,
                ElementsAre("field interrupt_enable (IER): 1 became 4 (ERBFI 1 became 0, MODE 0 became fast)",
                            "field scratch: 7 became 8", "field other: 1 is gone"));
    EXPECT_THAT(state_differences(before.finish(), Image().finish(), map).front().text,
                "field interrupt_enable (IER): 1 is gone");
}

TEST(StateDifference, OfManyElementsTheFirstIsTold) {
    Image before;
    before.put("fifo", std::vector<std::uint16_t>{1, 2, 3, 4}).put("ring", std::vector<std::uint16_t>{1, 2});
    Image after;
    after.put("fifo", std::vector<std::uint16_t>{1, 0x1234, 0, 4})
        .put("ring", std::vector<std::uint16_t>{1, 2, 3});
    EXPECT_THAT(texts(before, after),
                ElementsAre("field fifo: element 1 of 4: 2 became 4660, and 1 more differ",
                            "field ring: 2 elements became 3 elements"));
}

TEST(StateDifference, WhatOneBuildDoesNotKnowIsALossUnlessItIsOptional) {
    Image before;
    before.put("old", std::uint64_t{1}).put("old_hint", std::uint64_t{2}, PLUGBAY_FIELD_OPTIONAL);
    Image after;
    after.put("new", std::uint64_t{3}).put("new_hint", std::uint64_t{4}, PLUGBAY_FIELD_OPTIONAL);
    EXPECT_THAT(texts(before, after), ElementsAre("field old: 1 is gone", "field old_hint: 2 is gone?",
                                                  "field new: 3 is new", "field new_hint: 4 is new?"));
}

TEST(StateDifference, AnotherVersionMayDiffer) {
    Image before(1);
    before.put("a", std::uint64_t{1}).put("b", std::uint64_t{1});
    Image after(2);
    after.put("a", std::uint64_t{2}).put("c", std::uint64_t{1});
    EXPECT_THAT(texts(before, after),
                ElementsAre("field a: 1 became 2?", "field b: 1 is gone?", "field c: 1 is new?"));
}

TEST(StateDifference, AnotherKindIsADifference) {
    Image before;
    before.put("a", std::uint64_t{1});
    Image after;
    after.put("a", std::int64_t{1});
    EXPECT_THAT(texts(before, after), ElementsAre("field a: its kind 5 became 6"));
}

} // namespace
} // namespace plugbay::core
