#include "core/base/own_state.hpp"
#include "core/device/device.hpp"
#include "core/device/guest_clock.hpp"
#include "core/device/host/guest_range.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/ram_watches.hpp"
#include "core/memory/guest_memory.hpp"
#include "core/memory/region_memory.hpp"

#include <plugbay/abi/region.h>

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace plugbay::core {

namespace {

constexpr std::uint64_t page_size = 4096;

constexpr const char* contents_type = "memory-region";
constexpr std::uint32_t contents_version = 1;
constexpr std::uint64_t most_contents = std::uint64_t{1} << 32;

struct RegionContents {
    std::vector<std::uint8_t> bytes = {};
    void state(auto& fields) { fields("bytes", bytes, most_contents); }
};

// [control] For memory that the guest still sees. It is held where leak checkers see it, and by nothing that is destroyed at
// exit.
void keep_for_ever(std::shared_ptr<RegionMemory> memory) {
    static auto& all = *new std::vector<std::shared_ptr<RegionMemory>>;
    all.push_back(std::move(memory));
}

// Memory beside the guest's RAM.
class MemoryRegionResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::memory_region;
    MemoryRegionResource(AccessBus& bus, std::shared_ptr<const Region> region,
                         std::shared_ptr<RegionMemory> memory, std::uint32_t kind)
        : bus_(bus), region_(std::move(region)), memory_(std::move(memory)), kind_(kind) {}
    ~MemoryRegionResource() override {
        unmap(); // then what still arrives finds the bus's region, and then nothing
        using Both = std::pair<std::shared_ptr<const Region>, std::shared_ptr<RegionMemory>>;
        bus_.remove_memory(*region_, std::make_shared<Both>(region_, memory_));
    }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override {
        const char* const name = kind_ == PLUGBAY_REGION_RAM   ? "RAM"
                                 : kind_ == PLUGBAY_REGION_ROM ? "ROM"
                                                               : "write-hooked memory";
        return fmt::format("{} {}", name, range_text(region_->base, region_->length));
    }
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override { region_->token = served.tokens[0]; }
    [[nodiscard]] std::vector<AccessPlace> access_places() const override {
        return {{.token = region_->token, .base = region_->base, .length = region_->length}};
    }
    [[nodiscard]] bool is(std::uint32_t kind, std::uint64_t address, std::uint64_t length) const {
        return kind_ == kind && region_->base == address && region_->length == length;
    }
    [[nodiscard]] void* data() const { return memory_->data(); }
    [[nodiscard]] Result<std::optional<StateImage>> save() override {
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(memory_->data());
        RegionContents contents{.bytes = {bytes, bytes + memory_->size()}};
        auto image = save_own_state(contents_type, contents_version, contents);
        if (!image) return std::move(image).error();
        return std::optional(*std::move(image));
    }
    [[nodiscard]] Result<void> load(const StateImage& image) override {
        RegionContents contents;
        if (auto loaded = load_own_state(image, contents_type, contents_version, contents); !loaded)
            return loaded;
        if (contents.bytes.size() != memory_->size())
            return Error{fmt::format("{} bytes of it were saved, and it has {}", contents.bytes.size(),
                                     memory_->size())};
        std::memcpy(memory_->data(), contents.bytes.data(), contents.bytes.size());
        return {};
    }
    [[nodiscard]] std::shared_ptr<const void> memory() const override { return memory_; }
    void mapped(std::unique_ptr<PlatformMemory> mapped) { mapped_ = std::move(mapped); }
    [[nodiscard]] std::uint64_t pages() const { return region_->length / page_size; }
    [[nodiscard]] Result<std::vector<std::uint64_t>> take_dirty() { return mapped_->take_dirty(); }

  private:
    void unmap() {
        if (mapped_ == nullptr) return;
        const auto done = mapped_->unmap();
        if (done) return;
        log_for(Subsystem::devices)
            .error("device \"{}\": {} stays in the guest's sight, and its memory until the monitor ends: {}",
                   region_->owner->id, describe(), done.error().text());
        keep_for_ever(memory_);
    }

    AccessBus& bus_;
    std::shared_ptr<const Region> region_;
    std::shared_ptr<RegionMemory> memory_;
    const std::uint32_t kind_;
    std::unique_ptr<PlatformMemory> mapped_;
};

// Pages of the guest's RAM that come to the device.
class RamWatchResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::ram_watch;
    RamWatchResource(MachineServices& services, std::shared_ptr<const Region> region,
                     const WatchedRam& watched)
        : services_(services), region_(std::move(region)), watched_(watched) {}
    ~RamWatchResource() override {
        services_.ram_watches.remove(watched_);
        services_.bus.remove_memory(*region_, region_);
    }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} of guest RAM {}", watched_.reads ? "accesses" : "writes",
                           range_text(watched_.address, watched_.size));
    }
    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override { region_->token = served.tokens[0]; }
    [[nodiscard]] std::vector<AccessPlace> access_places() const override {
        return {{.token = region_->token, .base = region_->base, .length = region_->length}};
    }
    [[nodiscard]] bool is(bool reads, std::uint64_t address, std::uint64_t length) const {
        return watched_.reads == reads && watched_.address == address && watched_.size == length;
    }

  private:
    MachineServices& services_;
    std::shared_ptr<const Region> region_;
    const WatchedRam watched_;
};

