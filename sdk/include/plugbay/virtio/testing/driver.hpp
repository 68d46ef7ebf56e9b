// The driver's side of a virtio PCI device, for tests on the testkit's Bench. It can do everything right, and
// everything wrong: registers and rings can be written one by one.
#pragma once

#include <plugbay/testkit/testkit.hpp>
#include <plugbay/virtio/ids.hpp>
#include <plugbay/virtio/ring.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace plugbay::virtio::testing {

struct DriverBuffer {
    std::uint64_t address;
    std::uint32_t length;
    bool writable = false;
};

struct UsedElement {
    std::uint32_t head;
    std::uint32_t written;
};

// A split virtqueue in the Bench's RAM: descriptor table, available ring and used ring one after another from
// `base`. Valid for as long as the Bench.
class DriverQueue {
  public:
    DriverQueue(testkit::Bench& bench, std::uint64_t base, std::uint16_t size, bool event_index)
        : bench_(bench), size_(size), event_index_(event_index), descriptors_(base),
          available_(base + 16u * size), used_((available_ + 6 + 2u * size + 3) / 4 * 4) {
        const std::vector<std::byte> nothing(end() - base);
        bench_.write_memory(base, nothing);
    }

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] std::uint64_t descriptors() const { return descriptors_; }
    [[nodiscard]] std::uint64_t available() const { return available_; }
    [[nodiscard]] std::uint64_t used() const { return used_; }
    [[nodiscard]] std::uint64_t end() const { return used_ + 6 + 8u * size_; }

    // --- as a driver should

    // Makes a chain of the buffers available, in the table or through an indirect table at `indirect`;
    // returns its head. Descriptors are taken in turn: give it no more than the queue can hold.
    std::uint16_t add(const std::vector<DriverBuffer>& buffers, std::uint64_t indirect = 0) {
        const std::uint16_t head = next_descriptor_;
        if (indirect != 0) {
            for (std::size_t i = 0; i < buffers.size(); ++i)
                bench_.store_object(indirect + 16 * i,
                                    descriptor(buffers, i, static_cast<std::uint16_t>(i + 1)));
            set_descriptor(
                take(), {indirect, static_cast<std::uint32_t>(16 * buffers.size()), descriptor_indirect, 0});
        } else {
            for (std::size_t i = 0; i < buffers.size(); ++i) {
                const std::uint16_t at = take();
                set_descriptor(at, descriptor(buffers, i, next_descriptor_));
            }
        }
        offer(head);
        return head;
    }
    // What came back since the last call.
    std::vector<UsedElement> take_used() {
        std::vector<UsedElement> result;
        const auto index = bench_.load_object<std::uint16_t>(used_ + 2);
        for (; seen_ != index; ++seen_)
            result.push_back(bench_.load_object<UsedElement>(used_ + 4 + 8u * (seen_ % size_)));
        if (event_index_) set_used_event(static_cast<std::uint16_t>(seen_ + event_distance_));
        return result;
    }
    // Whether the device wants to be notified of the chains added since the last call.
    bool wants_kick() {
        const std::uint16_t before = std::exchange(kicked_, available_index_);
        if (!event_index_) return (bench_.load_object<std::uint16_t>(used_) & used_no_notify) == 0;
        const auto event = bench_.load_object<std::uint16_t>(used_ + 4 + 8u * size_);
        return static_cast<std::uint16_t>(available_index_ - event - 1) <
               static_cast<std::uint16_t>(available_index_ - before);
    }
    // With the event index: interrupts only once so many more chains than the next have come back.
    void set_event_distance(std::uint16_t distance) {
        event_distance_ = distance;
        set_used_event(static_cast<std::uint16_t>(seen_ + distance));
    }

    // --- one by one

    void set_descriptor(std::uint16_t index, const Descriptor& descriptor) {
        bench_.store_object(descriptors_ + 16u * index, descriptor);
    }
    void offer(std::uint16_t head) {
        bench_.store_object(available_ + 4 + 2u * (available_index_ % size_), head);
        set_available_index(static_cast<std::uint16_t>(available_index_ + 1));
    }
    void set_available_index(std::uint16_t index) {
        available_index_ = index;
        bench_.store_object(available_ + 2, index);
    }
    [[nodiscard]] std::uint16_t available_index() const { return available_index_; }
    void set_available_flags(std::uint16_t flags) { bench_.store_object(available_, flags); }
    void set_used_event(std::uint16_t index) { bench_.store_object(available_ + 4 + 2u * size_, index); }
    [[nodiscard]] std::uint16_t used_index() { return bench_.load_object<std::uint16_t>(used_ + 2); }

  private:
    std::uint16_t take() {
        const std::uint16_t at = next_descriptor_;
        next_descriptor_ = static_cast<std::uint16_t>((next_descriptor_ + 1) % size_);
        return at;
    }
    static Descriptor descriptor(const std::vector<DriverBuffer>& buffers, std::size_t i,
                                 std::uint16_t next) {
        const bool last = i + 1 == buffers.size();
        return {buffers[i].address, buffers[i].length,
                static_cast<std::uint16_t>((buffers[i].writable ? descriptor_write : 0) |
                                           (last ? 0 : descriptor_next)),
                last ? std::uint16_t{0} : next};
    }

    testkit::Bench& bench_;
    std::uint16_t size_;
    bool event_index_;
    std::uint64_t descriptors_;
    std::uint64_t available_;
    std::uint64_t used_;
    std::uint16_t next_descriptor_ = 0;
    std::uint16_t available_index_ = 0;
    std::uint16_t kicked_ = 0;
    std::uint16_t seen_ = 0;
    std::uint16_t event_distance_ = 0;
};

