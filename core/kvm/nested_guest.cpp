#include "core/kvm/nested_guest.hpp"

#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vcpu.hpp"
#include "core/kvm/kvm_vm.hpp"

#include <cerrno>
#include <cstring>

namespace plugbay::core {

namespace {

static_assert(sizeof(kvm_nested_state) == 128);

constexpr auto nowhere = ~__u64{0};

// 0: this KVM keeps nothing.
std::size_t most_bytes(const KvmVcpu& vcpu) {
    const int most = abi::call(vcpu.vm().file(), KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE);
    return most > 0 ? static_cast<std::size_t>(most) : 0;
}

// As long as it is; empty where KVM keeps nothing.
std::optional<std::vector<std::uint8_t>> read(const KvmVcpu& vcpu) {
    std::vector<std::uint8_t> bytes(most_bytes(vcpu));
    if (bytes.size() < sizeof(kvm_nested_state)) return std::vector<std::uint8_t>{};
    kvm_nested_state head{};
    head.size = static_cast<__u32>(bytes.size());
    std::memcpy(bytes.data(), &head, sizeof head);
    if (abi::call(vcpu.file(), KVM_GET_NESTED_STATE, bytes.data()) < 0) return std::nullopt;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.size < bytes.size()) bytes.resize(head.size);
    return bytes;
}

kvm_nested_state head_of(std::span<const std::uint8_t> state) {
    kvm_nested_state head{};
    std::memcpy(&head, state.data(), sizeof head);
    return head;
}

// What a processor just switched on has.
kvm_nested_state nothing(__u16 format) {
    kvm_nested_state state{};
    state.format = format;
    state.size = sizeof state;
    if (format == KVM_STATE_NESTED_FORMAT_SVM) {
        state.flags = KVM_STATE_NESTED_GIF_SET;
    } else {
        state.hdr.vmx.vmxon_pa = state.hdr.vmx.vmcs12_pa = nowhere;
    }
    return state;
}

bool is_nothing(const kvm_nested_state& head) {
    if (head.format == KVM_STATE_NESTED_FORMAT_SVM) return head.flags == KVM_STATE_NESTED_GIF_SET;
    return head.hdr.vmx.vmxon_pa == nowhere;
}

} // namespace

bool in_nested_guest(const KvmVcpu& vcpu) {
    const auto state = read(vcpu);
    if (!state || state->empty()) return false;
    const kvm_nested_state head = head_of(*state);
    if ((head.flags & KVM_STATE_NESTED_GUEST_MODE) != 0) return true;
    return head.format == KVM_STATE_NESTED_FORMAT_SVM && (head.flags & KVM_STATE_NESTED_GIF_SET) == 0;
}

std::optional<std::vector<std::uint8_t>> get_nested_state(const KvmVcpu& vcpu) {
    auto state = read(vcpu);
    if (state && !state->empty() && is_nothing(head_of(*state))) state->clear();
    return state;
}

bool set_nested_state(const KvmVcpu& vcpu, std::span<const std::uint8_t> state) {
    // KVM reads as much as the state says of itself.
    if (state.size() < sizeof(kvm_nested_state) || head_of(state).size != state.size()) {
        errno = EINVAL;
        return false;
    }
    return abi::call(vcpu.file(), KVM_SET_NESTED_STATE, state.data()) == 0;
}

bool leave_nested_guests(const KvmVcpu& vcpu) {
    const auto state = read(vcpu);
    if (!state) return false;
    if (state->empty() || is_nothing(head_of(*state))) return true;
    kvm_nested_state left = nothing(head_of(*state).format);
    return abi::call(vcpu.file(), KVM_SET_NESTED_STATE, &left) == 0;
}

} // namespace plugbay::core
