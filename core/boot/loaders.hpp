// One loader a protocol. Each claims its memory in context.space, writes guest RAM and gives the CPU's entry
// state; errors name the file. Guest RAM is in no particular state after an error.
#pragma once

#include "core/boot/boot_context.hpp"

#include <optional>

namespace plugbay::core {

// Linux bzImage, 64-bit boot protocol (Documentation/arch/x86/boot.rst in the kernel's sources).
[[nodiscard]] bool is_bzimage(const ImageFile& file);
[[nodiscard]] Result<LoadedKernel> load_bzimage(BootContext& context);

// ELF vmlinux, entered by the same 64-bit protocol.
[[nodiscard]] Result<LoadedKernel> load_vmlinux(BootContext& context);

// ELF with a PVH entry note (Xen: docs/misc/pvh.pandoc).
[[nodiscard]] Result<LoadedKernel> load_pvh(BootContext& context);

// Multiboot specification 0.6.96, ELF or with address fields.
[[nodiscard]] bool has_multiboot_header(const ImageFile& file);
[[nodiscard]] Result<LoadedKernel> load_multiboot(BootContext& context);

// The file's bytes at options.flat_address.
[[nodiscard]] Result<LoadedKernel> load_flat(BootContext& context);

} // namespace plugbay::core