// What is wrong with a request for pages, or "".
std::string page_mistake(const Device& device, std::uint64_t address, std::uint64_t length,
                         bool needs_callbacks) {
    if (length == 0 || (address | length) % page_size != 0 || address + (length - 1) < address)
        return fmt::format("{:#x} bytes at {:#x} are not whole pages of 4096 bytes", length, address);
    if (needs_callbacks && device.callbacks<plugbay_access_callbacks>(PLUGBAY_ACCESS) == nullptr)
        return fmt::format("accesses to {} were asked for, but the device has no read and write callbacks",
                           range_text(address, length));
    return {};
}

plugbay_status create(const plugbay_host* host, std::uint32_t kind, std::uint32_t flags,
                      std::uint64_t address, std::uint64_t length, std::uint64_t token,
                      plugbay_handle* handle, void** pointer) {
    Device& device = Device::of(host);
    if (device.phase() != Phase::creating)
        return device.refuse(PLUGBAY_FORBIDDEN, "memory can be added only while the device is created");
    const bool hooked = kind == PLUGBAY_REGION_WRITE_HOOK;
    const bool tracked = (flags & PLUGBAY_REGION_TRACK_DIRTY) != 0;
    if (kind < PLUGBAY_REGION_RAM || kind > PLUGBAY_REGION_WRITE_HOOK ||
        (flags & ~PLUGBAY_REGION_TRACK_DIRTY) != 0 || (tracked && kind != PLUGBAY_REGION_RAM)) {
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("no memory of kind {} with flags {:#x} is known here", kind, flags));
    }
    if (auto mistake = page_mistake(device, address, length, hooked); !mistake.empty())
        return device.refuse(PLUGBAY_INVALID, std::move(mistake));
    MachineServices& services = device.services();
    if (const plugbay_status status = keep_off_ram(device, address, length); status != PLUGBAY_OK)
        return status;
    if (const auto status = keep_off_own(device, OwnRange::Space::memory, address, length);
        status != PLUGBAY_OK)
        return status;
    if (device.detached()) {
        const plugbay_status status = adopt<MemoryRegionResource>(
            device, "memory " + range_text(address, length), handle, {token},
            [&](const MemoryRegionResource& each) { return each.is(kind, address, length); });
        if (status == PLUGBAY_OK && pointer != nullptr)
            *pointer = device.resources().find<MemoryRegionResource>(*handle)->data();
        return status;
    }
    auto memory = RegionMemory::create(length);
    if (!memory) return device.refuse(PLUGBAY_NO_MEMORY, memory.error().text());
    auto region = std::make_shared<Region>(Region{.base = address,
                                                  .length = length,
                                                  .token = token,
                                                  .slot = hooked ? &device.slot() : nullptr,
                                                  .backing = (*memory)->data(),
                                                  .writable = kind == PLUGBAY_REGION_RAM,
                                                  .owner = device.shared_slot(),
                                                  .keeps = device.shared_slot()});
    const auto placement = services.bus.place_memory(*region);
    if (!placement.placed) return refuse_unplaced(device, "addresses", *region, placement);
    auto resource = std::make_unique<MemoryRegionResource>(services.bus, std::move(region), *memory, kind);
    auto mapped = services.platform.map_memory({.address = address,
                                                .size = length,
                                                .host = (*memory)->data(),
                                                .read_only = kind != PLUGBAY_REGION_RAM,
                                                .log_dirty = tracked});
    if (!mapped) return device.refuse(PLUGBAY_UNSUPPORTED, mapped.error().text());
    resource->mapped(std::move(*mapped));
    const plugbay_status status = hold(device, std::move(resource), handle);
    if (status == PLUGBAY_OK && pointer != nullptr) *pointer = (*memory)->data();
    return status;
}