// The registers of a device, found through its capabilities (virtio 1.2, section 4.1.4). The Bench must have
// been started, so that BARs have addresses.
class Driver {
  public:
    Driver(testkit::Bench& bench, std::string device) : bench_(bench), device_(std::move(device)) {
        for (unsigned nth = 0;; ++nth) {
            const unsigned at = bench_.find_capability(device_, 0x09, nth);
            if (at == 0) break;
            const auto type = config(at + 3, 1);
            Structure& structure = structures_.at(type);
            structure.capability = at;
            if (type == 5) continue;
            structure.address = bench_.bar(device_, config(at + 4, 1)) + config(at + 8, 4);
            structure.length = config(at + 12, 4);
            if (type == 2) multiplier_ = config(at + 16, 4);
        }
    }

    // --- negotiation

    // Reset to DRIVER_OK minus the queues: true when the device kept FEATURES_OK. Accepts what the device
    // offers of `wanted`.
    bool negotiate(std::uint64_t wanted = ~std::uint64_t{0}) {
        reset();
        add_status(status_acknowledge);
        add_status(status_driver);
        features_ = offered() & wanted;
        write_features(features_);
        add_status(status_features_ok);
        return (status() & status_features_ok) != 0;
    }
    void driver_ok() { add_status(status_driver_ok); }
    void reset() { set_status(0); }
    [[nodiscard]] std::uint64_t offered() {
        write(0x00, 4, 0);
        const std::uint64_t low = read(0x04, 4);
        write(0x00, 4, 1);
        return low | read(0x04, 4) << 32;
    }
    [[nodiscard]] std::uint64_t features() const { return features_; }
    void write_features(std::uint64_t features) {
        for (std::uint32_t half = 0; half < 2; ++half) {
            write(0x08, 4, half);
            write(0x0c, 4, static_cast<std::uint32_t>(features >> (32 * half)));
        }
    }
    // Sets the queue up with its vector and enables it. Queue i uses MSI-X vector i + 1, configuration 0.
    DriverQueue setup(std::uint16_t index, std::uint16_t size, std::uint64_t base) {
        DriverQueue queue(bench_, base, size, (features_ & feature_event_index) != 0);
        write(0x10, 2, 0);
        enable(index, size, queue.descriptors(), queue.available(), queue.used());
        return queue;
    }
    void enable(std::uint16_t index, std::uint16_t size, std::uint64_t descriptors, std::uint64_t available,
                std::uint64_t used) {
        write(0x16, 2, index);
        write(0x18, 2, size);
        write(0x1a, 2, index + 1u);
        write_address(0x20, descriptors);
        write_address(0x28, available);
        write_address(0x30, used);
        write(0x1c, 2, 1);
    }

    // --- operation

    // Rings the queue's doorbell and lets the device work.
    void kick(std::uint16_t index = 0) {
        notify(index);
        bench_.run();
    }
    void notify(std::uint16_t index, unsigned width = 2) {
        bench_.write(structures_[2].address + index * std::uint64_t{multiplier_}, width, index);
    }
    [[nodiscard]] std::uint8_t isr() {
        return static_cast<std::uint8_t>(bench_.read(structures_[3].address, 1));
    }
    [[nodiscard]] std::uint64_t device_config(std::uint64_t offset, unsigned width) {
        return bench_.read(structures_[4].address + offset, width);
    }
    void write_device_config(std::uint64_t offset, unsigned width, std::uint64_t value) {
        bench_.write(structures_[4].address + offset, width, value);
    }

    // --- one by one

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned width) {
        return bench_.read(structures_[1].address + offset, width);
    }
    void write(std::uint64_t offset, unsigned width, std::uint64_t value) {
        bench_.write(structures_[1].address + offset, width, value);
    }
    [[nodiscard]] std::uint8_t status() { return static_cast<std::uint8_t>(read(0x14, 1)); }
    void set_status(std::uint8_t status) { write(0x14, 1, status); }
    void add_status(std::uint8_t bit) { set_status(static_cast<std::uint8_t>(status() | bit)); }
    // Type 1 common, 2 notify, 3 ISR, 4 device, 5 configuration access.
    [[nodiscard]] std::uint64_t address(unsigned type) const { return structures_.at(type).address; }
    [[nodiscard]] std::uint32_t length(unsigned type) const { return structures_.at(type).length; }
    [[nodiscard]] unsigned capability(unsigned type) const { return structures_.at(type).capability; }
    [[nodiscard]] std::uint32_t config(unsigned offset, unsigned width) {
        return bench_.config_read(bench_.slot(device_), offset, width);
    }
    void write_config(unsigned offset, unsigned width, std::uint32_t value) {
        bench_.config_write(bench_.slot(device_), offset, width, value);
    }

  private:
    struct Structure {
        unsigned capability = 0;
        std::uint64_t address = 0;
        std::uint32_t length = 0;
    };

    void write_address(std::uint64_t offset, std::uint64_t address) {
        write(offset, 4, address & 0xffffffff);
        write(offset + 4, 4, address >> 32);
    }

    testkit::Bench& bench_;
    std::string device_;
    std::vector<Structure> structures_ = std::vector<Structure>(6);
    std::uint32_t multiplier_ = 0;
    std::uint64_t features_ = 0;
};

} // namespace plugbay::virtio::testing
