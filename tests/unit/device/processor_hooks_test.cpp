// What devices hook of the guest's processor.
#include "tests/unit/device/device_fixture.hpp"

#include <gmock/gmock.h>
#include <plugbay/abi/cpuid.h>

namespace plugbay::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class MsrHooks : public DeviceTest {
  protected:
    // A device that hooks count MSRs from `first` when it is created.
    struct Hooker {
        Script script;
        std::unique_ptr<Device> device;
        plugbay_handle handle{};
        Result<void> created = Error{"not yet"};

        ~Hooker() { EXPECT_TRUE(device->quiesce()); }
    };
    std::unique_ptr<Hooker> hook(const std::string& id, std::uint32_t first, std::uint32_t count,
                                 std::uint32_t flags = PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE) {
        auto hooker = std::make_unique<Hooker>();
        hooker->script.create = [hooker = hooker.get(), first, count, flags](const plugbay_host* host) {
            return hooker->script.table<plugbay_msr_host>(PLUGBAY_MSR)
                .hook(host, first, count, flags, 7, &hooker->handle);
        };
        hooker->device = make(id);
        hooker->created = create(*hooker->device, hooker->script);
        if (hooker->created) hooker->created = hooker->device->start();
        return hooker;
    }
    bool read(std::uint32_t index, std::uint64_t& result) { return bus.msrs().read(presence, index, result); }
    bool write(std::uint32_t index, std::uint64_t given) { return bus.msrs().write(presence, index, given); }
    std::uint64_t value = 0;
};

TEST_F(MsrHooks, ReachTheDeviceAndItsAnswerCounts) {
    const auto hooker = hook("m", 0x100, 2);
    ASSERT_TRUE(hooker->created) << hooker->created.error().text();
    plugbay_status answer = PLUGBAY_OK;
    hooker->script.msr_read = [&](std::uint64_t token, std::uint32_t index, std::uint64_t* result) {
        *result = token << 32 | index;
        return answer;
    };
    std::uint64_t written = 0;
    hooker->script.msr_write = [&](std::uint64_t, std::uint32_t, std::uint64_t given) {
        written = given;
        return answer;
    };
    EXPECT_TRUE(read(0x101, value));
    EXPECT_EQ(value, 0x7'0000'0101u);
    EXPECT_TRUE(write(0x100, 5));
    EXPECT_EQ(written, 5u);
    EXPECT_FALSE(read(0xff, value));
    EXPECT_FALSE(read(0x102, value));
    for (const plugbay_status status : {PLUGBAY_PENDING, PLUGBAY_INVALID, -1000}) {
        answer = status;
        EXPECT_FALSE(read(0x100, value));
        EXPECT_FALSE(write(0x100, 6));
    }
    ASSERT_EQ(platform.interceptions.size(), 1u);
    EXPECT_EQ(platform.interceptions[0].first, 0x100u);
    EXPECT_EQ(platform.interceptions[0].count, 2u);
}

TEST_F(MsrHooks, TakeOnlyTheDirectionsAskedFor) {
    const auto reader = hook("r", 0x10, 1, PLUGBAY_MSR_READ);
    const auto denier = hook("d", 0x20, 1, PLUGBAY_MSR_DENY);
    const auto both = hook("b", 0x30, 1, PLUGBAY_MSR_WRITE | PLUGBAY_MSR_DENY);
    EXPECT_TRUE(read(0x10, value));
    EXPECT_FALSE(write(0x10, 1));
    EXPECT_FALSE(read(0x20, value));
    EXPECT_FALSE(write(0x20, 1));
    EXPECT_FALSE(read(0x30, value));
    EXPECT_TRUE(write(0x30, 1));
    ASSERT_EQ(platform.interceptions.size(), 3u);
    EXPECT_FALSE(platform.interceptions[0].write); // stays with the processor
    EXPECT_TRUE(platform.interceptions[1].read && platform.interceptions[1].write);
    EXPECT_TRUE(platform.interceptions[2].read && platform.interceptions[2].write);
}

TEST_F(MsrHooks, HaveOneOwnerAndGoWithIt) {
    auto first = hook("first", 0x100, 4);
    const auto second = hook("second", 0x103, 1);
    ASSERT_FALSE(second->created);
    EXPECT_THAT(second->created.error().text(), AllOf(HasSubstr("\"first\""), HasSubstr("\"second\"")));
    std::string listed;
    first->device->resources().each([&](const Resource& each) { listed += each.describe(); });
    EXPECT_EQ(listed, "MSRs 0x100-0x103 read write");
    first.reset();
    EXPECT_TRUE(platform.interceptions.empty());
    EXPECT_FALSE(read(0x103, value));
    const auto third = hook("third", 0x103, 1);
    EXPECT_TRUE(third->created);
    const auto& table = third->script.table<plugbay_msr_host>(PLUGBAY_MSR);
    EXPECT_EQ(table.unhook(third->script.host, third->handle), PLUGBAY_OK);
    EXPECT_EQ(table.unhook(third->script.host, third->handle), PLUGBAY_STALE);
    EXPECT_FALSE(read(0x103, value));
}

