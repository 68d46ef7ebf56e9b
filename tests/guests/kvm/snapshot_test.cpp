// What VcpuSnapshot takes and puts back.
#include "guest_test.hpp"

#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/nested_guest.hpp"
#include "core/kvm/processor_facts.hpp"
#include "core/kvm/snapshot.hpp"

#include <fcntl.h>
#include <unistd.h>

asm(PLUGBAY_GUEST_BEGIN(nothing) "0: hlt\n jmp 0b\n" PLUGBAY_GUEST_END(nothing));
PLUGBAY_GUEST_DECLARE(nothing)

namespace plugbay::core {
namespace {

// Intel SDM volume 1, 13.4: words of the legacy area, the header and, of processors with AVX, the upper halves.
constexpr std::size_t first_vector_register = 160 / 4;
constexpr std::size_t components = 512 / 4;
constexpr std::size_t upper_halves = 576 / 4;
constexpr std::uint32_t has_sse = 1 << 1;
constexpr std::uint32_t has_avx = 1 << 2;

class SnapshotTest : public GuestTest {
  protected:
    void SetUp() override {
        GuestTest::SetUp();
        if (IsSkipped() || HasFailure()) return;
        TinyGuest::Options options;
        options.irqchip = true;
        guest_ = make(guest_program_nothing(), options);
        ASSERT_TRUE(guest_);
    }
    KvmVcpu& vcpu() { return guest_->vcpu(); }
    abi::ExtendedState extended() {
        abi::ExtendedState state{};
        EXPECT_EQ(abi::call(vcpu().file(), abi::get_xsave, state.data()), 0) << std::strerror(errno);
        return state;
    }

