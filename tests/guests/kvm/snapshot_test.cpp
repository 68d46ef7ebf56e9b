// What VcpuSnapshot takes and puts back.
#include "guest_test.hpp"

#include "core/kvm/kvm_abi.hpp"
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

TEST_F(SnapshotTest, AFailureNamesTheVcpuAndARemedy) {
    const auto snapshot = VcpuSnapshot::take(vcpu());
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    // No vCPU is behind the descriptor any more.
    const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::dup3(other, vcpu().file(), O_CLOEXEC), vcpu().file());
    ::close(other);
    const auto put_back = snapshot->apply(vcpu());
    ASSERT_FALSE(put_back);
    EXPECT_EQ(put_back.error().message.find("the state of vCPU 0 cannot be put back: KVM_SET_MP_STATE: "), 0U)
        << put_back.error().message;
    EXPECT_FALSE(put_back.error().hint.empty());
    const auto taken = VcpuSnapshot::take(vcpu());
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message.find("the state of vCPU 0 cannot be read: KVM_GET_REGS: "), 0U)
        << taken.error().message;
}

} // namespace
} // namespace plugbay::core
