// Port and MMIO exits of every size, string I/O, completion before a save.
#include "guest_test.hpp"

asm(PLUGBAY_GUEST_BEGIN(port_out) R"(
    movl $0x44332211, %eax
    movl $0x100, %edx
    outb %al, %dx
    outw %ax, %dx
    outl %eax, %dx
    outb %al, $0x80
    report %al
)" PLUGBAY_GUEST_END(port_out));
PLUGBAY_GUEST_DECLARE(port_out)

asm(PLUGBAY_GUEST_BEGIN(port_in) R"(
    movl $0x100, %edx
    xorl %eax, %eax
    inb %dx, %al
    movl %eax, %ebx
    xorl %eax, %eax
    inw %dx, %ax
    addl %eax, %ebx
    inl %dx, %eax
    addl %ebx, %eax
    report %eax
)" PLUGBAY_GUEST_END(port_in));
PLUGBAY_GUEST_DECLARE(port_in)

asm(PLUGBAY_GUEST_BEGIN(string_io) R"(
    cld
    movl $0x20000, %edi
    movl $0x100, %edx
    movl $300, %ecx
    rep insw
    movl $0x20000, %esi
    movl $300, %ecx
    rep outsw
    report %al
)" PLUGBAY_GUEST_END(string_io));
PLUGBAY_GUEST_DECLARE(string_io)

asm(PLUGBAY_GUEST_BEGIN(mmio) R"(
    movl $0xd0000000, %edi
    movabsq $0x8877665544332211, %rax
    movb %al, (%rdi)
    movw %ax, 2(%rdi)
    movl %eax, 4(%rdi)
    movq %rax, 8(%rdi)
    movzbl (%rdi), %ebx
    movzwl 2(%rdi), %ecx
    addq %rcx, %rbx
    movl 4(%rdi), %ecx
    addq %rcx, %rbx
    movq 8(%rdi), %rcx
    addq %rcx, %rbx
    movl %ebx, %eax
    report %eax
)" PLUGBAY_GUEST_END(mmio));
PLUGBAY_GUEST_DECLARE(mmio)

asm(PLUGBAY_GUEST_BEGIN(real_mode) R"(
    .code16
    movw $0x1234, %ax
    report %ax
)" PLUGBAY_GUEST_END(real_mode));
PLUGBAY_GUEST_DECLARE(real_mode)

asm(PLUGBAY_GUEST_BEGIN(protected_mode) R"(
    .code32
    movl $0x12345678, %eax
    pushl %eax
    popl %ebx
    movl %ebx, %eax
    report %eax
)" PLUGBAY_GUEST_END(protected_mode));
PLUGBAY_GUEST_DECLARE(protected_mode)

namespace plugbay::core {
namespace {

using Kind = VcpuExit::Kind;
using ::testing::ElementsAre;

std::uint64_t value_of(const std::byte* data, std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, data, size);
    return value;
}

TEST_F(GuestTest, PortWritesOfEverySize) {
    const auto guest = make(guest_program_port_out());
    ASSERT_TRUE(guest);
    std::vector<std::tuple<unsigned, unsigned, std::uint64_t>> seen;
    EXPECT_TRUE(run(guest, [&](VcpuExit& exit) {
        EXPECT_EQ(exit.kind, Kind::port_out);
        EXPECT_EQ(exit.port.count, 1U);
        seen.emplace_back(exit.port.port, exit.port.size, value_of(exit.port.data, exit.port.size));
        return true;
    }));
    SKIP_IF_UNSUPPORTED();
    EXPECT_THAT(seen, ElementsAre(std::tuple(0x100, 1, 0x11), std::tuple(0x100, 2, 0x2211),
                                  std::tuple(0x100, 4, 0x44332211), std::tuple(0x80, 1, 0x11)));
}

TEST_F(GuestTest, PortReadsOfEverySize) {
    const auto guest = make(guest_program_port_in());
    ASSERT_TRUE(guest);
    const auto report = run(guest, [&](VcpuExit& exit) {
        EXPECT_EQ(exit.kind, Kind::port_in);
        const std::uint32_t answer = exit.port.size == 1 ? 0x7F : exit.port.size == 2 ? 0x1000 : 0x20000000;
        std::memcpy(exit.port.data, &answer, exit.port.size);
        return true;
    });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, 0x2000107FU);
}