    std::shared_ptr<TinyGuest> guest_;
};

TEST_F(SnapshotTest, PutsGeneralAndSpecialRegistersBack) {
    const auto general = vcpu().general_registers();
    const auto special = vcpu().special_registers();
    ASSERT_TRUE(general && special);
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();

    GeneralRegisters other = *general;
    other.rax = 0x1234;
    other.rip += 0x100;
    ASSERT_TRUE(vcpu().set_general_registers(other));
    SpecialRegisters changed = *special;
    changed.cr2 = 0x5678;
    changed.fs.base = 0x9000;
    changed.gdt.limit = 15;
    ASSERT_TRUE(vcpu().set_special_registers(changed));
    ASSERT_EQ(*vcpu().special_registers(), changed);

    const auto done = snapshot->apply(vcpu());
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(*vcpu().general_registers(), *general);
    EXPECT_EQ(*vcpu().special_registers(), *special);
}

TEST_F(SnapshotTest, PutsVectorRegistersBack) {
    if (!vcpu().has(KvmCapability::xsave)) GTEST_SKIP() << "this KVM has no XSAVE";
    const auto before = extended();
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();

    auto changed = before;
    changed[components] |= has_sse | has_avx;
    changed[first_vector_register] = 0x1111;
    changed[upper_halves] = 0x2222;
    if (abi::call(vcpu().file(), abi::set_xsave, changed.data()) < 0 || extended()[upper_halves] != 0x2222) {
        GTEST_SKIP() << "this processor or KVM has no AVX";
    }

    const auto done = snapshot->apply(vcpu());
    ASSERT_TRUE(done) << done.error().text();
    const auto after = extended();
    EXPECT_EQ(after[first_vector_register], before[first_vector_register]);
    EXPECT_EQ(after[upper_halves], before[upper_halves]);
}

TEST_F(SnapshotTest, PutsDebugRegistersBack) {
    if (!vcpu().has(KvmCapability::debug_registers)) GTEST_SKIP() << "this KVM has no DEBUGREGS";
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    kvm_debugregs debug{};
    ASSERT_EQ(abi::call(vcpu().file(), KVM_GET_DEBUGREGS, &debug), 0);
    const auto before = debug.db[0];
    debug.db[0] = 0x4000;
    ASSERT_EQ(abi::call(vcpu().file(), KVM_SET_DEBUGREGS, &debug), 0);
    const auto done = snapshot->apply(vcpu());
    ASSERT_TRUE(done) << done.error().text();
    ASSERT_EQ(abi::call(vcpu().file(), KVM_GET_DEBUGREGS, &debug), 0);
    EXPECT_EQ(debug.db[0], before);
}

TEST_F(SnapshotTest, AnImageHoldsAllOfIt) {
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    const auto general = vcpu().general_registers();
    const auto image = snapshot->save();
    ASSERT_TRUE(image) << image.error().text();
    const auto loaded = VcpuSnapshot::load(*image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    const auto again = loaded->save();
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, *image);

    GeneralRegisters other = *general;
    other.rax = 0x1234;
    ASSERT_TRUE(vcpu().set_general_registers(other));
    const auto stamped = loaded->apply_time_stamp(vcpu());
    ASSERT_TRUE(stamped) << stamped.error().text();
    const auto done = loaded->apply(vcpu());
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(*vcpu().general_registers(), *general);
}

class NestedSnapshotTest : public SnapshotTest {
  protected:
    void SetUp() override {
        SnapshotTest::SetUp();
        if (IsSkipped() || HasFailure()) return;
        const int most = abi::call(guest_->vm().file(), KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE);
        if (most <= 0) GTEST_SKIP() << "this KVM has no NESTED_STATE";
        bytes_.resize(static_cast<std::size_t>(most));
        const auto cpuid = system_->supported_cpuid();
        ASSERT_TRUE(cpuid) << cpuid.error().text();
        constexpr std::uint32_t intel = 1 << 5, amd = 1 << 2; // leaves 1 and 0x80000001, ecx
        const auto has = [&](std::uint32_t leaf, std::uint32_t bit) {
            const CpuidEntry* const entry = cpuid->find(leaf, 0);
            return entry != nullptr && (entry->ecx & bit) != 0;
        };
        if (!has(1, intel) && !has(0x8000'0001, amd)) GTEST_SKIP() << "this KVM lets guests have none";
        vmx_ = nested().format == KVM_STATE_NESTED_FORMAT_VMX;
    }
    kvm_nested_state nested() {
        kvm_nested_state head{};
        head.size = static_cast<__u32>(bytes_.size());
        std::memcpy(bytes_.data(), &head, sizeof head);
        EXPECT_EQ(abi::call(vcpu().file(), KVM_GET_NESTED_STATE, bytes_.data()), 0) << std::strerror(errno);
        std::memcpy(&head, bytes_.data(), sizeof head);
        return head;
    }
    void set(kvm_nested_state state) {
        ASSERT_EQ(abi::call(vcpu().file(), KVM_SET_NESTED_STATE, &state), 0) << std::strerror(errno);
    }
    // Virtualisation on, as by the guest's own instructions.
    void turn_on() {
        auto special = vcpu().special_registers();
        ASSERT_TRUE(special);
        if (vmx_) {
            constexpr std::uint64_t locked_and_allowed = 5;
            ASSERT_TRUE(vcpu().set_msr(feature_control, locked_and_allowed));
            special->cr4 |= 1 << 13; // VMXE
        } else {
            special->efer |= 1 << 12; // SVME
        }
        ASSERT_TRUE(vcpu().set_special_registers(*special));
        if (!vmx_) return;
        kvm_nested_state state = nested();
        state.size = sizeof state;
        state.hdr.vmx.vmxon_pa = 0x8000;
        set(state);
    }
    // With what only its own guests end: nothing more on Intel; interrupts off as a whole on AMD.
    void turn_interrupts_off() {
        if (vmx_) return;
        kvm_nested_state state = nested();
        state.flags = 0;
        state.size = sizeof state;
        set(state);
    }

    static constexpr std::uint32_t feature_control = 0x3a;
    std::vector<std::uint8_t> bytes_;
    bool vmx_ = false;
};

TEST_F(NestedSnapshotTest, VirtualisationThatIsOnIsTurnedOff) {
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    const kvm_nested_state before = nested();
    turn_on();
    turn_interrupts_off();
    const kvm_nested_state during = nested();
    ASSERT_NE(std::memcmp(&during, &before, sizeof before), 0) << "nothing was turned on";
    EXPECT_EQ(in_nested_guest(vcpu()), !vmx_);
    const auto done = snapshot->apply(vcpu());
    ASSERT_TRUE(done) << done.error().text();
    const kvm_nested_state after = nested();
    EXPECT_EQ(std::memcmp(&after, &before, sizeof after), 0);
    EXPECT_FALSE(in_nested_guest(vcpu()));
}

TEST_F(NestedSnapshotTest, VirtualisationThatIsOnIsSaved) {
    turn_on();
    const kvm_nested_state before = nested();
    const auto special = vcpu().special_registers();
    ASSERT_FALSE(in_nested_guest(vcpu()));
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    const auto image = snapshot->save();
    ASSERT_TRUE(image) << image.error().text();
    EXPECT_EQ(image->version(), vmx_ ? 2 : 1);
    const auto loaded = VcpuSnapshot::load(*image);
    ASSERT_TRUE(loaded) << loaded.error().text();

    const auto other = make(guest_program_nothing(), {.irqchip = true});
    ASSERT_TRUE(other);
    const auto done = loaded->apply(other->vcpu());
    ASSERT_TRUE(done) << done.error().text();
    guest_ = other;
    const kvm_nested_state after = nested();
    EXPECT_EQ(std::memcmp(&after, &before, sizeof after), 0);
    EXPECT_EQ(*vcpu().special_registers(), *special);

    // Going back to it from a moment in which the guest has gone on.
    turn_interrupts_off();
    const auto back = loaded->apply(vcpu());
    ASSERT_TRUE(back) << back.error().text();
    const kvm_nested_state again = nested();
    EXPECT_EQ(std::memcmp(&again, &before, sizeof again), 0);
}

TEST_F(NestedSnapshotTest, AStateThatIsLongerThanItsBytesIsRefused) {
    std::vector<std::uint8_t> state(sizeof(kvm_nested_state));
    kvm_nested_state head = nested();
    head.size = static_cast<__u32>(bytes_.size());
    std::memcpy(state.data(), &head, sizeof head);
    EXPECT_FALSE(set_nested_state(vcpu(), state));
    EXPECT_FALSE(set_nested_state(vcpu(), std::span(state).first(8)));
}

TEST_F(SnapshotTest, AnImageOfSomethingElseIsRefused) {
    const auto chips = ChipSnapshot::take(guest_->vm());
    ASSERT_TRUE(chips) << chips.error().text();
    const auto image = chips->save();
    ASSERT_TRUE(image) << image.error().text();
    const auto refused = VcpuSnapshot::load(*image);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("it is one of a kvm-chips"), std::string::npos);
    const auto loaded = ChipSnapshot::load(*image);
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(loaded->apply(guest_->vm()));
}

TEST_F(SnapshotTest, TimeGoesOnAtTheSavedFrequencyOnAnotherProcessorToo) {
    if (abi::call(guest_->vm().file(), KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) <= 0)
        GTEST_SKIP() << "this KVM cannot scale the time stamp counter";
    const auto cpuid = system_->supported_cpuid();
    ASSERT_TRUE(cpuid) << cpuid.error().text();
    const ProcessorFacts now = ProcessorFacts::of(vcpu(), *cpuid);
    ASSERT_GT(now.time_stamp_khz, 0U);
    ProcessorFacts saved = now;
    saved.cpuid.entries().front().ebx ^= 1;
    saved.time_stamp_khz = now.time_stamp_khz / 2;
    const auto accepted = accept_processor(saved, now, vcpu());
    ASSERT_FALSE(accepted);
    EXPECT_NE(accepted.error().message.find("ebx"), std::string::npos) << accepted.error().message;
    EXPECT_EQ(abi::call(vcpu().file(), KVM_GET_TSC_KHZ, 0), static_cast<int>(saved.time_stamp_khz));
}

TEST_F(SnapshotTest, AFailureNamesTheVcpuAndARemedy) {
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    // No vCPU is behind the descriptor any more.
    const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::dup3(other, vcpu().file(), O_CLOEXEC), vcpu().file());
    ::close(other);
    const auto put_back = snapshot->apply(vcpu());
    ASSERT_FALSE(put_back);
    EXPECT_EQ(put_back.error().message.find("the state of vCPU 0 cannot be put back: KVM_SET_"), 0U)
        << put_back.error().message;
    EXPECT_FALSE(put_back.error().hint.empty());
    const auto taken = VcpuSnapshot::take(vcpu());
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message.find("the state of vCPU 0 cannot be read: KVM_GET_REGS: "), 0U)
        << taken.error().message;
}

} // namespace
} // namespace plugbay::core
