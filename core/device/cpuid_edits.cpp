#include "core/device/cpuid_edits.hpp"

#include <plugbay/abi/hypercall.h>

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace plugbay::core {

namespace {

constexpr std::uint32_t all = ~std::uint32_t{0};
constexpr std::array<std::uint32_t, 4> whole{all, all, all, all};
constexpr std::array<const char*, 4> register_names{"eax", "ebx", "ecx", "edx"};
constexpr std::uint32_t leaf_hypercalls = 0x4000'0100;
constexpr std::uint32_t leaf_hypercall_port = 0x4000'0101;

std::string owner_text(const std::string& owner) {
    return owner.empty() ? "the machine itself" : "device \"" + owner + "\"";
}

bool same_place(const CpuidEdits::Edit& one, const CpuidEdits::Edit& other) {
    return one.leaf == other.leaf && (!one.subleaf || !other.subleaf || one.subleaf == other.subleaf);
}

// CPUID admits to leaves up to the one that its range's first leaf names (Intel SDM volume 2, CPUID). What
// hypervisors have at 0x40000000 begins anew every 0x100 leaves.
std::uint32_t first_of_range(std::uint32_t leaf) {
    return leaf >= 0x4000'0000 && leaf < 0x5000'0000 ? leaf & 0xffff'ff00 : leaf & 0xffff'0000;
}
void raise_highest(CpuidTable& table, std::uint32_t leaf) {
    const std::uint32_t first = first_of_range(leaf);
    CpuidEntry* const entry = table.find(first);
    if (entry != nullptr && leaf != first) entry->eax = std::max(entry->eax, leaf);
}

void apply_to(CpuidEntry& entry, const CpuidEdits::Edit& edit) {
    std::uint32_t* const registers[] = {&entry.eax, &entry.ebx, &entry.ecx, &entry.edx};
    for (std::size_t i = 0; i < edit.mask.size(); ++i)
        *registers[i] = (*registers[i] & ~edit.mask[i]) | edit.value[i];
}

} // namespace

std::string CpuidEdits::Edit::place() const {
    return subleaf ? fmt::format("CPUID leaf {:#x} subleaf {:#x}", leaf, *subleaf)
                   : fmt::format("CPUID leaf {:#x}", leaf);
}

std::string CpuidEdits::Edit::describe() const {
    std::string text = place();
    for (std::size_t i = 0; mask != whole && i < mask.size(); ++i) {
        if (mask[i] != 0) text += fmt::format(", bits {:#x} of {}", mask[i], register_names[i]);
    }
    return text;
}

CpuidEdits::CpuidEdits() {
    std::array<std::uint32_t, 3> signature{};
    static_assert(sizeof signature == sizeof "PlugbayCalls" - 1);
    std::memcpy(signature.data(), "PlugbayCalls", sizeof signature);
    edits_.push_back({.owner = {},
                      .leaf = leaf_hypercalls,
                      .mask = whole,
                      .value = {leaf_hypercall_port, signature[0], signature[1], signature[2]}});
    edits_.push_back({.owner = {},
                      .leaf = leaf_hypercall_port,
                      .mask = whole,
                      .value = {PLUGBAY_HYPERCALL_VERSION, PLUGBAY_HYPERCALL_PORT, 0, 0}});
}

std::optional<Refusal> CpuidEdits::conflict(const Edit& edit) const {
    // What apply_topology() writes for each vCPU.
    constexpr std::uint32_t apic_id_and_count = 0xffff'0000;
    const bool topology = edit.leaf == 0xb || edit.leaf == 0x1f || edit.leaf == 0x8000'001e ||
                          (edit.leaf == 1 && (edit.mask[1] & apic_id_and_count) != 0);
    if (topology) {
        return Refusal{PLUGBAY_TAKEN,
                       edit.place() +
                           " tells virtual CPUs apart and belongs to the machine itself; set other "
                           "bits"};
    }
    for (const Edit& other : edits_) {
        if (!same_place(edit, other)) continue;
        for (std::size_t i = 0; i < edit.mask.size(); ++i) {
            if ((edit.mask[i] & other.mask[i]) == 0) continue;
            return Refusal{PLUGBAY_TAKEN,
                           fmt::format("{}: bits {:#x} of {}, wanted by {}, are set by {} already",
                                       edit.place(), edit.mask[i] & other.mask[i], register_names[i],
                                       owner_text(edit.owner), owner_text(other.owner))};
        }
    }
    return std::nullopt;
}

std::optional<Refusal> CpuidEdits::add(Edit edit, const Edit*& added) {
    if (sealed_) {
        return Refusal{PLUGBAY_FORBIDDEN,
                       edit.place() +
                           " cannot be set: the machine has run, and a processor does not change its "
                           "mind; put the device into the machine file"};
    }
    if (auto refusal = conflict(edit)) return refusal;
    edits_.push_back(std::move(edit));
    added = &edits_.back();
    return std::nullopt;
}

void CpuidEdits::remove(const Edit& edit) {
    if (sealed_) return;
    edits_.remove_if([&](const Edit& each) { return &each == &edit; });
}

Result<void> CpuidEdits::apply(CpuidTable& table) const {
    for (const Edit& edit : edits_) {
        const bool mismatch = std::ranges::any_of(table.entries(), [&](const CpuidEntry& each) {
            return each.leaf == edit.leaf && each.subleaf_significant != edit.subleaf.has_value();
        });
        if (mismatch && edit.mask != whole) {
            return Error{fmt::format("{}, which {} sets, {} subleaves on this processor", edit.place(),
                                     owner_text(edit.owner), edit.subleaf ? "has no" : "has"),
                         edit.subleaf ? "set it without PLUGBAY_CPUID_SUBLEAF"
                                      : "name one, with PLUGBAY_CPUID_SUBLEAF"};
        }
        if (mismatch)
            table.remove(edit.leaf); // a whole leaf takes the place of all its subleaves, or the reverse
        raise_highest(table, edit.leaf);
        const std::uint32_t subleaf = edit.subleaf.value_or(0);
        CpuidEntry* entry = table.find(edit.leaf, subleaf);
        if (entry == nullptr) {
            table.entries().push_back(
                {.leaf = edit.leaf, .subleaf = subleaf, .subleaf_significant = edit.subleaf.has_value()});
            entry = &table.entries().back();
        }
        apply_to(*entry, edit);
    }
    return {};
}

std::vector<std::uint32_t> CpuidEdits::leaves() const {
    std::vector<std::uint32_t> leaves;
    for (const Edit& edit : edits_) {
        leaves.push_back(edit.leaf);
        leaves.push_back(first_of_range(edit.leaf));
    }
    std::ranges::sort(leaves);
    leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
    return leaves;
}

} // namespace plugbay::core