TEST_F(MsrHooks, NonsenseIsRefused) {
    struct Case {
        std::uint32_t first, count, flags;
    };
    for (const auto& [first, count, flags] :
         {Case{1, 0, 3}, Case{0xffffffff, 2, 3}, Case{2, 0xffffffff, 3}, Case{1, 1, 0}, Case{1, 1, 8},
          Case{0x800, 1, 3}, Case{0x7ff, 2, 3}, Case{0x8ff, 1, 3}, Case{0, 0xffffffff, 1}}) {
        EXPECT_FALSE(hook("x", first, count, flags)->created) << first << " " << count << " " << flags;
    }
    EXPECT_TRUE(hook("x", 0x900, 1)->created);
    EXPECT_TRUE(hook("x", 0xffffffff, 1)->created);
    platform.refuse_msrs = true;
    EXPECT_THAT(hook("x", 1, 1)->created.error().text(), HasSubstr("no MSRs here"));
    platform.refuse_msrs = false;
    EXPECT_TRUE(hook("x", 1, 1)->created);
}

using CpuidHooks = DeviceTest;

// Bits of ecx, or a whole leaf when the mask is all ones.
plugbay_cpuid_bits cpuid_bits(std::uint32_t leaf, std::uint32_t mask, std::uint32_t value = 0) {
    plugbay_cpuid_bits bits{};
    bits.size = sizeof bits;
    bits.leaf = leaf;
    for (std::uint32_t i = 0; i < 4; ++i) {
        bits.mask[i] = mask == ~0U || i == PLUGBAY_CPUID_ECX ? mask : 0;
        bits.value[i] = bits.mask[i] & value;
    }
    return bits;
}

