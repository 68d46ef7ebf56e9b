#include "core/kvm/cpuid.hpp"

#include <algorithm>
#include <bit>

namespace plugbay::core {

namespace {

constexpr std::uint32_t leaf_basic = 0;
constexpr std::uint32_t leaf_features = 1;
constexpr std::uint32_t leaf_intel_caches = 4;
constexpr std::uint32_t leaf_topology = 0xB;
constexpr std::uint32_t leaf_topology_v2 = 0x1F;
constexpr std::uint32_t leaf_amd_features = 0x8000'0001;
constexpr std::uint32_t leaf_amd_cores = 0x8000'0008;
constexpr std::uint32_t leaf_amd_caches = 0x8000'001D;
constexpr std::uint32_t leaf_amd_topology = 0x8000'001E;

constexpr std::uint32_t features_ecx_tsc_deadline = 1U << 24;
constexpr std::uint32_t features_ecx_hypervisor = 1U << 31;
constexpr std::uint32_t features_edx_hyper_threading = 1U << 28;
constexpr std::uint32_t amd_features_ecx_legacy_multicore = 1U << 1;

// Replaces `count` bits of `word` from bit `low` on.
constexpr std::uint32_t with_bits(std::uint32_t word, unsigned low, unsigned count, std::uint32_t value) {
    const std::uint32_t mask = ((1U << count) - 1) << low;
    return (word & ~mask) | ((value << low) & mask);
}

constexpr std::uint32_t with_flag(std::uint32_t word, std::uint32_t flag, bool on) {
    return on ? word | flag : word & ~flag;
}

void set_features(CpuidTable& table, std::uint32_t index, std::uint32_t count, std::uint32_t id_room) {
    CpuidEntry* const entry = table.find(leaf_features);
    if (entry == nullptr) return;
    entry->ebx = with_bits(entry->ebx, 16, 8, id_room);
    entry->ebx = with_bits(entry->ebx, 24, 8, index);
    entry->ecx |= features_ecx_hypervisor;
    entry->edx = with_flag(entry->edx, features_edx_hyper_threading, count > 1);
}

// Leaves 4 and 0x8000001D have one subleaf a cache: the first two levels belong to a core, level 3 to all.
void set_caches(CpuidTable& table, std::uint32_t leaf, std::uint32_t id_room, bool cores_too) {
    for (auto& entry : table.entries()) {
        constexpr std::uint32_t type_mask = 0x1F;
        if (entry.leaf != leaf || (entry.eax & type_mask) == 0) continue;
        const std::uint32_t level = entry.eax >> 5 & 7;
        entry.eax = with_bits(entry.eax, 14, 12, level >= 3 ? id_room - 1 : 0);
        if (cores_too) entry.eax = with_bits(entry.eax, 26, 6, id_room - 1);
    }
}

void set_extended_topology(CpuidTable& table, std::uint32_t index, std::uint32_t count, unsigned id_bits) {
    CpuidEntry* const basic = table.find(leaf_basic);
    if (basic == nullptr) return;
    basic->eax = std::max(basic->eax, leaf_topology);
    constexpr std::uint32_t thread_level = 1U << 8;
    constexpr std::uint32_t core_level = 2U << 8;
    table.remove(leaf_topology);
    table.set({leaf_topology, 0, true, 0, 1, thread_level | 0, index});
    table.set({leaf_topology, 1, true, id_bits, count, core_level | 1, index});
    table.set({leaf_topology, 2, true, 0, 0, 2, index});
}

void set_amd(CpuidTable& table, std::uint32_t index, std::uint32_t count, unsigned id_bits) {
    if (auto* const entry = table.find(leaf_amd_features)) {
        entry->ecx = with_flag(entry->ecx, amd_features_ecx_legacy_multicore, count > 1);
    }
    if (auto* const entry = table.find(leaf_amd_cores)) {
        entry->ecx = with_bits(entry->ecx, 0, 8, count - 1);
        entry->ecx = with_bits(entry->ecx, 12, 4, id_bits);
    }
    if (auto* const entry = table.find(leaf_amd_topology)) {
        entry->eax = index;
        entry->ebx = index; // core number; bits 8.. (threads a core - 1) are 0
        entry->ecx = 0;     // node 0 of one
    }
}

bool is_amd(const CpuidTable& table) {
    constexpr std::uint32_t auth = 0x6874'7541; // "Auth"enticAMD
    constexpr std::uint32_t hygo = 0x6F67'7948; // "Hygo"nGenuine
    const CpuidEntry* const basic = table.find(leaf_basic);
    return basic != nullptr && (basic->ebx == auth || basic->ebx == hygo);
}

} // namespace

const CpuidEntry* CpuidTable::find(std::uint32_t leaf, std::uint32_t subleaf) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const CpuidEntry& entry) {
        return entry.leaf == leaf && (!entry.subleaf_significant || entry.subleaf == subleaf);
    });
    return found == entries_.end() ? nullptr : &*found;
}

CpuidEntry* CpuidTable::find(std::uint32_t leaf, std::uint32_t subleaf) {
    return const_cast<CpuidEntry*>(static_cast<const CpuidTable&>(*this).find(leaf, subleaf));
}

void CpuidTable::set(const CpuidEntry& entry) {
    if (auto* const old = find(entry.leaf, entry.subleaf)) {
        *old = entry;
    } else {
        entries_.push_back(entry);
    }
}

void CpuidTable::remove(std::uint32_t leaf) {
    std::erase_if(entries_, [&](const CpuidEntry& entry) { return entry.leaf == leaf; });
}

void apply_topology(CpuidTable& table, std::uint32_t vcpu_index, std::uint32_t vcpu_count) {
    const std::uint32_t count = std::clamp(vcpu_count, 1U, max_vcpu_count);
    const std::uint32_t id_room = std::bit_ceil(count); // APIC ids a package reserves
    const auto id_bits = static_cast<unsigned>(std::countr_zero(id_room));
    set_features(table, vcpu_index, count, id_room);
    set_caches(table, leaf_intel_caches, id_room, true);
    set_extended_topology(table, vcpu_index, count, id_bits);
    table.remove(leaf_topology_v2);
    if (is_amd(table)) {
        set_caches(table, leaf_amd_caches, id_room, false);
        set_amd(table, vcpu_index, count, id_bits);
    }
}

void set_tsc_deadline(CpuidTable& table, bool available) {
    if (auto* const entry = table.find(leaf_features)) {
        entry->ecx = with_flag(entry->ecx, features_ecx_tsc_deadline, available);
    }
}

} // namespace plugbay::core
