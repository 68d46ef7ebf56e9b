// The virtio PCI transport, modern devices only (virtio 1.2, section 4.1): registers, feature negotiation,
// device status, one doorbell a queue, MSI-X or pin. A device uses it through Pci<> (pci_device.hpp), which
// also shows how it is driven.
#pragma once

#include <plugbay/device.hpp>
#include <plugbay/pci/function.hpp>
#include <plugbay/virtio/pci_layout.hpp>
#include <plugbay/virtio/queue.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace plugbay::virtio {

// What a device is, said once in its constructor.
struct Identity {
    std::uint16_t device_id;             // section 5: 2 is a block device, 4 an entropy source
    std::uint32_t class_code = 0xff0000; // PCI: "does not fit anywhere"
    unsigned queues = 1;                 // 1 to 1024
    std::uint16_t queue_size = 256;      // the most that drivers may choose; a power of two
    std::uint64_t features = 0;          // device-specific bits; see PciTransport::offer
    std::uint32_t config_length = 0;     // bytes of device-specific configuration
};

class PciTransport {
  public:
    // What the transport asks of the device; [vcpu] unless it says otherwise.
    class Hooks {
      public:
        virtual void queue_notified(unsigned index) = 0; // [io]
        // The driver resets the device: forget what it set. False: requests are still in flight, and the
        // device calls reset_done() once they have ended; until then the driver sees that it has to wait.
        virtual bool driver_reset() = 0;
        virtual void features_negotiated() = 0;
        virtual void config_written(std::uint32_t offset, std::uint32_t width, std::uint64_t value) = 0;

      protected:
        ~Hooks() = default;
    };

    PciTransport(Host host, Hooks& hooks, pci::Location location)
        : host_(host), hooks_(hooks), location_(std::move(location)), memory_(host.memory()) {}

    // --- for the device ---

    // Puts the function on its bus. [control] & creating, once.
    void open(const Identity& identity) {
        if (identity.queues == 0 || identity.queues > pci_layout::most_queues ||
            !std::has_single_bit(identity.queue_size) || identity.queue_size > 32768 ||
            identity.config_length > pci_layout::page)
            throw Failure(
                "a virtio device has 1 to 1024 queues of a power of two up to 32768, and at most 4096 "
                "bytes of configuration",
                PLUGBAY_INVALID);
        const auto pci_id = static_cast<std::uint16_t>(pci_first_device_id + identity.device_id);
        pci::Description description(pci_vendor_id, pci_id);
        description.class_code(identity.class_code)
            .revision(1)
            .subsystem(pci_vendor_id, pci_id)
            .at(location_);
        pci_layout::describe(description, identity.queues, identity.config_length);
        function_ = pci::Function(host_, description);
        offer(identity.features);
        config_.assign(identity.config_length, 0);
        for (unsigned i = 0; i < identity.queues; ++i) {
            slots_.emplace_back(Queue(memory_, identity.queue_size));
            slots_.back().doorbell =
                host_.doorbell(function_.bar_region(pci_layout::structures_bar),
                               pci_layout::notify_offset + i * pci_layout::notify_multiplier, 2, i);
        }
    }
    // The device-specific feature bits that the next negotiation starts from.
    void offer(std::uint64_t features) {
        offered_ = features | feature_version_1 | feature_indirect_descriptors | feature_event_index;
    }
    // What the driver reads as device-specific configuration; bytes behind the object read as zeros.
    template <typename Config>
    void set_config(const Config& config) {
        static_assert(std::is_trivially_copyable_v<Config>);
        std::memcpy(config_.data(), &config, std::min(sizeof config, config_.size()));
    }
    // After a change of the configuration that the driver should know about (section 2.5).
    void config_changed() {
        ++generation_;
        if ((status_ & status_driver_ok) != 0) raise_config_interrupt();
    }

    [[nodiscard]] const Memory& memory() const { return memory_; }
    // As negotiated; 0 before.
    [[nodiscard]] std::uint64_t features() const {
        return (status_ & status_features_ok) != 0 ? accepted_ : 0;
    }
    [[nodiscard]] unsigned queue_count() const { return static_cast<unsigned>(slots_.size()); }
    [[nodiscard]] Queue& queue(unsigned index) { return slots_[index].queue; }

