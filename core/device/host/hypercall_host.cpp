#include "core/bus/access_bus.hpp"
#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/hypercall.h>

#include <fmt/format.h>

namespace plugbay::core {

namespace {

class HypercallResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::hypercall;
    HypercallResource(HypercallMap& map, std::shared_ptr<const Region> region)
        : map_(map), region_(std::move(region)) {}
    ~HypercallResource() override { map_.remove(region_); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override {
        return fmt::format("hypercalls {:#x}-{:#x}", region_->base, region_->base + region_->length - 1);
    }
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override { region_->token = served.tokens[0]; }
    [[nodiscard]] bool is(std::uint32_t first, std::uint32_t count) const {
        return region_->base == first && region_->length == count;
    }

  private:
    HypercallMap& map_;
    std::shared_ptr<const Region> region_;
};

plugbay_status claim(const plugbay_host* host, std::uint32_t first, std::uint32_t count, std::uint64_t token,
                     plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (count == 0 || count - 1 > ~first) {
        return device.refuse(
            PLUGBAY_INVALID,
            fmt::format("{} hypercalls from {:#x} do not exist; numbers have 32 bits", count, first));
    }
    if (device.callbacks<plugbay_hypercall_callbacks>(PLUGBAY_HYPERCALL) == nullptr) {
        return device.refuse(
            PLUGBAY_INVALID,
            fmt::format("hypercall {:#x} was asked for, but the device has no call callback", first));
    }
    if (device.detached()) {
        return adopt<HypercallResource>(device, fmt::format("{} hypercalls from {:#x}", count, first), handle,
                                        {token},
                                        [&](const HypercallResource& each) { return each.is(first, count); });
    }
    auto region = std::make_shared<Region>(Region{.base = first,
                                                  .length = count,
                                                  .token = token,
                                                  .slot = &device.slot(),
                                                  .keeps = device.shared_slot()});
    HypercallMap& map = device.services().bus.hypercalls();
    if (const auto refusal = map.place(*region)) return device.refuse(refusal->status, refusal->why);
    return hold(device, std::make_unique<HypercallResource>(map, std::move(region)), handle);
}

plugbay_status release(const plugbay_host* host, plugbay_handle handle) {
    return give_back<HypercallResource>(Device::of(host), handle);
}

} // namespace

const void* hypercall_host_table() {
    static constexpr plugbay_hypercall_host table{sizeof table, 0, &claim, &release};
    return &table;
}

} // namespace plugbay::core
