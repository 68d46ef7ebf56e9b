// What devices change of CPUID, collected while they are created and applied before the machine first runs.
#pragma once

#include "core/base/result.hpp"
#include "core/bus/refusal.hpp"
#include "core/kvm/cpuid.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

// Thread: [control].
class CpuidEdits {
  public:
    struct Edit {
        std::string owner; // a device's id; empty: the machine
        std::uint32_t leaf = 0;
        std::optional<std::uint32_t> subleaf = {}; // none: the leaf has no subleaves
        std::array<std::uint32_t, 4> mask{};       // eax, ebx, ecx, edx
        std::array<std::uint32_t, 4> value{};      // within mask

        // "leaf 0x7 subleaf 0x0".
        [[nodiscard]] std::string place() const;
        // "CPUID leaf 0x1, bits 0x4 of ecx"; of a whole leaf the place alone.
        [[nodiscard]] std::string describe() const;
    };

    // With the machine's own: what tells vCPUs apart, and the leaves by which guests find hypercalls.
    CpuidEdits();
    CpuidEdits(const CpuidEdits&) = delete;
    CpuidEdits& operator=(const CpuidEdits&) = delete;

    // Takes the edit, or says why not. The pointer is for remove().
    [[nodiscard]] std::optional<Refusal> add(Edit edit, const Edit*& added);
    // Forgets an edit. After the machine has run it stays, since the guest goes on seeing it.
    void remove(const Edit& edit);

    // Changes a table to be shown to the guest. Fails, naming the device, where the table contradicts an
    // edit's idea of subleaves.
    [[nodiscard]] Result<void> apply(CpuidTable& table) const;

    // Those that a table is changed in, ascending, each once.
    [[nodiscard]] std::vector<std::uint32_t> leaves() const;

    // The machine runs: nothing is added any more.
    void seal() { sealed_ = true; }

  private:
    [[nodiscard]] std::optional<Refusal> conflict(const Edit& edit) const;

    std::list<Edit> edits_; // addresses stay
    bool sealed_ = false;
};

} // namespace plugbay::core
