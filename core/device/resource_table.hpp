// What one device holds from the core, by handle. Handles carry a generation, so that one that was given
// back, or was never given out, is noticed.
#pragma once

#include "core/base/result.hpp"
#include "core/device/access_place.hpp"

#include <plugbay/abi/base.h>
#include <plugbay/state_image.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

class Device;
class IoLoop;

enum class ResourceKind {
    region,
    doorbell,
    line,
    timer,
    fd_watch,
    pci_function,
    pci_bus,
    msr,
    cpuid,
    hypercall,
    firmware,
    memory_region,
    ram_watch,
    work_queue,
    host_events,
};

// Whom a resource serves that a build took over from the one before it: what differs from build to build.
struct Served {
    Device* device = nullptr;
    std::array<std::uint64_t, 6> tokens{}; // the first counts; of a PCI function, one for each BAR
    // What the build did with it before it was taken over, which reaches the guest only then.
    std::optional<bool> level = {};           // of an interrupt line or pin
    std::vector<std::uint32_t> messages = {}; // MSI-X vectors, each once
    void add_message(std::uint32_t vector) {
        if (std::find(messages.begin(), messages.end(), vector) == messages.end()) messages.push_back(vector);
    }
};

// Anything a device holds. Giving it back is its destructor's work and cannot fail.
class Resource {
  public:
    virtual ~Resource() = default;
    [[nodiscard]] virtual ResourceKind kind() const = 0;
    // For listings: "ports 0x3f8-0x3ff".
    [[nodiscard]] virtual std::string describe() const = 0;
    // [control], under the device's lock. What waits on the device's loop waits on `loop` from now on.
    virtual void move([[maybe_unused]] IoLoop& loop) {}
    // The guest knows of it: a build that replaces another has to ask for the same ones.
    [[nodiscard]] virtual bool guest_visible() const { return false; }
    // [control], under the device's lock, with its gate closed. Its build has been replaced.
    virtual void serve([[maybe_unused]] const Served& served) {}
    // Likewise, for what a build took while it was detached and did not adopt: it has replaced the one before.
    virtual void begin() {}
    // --- for checkpoints: [control], while the device holds still
    // What the guest made of it and the device does not know, such as a PCI function's configuration, as an image of
    // core/base/own_state.hpp. Nothing: there is no such thing.
    [[nodiscard]] virtual Result<std::optional<StateImage>> save() { return std::optional<StateImage>(); }
    // Before the device's own state.
    [[nodiscard]] virtual Result<void> load(const StateImage& image) {
        return Error{describe() + " has no state, and one of a " + image.type() + " was saved"};
    }
    // All states of the machine are loaded: what was on its way when they were saved begins anew.
    virtual void restored() {}
    // Where guest accesses come in through it, with the tokens of the build that serves.
    [[nodiscard]] virtual std::vector<AccessPlace> access_places() const { return {}; }
    // Memory that the device's code knows by pointer; see Device::retire().
    [[nodiscard]] virtual std::shared_ptr<const void> memory() const { return nullptr; }
};

// Thread: any. find() is wait-free; what it returns stays valid until the device itself gives the handle
// back.
class ResourceTable {
  public:
    ResourceTable() = default;
    ResourceTable(const ResourceTable&) = delete;
    ResourceTable& operator=(const ResourceTable&) = delete;
    ~ResourceTable() { release_all(); }

    // PLUGBAY_NO_HANDLE when the device holds too much. While one build replaces another both hold what the guest knows
    // of; it is given back when nobody holds it any more.
    [[nodiscard]] plugbay_handle add(std::shared_ptr<Resource> resource);
    // The handle of a resource that may be in the table, or PLUGBAY_NO_HANDLE.
    [[nodiscard]] plugbay_handle handle_of(const Resource& resource) const;
    // All, oldest first.
    [[nodiscard]] std::vector<std::shared_ptr<Resource>> all() const;

    // Null when the handle is stale, foreign or of another kind.
    template <typename T>
    [[nodiscard]] T* find(plugbay_handle handle) const {
        Resource* resource = find_any(handle);
        return resource != nullptr && resource->kind() == T::resource_kind ? static_cast<T*>(resource)
                                                                           : nullptr;
    }

    // Gives one resource of type T back; false when find() would have given null.
    template <typename T>
    [[nodiscard]] bool release(plugbay_handle handle) {
        return find<T>(handle) != nullptr && release_any(handle);
    }
    // Gives all back, newest first.
    void release_all();

    // Resource::move() of all.
    void move(IoLoop& loop);

    // Calls visit(const Resource&) on all, oldest first. The device cannot give anything back meanwhile.
    template <typename Visit>
    void each(Visit&& visit) const {
        const std::lock_guard guard(mutex_);
        for (const std::uint32_t index : by_age())
            visit(*entry(index).resource.load());
    }

  private:
    struct Entry {
        std::atomic<Resource*> resource{nullptr};
        std::atomic<std::uint32_t> generation{1};
        std::shared_ptr<Resource> owner; // of `resource`; guarded by mutex_, as is the rest
        std::uint64_t age = 0;           // counts up with every resource added
    };
    static constexpr std::uint32_t chunk_size = 64;
    static constexpr std::uint32_t chunk_count = 256;
    using Chunk = std::array<Entry, chunk_size>;

    [[nodiscard]] Entry& entry(std::uint32_t index) const {
        return (*chunks_[index / chunk_size].load(std::memory_order_acquire))[index % chunk_size];
    }
    [[nodiscard]] Resource* find_any(plugbay_handle handle) const {
        const auto index = static_cast<std::uint32_t>(handle) - 1;
        if (index >= used_.load(std::memory_order_acquire)) return nullptr;
        Entry& found = entry(index);
        if (found.generation.load(std::memory_order_acquire) != handle >> 32) return nullptr;
        return found.resource.load(std::memory_order_acquire);
    }
    bool release_any(plugbay_handle handle);
    [[nodiscard]] std::vector<std::uint32_t>
    by_age() const; // entries in use, oldest first; caller holds mutex_

    mutable std::mutex mutex_; // for adding and releasing
    std::array<std::atomic<Chunk*>, chunk_count> chunks_{};
    std::array<std::unique_ptr<Chunk>, chunk_count> chunk_owners_;
    std::atomic<std::uint32_t> used_{0}; // entries ever used
    std::vector<std::uint32_t> free_;    // of those, the ones to use again; guarded by mutex_
    std::uint64_t next_age_ = 1;         // guarded by mutex_
};

} // namespace plugbay::core
