// Memory slots: RAM above 4 GiB, the dirty log, read-only memory, removal.
#include "guest_test.hpp"

#include <sys/mman.h>

asm(PLUGBAY_GUEST_BEGIN(high_memory) R"(
    movabsq $0x100001000, %rdi
    movl $0x600df00d, (%rdi)
    movl (%rdi), %eax
    report %eax
)" PLUGBAY_GUEST_END(high_memory));
PLUGBAY_GUEST_DECLARE(high_memory)

asm(PLUGBAY_GUEST_BEGIN(dirty_two) R"(
    movl $0x40000, %edi
    movl $1, (%rdi)
    movl $0x123000, %edi
    movl $1, (%rdi)
    report %al
)" PLUGBAY_GUEST_END(dirty_two));
PLUGBAY_GUEST_DECLARE(dirty_two)

asm(PLUGBAY_GUEST_BEGIN(read_then_write) R"(
    movl $0xd0000000, %edi
    movl (%rdi), %eax
    movl $5, (%rdi)
    report %eax
)" PLUGBAY_GUEST_END(read_then_write));
PLUGBAY_GUEST_DECLARE(read_then_write)

namespace plugbay::core {
namespace {

constexpr std::size_t page = 4096;

// A page of host memory of its own.
class HostPage {
  public:
    HostPage()
        : data_(static_cast<std::byte*>(
              ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
    HostPage(const HostPage&) = delete;
    HostPage& operator=(const HostPage&) = delete;
    ~HostPage() { ::munmap(data_, page); }
    [[nodiscard]] std::byte* data() const { return data_; }

  private:
    std::byte* data_;
};

TEST_F(GuestTest, MemoryAbove4GiB) {
    TinyGuest::Options options;
    options.memory_size = pci_hole_start + (16 << 20);
    const auto guest = make(guest_program_high_memory(), options);
    ASSERT_TRUE(guest);
    ASSERT_EQ(guest->slots().size(), 2U);
    const auto report = run(guest);
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, 0x600DF00DU);
    std::uint32_t seen = 0;
    EXPECT_TRUE(guest->memory().read(0x1'0000'1000, std::as_writable_bytes(std::span(&seen, 1))));
    EXPECT_EQ(seen, 0x600DF00DU);
}

TEST_F(GuestTest, TheDirtyLogNamesTheWrittenPages) {
    TinyGuest::Options options;
    options.log_dirty = true;
    const auto guest = make(guest_program_dirty_two(), options);
    ASSERT_TRUE(guest);
    const auto slot = guest->slots().front();
    ASSERT_TRUE(guest->vm().dirty_log(slot));
    EXPECT_TRUE(run(guest));
    SKIP_IF_UNSUPPORTED();
    const auto log = guest->vm().dirty_log(slot);
    ASSERT_TRUE(log) << log.error().text();
    ASSERT_EQ(log->size(), (options.memory_size / page + 63) / 64);
    const auto dirty = [&](std::uint64_t address) {
        const std::uint64_t number = address / page;
        return ((*log)[number / 64] >> (number % 64) & 1) != 0;
    };
    EXPECT_TRUE(dirty(0x40000));
    EXPECT_TRUE(dirty(0x123000));
    EXPECT_FALSE(dirty(0x41000));
    EXPECT_FALSE(dirty(0x122000));
    const auto again = guest->vm().dirty_log(slot);
    ASSERT_TRUE(again);
    EXPECT_THAT(*again, ::testing::Each(0U)) << "reading clears";
    EXPECT_TRUE(guest->vm().set_dirty_log(slot, false));
    EXPECT_FALSE(guest->vm().dirty_log(slot));
}

TEST_F(GuestTest, WritesToReadOnlyMemoryAreExits) {
    if (!system_->has(KvmCapability::readonly_memory)) GTEST_SKIP() << "this KVM has no READONLY_MEM";
    const auto guest = make(guest_program_read_then_write());
    ASSERT_TRUE(guest);
    const HostPage rom;
    const std::uint32_t content = 0xAB12CD34;
    std::memcpy(rom.data(), &content, sizeof content);
    const auto slot = guest->vm().add_memory({TinyGuest::device_address, page, rom.data(), true, false});
    ASSERT_TRUE(slot) << slot.error().text();
    bool write_seen = false;
    const auto report = run(guest, [&](VcpuExit& exit) {
        write_seen =
            exit.kind == VcpuExit::Kind::mmio_write && exit.mmio.address == TinyGuest::device_address;
        return true;
    });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, content);
    EXPECT_TRUE(write_seen);
    EXPECT_EQ(std::memcmp(rom.data(), &content, sizeof content), 0);
}

TEST_F(GuestTest, ARemovedSlotIsMmioAgainAndItsNumberFree) {
    const auto guest = make(guest_program_read_then_write());
    ASSERT_TRUE(guest);
    const HostPage ram;
    const MemorySlotRequest request{TinyGuest::device_address, page, ram.data(), false, false};
    const auto slot = guest->vm().add_memory(request);
    ASSERT_TRUE(slot) << slot.error().text();
    EXPECT_FALSE(guest->vm().add_memory(request)) << "overlap";
    ASSERT_TRUE(guest->vm().remove_memory(*slot));
    EXPECT_FALSE(guest->vm().remove_memory(*slot));
    const auto again = guest->vm().add_memory(request);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, *slot);
    ASSERT_TRUE(guest->vm().remove_memory(*again));
    int exits = 0;
    EXPECT_TRUE(run(guest, [&](VcpuExit&) {
        ++exits;
        return true;
    }));
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(exits, 2);
}

TEST_F(GuestTest, UnalignedSlotsAreRefused) {
    const auto guest = make(guest_program_read_then_write());
    ASSERT_TRUE(guest);
    const HostPage ram;
    EXPECT_FALSE(guest->vm().add_memory({TinyGuest::device_address + 1, page, ram.data(), false, false}));
    EXPECT_FALSE(guest->vm().add_memory({TinyGuest::device_address, 100, ram.data(), false, false}));
    EXPECT_FALSE(guest->vm().add_memory({TinyGuest::device_address, 0, ram.data(), false, false}));
    EXPECT_FALSE(guest->vm().add_memory({~std::uint64_t{0xFFF}, 2 * page, ram.data(), false, false}));
}

} // namespace
} // namespace plugbay::core
