// One function on a bus: its configuration space, the BARs that it currently decodes, its MSI-X vectors and
// its pin.
#pragma once

#include "core/base/result.hpp"
#include "core/device/device.hpp"
#include "core/device/interrupt_lines.hpp"
#include "core/device/region_resource.hpp"
#include "core/pci/config_space.hpp"
#include "core/pci/msix_table.hpp"

#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

class BarRegion;
class PciBus;

// Thread: any, unless marked. Lock rank: mutex_ before the access bus's and the MSI-X table's; the device's
// callback lock is never taken while holding it.
class PciFunction : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::pci_function;

    // [control] Checks the description. Errors are about what the device passed.
    [[nodiscard]] static Result<std::unique_ptr<PciFunction>> create(Device& device,
                                                                     const plugbay_pci_function& description);
    ~PciFunction() override;
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override;

    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override;
    [[nodiscard]] std::vector<AccessPlace> access_places() const override;
    // What of `description`, by another build of the device, is not this function; "" when they agree.
    [[nodiscard]] std::string difference(const plugbay_pci_function& description, Device& device) const;

    // Of the build that serves the guest.
    [[nodiscard]] Device& device() const { return *device_.load(std::memory_order_acquire); }
    [[nodiscard]] bool plugged() const { return bus_.load() != nullptr; }
    [[nodiscard]] const std::string& wanted_bus() const { return wanted_bus_; } // empty: the first
    [[nodiscard]] std::int32_t wanted_slot() const { return wanted_slot_; }

    // [control] Where it sits from now on; claims the pin's line.
    [[nodiscard]] Result<void> plug(PciBus& bus, std::uint32_t slot,
                                    const std::array<std::uint32_t, 4>& lines);
    // [control] Leaves its bus, if it is on one: no configuration access is on its way here afterwards, and nothing is
    // decoded. Without callback locks.
    void unplug();
    // [control] Its bus is being destroyed.
    void bus_gone() { bus_.store(nullptr); }

    // Guest accesses within one doubleword of the 256 bytes.
    [[nodiscard]] std::uint32_t config_read(std::uint32_t offset, std::uint32_t width);
    void config_write(std::uint32_t offset, std::uint32_t width, std::uint32_t value);

    // Decodes BARs that overlapped somebody, if they do no more. The guest chose their place, so hardware would decode
    // them from the moment on that the other is gone.
    void retry_refused();

    void append_bars(std::vector<plugbay_pci_bar_slot>& bars);
    // [control] Sets a BAR and enables decoding of its kind.
    [[nodiscard]] Result<void> assign(std::uint32_t bar, std::uint64_t address);

    // False: MSI-X is off.
    [[nodiscard]] bool notify(std::uint32_t vector) { return msix_ != nullptr && msix_->notify(vector); }
    void set_pin(bool level);
    // Stores the handle of a BAR's region, made when first asked for, in the table of `device`, a build of the
    // function's.
    [[nodiscard]] plugbay_status bar_region(Device& device, std::uint32_t bar, plugbay_handle* handle);

    // [control] As after power-on: nothing is decoded.
    void reset();

    // Configuration space, pin and MSI-X table.
    [[nodiscard]] Result<std::optional<StateImage>> save() override;
    [[nodiscard]] Result<void> load(const StateImage& image) override;

  private:
    friend class BarRegion;

    struct Bar {
        std::uint32_t kind = PLUGBAY_BAR_NONE;
        std::uint64_t length = 0;
        std::uint64_t token = 0;
        std::shared_ptr<const Region> mapped; // while decoded
        std::weak_ptr<BarRegion> region;      // while the device holds it

        [[nodiscard]] bool ports() const { return (kind & 0xf) == PLUGBAY_BAR_PORTS; }
        [[nodiscard]] bool wide() const { return (kind & 0xf) == PLUGBAY_BAR_MEMORY64; }
        [[nodiscard]] bool msix() const { return (kind & 0xf) == PLUGBAY_BAR_MSIX; }
        [[nodiscard]] bool present() const { return kind != PLUGBAY_BAR_NONE; }
    };
    struct Hook {
        std::uint32_t capability; // number in the device's list
        std::uint32_t offset;     // in configuration space
        std::uint32_t length;
        bool operator==(const Hook&) const = default;
    };

    PciFunction(Device& device, const plugbay_pci_function& description);
    [[nodiscard]] Result<void> describe_bars(const plugbay_pci_function& description);
    [[nodiscard]] Result<void> describe_capabilities(const plugbay_pci_function& description);
    [[nodiscard]] const Hook* hook_at(std::uint32_t offset, std::uint32_t width) const;
    template <typename Call>
    void inside_hook(Call&& call);
    void set_bar_register(std::uint32_t bar, std::uint64_t address);
    [[nodiscard]] std::uint64_t bar_address(std::uint32_t bar) const;
    // True when something is not decoded any more, or elsewhere.
    [[nodiscard]] bool update_decoding();
    void make_room();
    void update_msix_control();
    void update_pin();
    // False: somebody is in the way.
    [[nodiscard]] bool map_bar(Bar& bar, std::uint64_t address);
    void unmap_bar(Bar& bar);
    void tell_region(Bar& bar);

    // These change with the build, while its gate and its bridge's are closed; see PciBuses::wait_for_users().
    std::atomic<Device*> device_;
    std::atomic<const plugbay_pci_callbacks*> callbacks_;
    const std::string wanted_bus_;
    const std::int32_t wanted_slot_;
    std::vector<Hook> hooks_;
    std::shared_ptr<MsixTable> msix_; // shared with the region that shows it
    std::uint32_t msix_capability_ = 0;
    // Null: on none. Changes on the control thread; a bus that a guest access has found here is there until it has left.
    std::atomic<PciBus*> bus_{nullptr};
    std::uint32_t slot_ = 0;
    std::unique_ptr<InterruptLines::Claim> line_;
    ConfigSpace after_power_on_;

    // A BAR is in somebody's way, or is just being placed: set before it is tried, so that who leaves afterwards sees it.
    std::atomic<bool> refused_{false};
    mutable std::mutex mutex_; // for what follows
    ConfigSpace config_;
    std::array<Bar, 6> bars_;
    bool pin_level_ = false;
};

// A BAR as the device's region, for doorbells.
class BarRegion : public RegionResource {
  public:
    BarRegion(std::uint32_t bar, std::uint64_t length) : RegionResource(length), bar_(bar) {}
    [[nodiscard]] std::string describe() const override { return "BAR " + std::to_string(bar_); }

  private:
    friend class PciFunction;
    const std::uint32_t bar_;
};

} // namespace plugbay::core
