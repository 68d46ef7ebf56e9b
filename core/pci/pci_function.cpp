#include "core/pci/pci_function.hpp"

#include "core/base/log.hpp"
#include "core/base/own_state.hpp"
#include "core/bus/access_bus.hpp"
#include "core/device/host/hold.hpp"
#include "core/memory/guest_memory.hpp"
#include "core/pci/pci_bus.hpp"

#include <bit>
#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

namespace {
constexpr std::uint8_t msix_capability_id = 0x11;
constexpr std::uint16_t msix_enable = 1 << 15;
constexpr std::uint16_t msix_function_mask = 1 << 14;
constexpr std::uint32_t kind_mask = 0xf;
constexpr std::uint16_t interrupt_status = 1 << 3;
constexpr std::uint64_t largest_narrow_bar = std::uint64_t{1} << 31;
constexpr std::uint64_t largest_bar = std::uint64_t{1} << 40;

constexpr const char* state_type = "pci-function";
constexpr std::uint32_t state_version = 1;

struct FunctionState {
    std::array<std::uint8_t, ConfigSpace::size> configuration{};
    bool pin = false;
    MsixTable::Saved msix = {};
    void state(auto& fields) {
        fields("configuration", configuration);
        fields("pin", pin);
        fields("msix.table", msix.words, 4 * MsixTable::max_vectors);
        fields("msix.pending", msix.pending, MsixTable::max_vectors);
    }
};
} // namespace

Result<std::unique_ptr<PciFunction>> PciFunction::create(Device& device,
                                                         const plugbay_pci_function& description) {
    if (description.size < sizeof(plugbay_pci_function))
        return Error{"the function's description is too short"};
    if (description.msix_vectors > MsixTable::max_vectors) return Error{"MSI-X has at most 2048 vectors"};
    if (description.slot > 31) return Error{"a bus has slots 0 to 31"};
    if (description.interrupt_pin > 1) return Error{"a single function uses INTA (1) or no pin (0)"};
    std::unique_ptr<PciFunction> function(new PciFunction(device, description));
    if (auto done = function->describe_bars(description); !done) return std::move(done).error();
    if (auto done = function->describe_capabilities(description); !done) return std::move(done).error();
    function->after_power_on_ = function->config_;
    return function;
}

PciFunction::PciFunction(Device& device, const plugbay_pci_function& description)
    : device_(&device), callbacks_(device.callbacks<plugbay_pci_callbacks>(PLUGBAY_PCI)),
      wanted_bus_(description.bus == nullptr ? "" : description.bus), wanted_slot_(description.slot) {
    using namespace pci_register;
    config_.set(vendor_id, 2, description.vendor_id);
    config_.set(device_id, 2, description.device_id);
    config_.set(revision, 1, description.revision);
    config_.set(class_code, 1, description.class_code);
    config_.set(class_code + 1, 2, description.class_code >> 8);
    config_.set(subsystem_vendor_id, 2, description.subsystem_vendor_id);
    config_.set(subsystem_id, 2, description.subsystem_id);
    config_.set(interrupt_pin, 1, description.interrupt_pin);
    config_.set_writable(interrupt_line, 1, 0xff);
    config_.set_writable(command, 2,
                         pci_command::decode_ports | pci_command::decode_memory | pci_command::bus_master |
                             pci_command::pin_disable);
}

