// The kernel interface's sizes are static_asserts of kvm_abi.hpp; here what can only be looked at when
// running.
#include "core/kvm/kvm_abi.hpp"

#include <gtest/gtest.h>

namespace plugbay::core::abi {
namespace {

TEST(CountedArray, HasTheKernelsLayout) {
    CountedArray<kvm_msr_entry> list(3);
    ASSERT_EQ(list.entries().size(), 3U);
    EXPECT_EQ(reinterpret_cast<std::byte*>(list.entries().data()) - static_cast<std::byte*>(list.data()), 8);
    EXPECT_EQ(list.count(), 3U);
    std::uint32_t second_word = 1;
    std::memcpy(&second_word, static_cast<std::byte*>(list.data()) + 4, sizeof second_word);
    EXPECT_EQ(second_word, 0U);
}

TEST(CountedArray, NeverShowsMoreThanThereIsRoomFor) {
    CountedArray<kvm_cpuid_entry2> list(2);
    list.set_count(1);
    EXPECT_EQ(list.entries().size(), 1U);
    list.set_count(100);
    EXPECT_EQ(list.entries().size(), 2U);
    EXPECT_TRUE(CountedArray<kvm_cpuid_entry2>(0).entries().empty());
}

TEST(Call, ReportsABadFile) {
    errno = 0;
    EXPECT_EQ(call(-1, KVM_GET_API_VERSION, 0), -1);
    EXPECT_EQ(errno, EBADF);
}

} // namespace
} // namespace plugbay::core::abi
