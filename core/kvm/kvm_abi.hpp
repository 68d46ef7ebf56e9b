// The kernel's KVM interface. The only file that includes <linux/kvm.h>; include it from .cpp files of this
// folder alone.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <linux/kvm.h>
#pragma GCC diagnostic pop

#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace plugbay::core::abi {

// The kernel headers' flexible-array macro holds an empty struct, which takes a byte in C++. So structures
// that end in such an array have the wrong size and layout here, and every ioctl number computed from that
// size is wrong too (EINVAL). All but one start with an 8-byte head whose first word counts the entries:
// CountedArray below lays them out, and their numbers are made from that size.
inline constexpr unsigned counted_head_size = 8;

// The one whose head is the count alone.
inline constexpr unsigned long get_msr_index_list = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x02, 4);
inline constexpr unsigned long get_supported_cpuid =
    _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, counted_head_size);
inline constexpr unsigned long set_gsi_routing = _IOC(_IOC_WRITE, KVMIO, 0x6a, counted_head_size);
inline constexpr unsigned long get_msrs = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x88, counted_head_size);
inline constexpr unsigned long set_msrs = _IOC(_IOC_WRITE, KVMIO, 0x89, counted_head_size);
inline constexpr unsigned long set_cpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, counted_head_size);

static_assert(get_msr_index_list == 0xC004'AE02);
static_assert(get_supported_cpuid == 0xC008'AE05);
static_assert(set_gsi_routing == 0x4008'AE6A);
static_assert(get_msrs == 0xC008'AE88);
static_assert(set_msrs == 0x4008'AE89);
static_assert(set_cpuid2 == 0x4008'AE90);

// struct kvm_xsave ends in such an array, too, which is empty unless a VMM asks for AMX.
using ExtendedState = std::array<std::uint32_t, 1024>;

inline constexpr unsigned long get_xsave = _IOC(_IOC_READ, KVMIO, 0xa4, sizeof(ExtendedState));
inline constexpr unsigned long set_xsave = _IOC(_IOC_WRITE, KVMIO, 0xa5, sizeof(ExtendedState));

static_assert(get_xsave == 0x9000'AEA4);
static_assert(set_xsave == 0x5000'AEA5);

// What the ioctls used as the header defines them depend on.
static_assert(sizeof(kvm_cpuid_entry2) == 40);
static_assert(sizeof(kvm_msr_entry) == 16);
static_assert(sizeof(kvm_irq_routing_entry) == 48);
static_assert(sizeof(kvm_userspace_memory_region) == 32);
static_assert(sizeof(kvm_dirty_log) == 16);
static_assert(sizeof(kvm_irqfd) == 32);
static_assert(sizeof(kvm_ioeventfd) == 64);
static_assert(sizeof(kvm_msi) == 32);
static_assert(sizeof(kvm_pit_config) == 64);
static_assert(sizeof(kvm_regs) == 144);
static_assert(sizeof(kvm_sregs) == 312);
static_assert(sizeof(kvm_lapic_state) == 1024);
static_assert(sizeof(kvm_translation) == 24);
static_assert(sizeof(kvm_enable_cap) == 104);
static_assert(sizeof(kvm_fpu) == 416);
static_assert(sizeof(kvm_xcrs) == 392);
static_assert(sizeof(kvm_debugregs) == 128);
static_assert(sizeof(kvm_guest_debug) == 72);
static_assert(sizeof(kvm_vcpu_events) == 64);
static_assert(sizeof(kvm_mp_state) == 4);
static_assert(sizeof(kvm_irqchip) == 520);
static_assert(sizeof(kvm_pit_state2) == 112);
static_assert(sizeof(kvm_irq_level) == 8);
static_assert(sizeof(kvm_msr_filter) == 392);
static_assert(offsetof(kvm_run, exit_reason) == 8);
static_assert(offsetof(kvm_run, io) == 32);

// The head (count, then a word that stays 0) and the entries of one such structure.
template <typename Entry>
class CountedArray {
  public:
    explicit CountedArray(std::size_t capacity)
        : bytes_((counted_head_size + capacity * sizeof(Entry) + 7) / 8), capacity_(capacity) {
        set_count(capacity);
    }

    [[nodiscard]] void* data() { return bytes_.data(); }
    [[nodiscard]] std::uint32_t count() const {
        std::uint32_t count = 0;
        std::memcpy(&count, bytes_.data(), sizeof count);
        return count;
    }
    void set_count(std::size_t count) {
        const auto word = static_cast<std::uint32_t>(count);
        std::memcpy(bytes_.data(), &word, sizeof word);
    }
    // The counted entries, never more than there is room for.
    [[nodiscard]] std::span<Entry> entries() {
        const std::size_t used = count() < capacity_ ? count() : capacity_;
        return {reinterpret_cast<Entry*>(reinterpret_cast<std::byte*>(bytes_.data()) + counted_head_size),
                used};
    }

  private:
    std::vector<std::uint64_t> bytes_; // 64-bit words for alignment
    std::size_t capacity_;
};

// ioctl that starts again on EINTR. -1 and errno on failure.
template <typename Argument>
[[nodiscard]] int call(int file, unsigned long request, Argument argument) {
    int result = 0;
    do {
        result = ::ioctl(file, request, argument);
    } while (result < 0 && errno == EINTR);
    return result;
}

} // namespace plugbay::core::abi