    // Takes the available chains of a queue, one body(const Chain&) each, at most as many as the queue has
    // elements: the rest waits for another call of on_queue, so that one guest cannot keep the I/O loop.
    // `body` may push, and may keep the chain's head to push it later.
    template <typename Body>
    void take(unsigned index, Body body) {
        Slot& slot = slots_[index];
        if (!running() || !slot.queue.enabled()) return;
        slot.queue.suppress_notifications();
        for (unsigned left = slot.queue.size(); left > 0 && running(); --left) {
            const Chain* chain = slot.queue.pop();
            if (chain == nullptr) break;
            body(*chain);
        }
        if (slot.queue.want_notifications() && running()) slot.doorbell.ring();
        if (slot.queue.broken()) needs_reset(slot.queue.reason());
    }
    // take() for devices that finish each chain at once: `body` returns how many bytes it wrote.
    template <typename Body>
    void serve(unsigned index, Body body) {
        take(index, [&](const Chain& chain) { push(index, chain.head(), body(chain)); });
        publish(index);
    }
    // Gives a chain back; the driver sees it after publish.
    void push(unsigned index, std::uint16_t head, std::uint32_t written) {
        if (live()) slots_[index].queue.push(head, written);
    }
    void publish(unsigned index) {
        if (live() && slots_[index].queue.publish())
            interrupts_.raise(function_, slots_[index].vector, interrupt_queue);
    }

    // The driver broke the rules in a way that no request can report (section 2.1.1). Nothing is taken from
    // any queue until it resets the device.
    void needs_reset(const char* reason) {
        if ((status_ & status_needs_reset) != 0 || status_ == 0) return;
        host_.warning(std::string("the driver has to reset the device: ") + reason);
        status_ |= status_needs_reset;
        if ((status_ & status_driver_ok) != 0) raise_config_interrupt();
    }
    // After driver_reset returned false: nothing is in flight any more.
    void reset_done() {
        if (!std::exchange(resetting_, false)) return;
        reset_registers();
    }
    // After the device's quiesce returned PLUGBAY_PENDING: nothing is in flight any more.
    void quiesced() {
        unmap_queues();
        host_.quiesced();
    }

    // --- for Pci<>: the life cycle and the guest ---

    void begin_quiesce() { quiesced_ = true; }
    void unmap_queues() {
        for (Slot& slot : slots_)
            slot.queue.unmap();
    }
    // Doorbells that rang before a checkpoint are not part of it: look at every queue once.
    void start() {
        quiesced_ = false;
        ring_all();
    }
    void reset() {
        resetting_ = false;
        reset_registers();
        window_ = {};
        generation_ = 0;
    }
    void on_doorbell(std::uint64_t token) {
        if (token < slots_.size() && running()) hooks_.queue_notified(static_cast<unsigned>(token));
    }

    std::uint64_t read(std::uint64_t offset, std::uint32_t width) {
        const std::uint64_t within = offset % pci_layout::page;
        switch (offset - within) {
        case pci_layout::common_offset:
            return slice(common(), within, width);
        case pci_layout::isr_offset:
            return within == 0 ? interrupts_.acknowledge(function_) : 0;
        case pci_layout::device_offset:
            return slice(config_, within, width);
        default:
            return 0;
        }
    }
    void write(std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
        const std::uint64_t within = offset % pci_layout::page;
        switch (offset - within) {
        case pci_layout::common_offset:
            if (!resetting_) write_common(within, width, value);
            break;
        case pci_layout::device_offset:
            if (!resetting_ && within + width <= config_.size())
                hooks_.config_written(static_cast<std::uint32_t>(within), width, value);
            break;
        case pci_layout::notify_offset:
            // A write that was not latched, perhaps of another width.
            if (const std::uint64_t index = within / pci_layout::notify_multiplier;
                within % pci_layout::notify_multiplier == 0 && index < slots_.size())
                slots_[index].doorbell.ring();
            break;
        default:
            break;
        }
    }

    std::uint32_t config_read(const ConfigAccess& access) {
        if (access.capability != pci_layout::window_capability) return ~0u;
        if (access.offset < pci_layout::window_data)
            return static_cast<std::uint32_t>(slice(window_, access.offset, access.width));
        std::uint64_t value = 0;
        if (window_valid())
            value = read(window_field(pci_layout::window_offset), window_field(pci_layout::window_length));
        return static_cast<std::uint32_t>(value >> (8 * (access.offset - pci_layout::window_data)));
    }
    void config_write(const ConfigAccess& access, std::uint32_t value) {
        if (access.capability != pci_layout::window_capability) return;
        for (std::uint32_t i = 0; i < access.width; ++i) {
            const std::uint32_t at = access.offset + i;
            if (at == pci_layout::window_bar ||
                (at >= pci_layout::window_offset && at < pci_layout::window_data))
                window_[at] = static_cast<std::uint8_t>(value >> (8 * i));
        }
        const std::uint32_t length = window_field(pci_layout::window_length);
        if (access.offset == pci_layout::window_data && access.width >= length && window_valid())
            write(window_field(pci_layout::window_offset), length,
                  length == 4 ? value : value & ((1u << (8 * length)) - 1));
    }

