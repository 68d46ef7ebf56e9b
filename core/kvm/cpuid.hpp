// CPUID tables as plain values, and the edits that make KVM's table fit one vCPU. Pure: no KVM needed.
#pragma once

#include "core/base/machine_limits.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace plugbay::core {

struct CpuidEntry {
    std::uint32_t leaf = 0;
    std::uint32_t subleaf = 0;
    bool subleaf_significant = false; // false: the entry answers every subleaf (ECX ignored)
    std::uint32_t eax = 0;
    std::uint32_t ebx = 0;
    std::uint32_t ecx = 0;
    std::uint32_t edx = 0;
};

// Order is KVM's; a leaf and subleaf occur at most once. Pointers die with the next change of the table.
class CpuidTable {
  public:
    CpuidTable() = default;
    explicit CpuidTable(std::vector<CpuidEntry> entries) : entries_(std::move(entries)) {}

    [[nodiscard]] const std::vector<CpuidEntry>& entries() const { return entries_; }
    [[nodiscard]] std::vector<CpuidEntry>& entries() { return entries_; }

    // The entry that answers (leaf, subleaf), or null.
    [[nodiscard]] CpuidEntry* find(std::uint32_t leaf, std::uint32_t subleaf = 0);
    [[nodiscard]] const CpuidEntry* find(std::uint32_t leaf, std::uint32_t subleaf = 0) const;

    // Replaces the entry with the same leaf (and subleaf, where significant) or adds one.
    void set(const CpuidEntry& entry);
    // Removes every subleaf of `leaf`.
    void remove(std::uint32_t leaf);

  private:
    std::vector<CpuidEntry> entries_;
};

// Called in order on the finished table of each vCPU before it first runs: adds or changes leaves.
using CpuidEditor = std::function<void(CpuidTable& table, std::uint32_t vcpu_index)>;

// Rewrites what depends on the vCPU: one package of `vcpu_count` (1..16) cores with one thread each, APIC id
// equal to `vcpu_index`; leaves 1, 4, 0xB and AMD's 0x80000001, 0x80000008, 0x8000001D, 0x8000001E. Removes
// 0x1F (it would contradict 0xB). Sets the hypervisor bit.
void apply_topology(CpuidTable& table, std::uint32_t vcpu_index, std::uint32_t vcpu_count);

// Shows the guest (or hides) the local APIC's TSC deadline mode, leaf 1 ECX bit 24: KVM reports it as a
// capability and not in its table.
void set_tsc_deadline(CpuidTable& table, bool available);

} // namespace plugbay::core
