// KvmVm: interrupt lines, irqfds, MSI routes.
#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vm.hpp"

namespace plugbay::core {

namespace {

kvm_irq_routing_entry to_kernel(const IrqRoute& route) {
    kvm_irq_routing_entry entry{};
    entry.gsi = route.gsi;
    if (route.target == IrqRoute::Target::msi) {
        entry.type = KVM_IRQ_ROUTING_MSI;
        entry.u.msi.address_lo = static_cast<std::uint32_t>(route.message.address);
        entry.u.msi.address_hi = static_cast<std::uint32_t>(route.message.address >> 32);
        entry.u.msi.data = route.message.data;
        return entry;
    }
    entry.type = KVM_IRQ_ROUTING_IRQCHIP;
    entry.u.irqchip.pin = route.pin;
    switch (route.target) {
    case IrqRoute::Target::pic_master:
        entry.u.irqchip.irqchip = KVM_IRQCHIP_PIC_MASTER;
        break;
    case IrqRoute::Target::pic_slave:
        entry.u.irqchip.irqchip = KVM_IRQCHIP_PIC_SLAVE;
        break;
    default:
        entry.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
        break;
    }
    return entry;
}

Error no_irqchip(const std::string& what) {
    return Error{what + ": this VM has no in-kernel irqchip", {}};
}

std::string gsi_text(const char* what, std::uint32_t gsi) {
    return what + (" for GSI " + std::to_string(gsi));
}

} // namespace

Result<void> KvmVm::commit(const IrqRoutes& routes) {
    const auto entries = routes.entries();
    abi::CountedArray<kvm_irq_routing_entry> table(entries.size());
    const auto kernel = table.entries();
    for (std::size_t i = 0; i < entries.size(); ++i)
        kernel[i] = to_kernel(entries[i]);
    if (abi::call(file(), abi::set_gsi_routing, table.data()) < 0) {
        return errno_error("KVM_SET_GSI_ROUTING with " + std::to_string(entries.size()) + " routes");
    }
    return {};
}

Result<void> KvmVm::set_irq_line(std::uint32_t gsi, bool high) {
    if (!options_.irqchip) return no_irqchip(gsi_text("interrupt line", gsi));
    kvm_irq_level level{};
    level.irq = gsi;
    level.level = high ? 1 : 0;
    if (abi::call(file(), KVM_IRQ_LINE, &level) < 0) return errno_error(gsi_text("KVM_IRQ_LINE", gsi));
    return {};
}

Result<void> KvmVm::assign_irqfd(int eventfd, std::uint32_t gsi, int resample_eventfd) {
    if (!options_.irqchip) return no_irqchip(gsi_text("irqfd", gsi));
    if (!has(KvmCapability::irqfd)) return Error{"this KVM has no IRQFD", {}};
    kvm_irqfd request{};
    request.fd = static_cast<std::uint32_t>(eventfd);
    request.gsi = gsi;
    if (resample_eventfd >= 0) {
        if (!has(KvmCapability::irqfd_resample)) return Error{"this KVM has no IRQFD_RESAMPLE", {}};
        request.flags = KVM_IRQFD_FLAG_RESAMPLE;
        request.resamplefd = static_cast<std::uint32_t>(resample_eventfd);
    }
    if (abi::call(file(), KVM_IRQFD, &request) < 0) return errno_error(gsi_text("KVM_IRQFD", gsi));
    return {};
}

Result<void> KvmVm::deassign_irqfd(int eventfd, std::uint32_t gsi) {
    kvm_irqfd request{};
    request.fd = static_cast<std::uint32_t>(eventfd);
    request.gsi = gsi;
    request.flags = KVM_IRQFD_FLAG_DEASSIGN;
    if (abi::call(file(), KVM_IRQFD, &request) < 0) return errno_error(gsi_text("KVM_IRQFD (deassign)", gsi));
    return {};
}

Result<std::uint32_t> KvmVm::allocate_msi_gsi() {
    if (!options_.irqchip) return no_irqchip("MSI route");
    if (!has(KvmCapability::irq_routing)) return Error{"this KVM has no IRQ_ROUTING", {}};
    const std::lock_guard lock(routes_mutex_);
    return routes_.allocate();
}

void KvmVm::release_msi_gsi(std::uint32_t gsi) {
    const std::lock_guard lock(routes_mutex_);
    const bool routed = routes_.message(gsi).has_value();
    routes_.release(gsi);
    // A stale route in KVM is harmless, since no irqfd is left on it and nobody gets the GSI; the next commit
    // drops it.
    if (routed && commit(routes_)) routes_.committed();
}

Result<void> KvmVm::set_msi_route(std::uint32_t gsi, const std::optional<MsiMessage>& message) {
    const MsiRouteChange change{gsi, message};
    return set_msi_routes({&change, 1});
}

Result<void> KvmVm::set_msi_routes(std::span<const MsiRouteChange> changes) {
    const std::lock_guard lock(routes_mutex_);
    IrqRoutes wanted = routes_;
    bool changed = false;
    for (const auto& [gsi, message] : changes) {
        if (!wanted.allocated(gsi)) return Error{gsi_text("no MSI route allocated", gsi), {}};
        const bool this_one = message ? wanted.set_message(gsi, *message) : wanted.clear_message(gsi);
        changed = changed || this_one;
    }
    if (!changed) return {};
    if (auto done = commit(wanted); !done) return done;
    wanted.committed();
    routes_ = std::move(wanted);
    return {};
}

Result<bool> KvmVm::signal_msi(const MsiMessage& message) {
    if (!options_.irqchip) return no_irqchip("MSI");
    kvm_msi request{};
    request.address_lo = static_cast<std::uint32_t>(message.address);
    request.address_hi = static_cast<std::uint32_t>(message.address >> 32);
    request.data = message.data;
    const int delivered = abi::call(file(), KVM_SIGNAL_MSI, &request);
    if (delivered < 0) return errno_error("KVM_SIGNAL_MSI");
    return delivered > 0;
}

} // namespace plugbay::core
