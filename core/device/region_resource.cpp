#include "core/device/region_resource.hpp"

#include "core/base/log.hpp"
#include "core/bus/access_bus.hpp"

#include <plugbay/abi/doorbell.h>

#include <algorithm>
#include <fmt/format.h>
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

std::function<void()> DoorbellResource::delivery(Device& device, std::uint64_t token) {
    const auto* callbacks = device.callbacks<plugbay_doorbell_callbacks>(PLUGBAY_DOORBELL);
    return [&device, callbacks, token] {
        device.counts().doorbells.add();
        device.deliver("a doorbell", [&] { callbacks->rung(device.instance(), token); });
    };
}

void DoorbellResource::serve(const Served& served) {
    signal_->serve(*served.device, delivery(*served.device, served.tokens[0]));
}

Result<std::unique_ptr<DoorbellResource>> DoorbellResource::create(Device& device, RegionResource& region,
                                                                   const Spec& spec) {
    auto signal = LoopSignal::create(device, false, delivery(device, spec.token));
    if (!signal) return with_context("a doorbell", std::move(signal).error());
    return std::unique_ptr<DoorbellResource>(new DoorbellResource(device, region, spec, std::move(*signal)));
}

DoorbellResource::DoorbellResource(Device& device, RegionResource& region, const Spec& spec,
                                   std::shared_ptr<LoopSignal> signal)
    : owner_(device.id()), platform_(device.services().platform), region_(region), spec_(spec),
      signal_(std::move(signal)) {
    if (!device.detached()) region_.attach(*this);
}

DoorbellResource::~DoorbellResource() {
    region_.detach(*this);
    signal_->end();
}

void DoorbellResource::ring() {
    signal_->ring();
}

void DoorbellResource::place(std::optional<RegionResource::Place> place) {
    latch_.reset();
    if (!place) return;
    auto latch = platform_.latch_doorbell({.port = place->port,
                                           .address = place->base + spec_.offset,
                                           .width = spec_.width,
                                           .value = spec_.value,
                                           .eventfd = signal_->eventfd()});
    if (latch) {
        latch_ = std::move(*latch);
    } else {
        log_for(Subsystem::devices)
            .debug("device \"{}\": {}: its writes are handled one by one", owner_, latch.error().text());
    }
}

std::string DoorbellResource::describe() const {
    return fmt::format("doorbell at offset {:#x}, {} bytes{}", spec_.offset, spec_.width,
                       spec_.value ? fmt::format(", value {:#x}", *spec_.value) : "");
}

} // namespace plugbay::core