TEST_F(CpuidHooks, BitsHaveOneOwnerUntilTheMachineRuns) {
    Script script;
    plugbay_handle handle{};
    std::vector<plugbay_cpuid_bits> wanted;
    std::vector<plugbay_status> statuses;
    script.create = [&](const plugbay_host* host) {
        for (const auto& bits : wanted)
            statuses.push_back(script.table<plugbay_cpuid_host>(PLUGBAY_CPUID).set(host, &bits, &handle));
        return PLUGBAY_OK;
    };
    wanted = {cpuid_bits(1, 6, 2),  cpuid_bits(1, 8, 8),         cpuid_bits(0x40000200, ~0U, 5),
              cpuid_bits(0xb, ~0U), cpuid_bits(0x40000100, ~0U), cpuid_bits(1, ~0U),
              cpuid_bits(1, 0)};
    wanted.push_back(cpuid_bits(2, 1));
    wanted.back().value[2] = 2; // outside the mask
    wanted.push_back(cpuid_bits(2, 1));
    wanted.back().subleaf = 1; // without the flag
    auto first = make("first");
    ASSERT_TRUE(create(*first, script));
    EXPECT_EQ(statuses, (std::vector<plugbay_status>{PLUGBAY_OK, PLUGBAY_OK, PLUGBAY_OK, PLUGBAY_TAKEN,
                                                     PLUGBAY_TAKEN, PLUGBAY_TAKEN, PLUGBAY_INVALID,
                                                     PLUGBAY_INVALID, PLUGBAY_INVALID}));
    Script other;
    plugbay_cpuid_bits bits = cpuid_bits(1, 12);
    other.create = [&](const plugbay_host* host) {
        return other.table<plugbay_cpuid_host>(PLUGBAY_CPUID).set(host, &bits, &handle);
    };
    auto second = make("second");
    const auto refused = create(*second, other);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(),
                AllOf(HasSubstr("\"first\""), HasSubstr("\"second\""), HasSubstr("ecx")));

    CpuidTable table({{.leaf = 0, .eax = 0xd},
                      {.leaf = 1, .ecx = 0xf0f5},
                      {.leaf = 0x4000'0200, .subleaf = 3, .subleaf_significant = true}});
    ASSERT_TRUE(cpuid.apply(table));
    EXPECT_EQ(table.find(1)->ecx, 0xf0fbu);
    EXPECT_EQ(table.find(0)->eax, 0xdu);
    EXPECT_EQ(table.find(0x4000'0200, 7)->edx, 5u);
    EXPECT_EQ(table.find(0x4000'0100)->eax, 0x4000'0101u);
    EXPECT_EQ(table.find(0x4000'0101)->ebx, PLUGBAY_HYPERCALL_PORT);

    first.reset(); // and its bits
    CpuidTable untouched({{.leaf = 1, .ecx = 5}});
    ASSERT_TRUE(cpuid.apply(untouched));
    EXPECT_EQ(untouched.find(1)->ecx, 5u);
    cpuid.seal();
    auto third = make("third");
    EXPECT_THAT(create(*third, other).error().text(), HasSubstr("has run"));
}

TEST_F(CpuidHooks, SubleavesMustBeAsTheProcessorHasThem) {
    const CpuidEdits::Edit* added = nullptr;
    EXPECT_FALSE(cpuid.add({.owner = "d", .leaf = 7, .mask = {1, 0, 0, 0}, .value = {1, 0, 0, 0}}, added));
    CpuidTable with({{.leaf = 0, .eax = 1}, {.leaf = 7, .subleaf = 0, .subleaf_significant = true}});
    EXPECT_THAT(cpuid.apply(with).error().text(), AllOf(HasSubstr("\"d\""), HasSubstr("has subleaves")));
    CpuidTable without({{.leaf = 0, .eax = 1}});
    ASSERT_TRUE(cpuid.apply(without));
    EXPECT_EQ(without.find(0)->eax, 7u); // admitted to
    EXPECT_EQ(without.find(7)->eax, 1u);
}

class HypercallHooks : public DeviceTest {
  protected:
    std::uint64_t call(std::uint32_t number) {
        plugbay_hypercall_registers registers{};
        registers.number = number;
        registers.rax = number;
        bus.hypercalls().call(presence, registers);
        return registers.rax;
    }
    plugbay_status claim(const Script& script, std::uint32_t first, std::uint32_t count) {
        return script.table<plugbay_hypercall_host>(PLUGBAY_HYPERCALL)
            .claim(script.host, first, count, 3, &handle);
    }
    plugbay_handle handle{};
};

TEST_F(HypercallHooks, ReachTheirDeviceOnly) {
    Script script;
    script.call = [](std::uint64_t token, plugbay_hypercall_registers* registers) {
        registers->rax = token + registers->number;
    };
    auto device = run("h", script);
    ASSERT_EQ(claim(script, 0x100, 2), PLUGBAY_OK);
    EXPECT_EQ(call(0x101), 0x104u);
    EXPECT_EQ(call(0x102), PLUGBAY_HYPERCALL_UNKNOWN);
    EXPECT_EQ(call(0xffffffff), PLUGBAY_HYPERCALL_UNKNOWN);
    EXPECT_EQ(call(0), PLUGBAY_HYPERCALL_VERSION);
    EXPECT_EQ(claim(script, 0x101, 5), PLUGBAY_TAKEN);
    EXPECT_EQ(claim(script, 0xff, 1), PLUGBAY_INVALID);
    EXPECT_EQ(claim(script, 0x200, 0), PLUGBAY_INVALID);
    EXPECT_EQ(claim(script, 0x200, 0xffffffff), PLUGBAY_INVALID);
    EXPECT_EQ(claim(script, 0xffffffff, 1), PLUGBAY_OK);
    EXPECT_EQ(call(0xffffffff), 0x100000002u);
    plugbay_handle region{};
    EXPECT_EQ(script.table<plugbay_access_host>(PLUGBAY_ACCESS).map_ports(script.host, 0x5040, 8, 0, &region),
              PLUGBAY_TAKEN);
    ASSERT_TRUE(device->quiesce());
    device.reset();
    EXPECT_EQ(call(0x100), PLUGBAY_HYPERCALL_UNKNOWN);
}

TEST_F(MsrHooks, NamesOfAnyLengthAndBytesAreHarmless) {
    for (const std::size_t length : {0u, 31u, 32u, 33u, 10'000u}) {
        std::string id(length, 'a');
        for (std::size_t i = 0; i < id.size(); ++i)
            id[i] = static_cast<char>(i % 7 == 0 ? 1 + i % 255 : 'a');
        const auto owner = hook(id, 0x100, 4);
        ASSERT_TRUE(owner->created);
        const auto refused = hook("second", 0x100, 1);
        EXPECT_THAT(refused->created.error().text(), HasSubstr("\"" + id + "\""));
        EXPECT_EQ(owner->script.host->extension(owner->script.host, id.c_str()), nullptr);
    }
}

} // namespace
} // namespace plugbay::core
