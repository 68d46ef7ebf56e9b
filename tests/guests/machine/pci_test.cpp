// What a guest finds on the PCI bus by configuration mechanism #1.
#include "machine_test.hpp"

#include <cstdint>
#include <map>

// Writes words to the debug console. For each of the 32 devices the first doubleword; then for devices 0 to 3
// and each BAR: what it holds, what it holds after all ones are written, what it holds when it is restored.
asm(PLUGBAY_GUEST_BEGIN(enumerate) R"(
    .code32
    xorl %ebx, %ebx
1:  movl %ebx, %eax
    shll $11, %eax
    orl $0x80000000, %eax
    call 5f
    call 7f
    incl %ebx
    cmpl $32, %ebx
    jne 1b

    xorl %ebx, %ebx
2:  movl $0x10, %esi
3:  movl %ebx, %eax
    shll $11, %eax
    orl $0x80000000, %eax
    orl %esi, %eax
    call 5f
    movl %eax, %edi
    call 7f
    movl $0xffffffff, %eax
    outl %eax, %dx
    inl %dx, %eax
    call 7f
    movl $0xcfc, %edx
    movl %edi, %eax
    outl %eax, %dx
    inl %dx, %eax
    call 7f
    addl $4, %esi
    cmpl $0x28, %esi
    jne 3b
    incl %ebx
    cmpl $4, %ebx
    jne 2b
    movb $5, %al
    end_machine

5:  movl $0xcf8, %edx
    outl %eax, %dx
    movl $0xcfc, %edx
    inl %dx, %eax
    ret
7:  movl $0x402, %edx
    movl $4, %ecx
8:  outb %al, %dx
    shrl $8, %eax
    loop 8b
    movl $0xcfc, %edx
    ret
)" PLUGBAY_GUEST_END(enumerate));
PLUGBAY_GUEST_DECLARE(enumerate)

// Configuration space of the function in slot 1, by the register number in %r12d; changes %eax and %edx.
asm(R"(
.macro read_config
    movl %r12d, %eax
    orl $0x80000800, %eax
    movl $0xcf8, %edx
    outl %eax, %dx
    movl $0xcfc, %edx
    inl %dx, %eax
.endm
.macro write_config value
    read_config
    movl \value, %eax
    outl %eax, %dx
.endm
# Its register number to %r12d; none fails the check.
.macro find_capability id
    movl $0x34, %r12d
    read_config
.Lnext\@:
    movzbl %al, %r12d
    testl %r12d, %r12d
    jz 9f
    read_config
    cmpb $\id, %al
    je .Lfound\@
    shrl $8, %eax
    jmp .Lnext\@
.Lfound\@:
    incb %bl
.endm
)");

// probe-pci's BARs, hooked capability, MSI-X (at once; masked and then pending) and pin.
asm(PLUGBAY_GUEST_BEGIN(use_function) R"(
    prepare_handlers
    set_handler 0x41, 7f
    set_handler 0x42, 6f
    mask_pics
    route_pin 17, 0x8042
    enable_local_apic
    xorl %ebp, %ebp
    begin_checks

    movl $4, %r12d
    write_config $7
    movl $0x10, %r12d
    read_config
    andl $-4, %eax
    movl %eax, %edx
    inl %dx, %eax
    expect $10, %eax
    movl $0x14, %r12d
    read_config
    andl $-16, %eax
    movl %eax, %r13d
    expect $11, (%r13), l
    movl $0x20, %r12d
    read_config
    andl $-16, %eax
    movl %eax, %r14d

    find_capability 9
    addl $4, %r12d
    read_config
    expect $4, %eax
    movl $0xcfd, %edx
    xorl %eax, %eax
    inb %dx, %al
    expect $1, %eax
    write_config $0x12345678

    find_capability 0x11
    movl %r12d, %r15d
    addl $4, %r12d
    read_config
    andl $-8, %eax
    addq %rax, %r14
    movl $0xfee00000, %eax
    movl %eax, (%r14)
    movl $0, 4(%r14)
    movl $0x41, 8(%r14)
    movl $0, 12(%r14)
    movl %r15d, %r12d
    write_config $0x80000000
    sti
    movl $0, (%r13)
    wait_for_interrupts 1
    movl $1, 12(%r14)
    movl $0, (%r13)
    wait_in_vain
    expect $1, %ebp
    movl $0, 12(%r14)
    wait_for_interrupts 2

    write_config $0
    movl $101, (%r13)
    wait_for_interrupts 3
    expect $11, (%r13), l
    end_checks
6:  movl $100, (%r13)
7:  incl %ebp
    end_interrupt
)" PLUGBAY_GUEST_END(use_function));
PLUGBAY_GUEST_DECLARE(use_function)

