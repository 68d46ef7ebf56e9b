#include "core/kvm/ioeventfd.hpp"

#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vm.hpp"

#include <cstdio>
#include <utility>

namespace plugbay::core {

namespace {

kvm_ioeventfd to_kernel(const IoeventfdRequest& request) {
    kvm_ioeventfd kernel{};
    kernel.addr = request.address;
    kernel.len = request.size;
    kernel.fd = request.eventfd;
    kernel.datamatch = request.match.value_or(0);
    kernel.flags = (request.space == IoeventfdRequest::Space::port ? 1U << kvm_ioeventfd_flag_nr_pio : 0U) |
                   (request.match ? 1U << kvm_ioeventfd_flag_nr_datamatch : 0U);
    return kernel;
}

std::string text(const IoeventfdRequest& request) {
    char buffer[96];
    std::snprintf(buffer, sizeof buffer, "ioeventfd at %s 0x%llx, size %u",
                  request.space == IoeventfdRequest::Space::port ? "port" : "address",
                  static_cast<unsigned long long>(request.address), request.size);
    return buffer;
}

} // namespace

Result<Ioeventfd> KvmVm::add_ioeventfd(const IoeventfdRequest& request) {
    if (!has(KvmCapability::ioeventfd)) return Error{text(request) + ": this KVM has no IOEVENTFD", {}};
    switch (request.size) {
    case 0:
        if (request.match) return Error{text(request) + ": a write of any size has no value to match", {}};
        if (!has(KvmCapability::ioeventfd_any_length)) {
            return Error{text(request) + ": this KVM has no IOEVENTFD_ANY_LENGTH", "ask for one size"};
        }
        break;
    case 1:
    case 2:
    case 4:
    case 8:
        break;
    default:
        return Error{text(request) + ": the size must be 0, 1, 2, 4 or 8 bytes", {}};
    }
    kvm_ioeventfd kernel = to_kernel(request);
    if (abi::call(file(), KVM_IOEVENTFD, &kernel) < 0) return errno_error("KVM_IOEVENTFD, " + text(request));
    return Ioeventfd(file(), request);
}

Ioeventfd::Ioeventfd(Ioeventfd&& other) noexcept
    : vm_file_(std::exchange(other.vm_file_, -1)), request_(other.request_) {}

Ioeventfd& Ioeventfd::operator=(Ioeventfd&& other) noexcept {
    if (this != &other) {
        reset();
        vm_file_ = std::exchange(other.vm_file_, -1);
        request_ = other.request_;
    }
    return *this;
}

void Ioeventfd::reset() {
    if (vm_file_ < 0) return;
    kvm_ioeventfd kernel = to_kernel(request_);
    kernel.flags |= 1U << kvm_ioeventfd_flag_nr_deassign;
    // Fails only where the assignment is gone already.
    (void)abi::call(std::exchange(vm_file_, -1), KVM_IOEVENTFD, &kernel);
}

} // namespace plugbay::core
