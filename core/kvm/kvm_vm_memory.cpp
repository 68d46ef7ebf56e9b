// KvmVm: memory slots and the dirty log.
#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vm.hpp"
#include "core/memory/guest_memory.hpp"

#include <algorithm>
#include <cstdio>

namespace plugbay::core {

namespace {

constexpr std::uint64_t page_size = 4096;
constexpr std::uint64_t pages_per_word = 64;

std::string range_text(const MemorySlotRequest& request) {
    char text[64];
    std::snprintf(text, sizeof text, "guest memory 0x%llx, 0x%llx bytes",
                  static_cast<unsigned long long>(request.address),
                  static_cast<unsigned long long>(request.size));
    return text;
}

bool overlap(const MemorySlotRequest& a, const MemorySlotRequest& b) {
    return a.address < b.address + b.size && b.address < a.address + a.size;
}

Result<void> check(const MemorySlotRequest& request, bool readonly_memory) {
    const auto host = reinterpret_cast<std::uintptr_t>(request.host);
    if (request.size == 0 || (request.address | request.size | host) % page_size != 0) {
        return Error{range_text(request) + ": address, size and host address must be multiples of 4 KiB", {}};
    }
    if (request.address + request.size < request.address) {
        return Error{range_text(request) + ": reaches past the end of the address space", {}};
    }
    if (request.read_only && !readonly_memory) {
        return Error{range_text(request) + ": this KVM has no READONLY_MEM", {}};
    }
    return {};
}

Error no_slot(MemorySlotId slot) {
    return Error{"no memory slot " + std::to_string(slot), {}};
}

} // namespace

Result<void> KvmVm::set_region(MemorySlotId slot, const MemorySlotRequest& request) {
    kvm_userspace_memory_region region{};
    region.slot = slot;
    region.flags =
        (request.read_only ? KVM_MEM_READONLY : 0U) | (request.log_dirty ? KVM_MEM_LOG_DIRTY_PAGES : 0U);
    region.guest_phys_addr = request.address;
    region.memory_size = request.size;
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(request.host);
    if (abi::call(file(), KVM_SET_USER_MEMORY_REGION, &region) < 0) {
        return errno_error("KVM_SET_USER_MEMORY_REGION, " + range_text(request));
    }
    return {};
}

Result<MemorySlotId> KvmVm::add_memory(const MemorySlotRequest& request) {
    if (auto checked = check(request, has(KvmCapability::readonly_memory)); !checked) {
        return std::move(checked).error();
    }
    const std::lock_guard lock(memory_mutex_);
    MemorySlotId slot = 0;
    for (const auto& [used, other] : slots_) {
        if (overlap(request, other))
            return Error{range_text(request) + ": overlaps " + range_text(other), {}};
        if (used == slot) ++slot; // slots_ is ordered, so the first gap is the lowest free number
    }
    if (slot >= max_memory_slots_) {
        return Error{range_text(request) + ": all " + std::to_string(slot) + " memory slots are in use", {}};
    }
    if (auto added = set_region(slot, request); !added) return std::move(added).error();
    slots_.emplace(slot, request);
    return slot;
}

Result<std::vector<MemorySlotId>> KvmVm::add_guest_memory(const GuestMemory& memory, bool log_dirty) {
    std::vector<MemorySlotId> added;
    for (const auto& range : memory.ranges()) {
        MemorySlotRequest request;
        request.address = range.address;
        request.size = range.size;
        request.host = range.host;
        request.log_dirty = log_dirty;
        auto slot = add_memory(request);
        if (!slot) {
            for (const auto earlier : added)
                (void)remove_memory(earlier);
            return std::move(slot).error();
        }
        added.push_back(*slot);
    }
    guest_memory_ = &memory;
    guest_memory_slots_ = added;
    guest_memory_logged_ = log_dirty;
    return added;
}

// Removes the guest's slots that are not wanted, then adds those that are missing.
Result<void> KvmVm::arrange_guest_memory(std::span<const MemorySlotRequest> wanted) {
    std::vector<MemorySlotId> kept;
    std::vector<MemorySlotRequest> present;
    for (const MemorySlotId slot : guest_memory_slots_) {
        const MemorySlotRequest request = slots_.at(slot);
        if (std::find(wanted.begin(), wanted.end(), request) != wanted.end()) {
            kept.push_back(slot);
            present.push_back(request);
        } else {
            if (guest_memory_logged_) {
                if (auto done = collect_dirty(slot); !done) return done; // the log goes with its slot
            }
            if (auto removed = remove_memory(slot); !removed) return removed;
        }
    }
    guest_memory_slots_ = kept;
    for (const MemorySlotRequest& request : wanted) {
        if (std::find(present.begin(), present.end(), request) != present.end()) continue;
        auto slot = add_memory(request);
        if (!slot) return std::move(slot).error();
        guest_memory_slots_.push_back(*slot);
    }
    return {};
}

Result<void> KvmVm::log_guest_memory(bool enabled) {
    if (guest_memory_ == nullptr) return Error{"this VM has no guest memory to log", {}};
    for (const MemorySlotId slot : guest_memory_slots_) {
        if (auto done = set_dirty_log(slot, enabled); !done) return done;
    }
    guest_memory_logged_ = enabled;
    collected_dirty_.assign(
        enabled ? (guest_memory_->size() / page_size + pages_per_word - 1) / pages_per_word : 0, 0);
    return {};
}

// Adds the slot's log to what was collected. Slots begin anywhere in the words of the whole.
Result<void> KvmVm::collect_dirty(MemorySlotId slot) {
    const auto log = dirty_log(slot);
    if (!log) return log.error();
    const std::byte* const host = slots_.at(slot).host;
    const auto ranges = guest_memory_->ranges();
    const auto range = std::ranges::find_if(
        ranges, [&](const MemoryRange& each) { return host >= each.host && host < each.host + each.size; });
    if (range == ranges.end()) return Error{"a slot of guest memory is not in its ranges", {}};
    const std::uint64_t first =
        (range->file_offset + static_cast<std::uint64_t>(host - range->host)) / page_size;
    const std::uint64_t shift = first % pages_per_word;
    for (std::size_t i = 0; i < log->size(); ++i) {
        const std::uint64_t word = (*log)[i];
        if (word == 0) continue;
        const std::size_t at = first / pages_per_word + i;
        collected_dirty_.at(at) |= word << shift;
        // A bit of the next word is one of a page that exists, so the word does.
        if (shift != 0 && word >> (pages_per_word - shift) != 0)
            collected_dirty_.at(at + 1) |= word >> (pages_per_word - shift);
    }
    return {};
}

Result<std::vector<std::uint64_t>> KvmVm::take_dirty_guest_memory() {
    if (!guest_memory_logged_) return Error{"the guest's writes to its memory are not logged", {}};
    for (const MemorySlotId slot : guest_memory_slots_) {
        if (auto done = collect_dirty(slot); !done) return std::move(done).error();
    }
    auto taken = collected_dirty_;
    std::ranges::fill(collected_dirty_, 0);
    return taken;
}

Result<void> KvmVm::watch_guest_memory(std::span<const WatchedRam> watched) {
    if (guest_memory_ == nullptr) return Error{"this VM has no guest memory to watch", {}};
    std::vector<MemorySlotRequest> before;
    for (const MemorySlotId slot : guest_memory_slots_)
        before.push_back(slots_.at(slot));
    auto done = arrange_guest_memory(cut_ram(guest_memory_->ranges(), watched, guest_memory_logged_));
    if (!done && !arrange_guest_memory(before)) {
        return with_context("the guest's memory is incomplete now", std::move(done).error());
    }
    return done;
}

Result<void> KvmVm::remove_memory(MemorySlotId slot) {
    const std::lock_guard lock(memory_mutex_);
    const auto found = slots_.find(slot);
    if (found == slots_.end()) return no_slot(slot);
    MemorySlotRequest nothing = found->second;
    nothing.size = 0; // KVM's way to delete a slot
    nothing.log_dirty = false;
    if (auto removed = set_region(slot, nothing); !removed) return removed;
    slots_.erase(found);
    return {};
}

Result<void> KvmVm::set_dirty_log(MemorySlotId slot, bool enabled) {
    const std::lock_guard lock(memory_mutex_);
    const auto found = slots_.find(slot);
    if (found == slots_.end()) return no_slot(slot);
    MemorySlotRequest changed = found->second;
    changed.log_dirty = enabled;
    if (auto set = set_region(slot, changed); !set) return set;
    found->second = changed;
    return {};
}

Result<std::vector<std::uint64_t>> KvmVm::dirty_log(MemorySlotId slot) {
    const std::lock_guard lock(memory_mutex_);
    const auto found = slots_.find(slot);
    if (found == slots_.end()) return no_slot(slot);
    if (!found->second.log_dirty) return Error{range_text(found->second) + ": its dirty log is off", {}};

    const std::uint64_t pages = found->second.size / page_size;
    std::vector<std::uint64_t> bitmap((pages + pages_per_word - 1) / pages_per_word);
    kvm_dirty_log log{};
    log.slot = slot;
    log.dirty_bitmap = bitmap.data();
    if (abi::call(file(), KVM_GET_DIRTY_LOG, &log) < 0) {
        return errno_error("KVM_GET_DIRTY_LOG, " + range_text(found->second));
    }
    return bitmap;
}

} // namespace plugbay::core