plugbay_status take_dirty(const plugbay_host* host, plugbay_handle handle, std::uint64_t* bitmap,
                          std::uint64_t words) {
    Device& device = Device::of(host);
    auto* region = device.resources().find<MemoryRegionResource>(handle);
    if (region == nullptr) return device.refuse(PLUGBAY_STALE, "no such memory");
    if (bitmap == nullptr || words != (region->pages() + 63) / 64) {
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("the bitmap of {} pages has {} words, not {}", region->pages(),
                                         (region->pages() + 63) / 64, words));
    }
    auto taken = region->take_dirty();
    if (!taken) return device.refuse(PLUGBAY_UNSUPPORTED, taken.error().text());
    std::copy_n(taken->begin(), std::min<std::size_t>(taken->size(), words), bitmap);
    return PLUGBAY_OK;
}

plugbay_status watch_ram(const plugbay_host* host, std::uint32_t what, std::uint64_t address,
                         std::uint64_t length, std::uint64_t token, plugbay_handle* handle) {
    Device& device = Device::of(host);
    MachineServices& services = device.services();
    if (device.phase() != Phase::creating)
        return device.refuse(PLUGBAY_FORBIDDEN, "RAM can be watched only from when the device is created");
    if (device.detached()) {
        const bool reads = what == PLUGBAY_WATCH_ALL;
        return adopt<RamWatchResource>(
            device, "watching RAM " + range_text(address, std::max<std::uint64_t>(length, 1)), handle,
            {token}, [&](const RamWatchResource& each) { return each.is(reads, address, length); });
    }
    if (services.clock.running()) {
        return device.refuse(
            PLUGBAY_FORBIDDEN,
            "RAM can be watched only from when the guest stands still: pause the machine while the "
            "device is added, or put it into the machine file");
    }
    if (what != PLUGBAY_WATCH_WRITES && what != PLUGBAY_WATCH_ALL)
        return device.refuse(PLUGBAY_INVALID, fmt::format("no accesses {} to watch are known here", what));
    if (auto mistake = page_mistake(device, address, length, true); !mistake.empty())
        return device.refuse(PLUGBAY_INVALID, std::move(mistake));
    const auto bytes = services.memory.map(address, length);
    if (bytes.empty()) {
        return device.refuse(PLUGBAY_INVALID, fmt::format("addresses {} are not all RAM of this machine",
                                                          range_text(address, length)));
    }
    const bool all = what == PLUGBAY_WATCH_ALL;
    auto region = std::make_shared<Region>(Region{.base = address,
                                                  .length = length,
                                                  .token = token,
                                                  .slot = &device.slot(),
                                                  .backing = all ? nullptr : bytes.data(),
                                                  .owner = device.shared_slot(),
                                                  .keeps = device.shared_slot()});
    const auto placement = services.bus.place_memory(*region);
    if (!placement.placed) return refuse_unplaced(device, "addresses", *region, placement);
    const WatchedRam watched{.address = address, .size = length, .reads = all};
    if (auto done = services.ram_watches.add(watched); !done) {
        services.bus.remove_memory(*region, region);
        return device.refuse(PLUGBAY_UNSUPPORTED, done.error().text());
    }
    return hold(device, std::make_unique<RamWatchResource>(services, std::move(region), watched), handle);
}

plugbay_status remove(const plugbay_host* host, plugbay_handle handle) {
    Device& device = Device::of(host);
    if (device.phase() != Phase::creating && device.phase() != Phase::quiesced)
        return device.refuse(PLUGBAY_FORBIDDEN, "memory goes only while the device is created or quiesced");
    if (device.resources().find<RamWatchResource>(handle) != nullptr) {
        if (device.services().clock.running())
            return device.refuse(PLUGBAY_FORBIDDEN, "a watch of RAM ends only while the guest stands still");
        return give_back<RamWatchResource>(device, handle);
    }
    return give_back<MemoryRegionResource>(device, handle);
}

} // namespace

const void* region_host_table() {
    static constexpr plugbay_region_host table{sizeof table, 0, &create, &take_dirty, &watch_ram, &remove};
    return &table;
}

} // namespace plugbay::core