    void state(auto& fields) {
        fields("device_feature_select", device_feature_select_);
        fields("driver_feature_select", driver_feature_select_);
        std::uint64_t negotiated = features();
        fields(
            "features", negotiated, [&](std::uint64_t loaded) { return (loaded & ~offered_) == 0; },
            "the driver uses features that this device does not offer: load it with the properties and the "
            "backend that it was saved with");
        fields("driver_features", accepted_);
        fields("status", status_);
        fields("generation", generation_);
        fields("config_vector", config_vector_);
        fields("queue_select", queue_select_);
        fields("interrupts", interrupts_);
        fields("window", window_);
        for (std::size_t i = 0; i < slots_.size(); ++i)
            fields(("queue." + std::to_string(i)).c_str(), slots_[i]);
    }
    void loaded() {
        if ((status_ & status_features_ok) != 0) accepted_ &= offered_;
        config_vector_ = checked_vector(config_vector_);
        for (Slot& slot : slots_) {
            slot.vector = checked_vector(slot.vector);
            slot.queue.loaded();
            slot.queue.set_features(features());
        }
        interrupts_.loaded(function_);
    }

  private:
    struct Slot {
        explicit Slot(Queue made) : queue(std::move(made)) {}
        Queue queue;
        std::uint16_t vector = pci::no_vector;
        Doorbell doorbell;
        void state(auto& fields) {
            queue.state(fields);
            fields("vector", vector);
        }
    };

    // The driver is using the queues, though perhaps we take nothing from them at the moment.
    [[nodiscard]] bool live() const { return (status_ & status_driver_ok) != 0 && !resetting_; }
    [[nodiscard]] bool running() const { return live() && (status_ & status_needs_reset) == 0 && !quiesced_; }
    void ring_all() {
        for (Slot& slot : slots_) {
            if (live() && slot.queue.enabled()) slot.doorbell.ring();
        }
    }
    void raise_config_interrupt() {
        interrupts_.raise_and_show(function_, config_vector_, interrupt_config); // section 4.1.4.5.1
    }

    static std::uint64_t slice(std::span<const std::uint8_t> bytes, std::uint64_t offset,
                               std::uint32_t width) {
        std::uint64_t value = 0;
        if (offset < bytes.size())
            std::memcpy(&value, bytes.data() + offset, std::min<std::uint64_t>(width, bytes.size() - offset));
        return value;
    }

    [[nodiscard]] std::array<std::uint8_t, pci_layout::common_length> common() const {
        std::array<std::uint8_t, pci_layout::common_length> bytes{};
        const auto put = [&](std::uint32_t at, auto value) { std::memcpy(&bytes[at], &value, sizeof value); };
        put(pci_layout::device_feature_select, device_feature_select_);
        put(pci_layout::device_feature, half(offered_, device_feature_select_));
        put(pci_layout::driver_feature_select, driver_feature_select_);
        put(pci_layout::driver_feature, half(accepted_, driver_feature_select_));
        put(pci_layout::config_vector, config_vector_);
        put(pci_layout::num_queues, static_cast<std::uint16_t>(slots_.size()));
        put(pci_layout::device_status, status_);
        put(pci_layout::config_generation, generation_);
        put(pci_layout::queue_select, queue_select_);
        if (queue_select_ < slots_.size()) { // otherwise size 0: no such queue
            const Slot& slot = slots_[queue_select_];
            put(pci_layout::queue_size, slot.queue.size());
            put(pci_layout::queue_vector, slot.vector);
            put(pci_layout::queue_enable, static_cast<std::uint16_t>(slot.queue.enabled() ? 1 : 0));
            put(pci_layout::queue_notify_off, queue_select_);
            put(pci_layout::queue_descriptors, slot.queue.descriptors());
            put(pci_layout::queue_driver, slot.queue.available());
            put(pci_layout::queue_device, slot.queue.used());
        }
        return bytes;
    }
    static std::uint32_t half(std::uint64_t features, std::uint32_t select) {
        return select > 1 ? 0 : static_cast<std::uint32_t>(features >> (32 * select));
    }
    [[nodiscard]] std::uint16_t checked_vector(std::uint64_t vector) const {
        return vector <= slots_.size() ? static_cast<std::uint16_t>(vector) : pci::no_vector; // 4.1.5.1.2.1
    }

    // Drivers write each field with its own width (section 4.1.3.1), 64-bit fields also by halves; anything
    // else is ignored.
    void write_common(std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
        if (offset >= pci_layout::queue_size) return write_queue(offset, width, value);
        if (offset == pci_layout::device_feature_select && width == 4) {
            device_feature_select_ = static_cast<std::uint32_t>(value);
        } else if (offset == pci_layout::driver_feature_select && width == 4) {
            driver_feature_select_ = static_cast<std::uint32_t>(value);
        } else if (offset == pci_layout::driver_feature && width == 4) {
            if (driver_feature_select_ > 1 || (status_ & status_features_ok) != 0) return;
            const unsigned shift = 32 * driver_feature_select_;
            accepted_ = (accepted_ & ~(std::uint64_t{0xffffffff} << shift)) | (value << shift);
        } else if (offset == pci_layout::config_vector && width == 2) {
            config_vector_ = checked_vector(value);
        } else if (offset == pci_layout::device_status && width == 1) {
            write_status(static_cast<std::uint8_t>(value));
        } else if (offset == pci_layout::queue_select && width == 2) {
            queue_select_ = static_cast<std::uint16_t>(value);
        }
    }