Result<void> PciFunction::describe_bars(const plugbay_pci_function& description) {
    for (std::uint32_t i = 0; i < bars_.size(); ++i) {
        const plugbay_pci_bar& given = description.bars[i];
        Bar& bar = bars_[i];
        if (i > 0 && bars_[i - 1].wide()) {
            if (given.kind != PLUGBAY_BAR_NONE) {
                return Error{
                    fmt::format("BAR {} is the upper half of BAR {} and must be PLUGBAY_BAR_NONE", i, i - 1)};
            }
            continue;
        }
        bar.kind = given.kind;
        bar.length = given.length;
        bar.token = given.token;
        if (!bar.present()) continue;
        const std::uint32_t base_kind = bar.kind & kind_mask;
        const std::uint32_t flags = bar.kind & ~kind_mask;
        // In the register of a port BAR the prefetchable bit is part of the address.
        const std::uint32_t allowed_flags = bar.ports() ? 0 : PLUGBAY_BAR_PREFETCHABLE;
        if (base_kind == PLUGBAY_BAR_NONE || base_kind > PLUGBAY_BAR_MSIX || (flags & ~allowed_flags) != 0)
            return Error{fmt::format("BAR {} has an unknown kind", i)};
        if (bar.wide() && i == 5) return Error{"BAR 5 cannot be 64 bits wide"};
        if (bar.msix()) {
            if (msix_ || description.msix_vectors == 0)
                return Error{"MSI-X needs vectors and exactly one BAR"};
            msix_ = std::make_shared<MsixTable>(device().services().platform, description.msix_vectors,
                                                device().id(), device().shared_interrupts());
            bar.length = msix_->bar_length();
        }
        const std::uint64_t smallest = bar.ports() ? 4 : 16;
        const std::uint64_t largest = bar.ports() ? 256 : bar.wide() ? largest_bar : largest_narrow_bar;
        if (!std::has_single_bit(bar.length) || bar.length < smallest || bar.length > largest) {
            return Error{fmt::format("BAR {} cannot have {} bytes: powers of two from {} to {}", i,
                                     bar.length, smallest, largest)};
        }
        const std::uint64_t mask = ~(bar.length - 1);
        const std::uint32_t register_offset = pci_register::bar0 + 4 * i;
        config_.set_writable(register_offset, 4, static_cast<std::uint32_t>(mask));
        if (bar.wide()) config_.set_writable(register_offset + 4, 4, static_cast<std::uint32_t>(mask >> 32));
        set_bar_register(i, 0);
    }
    if (description.msix_vectors != 0 && !msix_)
        return Error{"MSI-X vectors need a BAR of kind PLUGBAY_BAR_MSIX"};
    return {};
}

Result<void> PciFunction::describe_capabilities(const plugbay_pci_function& description) {
    const auto no_room = [] { return Error{"the capabilities do not fit into 256 bytes"}; };
    for (std::uint32_t i = 0; i < description.capability_count; ++i) {
        const plugbay_pci_capability& given = description.capabilities[i];
        if (given.hook_offset + given.hook_length > given.length) {
            return Error{fmt::format("capability {} hooks bytes past its end", i)};
        }
        const std::uint32_t offset =
            config_.add_capability(given.id, {given.body, given.length}, given.writable);
        if (offset == 0) return no_room();
        if (given.hook_length != 0) {
            if (callbacks_ == nullptr)
                return Error{"a capability has hooks, but the device has no " PLUGBAY_PCI " callbacks"};
            hooks_.push_back(
                {.capability = i, .offset = offset + 2 + given.hook_offset, .length = given.hook_length});
        }
    }
    if (!msix_) return {};
    std::uint32_t bar = 0;
    while (!bars_[bar].msix())
        ++bar;
    const std::uint32_t pending = msix_->pending_offset() | bar;
    const std::uint32_t control = msix_->vectors() - 1;
    const std::array<std::uint8_t, 10> body{static_cast<std::uint8_t>(control),
                                            static_cast<std::uint8_t>(control >> 8),
                                            static_cast<std::uint8_t>(bar),
                                            0,
                                            0,
                                            0,
                                            static_cast<std::uint8_t>(pending),
                                            static_cast<std::uint8_t>(pending >> 8),
                                            static_cast<std::uint8_t>(pending >> 16),
                                            static_cast<std::uint8_t>(pending >> 24)};
    msix_capability_ = config_.add_capability(msix_capability_id, body, nullptr);
    if (msix_capability_ == 0) return no_room();
    config_.set_writable(msix_capability_ + 2, 2, msix_enable | msix_function_mask);
    return {};
}

