#include "core/device/cpuid_edits.hpp"
#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"

#include <plugbay/abi/cpuid.h>

#include <fmt/format.h>

namespace plugbay::core {

namespace {

class CpuidResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::cpuid;
    CpuidResource(CpuidEdits& edits, const CpuidEdits::Edit& edit)
        : edits_(edits), edit_(edit), text_(edit.describe()) {}
    ~CpuidResource() override { edits_.remove(edit_); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return text_; }
    [[nodiscard]] bool guest_visible() const override { return true; }
    [[nodiscard]] bool is(const CpuidEdits::Edit& edit) const {
        return edit_.leaf == edit.leaf && edit_.subleaf == edit.subleaf && edit_.mask == edit.mask &&
               edit_.value == edit.value;
    }

  private:
    CpuidEdits& edits_;
    const CpuidEdits::Edit& edit_;
    const std::string text_;
};

plugbay_status set(const plugbay_host* host, const plugbay_cpuid_bits* bits, plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (device.phase() != Phase::creating)
        return device.refuse(PLUGBAY_FORBIDDEN, "CPUID can be set only while the device is created");
    if (bits == nullptr || bits->size < sizeof *bits) {
        return device.refuse(
            PLUGBAY_INVALID,
            fmt::format("the description of CPUID bits is missing or too short; its size is to be "
                        "at least {}",
                        sizeof(plugbay_cpuid_bits)));
    }
    CpuidEdits::Edit edit{.owner = device.id(), .leaf = bits->leaf};
    if ((bits->flags & PLUGBAY_CPUID_SUBLEAF) != 0) edit.subleaf = bits->subleaf;
    bool empty = true;
    bool outside = false;
    for (std::size_t i = 0; i < edit.mask.size(); ++i) {
        edit.mask[i] = bits->mask[i];
        edit.value[i] = bits->value[i];
        empty = empty && bits->mask[i] == 0;
        outside = outside || (bits->value[i] & ~bits->mask[i]) != 0;
    }
    if (empty || outside || (bits->flags & ~PLUGBAY_CPUID_SUBLEAF) != 0 ||
        (!edit.subleaf && bits->subleaf != 0)) {
        return device.refuse(PLUGBAY_INVALID,
                             edit.place() +
                                 ": wanted is a mask, values within it, and a subleaf only together with "
                                 "PLUGBAY_CPUID_SUBLEAF");
    }
    if (device.detached()) {
        return adopt<CpuidResource>(device, edit.place() + " with these bits", handle, {},
                                    [&](const CpuidResource& each) { return each.is(edit); });
    }
    CpuidEdits& edits = device.services().cpuid;
    const CpuidEdits::Edit* added = nullptr;
    if (const auto refusal = edits.add(std::move(edit), added))
        return device.refuse(refusal->status, refusal->why);
    return hold(device, std::make_unique<CpuidResource>(edits, *added), handle);
}

plugbay_status clear(const plugbay_host* host, plugbay_handle handle) {
    Device& device = Device::of(host);
    if (device.phase() != Phase::creating)
        return device.refuse(PLUGBAY_FORBIDDEN, "CPUID can be changed only while the device is created");
    return give_back<CpuidResource>(device, handle);
}

} // namespace

const void* cpuid_host_table() {
    static constexpr plugbay_cpuid_host table{sizeof table, 0, &set, &clear};
    return &table;
}

} // namespace plugbay::core
