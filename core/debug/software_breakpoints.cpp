#include "core/debug/software_breakpoints.hpp"

#include "core/memory/guest_memory.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace plugbay::core {

Result<void> SoftwareBreakpoints::insert(std::uint64_t linear, const Translate& translate) {
    const auto same = [&](const Patch& patch) { return patch.linear == linear; };
    if (std::any_of(patches_.begin(), patches_.end(), same)) return {};
    if (patches_.size() >= most)
        return Error{fmt::format("there are {} breakpoints already", patches_.size()), "remove some"};
    Patch patch{.linear = linear};
    for (std::size_t i = 0; i < trap_.size(); ++i) {
        const auto physical = translate(linear + i);
        if (!physical || !memory_.read(*physical, {&patch.original[i], 1})) {
            return Error{fmt::format("no RAM is mapped at 0x{:x}", linear + i),
                         "before the kernel has made its page tables, use its physical address, or hbreak"};
        }
        patch.physical[i] = *physical;
        for (const Patch& other : patches_) {
            if (std::find(other.physical.begin(),
                          other.physical.begin() + static_cast<std::ptrdiff_t>(trap_.size()),
                          *physical) != other.physical.begin() + static_cast<std::ptrdiff_t>(trap_.size())) {
                return Error{
                    fmt::format("the breakpoint at 0x{:x} overlaps the one at 0x{:x}", linear, other.linear),
                    "remove one of the two"};
            }
        }
    }
    plant(patch);
    patches_.push_back(patch);
    return {};
}

void SoftwareBreakpoints::remove(std::uint64_t linear) {
    const auto found = std::find_if(patches_.begin(), patches_.end(),
                                    [&](const Patch& patch) { return patch.linear == linear; });
    if (found == patches_.end()) return;
    restore(*found);
    patches_.erase(found);
}

void SoftwareBreakpoints::remove_all() {
    for (const Patch& patch : patches_)
        restore(patch);
    patches_.clear();
}

std::optional<std::uint64_t> SoftwareBreakpoints::at(std::uint64_t physical) const {
    for (const Patch& patch : patches_) {
        if (patch.physical[0] == physical) return patch.linear;
    }
    return std::nullopt;
}

void SoftwareBreakpoints::lift(std::uint64_t physical) {
    for (Patch& patch : patches_) {
        if (patch.physical[0] != physical || patch.lifted) continue;
        restore(patch);
        patch.lifted = true;
    }
}

void SoftwareBreakpoints::lift_all() {
    for (Patch& patch : patches_) {
        bool whole = true;
        for (std::size_t i = 0; i < trap_.size(); ++i)
            whole = whole && stands(patch, i);
        restore(patch);
        patch.lifted = patch.lifted || whole;
    }
}

void SoftwareBreakpoints::put_back() {
    for (Patch& patch : patches_) {
        if (!patch.lifted) continue;
        // The instruction may have changed itself.
        for (std::size_t i = 0; i < trap_.size(); ++i)
            static_cast<void>(memory_.read(patch.physical[i], {&patch.original[i], 1}));
        plant(patch);
        patch.lifted = false;
    }
}

void SoftwareBreakpoints::hide(std::uint64_t physical, std::span<std::byte> bytes) const {
    for (const Patch& patch : patches_) {
        for (std::size_t i = 0; i < trap_.size(); ++i) {
            const std::uint64_t offset = patch.physical[i] - physical;
            if (offset < bytes.size() && bytes[offset] == trap_[i] && !patch.lifted)
                bytes[offset] = patch.original[i];
        }
    }
}

bool SoftwareBreakpoints::write(std::uint64_t physical, std::span<const std::byte> bytes) {
    if (!memory_.write(physical, bytes)) return false;
    for (Patch& patch : patches_) {
        for (std::size_t i = 0; i < trap_.size(); ++i) {
            const std::uint64_t offset = patch.physical[i] - physical;
            if (offset >= bytes.size() || patch.lifted) continue;
            patch.original[i] = bytes[offset];
            static_cast<void>(memory_.write(patch.physical[i], {&trap_[i], 1}));
        }
    }
    return true;
}

bool SoftwareBreakpoints::stands(const Patch& patch, std::size_t index) const {
    std::byte byte{};
    return memory_.read(patch.physical[index], {&byte, 1}) && byte == trap_[index];
}

void SoftwareBreakpoints::restore(const Patch& patch) const {
    if (patch.lifted) return;
    for (std::size_t i = 0; i < trap_.size(); ++i) {
        if (stands(patch, i)) static_cast<void>(memory_.write(patch.physical[i], {&patch.original[i], 1}));
    }
}

void SoftwareBreakpoints::plant(const Patch& patch) const {
    for (std::size_t i = 0; i < trap_.size(); ++i)
        static_cast<void>(memory_.write(patch.physical[i], {&trap_[i], 1}));
}

} // namespace plugbay::core