PciFunction::~PciFunction() {
    unplug();
    device().services().pci.remove(*this);
    const std::lock_guard guard(mutex_);
    for (Bar& bar : bars_)
        unmap_bar(bar); // without a bus it can still be decoded
}

void PciFunction::unplug() {
    PciBus* const bus = bus_.exchange(nullptr);
    if (bus == nullptr) return;
    bus->unplug(slot_);
    {
        const std::lock_guard guard(mutex_);
        for (Bar& bar : bars_)
            unmap_bar(bar);
        line_.reset();
    }
    bus->retry_refused();
}

std::string PciFunction::describe() const {
    const PciBus* const bus = bus_.load();
    if (bus == nullptr) return "PCI function, on no bus";
    return fmt::format("PCI function {:02x}.0 on {}", slot_, bus->id());
}

std::vector<AccessPlace> PciFunction::access_places() const {
    const std::lock_guard guard(mutex_);
    std::vector<AccessPlace> places;
    for (std::size_t i = 0; i < bars_.size(); ++i) {
        const Bar& bar = bars_[i];
        if (!bar.present() || bar.msix()) continue;
        places.push_back(
            {.kind = AccessPlace::Kind::bar, .token = bar.token, .base = i, .length = bar.length});
    }
    return places;
}

Result<void> PciFunction::plug(PciBus& bus, std::uint32_t slot, const std::array<std::uint32_t, 4>& lines) {
    const std::uint32_t pin = config_.read(pci_register::interrupt_pin, 1);
    if (pin != 0) {
        const std::uint32_t gsi = lines[(slot + pin - 1) % lines.size()];
        auto line = device().services().lines.claim(gsi, true, device().id());
        if (!line) return std::move(line).error();
        line_ = std::move(*line);
        // What firmware leaves for drivers without ACPI.
        config_.set(pci_register::interrupt_line, 1, gsi);
        after_power_on_.set(pci_register::interrupt_line, 1, gsi);
    }
    bus_.store(&bus);
    slot_ = slot;
    return {};
}

const PciFunction::Hook* PciFunction::hook_at(std::uint32_t offset, std::uint32_t width) const {
    for (const Hook& hook : hooks_) {
        if (offset >= hook.offset && offset + width <= hook.offset + hook.length) return &hook;
    }
    return nullptr;
}

// Hooks run outside mutex_: the device may ask for its vectors or its memory from there. A vCPU that comes here is
// inside its bridge's slot, whose gate is closed while the function's device holds still (DeviceHold), so it never meets
// a device that does. Others, such as the bridge's own timer, are told that nobody is there.
template <typename Call>
void PciFunction::inside_hook(Call&& call) {
    Device& device = this->device();
    const std::lock_guard guard(device.lock());
    const Phase phase = device.phase();
    const Binding* binding = device.slot().binding.load(std::memory_order_acquire);
    if (binding != nullptr && (phase == Phase::running || phase == Phase::draining))
        device.deliver("a configuration access", [&] { call(device.instance()); });
}

std::uint32_t PciFunction::config_read(std::uint32_t offset, std::uint32_t width) {
    if (const Hook* hook = hook_at(offset, width)) {
        std::uint32_t value = ~std::uint32_t{0} >> (32 - 8 * width);
        inside_hook([&](void* instance) {
            value = callbacks_.load(std::memory_order_acquire)
                        ->config_read(instance, hook->capability, offset - hook->offset, width);
        });
        return value;
    }
    const std::lock_guard guard(mutex_);
    return config_.read(offset, width);
}

void PciFunction::config_write(std::uint32_t offset, std::uint32_t width, std::uint32_t value) {
    if (const Hook* hook = hook_at(offset, width)) {
        inside_hook([&](void* instance) {
            callbacks_.load(std::memory_order_acquire)
                ->config_write(instance, hook->capability, offset - hook->offset, width, value);
        });
        return;
    }
    bool left = false;
    {
        const std::lock_guard guard(mutex_);
        config_.write(offset, width, value);
        const auto touches = [&](std::uint32_t first, std::uint32_t length) {
            return offset < first + length && first < offset + width;
        };
        if (touches(pci_register::command, 2) || touches(pci_register::bar0, 24)) left = update_decoding();
        if (touches(pci_register::command, 2)) update_pin();
        if (msix_ && touches(msix_capability_ + 2, 2)) update_msix_control();
    }
    if (left) make_room();
}

