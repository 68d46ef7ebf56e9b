#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/interrupt_lines.hpp"

#include <plugbay/abi/interrupt.h>

namespace plugbay::core {

namespace {

class LineResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::line;
    LineResource(std::unique_ptr<InterruptLines::Claim> claim, bool shared)
        : claim_(std::move(claim)), shared_(shared) {}
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override {
        return "interrupt line " + std::to_string(claim_->gsi());
    }
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override {
        if (served.level) claim_->set(*served.level);
    }
    [[nodiscard]] bool is(std::uint32_t gsi, bool shared) const {
        return claim_->gsi() == gsi && shared_ == shared;
    }
    [[nodiscard]] InterruptLines::Claim& claim() { return *claim_; }

  private:
    std::unique_ptr<InterruptLines::Claim> claim_;
    const bool shared_;
};

plugbay_status claim(const plugbay_host* host, std::uint32_t gsi, std::uint32_t flags, plugbay_handle* line) {
    Device& device = Device::of(host);
    const bool shared = (flags & PLUGBAY_INTERRUPT_SHARED) != 0;
    if (device.detached()) {
        return adopt<LineResource>(device, "interrupt line " + std::to_string(gsi), line, {},
                                   [&](const LineResource& each) { return each.is(gsi, shared); });
    }
    auto claimed = device.services().lines.claim(gsi, shared, device.id());
    if (!claimed) {
        return device.refuse(gsi < InterruptLines::count ? PLUGBAY_TAKEN : PLUGBAY_INVALID,
                             claimed.error().text());
    }
    return hold(device, std::make_unique<LineResource>(std::move(*claimed), shared), line);
}

plugbay_status set(const plugbay_host* host, plugbay_handle handle, std::uint32_t level) {
    Device& device = Device::of(host);
    auto* line = device.resources().find<LineResource>(handle);
    if (line == nullptr) return device.refuse(PLUGBAY_STALE, "no such interrupt line");
    if (!device.serves() && device.defer([&](Served& later) { later.level = level != 0; }, *line))
        return PLUGBAY_OK;
    if (line->claim().set(level != 0)) device.counts().interrupts.add();
    return PLUGBAY_OK;
}

plugbay_status release(const plugbay_host* host, plugbay_handle line) {
    return give_back<LineResource>(Device::of(host), line);
}

} // namespace

const void* interrupt_host_table() {
    static constexpr plugbay_interrupt_host table{sizeof table, 0, &claim, &set, &release};
    return &table;
}

} // namespace plugbay::core