    void write_queue(std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
        if (queue_select_ >= slots_.size()) return;
        Slot& slot = slots_[queue_select_];
        if (offset == pci_layout::queue_vector && width == 2) slot.vector = checked_vector(value);
        if (slot.queue.enabled()) return; // section 4.1.4.3.2: set up first, then enabled
        if (offset == pci_layout::queue_size && width == 2) {
            slot.queue.set_size(static_cast<std::uint16_t>(value)); // judged when it is enabled
        } else if (offset == pci_layout::queue_enable && width == 2) {
            if (value != 1) return;
            slot.queue.set_features(features());
            if (!slot.queue.enable()) needs_reset(slot.queue.reason());
        } else if (offset >= pci_layout::queue_descriptors) {
            const auto put = [&](std::uint64_t old) {
                if (width == 8) return value;
                const unsigned shift = offset % 8 == 0 ? 0 : 32;
                return (old & ~(std::uint64_t{0xffffffff} << shift)) | (value << shift);
            };
            if ((width != 4 && width != 8) || offset % width != 0) return;
            switch (offset & ~std::uint64_t{7}) {
            case pci_layout::queue_descriptors:
                return slot.queue.set_descriptors(put(slot.queue.descriptors()));
            case pci_layout::queue_driver:
                return slot.queue.set_available(put(slot.queue.available()));
            case pci_layout::queue_device:
                return slot.queue.set_used(put(slot.queue.used()));
            default:
                return;
            }
        }
    }

    // Section 2.1: the driver only adds bits, except that 0 resets.
    void write_status(std::uint8_t value) {
        if (value == 0) {
            if (status_ == 0) return reset_registers();
            resetting_ = true; // status keeps reading as it was until nothing is in flight
            if (hooks_.driver_reset()) reset_done();
            return;
        }
        auto added = static_cast<std::uint8_t>(value & ~status_);
        status_ = static_cast<std::uint8_t>(status_ |
                                            (added & (status_acknowledge | status_driver | status_failed)));
        if ((added & status_features_ok) != 0) {
            if ((accepted_ & ~offered_) != 0 || (accepted_ & feature_version_1) == 0)
                return; // section 2.2.2, 6.2: the driver sees that the bit did not stay
            status_ |= status_features_ok;
            for (Slot& slot : slots_)
                slot.queue.set_features(accepted_);
            hooks_.features_negotiated();
        }
        if ((added & status_driver_ok) != 0 && (status_ & status_features_ok) != 0) {
            status_ |= status_driver_ok;
            ring_all();
        }
    }

    void reset_registers() {
        for (Slot& slot : slots_) {
            slot.queue.reset();
            slot.vector = pci::no_vector;
        }
        status_ = 0;
        accepted_ = 0;
        device_feature_select_ = driver_feature_select_ = 0;
        config_vector_ = pci::no_vector;
        queue_select_ = 0;
        interrupts_.reset(function_);
    }

    [[nodiscard]] std::uint32_t window_field(std::uint32_t at) const {
        std::uint32_t value = 0;
        std::memcpy(&value, &window_[at], sizeof value);
        return value;
    }
    [[nodiscard]] bool window_valid() const {
        const std::uint32_t offset = window_field(pci_layout::window_offset);
        const std::uint32_t length = window_field(pci_layout::window_length);
        return window_[pci_layout::window_bar] == pci_layout::structures_bar &&
               (length == 1 || length == 2 || length == 4) && offset % length == 0 &&
               offset < pci_layout::bar_length;
    }

    Host host_;
    Hooks& hooks_;
    pci::Location location_;
    Memory memory_;
    pci::Function function_;
    pci::InterruptStatus interrupts_;
    std::uint64_t offered_ = 0;
    std::vector<std::uint8_t> config_;
    std::deque<Slot> slots_; // a slot never moves

    std::uint32_t device_feature_select_ = 0;
    std::uint32_t driver_feature_select_ = 0;
    std::uint64_t accepted_ = 0;
    std::uint8_t status_ = 0;
    std::uint8_t generation_ = 0;
    std::uint16_t config_vector_ = pci::no_vector;
    std::uint16_t queue_select_ = 0;
    std::array<std::uint8_t, 12> window_{}; // bar, offset and length of the configuration access capability
    bool resetting_ = false;
    bool quiesced_ = false;
};

} // namespace plugbay::virtio