void PciFunction::make_room() {
    if (const PciBus* const bus = bus_.load()) bus->retry_refused();
}

void PciFunction::retry_refused() {
    if (!refused_.load()) return;
    const std::lock_guard guard(mutex_);
    static_cast<void>(update_decoding()); // nothing of its own has moved
}

std::uint64_t PciFunction::bar_address(std::uint32_t bar) const {
    const std::uint32_t offset = pci_register::bar0 + 4 * bar;
    std::uint64_t address = config_.read(offset, 4);
    if (bars_[bar].wide()) address |= std::uint64_t{config_.read(offset + 4, 4)} << 32;
    return address & ~(bars_[bar].length - 1);
}

// Address and the read-only kind bits, section 6.2.5.1.
void PciFunction::set_bar_register(std::uint32_t index, std::uint64_t address) {
    const Bar& bar = bars_[index];
    const std::uint32_t offset = pci_register::bar0 + 4 * index;
    const std::uint32_t flags = (bar.ports() ? 1U : 0U) | (bar.wide() ? 4U : 0U) |
                                ((bar.kind & PLUGBAY_BAR_PREFETCHABLE) != 0 ? 8U : 0U);
    config_.set(offset, 4, static_cast<std::uint32_t>(address) | flags);
    if (bar.wide()) config_.set(offset + 4, 4, static_cast<std::uint32_t>(address >> 32));
}

void PciFunction::append_bars(std::vector<plugbay_pci_bar_slot>& bars) {
    const std::lock_guard guard(mutex_);
    for (std::uint32_t i = 0; i < bars_.size(); ++i) {
        if (!bars_[i].present()) continue;
        // The bridge sees an MSI-X BAR as the memory that it is.
        const std::uint32_t kind = bars_[i].msix() ? PLUGBAY_BAR_MEMORY32 : bars_[i].kind;
        bars.push_back({.slot = slot_,
                        .bar = i,
                        .kind = kind,
                        .reserved = 0,
                        .length = bars_[i].length,
                        .address = bar_address(i)});
    }
}

Result<void> PciFunction::assign(std::uint32_t bar, std::uint64_t address) {
    std::unique_lock guard(mutex_);
    if (bar >= bars_.size() || !bars_[bar].present()) return Error{fmt::format("there is no BAR {}", bar)};
    if (address % bars_[bar].length != 0)
        return Error{fmt::format("{:#x} is not aligned for BAR {}", address, bar)};
    const std::uint64_t last = bars_[bar].ports() ? 0xffff : bars_[bar].wide() ? ~0ULL : 0xffff'ffffULL;
    if (address > last) return Error{fmt::format("{:#x} is too high for BAR {}", address, bar)};
    set_bar_register(bar, address);
    const std::uint32_t enable = bars_[bar].ports() ? pci_command::decode_ports : pci_command::decode_memory;
    config_.set(pci_register::command, 2, config_.read(pci_register::command, 2) | enable);
    const bool left = update_decoding();
    guard.unlock();
    if (left) make_room();
    return {};
}

bool PciFunction::update_decoding() {
    bool left = false;
    const std::uint32_t command = config_.read(pci_register::command, 2);
    // Everything that moved goes first, so that two BARs may trade places.
    for (std::uint32_t i = 0; i < bars_.size(); ++i) {
        Bar& bar = bars_[i];
        const bool decoded =
            (command & (bar.ports() ? pci_command::decode_ports : pci_command::decode_memory)) != 0;
        if (!bar.mapped || (decoded && bar.mapped->base == bar_address(i))) continue;
        unmap_bar(bar);
        left = true;
    }
    bool refused = false;
    refused_.store(true);
    for (std::uint32_t i = 0; i < bars_.size(); ++i) {
        Bar& bar = bars_[i];
        const bool decoded =
            (command & (bar.ports() ? pci_command::decode_ports : pci_command::decode_memory)) != 0;
        if (bar.present() && !bar.mapped && decoded) refused |= !map_bar(bar, bar_address(i));
    }
    refused_.store(refused);
    return left;
}

