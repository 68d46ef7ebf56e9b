#include "core/kvm/nested_guest.hpp"

#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vcpu.hpp"

#include <cerrno>

namespace plugbay::core {

// KVM api.rst, KVM_GET_NESTED_STATE. With room for the header alone, E2BIG says that there is more.
bool has_nested_state(const KvmVcpu& vcpu) {
    constexpr auto nowhere = ~__u64{0};
    kvm_nested_state state{};
    state.size = sizeof state;
    state.hdr.vmx.vmxon_pa = nowhere; // where KVM knows nothing of this, it stays
    if (abi::call(vcpu.file(), KVM_GET_NESTED_STATE, &state) < 0) return errno == E2BIG;
    if (state.format == KVM_STATE_NESTED_FORMAT_VMX) return state.hdr.vmx.vmxon_pa != nowhere;
    return (state.flags & KVM_STATE_NESTED_GUEST_MODE) != 0 || (state.flags & KVM_STATE_NESTED_GIF_SET) == 0;
}

} // namespace plugbay::core
