// Linux's struct boot_params and the entry state of the 64-bit boot protocol, shared by bzImage and vmlinux.
#pragma once

#include "core/boot/boot_context.hpp"

#include <asm/bootparam.h>

namespace plugbay::core {

// Claims the zero page, stack, GDT and page tables. Call it before anything else claims memory, so that an
// image lying on top of them is what the error names. entry.rip is left to the caller.
[[nodiscard]] Result<CpuEntry> prepare_linux_entry(BootContext& context);

// Fills the zero page from `header` (as read from the image, or made up for a vmlinux), the initrd, the
// command line and the memory map.
[[nodiscard]] Result<void> write_zero_page(BootContext& context, const ::setup_header& header,
                                           const PlacedInitrd& initrd);

} // namespace plugbay::core
