#include "core/bus/access_bus.hpp"
#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/msr.h>

#include <fmt/format.h>

namespace plugbay::core {

namespace {

class MsrResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::msr;
    MsrResource(MachineServices& services, std::shared_ptr<const Region> region)
        : services_(services), region_(std::move(region)) {}
    ~MsrResource() override { services_.bus.msrs().remove(region_, services_.platform); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override {
        std::string accesses;
        if ((region_->flags & PLUGBAY_MSR_READ) != 0) accesses += " read";
        if ((region_->flags & PLUGBAY_MSR_WRITE) != 0) accesses += " write";
        if ((region_->flags & PLUGBAY_MSR_DENY) != 0) accesses += " deny";
        return fmt::format("MSRs {:#x}-{:#x}{}", region_->base, region_->base + region_->length - 1,
                           accesses);
    }
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override { region_->token = served.tokens[0]; }
    [[nodiscard]] bool is(std::uint32_t first, std::uint32_t count, std::uint32_t flags) const {
        return region_->base == first && region_->length == count && region_->flags == flags;
    }

  private:
    MachineServices& services_;
    std::shared_ptr<const Region> region_;
};

plugbay_status hook(const plugbay_host* host, std::uint32_t first, std::uint32_t count, std::uint32_t flags,
                    std::uint64_t token, plugbay_handle* handle) {
    Device& device = Device::of(host);
    constexpr std::uint32_t known = PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE | PLUGBAY_MSR_DENY;
    if (flags == 0 || (flags & ~known) != 0) {
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("MSR {:#x} was asked for with flags {:#x}; wanted is one or more of "
                                         "PLUGBAY_MSR_READ, _WRITE and _DENY",
                                         first, flags));
    }
    if (count == 0 || count - 1 > ~first) {
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("{} MSRs from {:#x} do not exist; there are 2^32", count, first));
    }
    if ((flags & (PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE)) != 0 &&
        device.callbacks<plugbay_msr_callbacks>(PLUGBAY_MSR) == nullptr) {
        return device.refuse(
            PLUGBAY_INVALID,
            fmt::format("MSR {:#x} was asked for, but the device has no callbacks for MSRs", first));
    }
    if (device.detached()) {
        return adopt<MsrResource>(device, fmt::format("{} MSRs from {:#x}", count, first), handle, {token},
                                  [&](const MsrResource& each) { return each.is(first, count, flags); });
    }
    auto region = std::make_shared<Region>(Region{.base = first,
                                                  .length = count,
                                                  .token = token,
                                                  .flags = flags,
                                                  .slot = &device.slot(),
                                                  .keeps = device.shared_slot()});
    if (const auto refusal = device.services().bus.msrs().place(*region, device.services().platform))
        return device.refuse(refusal->status, refusal->why);
    return hold(device, std::make_unique<MsrResource>(device.services(), std::move(region)), handle);
}

plugbay_status unhook(const plugbay_host* host, plugbay_handle handle) {
    return give_back<MsrResource>(Device::of(host), handle);
}

} // namespace

const void* msr_host_table() {
    static constexpr plugbay_msr_host table{sizeof table, 0, &hook, &unhook};
    return &table;
}

} // namespace plugbay::core