bool PciFunction::map_bar(Bar& bar, std::uint64_t address) {
    if (address == 0) return true; // not assigned
    if (!bar.ports()) {
        for (const MemoryRange& range : device().services().memory.ranges()) {
            if (address < range.address + range.size && range.address < address + bar.length)
                return true; // RAM wins, and stays
        }
    }
    auto region = std::make_shared<Region>(
        Region{.base = address, .length = bar.length, .token = bar.token, .owner = device().shared_slot()});
    if (bar.msix()) {
        region->handler = msix_.get();
        region->keeps = msix_;
    } else {
        region->slot = &device().slot();
        region->keeps = device().shared_slot();
    }
    AccessBus& bus = device().services().bus;
    const auto placement = bar.ports() ? bus.place_ports(*region) : bus.place_memory(*region);
    if (!placement.placed) {
        // The guest chose the place, so this is no error of ours; hardware would answer with whoever is
        // faster.
        device().log().write(LogLevel::debug, "a BAR at {:#x} overlaps another device and is not decoded",
                             address);
        return false;
    }
    bar.mapped = std::move(region);
    tell_region(bar);
    return true;
}

void PciFunction::unmap_bar(Bar& bar) {
    if (!bar.mapped) return;
    const auto region = std::exchange(bar.mapped, nullptr);
    tell_region(bar);
    AccessBus& bus = device().services().bus;
    if (bar.ports()) {
        bus.remove_ports(*region, region);
    } else {
        bus.remove_memory(*region, region);
    }
}

void PciFunction::tell_region(Bar& bar) {
    const auto region = bar.region.lock();
    if (region == nullptr) return;
    if (bar.mapped) {
        region->moved(RegionResource::Place{.port = bar.ports(), .base = bar.mapped->base});
    } else {
        region->moved(std::nullopt);
    }
}

plugbay_status PciFunction::bar_region(Device& device, std::uint32_t index, plugbay_handle* handle) {
    std::shared_ptr<BarRegion> region;
    {
        const std::lock_guard guard(mutex_);
        if (index >= bars_.size() || !bars_[index].present() || bars_[index].msix()) {
            return device.refuse(PLUGBAY_INVALID,
                                 fmt::format("BAR {} has no accesses of the device's", index));
        }
        Bar& bar = bars_[index];
        region = bar.region.lock();
        if (region == nullptr) {
            region = std::make_shared<BarRegion>(index, bar.length);
            bar.region = region;
            tell_region(bar);
        }
    }
    // Two builds of the device may hold it at a time.
    *handle = device.resources().handle_of(*region);
    return *handle != PLUGBAY_NO_HANDLE ? PLUGBAY_OK : hold(device, std::move(region), handle);
}

void PciFunction::serve(const Served& served) {
    {
        const std::lock_guard guard(mutex_);
        device_.store(served.device);
        callbacks_.store(served.device->callbacks<plugbay_pci_callbacks>(PLUGBAY_PCI),
                         std::memory_order_release);
        for (std::size_t i = 0; i < bars_.size(); ++i) {
            bars_[i].token = served.tokens[i];
            if (bars_[i].mapped) bars_[i].mapped->token = served.tokens[i];
        }
        if (served.level) pin_level_ = *served.level;
        update_pin();
    }
    for (const std::uint32_t vector : served.messages)
        static_cast<void>(notify(vector));
}

