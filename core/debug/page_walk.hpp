// From a linear address to a guest-physical one, by the guest's page tables (Intel SDM volume 3, chapter 4). KVM_TRANSLATE
// will not do: it refuses programs' pages while the guest keeps its kernel from touching them (SMAP).
#pragma once

#include "core/kvm/registers.hpp"

#include <cstdint>
#include <optional>

namespace plugbay::core {

class GuestMemory;

// Nothing where no page is present, or a table is not in RAM. Permissions are not looked at.
[[nodiscard]] std::optional<std::uint64_t>
walk_page_tables(const GuestMemory& memory, const SpecialRegisters& registers, std::uint64_t linear);

} // namespace plugbay::core