TEST_F(GuestTest, StringPortAccessMovesEveryElementInOrder) {
    const auto guest = make(guest_program_string_io());
    ASSERT_TRUE(guest);
    std::uint16_t next = 0;
    std::vector<std::uint16_t> written;
    EXPECT_TRUE(run(guest, [&](VcpuExit& exit) {
        EXPECT_EQ(exit.port.size, 2);
        for (std::uint32_t i = 0; i < exit.port.count; ++i) {
            std::byte* const element = exit.port.data + std::size_t{2} * i;
            if (exit.kind == Kind::port_in) {
                std::memcpy(element, &next, sizeof next);
                ++next;
            } else {
                written.push_back(static_cast<std::uint16_t>(value_of(element, 2)));
            }
        }
        return true;
    }));
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(next, 300);
    ASSERT_EQ(written.size(), 300U);
    for (std::uint16_t i = 0; i < 300; ++i)
        EXPECT_EQ(written[i], i);
}

TEST_F(GuestTest, MmioOfEverySize) {
    const auto guest = make(guest_program_mmio());
    ASSERT_TRUE(guest);
    std::vector<std::tuple<std::uint64_t, unsigned, std::uint64_t>> written;
    const auto report = run(guest, [&](VcpuExit& exit) {
        const std::uint64_t offset = exit.mmio.address - TinyGuest::device_address;
        if (exit.kind == Kind::mmio_write) {
            written.emplace_back(offset, exit.mmio.size, value_of(exit.mmio.data, exit.mmio.size));
            return true;
        }
        EXPECT_EQ(exit.kind, Kind::mmio_read);
        const std::uint64_t answer = std::uint64_t{1} << (exit.mmio.size - 1);
        std::memcpy(exit.mmio.data, &answer, exit.mmio.size);
        return true;
    });
    SKIP_IF_UNSUPPORTED();
    EXPECT_THAT(written, ElementsAre(std::tuple(0, 1, 0x11), std::tuple(2, 2, 0x2211),
                                     std::tuple(4, 4, 0x44332211), std::tuple(8, 8, 0x8877665544332211)));
    EXPECT_EQ(report, 1U + 2 + 8 + 128);
}

TEST_F(GuestTest, RealModeEntry) {
    TinyGuest::Options options;
    options.mode = CpuEntry::Mode::real_16;
    const auto guest = make(guest_program_real_mode(), options);
    ASSERT_TRUE(guest);
    const auto report = run(guest);
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, 0x1234U);
}

TEST_F(GuestTest, ProtectedModeEntry) {
    TinyGuest::Options options;
    options.mode = CpuEntry::Mode::protected_32;
    const auto guest = make(guest_program_protected_mode(), options);
    ASSERT_TRUE(guest);
    const auto report = run(guest);
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, 0x12345678U);
}

// The answer to a read is in the guest's registers after complete_pending_io(), and rip is past the access.
TEST_F(GuestTest, PendingReadsCompleteWithoutRunningTheGuest) {
    const auto guest = make(guest_program_port_in());
    ASSERT_TRUE(guest);
    const auto end = run_guarded(
        guest, 0,
        [&](VcpuExit& exit) {
            EXPECT_EQ(exit.kind, Kind::port_in) << describe_exit(exit);
            if (exit.kind != Kind::port_in) return false;
            *exit.port.data = std::byte{0x5A};
            EXPECT_EQ(guest->vcpu().complete_pending_io().kind, Kind::interrupted);
            const auto registers = guest->vcpu().general_registers();
            EXPECT_TRUE(registers);
            if (registers) {
                EXPECT_EQ(registers->rax, 0x5AU);
                EXPECT_EQ(registers->rip, TinyGuest::program_address + 8) << "mov, xor and in are 8 bytes";
            }
            return false;
        },
        guest_limit);
    EXPECT_EQ(end, GuardedEnd::finished);
}

} // namespace
} // namespace plugbay::core
