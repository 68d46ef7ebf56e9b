#include "core/kvm/vcpu_exit.hpp"

#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/vcpu_dump.hpp"

#include <gtest/gtest.h>

#include <array>

namespace plugbay::core {
namespace {

using Kind = VcpuExit::Kind;

class DecodeExit : public ::testing::Test {
  protected:
    kvm_run& run() { return *reinterpret_cast<kvm_run*>(page_.data()); }
    VcpuExit decode(std::uint32_t reason) {
        run().exit_reason = reason;
        return decode_exit(page_.data(), page_.size());
    }
    void set_port(unsigned size, std::uint32_t count, std::uint64_t offset) {
        run().io.direction = KVM_EXIT_IO_OUT;
        run().io.port = 0x3F8;
        run().io.size = static_cast<std::uint8_t>(size);
        run().io.count = count;
        run().io.data_offset = offset;
    }

    alignas(4096) std::array<std::byte, 8192> page_{};
};

TEST_F(DecodeExit, PortDataPointsIntoThePage) {
    set_port(2, 3, 4096);
    const auto exit = decode(KVM_EXIT_IO);
    EXPECT_EQ(exit.kind, Kind::port_out);
    EXPECT_EQ(exit.port.port, 0x3F8);
    EXPECT_EQ(exit.port.size, 2);
    EXPECT_EQ(exit.port.count, 3U);
    EXPECT_EQ(exit.port.data, page_.data() + 4096);
    EXPECT_EQ(describe_exit(exit), "port out 0x3f8 size 2 count 3");
    run().io.direction = KVM_EXIT_IO_IN;
    EXPECT_EQ(decode(KVM_EXIT_IO).kind, Kind::port_in);
}

TEST_F(DecodeExit, PortDataOutsideThePageIsRefused) {
    set_port(4, 1024, 4096);
    EXPECT_EQ(decode(KVM_EXIT_IO).kind, Kind::port_out) << "just fits";
    set_port(4, 1025, 4096);
    EXPECT_EQ(decode(KVM_EXIT_IO).kind, Kind::unknown);
    set_port(4, 0xFFFF'FFFF, 4096);
    EXPECT_EQ(decode(KVM_EXIT_IO).kind, Kind::unknown);
    set_port(1, 1, ~std::uint64_t{0});
    EXPECT_EQ(decode(KVM_EXIT_IO).kind, Kind::unknown);
    for (const unsigned size : {0U, 3U, 8U, 255U}) {
        set_port(size, 1, 4096);
        EXPECT_EQ(decode(KVM_EXIT_IO).kind, Kind::unknown) << size;
    }
}

TEST_F(DecodeExit, Mmio) {
    run().mmio.phys_addr = 0xD0000010;
    run().mmio.len = 4;
    run().mmio.is_write = 1;
    const auto exit = decode(KVM_EXIT_MMIO);
    EXPECT_EQ(exit.kind, Kind::mmio_write);
    EXPECT_EQ(exit.mmio.address, 0xD0000010U);
    EXPECT_EQ(exit.mmio.size, 4);
    run().mmio.is_write = 0;
    EXPECT_EQ(decode(KVM_EXIT_MMIO).kind, Kind::mmio_read);
    run().mmio.len = 9;
    EXPECT_EQ(decode(KVM_EXIT_MMIO).kind, Kind::unknown);
}

TEST_F(DecodeExit, InternalErrorNeverShowsMoreThan16Words) {
    run().internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
    run().internal.ndata = 1000;
    const auto exit = decode(KVM_EXIT_INTERNAL_ERROR);
    EXPECT_EQ(exit.kind, Kind::internal_error);
    EXPECT_EQ(exit.internal.count, 16U);
    EXPECT_EQ(exit.internal.suberror, 1U);
}

TEST_F(DecodeExit, MsrValueAndErrorAreWrittenInPlace) {
    run().msr.index = 0x1234;
    const auto exit = decode(KVM_EXIT_X86_RDMSR);
    EXPECT_EQ(exit.kind, Kind::read_msr);
    EXPECT_EQ(exit.msr.index, 0x1234U);
    *exit.msr.error = 1;
    EXPECT_EQ(run().msr.error, 1);
    EXPECT_EQ(decode(KVM_EXIT_X86_WRMSR).kind, Kind::write_msr);
}

TEST_F(DecodeExit, TheOthers) {
    EXPECT_EQ(decode(KVM_EXIT_HLT).kind, Kind::halt);
    EXPECT_EQ(decode(KVM_EXIT_SHUTDOWN).kind, Kind::shutdown);
    EXPECT_EQ(decode(KVM_EXIT_INTR).kind, Kind::interrupted);
    run().fail_entry.hardware_entry_failure_reason = 0x80000021;
    EXPECT_EQ(decode(KVM_EXIT_FAIL_ENTRY).entry.hardware_reason, 0x80000021U);
    run().system_event.type = KVM_SYSTEM_EVENT_RESET;
    EXPECT_EQ(decode(KVM_EXIT_SYSTEM_EVENT).event.type, VcpuExit::Event::Type::reset);
    run().system_event.type = 77;
    EXPECT_EQ(decode(KVM_EXIT_SYSTEM_EVENT).event.type, VcpuExit::Event::Type::other);
    const auto strange = decode(999);
    EXPECT_EQ(strange.kind, Kind::unknown);
    EXPECT_EQ(strange.code, 999U);
    EXPECT_EQ(describe_exit(strange), "unknown exit, reason 999");
}

} // namespace
} // namespace plugbay::core
