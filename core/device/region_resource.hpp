// A device's regions and the doorbells in them. A doorbell is latched wherever its region currently is:
// mapped ranges stay put, BARs move with the guest's wishes.
#pragma once

#include "core/bus/region.hpp"
#include "core/device/device.hpp"
#include "core/device/loop_signal.hpp"
#include "core/device/platform.hpp"
#include "core/device/resource_table.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

class DoorbellResource;

class RegionResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::region;
    struct Place {
        bool port;
        std::uint64_t base;
    };

    explicit RegionResource(std::uint64_t length) : length_(length) {}
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::uint64_t length() const { return length_; }

    void attach(DoorbellResource& doorbell);
    void detach(DoorbellResource& doorbell);
    [[nodiscard]] bool has_doorbells() const {
        const std::lock_guard guard(mutex_);
        return !doorbells_.empty();
    }

  protected:
    // The region is now at `place`, or nowhere.
    void moved(std::optional<Place> place);

  private:
    const std::uint64_t length_;
    mutable std::mutex mutex_;
    std::optional<Place> place_;               // guarded by mutex_
    std::vector<DoorbellResource*> doorbells_; // guarded by mutex_
};

// Ports or addresses that the device mapped itself.
class MappedRegion : public RegionResource {
  public:
    MappedRegion(AccessBus& bus, std::shared_ptr<const Region> region, bool port);
    ~MappedRegion() override;
    [[nodiscard]] std::string describe() const override;
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override { region_->token = served.tokens[0]; }
    [[nodiscard]] std::vector<AccessPlace> access_places() const override {
        return {{.kind = port_ ? AccessPlace::Kind::ports : AccessPlace::Kind::memory,
                 .token = region_->token,
                 .base = region_->base,
                 .length = region_->length}};
    }
    [[nodiscard]] bool is(bool port, std::uint64_t base, std::uint64_t length) const {
        return port_ == port && region_->base == base && region_->length == length;
    }

  private:
    AccessBus& bus_;
    std::shared_ptr<const Region> region_;
    const bool port_;
};

class DoorbellResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::doorbell;

    struct Spec {
        std::uint64_t offset;
        std::uint32_t width;
        std::optional<std::uint64_t> value;
        std::uint64_t token;
    };
    // Whether it is the doorbell that `spec` describes, whatever its token.
    [[nodiscard]] bool is(const RegionResource& region, const Spec& spec) const {
        return &region_ == &region && spec_.offset == spec.offset && spec_.width == spec.width &&
               spec_.value == spec.value;
    }

    // `region` must outlive it: the device's table gives back newest first, and releasing a region with
    // doorbells is refused. A detached device's takes no writes before begin(): they are still the other build's.
    [[nodiscard]] static Result<std::unique_ptr<DoorbellResource>>
    create(Device& device, RegionResource& region, const Spec& spec);
    ~DoorbellResource() override;
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override;
    void move(IoLoop& loop) override { signal_->move(loop); }
    // Without it, what the guest writes while the builds are exchanged would be latched for a build that is gone.
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override;
    void begin() override { region_.attach(*this); }
    void ring();
    // It may have been rung before.
    void restored() override { ring(); }

    // For RegionResource: (un)latches the write at the region's place.
    void place(std::optional<RegionResource::Place> place);

  private:
    DoorbellResource(Device& device, RegionResource& region, const Spec& spec,
                     std::shared_ptr<LoopSignal> signal);

    // What a doorbell of the device calls.
    [[nodiscard]] static std::function<void()> delivery(Device& device, std::uint64_t token);

    const std::string owner_;
    Platform& platform_;
    RegionResource& region_;
    const Spec spec_;
    std::shared_ptr<LoopSignal> signal_;
    std::unique_ptr<DoorbellLatch> latch_; // guarded by the region's mutex
};

} // namespace plugbay::core