namespace plugbay::end_to_end {
namespace {

constexpr std::uint32_t nobody = 0xffffffff;
constexpr std::size_t device_count = 32;
constexpr std::size_t bar_count = 6;
constexpr std::size_t examined = 4;

struct Bar {
    std::uint32_t value, after_ones, restored;
};

class Pci : public MachineTest {
  protected:
    std::vector<std::uint32_t> words() {
        const std::string log = folder_.read("log");
        std::vector<std::uint32_t> all(log.size() / 4);
        std::memcpy(all.data(), log.data(), all.size() * 4);
        return all;
    }
};

TEST_F(Pci, IsEnumeratedByAGuest) {
    folder_.write("disk.img", std::string(1 << 20, 'd'));
    const Outcome outcome =
        run_machine(guest_program_enumerate(),
                    debugcon_to_file + R"(, { "type": "pci-host", "id": "pci" })"
                                       R"(, { "type": "virtio-blk", "id": "vda" })"
                                       R"(, { "type": "disk-file", "id": "disk", "path": "disk.img",
                                                                  "frontend": { "id": "vda" } })"
                                       R"(, { "type": "virtio-rng", "id": "rng", "slot": 3 })",
                    protected_32());
    ASSERT_EQ(outcome.status, 5) << outcome.text();
    const auto all = words();
    ASSERT_EQ(all.size(), device_count + examined * bar_count * 3);

    EXPECT_NE(all[0], nobody) << "no host bridge";
    EXPECT_EQ(all[1], 0x10421af4u) << "virtio-blk takes the first free slot";
    EXPECT_EQ(all[2], nobody);
    EXPECT_EQ(all[3], 0x10441af4u) << "virtio-rng";
    for (std::size_t device = 4; device < device_count; ++device)
        EXPECT_EQ(all[device], nobody) << device;

    std::map<std::uint64_t, std::uint64_t> ranges; // first address, size
    std::size_t next = device_count;
    for (std::size_t device = 0; device < examined; ++device) {
        std::vector<Bar> bars(bar_count);
        std::memcpy(bars.data(), all.data() + next, bar_count * sizeof(Bar));
        next += bar_count * 3;
        if (device == 2) continue;
        for (std::size_t i = 0; i < bar_count; ++i) {
            const Bar& low = bars[i];
            EXPECT_EQ(low.value, low.restored) << "device " << device << " BAR " << i;
            if (low.after_ones == 0) continue;
            EXPECT_EQ(low.value & 0xf, low.after_ones & 0xf) << "the type does not change";
            ASSERT_EQ(low.value & 1, 0u) << "no ports are expected";
            const bool wide = (low.value & 6) == 4;
            std::uint64_t size = low.after_ones & ~0xfu;
            std::uint64_t address = low.value & ~0xfu;
            if (wide) {
                ASSERT_LT(++i, bar_count);
                EXPECT_EQ(bars[i].value, bars[i].restored);
                size |= std::uint64_t{bars[i].after_ones} << 32;
                address |= std::uint64_t{bars[i].value} << 32;
            } else {
                size |= 0xffffffff00000000;
            }
            size = ~size + 1;
            EXPECT_GE(size, 16u);
            EXPECT_EQ(size & (size - 1), 0u) << "a power of two";
            EXPECT_EQ(address % size, 0u) << "aligned to it";
            EXPECT_GE(address, 0xc0000000u);
            ranges.emplace(address, size);
        }
    }
    EXPECT_GE(ranges.size(), 2u) << "each virtio device has at least one";
    std::uint64_t end = 0;
    for (const auto& [address, size] : ranges) {
        EXPECT_GE(address, end) << "overlap";
        end = address + size;
    }
}

TEST_F(Pci, AFunctionIsUsedByAGuest) {
    const auto file = prepare(guest_program_use_function(),
                              R"(, { "type": "pci-host", "id": "pci" })"
                              R"(, { "type": "probe-pci", "id": "function", "slot": 1 })",
                              with_probes(long_64()));
    const Outcome outcome = run(plugbay_command({"--log-level", "info", "run", file}));
    EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("function: config 0 4 305419896"));
}

} // namespace
} // namespace plugbay::end_to_end