std::string PciFunction::difference(const plugbay_pci_function& description, Device& device) const {
    const auto created = create(device, description);
    if (!created) return created.error().text();
    PciFunction& other = **created;
    if (other.wanted_bus_ != wanted_bus_ || other.wanted_slot_ != wanted_slot_) return "its place on a bus";
    for (std::size_t i = 0; i < bars_.size(); ++i) {
        if (bars_[i].kind != other.bars_[i].kind || bars_[i].length != other.bars_[i].length)
            return "BAR " + std::to_string(i);
    }
    if ((msix_ == nullptr ? 0 : msix_->vectors()) != (other.msix_ == nullptr ? 0 : other.msix_->vectors()))
        return "the number of its MSI-X vectors";
    // Firmware, not the device, has set this.
    const std::uint32_t line = after_power_on_.read(pci_register::interrupt_line, 1);
    other.after_power_on_.set(pci_register::interrupt_line, 1, line);
    if (!(hooks_ == other.hooks_) || !(after_power_on_ == other.after_power_on_))
        return "what its configuration space holds";
    return {};
}

void PciFunction::update_msix_control() {
    const std::uint32_t control = config_.read(msix_capability_ + 2, 2);
    msix_->set_control((control & msix_enable) != 0, (control & msix_function_mask) != 0);
    update_pin();
}

void PciFunction::set_pin(bool level) {
    const std::lock_guard guard(mutex_);
    pin_level_ = level;
    update_pin();
}

void PciFunction::update_pin() {
    const std::uint32_t status = config_.read(pci_register::status, 2) & ~std::uint32_t{interrupt_status};
    config_.set(pci_register::status, 2, status | (pin_level_ ? interrupt_status : 0));
    const bool disabled = (config_.read(pci_register::command, 2) & pci_command::pin_disable) != 0;
    // Section 6.8.2: while MSI-X is enabled the function does not use its pin.
    const bool msix_enabled = msix_ && (config_.read(msix_capability_ + 2, 2) & msix_enable) != 0;
    const bool high = pin_level_ && !disabled && !msix_enabled;
    if (line_ && line_->set(high)) device().counts().interrupts.add();
}

Result<std::optional<StateImage>> PciFunction::save() {
    FunctionState state;
    {
        const std::lock_guard guard(mutex_);
        for (std::uint32_t offset = 0; offset < ConfigSpace::size; ++offset)
            state.configuration[offset] = static_cast<std::uint8_t>(config_.read(offset, 1));
        state.pin = pin_level_;
        if (msix_) state.msix = msix_->save();
    }
    auto image = save_own_state(state_type, state_version, state);
    if (!image) return std::move(image).error();
    return std::optional(*std::move(image));
}

Result<void> PciFunction::load(const StateImage& image) {
    FunctionState state;
    if (auto loaded = load_own_state(image, state_type, state_version, state); !loaded) return loaded;
    std::unique_lock guard(mutex_);
    for (std::uint32_t offset = 0; offset < ConfigSpace::size; ++offset) {
        auto differing = (state.configuration[offset] ^ config_.read(offset, 1)) & ~config_.writable(offset);
        if (offset == pci_register::status) differing &= ~std::uint32_t{interrupt_status};
        if (differing == 0) continue;
        return Error{
            fmt::format("it is another PCI function than the one that was saved: its configuration space "
                        "has {:#04x} at offset {:#x}, not {:#04x}",
                        config_.read(offset, 1), offset, state.configuration[offset])};
    }
    if (msix_ ? !msix_->load(state.msix) : !state.msix.words.empty())
        return Error{"it has another number of MSI-X vectors than the one that was saved"};
    for (std::uint32_t offset = 0; offset < ConfigSpace::size; ++offset)
        config_.write(offset, 1, state.configuration[offset]);
    pin_level_ = state.pin;
    const bool left = update_decoding();
    if (msix_) {
        update_msix_control();
    } else {
        update_pin();
    }
    guard.unlock();
    if (left) make_room();
    return {};
}

void PciFunction::reset() {
    const std::lock_guard guard(mutex_);
    for (Bar& bar : bars_)
        unmap_bar(bar);
    refused_.store(false);
    config_ = after_power_on_;
    pin_level_ = false;
    update_pin();
    if (msix_) msix_->reset();
}

} // namespace plugbay::core
