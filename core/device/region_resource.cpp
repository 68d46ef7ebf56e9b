#include "core/device/region_resource.hpp"

#include "core/base/errno_error.hpp"
#include "core/bus/access_bus.hpp"

#include <plugbay/abi/doorbell.h>

#include <algorithm>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <utility>

namespace plugbay::core {

void RegionResource::attach(DoorbellResource& doorbell) {
    const std::lock_guard guard(mutex_);
    doorbells_.push_back(&doorbell);
    doorbell.place(place_);
}

void RegionResource::detach(DoorbellResource& doorbell) {
    const std::lock_guard guard(mutex_);
    doorbell.place(std::nullopt);
    std::erase(doorbells_, &doorbell);
}

void RegionResource::moved(std::optional<Place> place) {
    const std::lock_guard guard(mutex_);
    place_ = place;
    for (DoorbellResource* doorbell : doorbells_)
        doorbell->place(place_);
}

MappedRegion::MappedRegion(AccessBus& bus, std::shared_ptr<const Region> region, bool port)
    : RegionResource(region->length), bus_(bus), region_(std::move(region)), port_(port) {
    moved(Place{.port = port, .base = region_->base});
}

MappedRegion::~MappedRegion() {
    moved(std::nullopt);
    if (port_) {
        bus_.remove_ports(*region_, region_);
    } else {
        bus_.remove_memory(*region_, region_);
    }
}

std::string MappedRegion::describe() const {
    return fmt::format("{} {:#x}-{:#x}", port_ ? "ports" : "memory", region_->base,
                       region_->base + region_->length - 1);
}

// The eventfd and what happens when it is signalled. Outlives the resource by at most one call of the loop.
class DoorbellResource::Source : public FdHandler,
                                 public Device::Held,
                                 public std::enable_shared_from_this<Source> {
  public:
    Source(Device& device, UniqueFd eventfd, std::uint64_t token)
        : device_(device), callbacks_(device.callbacks<plugbay_doorbell_callbacks>(PLUGBAY_DOORBELL)),
          lock_(device.shared_lock()), eventfd_(std::move(eventfd)), token_(token) {}

    void ready(std::uint32_t) override {
        eventfd_t count = 0;
        if (::eventfd_read(eventfd_.get(), &count) != 0) return;
        const std::lock_guard guard(*lock_);
        if (!alive_) return;
        if (device_.phase() != Phase::running) {
            if (!std::exchange(held_, true)) device_.hold_back(weak_from_this());
            return;
        }
        callbacks_->rung(device_.instance(), token_);
    }
    void release() override {
        held_ = false;
        ring();
    }
    void ring() { ::eventfd_write(eventfd_.get(), 1); }
    void end() {
        const std::lock_guard guard(*lock_);
        alive_ = false;
    }
    [[nodiscard]] int eventfd() const { return eventfd_.get(); }

  private:
    Device& device_;
    const plugbay_doorbell_callbacks* callbacks_;
    const std::shared_ptr<CallbackLock> lock_;
    UniqueFd eventfd_;
    const std::uint64_t token_;
    bool alive_ = true; // guarded by lock_, as is the next
    bool held_ = false;
};

Result<std::unique_ptr<DoorbellResource>> DoorbellResource::create(Device& device, RegionResource& region,
                                                                   const Spec& spec) {
    UniqueFd eventfd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!eventfd)
        return errno_error("cannot create an eventfd for a doorbell", errno, "raise the limit of open files");
    auto source = std::make_shared<Source>(device, std::move(eventfd), spec.token);
    auto watch = device.loop().watch(source->eventfd(), EPOLLIN, source);
    if (!watch) return std::move(watch).error();
    return std::unique_ptr<DoorbellResource>(
        new DoorbellResource(device, region, spec, std::move(source), *watch));
}

DoorbellResource::DoorbellResource(Device& device, RegionResource& region, const Spec& spec,
                                   std::shared_ptr<Source> source, IoLoop::WatchId watch)
    : device_(device), region_(region), spec_(spec), source_(std::move(source)), watch_(watch) {
    region_.attach(*this);
}

DoorbellResource::~DoorbellResource() {
    region_.detach(*this);
    source_->end();
    device_.loop().unwatch(watch_);
}

void DoorbellResource::ring() {
    source_->ring();
}

void DoorbellResource::place(std::optional<RegionResource::Place> place) {
    latch_.reset();
    if (!place) return;
    auto latch = device_.services().platform.latch_doorbell({.port = place->port,
                                                             .address = place->base + spec_.offset,
                                                             .width = spec_.width,
                                                             .value = spec_.value,
                                                             .eventfd = source_->eventfd()});
    if (latch) {
        latch_ = std::move(*latch);
    } else {
        spdlog::debug("{}: {}: its writes are handled one by one", device_.id(), latch.error().text());
    }
}

std::string DoorbellResource::describe() const {
    return fmt::format("doorbell at offset {:#x}, {} bytes{}", spec_.offset, spec_.width,
                       spec_.value ? fmt::format(", value {:#x}", *spec_.value) : "");
}

} // namespace plugbay::core
