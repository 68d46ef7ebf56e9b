// A split virtqueue, device side (virtio 1.2, section 2.7). The guest may do anything to its memory at any
// time: whatever breaks the rules of the ring makes the queue broken() with a reason, and no call walks more
// descriptors than the queue has elements.
#pragma once

#include <plugbay/virtio/chain.hpp>
#include <plugbay/virtio/ids.hpp>
#include <plugbay/virtio/ring.hpp>

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::virtio {

class Queue {
  public:
    // `most`: the largest size that the driver may choose; a power of two, at most 32768 (section 2.7).
    Queue(Memory memory, std::uint16_t most)
        : memory_(memory), most_(most), size_(most), chain_(most), table_(most) {}

    // --- set up by the transport ---

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] bool enabled() const { return enabled_; }
    [[nodiscard]] std::uint64_t descriptors() const { return descriptors_; }
    [[nodiscard]] std::uint64_t available() const { return available_; }
    [[nodiscard]] std::uint64_t used() const { return used_; }
    void set_size(std::uint16_t size) { size_ = size; }
    void set_descriptors(std::uint64_t address) { descriptors_ = address; }
    void set_available(std::uint64_t address) { available_ = address; }
    void set_used(std::uint64_t address) { used_ = address; }

    // Starts the queue where its registers say; false and broken() when they make no sense.
    bool enable() {
        enabled_ = true;
        return map();
    }
    // Gives the mapped rings back, for a quiesce; the next use maps them again.
    void unmap() { ring_.unmap(); }
    // True when the rings are, or could be, mapped.
    bool map() {
        if (!enabled_ || reason_ != nullptr) return false;
        if (ring_.mapped()) return true;
        if (size_ == 0 || size_ > most_ || !std::has_single_bit(size_))
            return fail("the queue's size is not a power of two up to its maximum");
        if (!ring_.map(memory_, size_, descriptors_, available_, used_))
            return fail("a part of the queue is misaligned or not in RAM");
        return true;
    }
    void reset() {
        ring_.unmap();
        enabled_ = false;
        size_ = most_;
        descriptors_ = available_ = used_ = 0;
        next_available_ = next_used_ = published_ = 0;
        reason_ = nullptr;
    }
    // As negotiated; see ids.hpp.
    void set_features(std::uint64_t features) {
        indirect_ = (features & feature_indirect_descriptors) != 0;
        event_index_ = (features & feature_event_index) != 0;
    }
    [[nodiscard]] bool broken() const { return reason_ != nullptr; }
    [[nodiscard]] const char* reason() const { return reason_; }

    // --- used by the device ---

    // The next available chain, valid until the next pop; nullptr when there is none or the queue is broken.
    const Chain* pop() {
        if (!map()) return nullptr;
        const auto waiting = static_cast<std::uint16_t>(ring_.available_index() - next_available_);
        if (waiting == 0) return nullptr;
        if (waiting > size_) return fail("the available index jumped by more than the queue's size"), nullptr;
        const std::uint16_t head = ring_.available_head(next_available_ & (size_ - 1));
        if (head >= size_) return fail("the available ring names a descriptor outside the table"), nullptr;
        chain_.begin(head);
        if (!walk(head)) return nullptr;
        ++next_available_;
        return &chain_;
    }

    // Puts a chain into the used ring; the driver sees it after publish. `written`: how many bytes of its
    // writable part, from the first, the device has written.
    void push(std::uint16_t head, std::uint32_t written) {
        if (!map()) return;
        ring_.set_used_element(next_used_ & (size_ - 1), head, written);
        ++next_used_;
    }

    // Shows the driver all chains pushed since the last publish; true when it wants an interrupt for them
    // (section 2.7.7).
    [[nodiscard]] bool publish() {
        if (next_used_ == published_ || !map()) return false;
        const std::uint16_t before = published_;
        published_ = next_used_;
        ring_.set_used_index(next_used_);
        // The index must be visible before we look whether the driver wants to be told: it does the two in
        // the opposite order.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!event_index_) return (ring_.available_flags() & available_no_interrupt) == 0;
        const std::uint16_t event = ring_.used_event();
        return static_cast<std::uint16_t>(next_used_ - event - 1) <
               static_cast<std::uint16_t>(next_used_ - before);
    }

    // While the device is working on the queue it need not be told of more chains (section 2.7.10).
    void suppress_notifications() {
        if (map() && !event_index_) ring_.set_used_flags(used_no_notify);
    }
    // Asks to be told again; true when chains are waiting already, for which no notification may come.
    [[nodiscard]] bool want_notifications() {
        if (!map()) return false;
        if (event_index_)
            ring_.set_available_event(next_available_);
        else
            ring_.set_used_flags(0);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return ring_.available_index() != next_available_;
    }

    void state(auto& fields) {
        fields("size", size_);
        fields("enabled", enabled_);
        fields("descriptors", descriptors_);
        fields("available", available_);
        fields("used", used_);
        fields("next_available", next_available_);
        fields("next_used", next_used_);
        fields("published", published_);
    }
    // After a load: nothing is mapped and the registers are checked at the next use.
    void loaded() {
        ring_.unmap();
        reason_ = nullptr;
    }

  private:
    bool fail(const char* reason) {
        if (reason_ == nullptr) reason_ = reason;
        return false;
    }

    // Follows the chain into chain_. Zero-length buffers carry nothing and are left out.
    bool walk(std::uint16_t head) {
        std::uint64_t bytes = 0;
        Descriptor descriptor = ring_.descriptor(head);
        for (std::uint32_t seen = 1;; ++seen) {
            if (seen > size_) return fail("a descriptor chain loops or is longer than the queue");
            if ((descriptor.flags & descriptor_indirect) != 0) {
                if (!indirect_) return fail("an indirect descriptor that was not negotiated");
                if ((descriptor.flags & descriptor_next) != 0)
                    return fail("an indirect descriptor with a next one");
                return walk_table(descriptor, seen - 1, bytes);
            }
            if (!add(descriptor, bytes)) return false;
            if ((descriptor.flags & descriptor_next) == 0) return true;
            if (descriptor.next >= size_) return fail("a descriptor names a next one outside the table");
            descriptor = ring_.descriptor(descriptor.next);
        }
    }

    // An indirect table (section 2.7.5.3); the WRITE flag of the descriptor that names it means nothing.
    bool walk_table(const Descriptor& outer, std::uint32_t seen, std::uint64_t bytes) {
        if (outer.length == 0 || outer.length % sizeof(Descriptor) != 0)
            return fail("an indirect table whose length is not a multiple of 16");
        const std::uint32_t count = outer.length / sizeof(Descriptor);
        if (outer.address + outer.length < outer.address)
            return fail("an indirect table wraps around the end of memory");
        // Copied as a whole where it fits, so that it stays what it was while we look at it.
        const bool copied = count <= table_.size();
        if (copied && !memory_.read(outer.address, std::as_writable_bytes(std::span(table_).first(count))))
            return fail("an indirect table is not in RAM");
        std::uint32_t index = 0;
        for (++seen;; ++seen) {
            if (seen > most_) return fail("an indirect chain loops or is longer than the queue");
            Descriptor descriptor{};
            if (copied)
                descriptor = table_[index];
            else if (!memory_.read_object(outer.address + index * std::uint64_t{sizeof descriptor},
                                          descriptor))
                return fail("an indirect table is not in RAM");
            if ((descriptor.flags & descriptor_indirect) != 0)
                return fail("an indirect table inside an indirect table");
            if (!add(descriptor, bytes)) return false;
            if ((descriptor.flags & descriptor_next) == 0) return true;
            if (descriptor.next >= count)
                return fail("an indirect descriptor names a next one outside the table");
            index = descriptor.next;
        }
    }

    bool add(const Descriptor& descriptor, std::uint64_t& bytes) {
        if (descriptor.length == 0) return true;
        bytes += descriptor.length;
        if (bytes > std::uint64_t{1} << 32) return fail("a descriptor chain of more than 4 GiB"); // 2.7.4.2
        const bool writable = (descriptor.flags & descriptor_write) != 0;
        if (!chain_.add({descriptor.address, descriptor.length, writable}))
            return fail("a readable descriptor follows a writable one");
        return true;
    }

    Memory memory_;
    std::uint16_t most_;
    Ring ring_;

    std::uint16_t size_;
    bool enabled_ = false;
    std::uint64_t descriptors_ = 0;
    std::uint64_t available_ = 0;
    std::uint64_t used_ = 0;
    std::uint16_t next_available_ = 0; // free-running, as in the ring
    std::uint16_t next_used_ = 0;
    std::uint16_t published_ = 0; // the used index that the driver sees
    bool indirect_ = false;
    bool event_index_ = false;
    const char* reason_ = nullptr;

    Chain chain_;
    std::vector<Descriptor> table_; // room for one indirect table
};

} // namespace plugbay::virtio
