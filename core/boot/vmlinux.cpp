#include "core/boot/elf_executable.hpp"
#include "core/boot/loaders.hpp"
#include "core/boot/zero_page.hpp"

#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

Result<LoadedKernel> load_vmlinux(BootContext& context) {
    auto image = parse_elf(context.kernel);
    if (!image) return std::move(image).error();
    if (!image->is_64) {
        return context.kernel.refuse("is a 32-bit ELF file, protocol linux64 needs a 64-bit one",
                                     "choose protocol multiboot or pvh if the kernel supports it");
    }
    auto start = physical_entry(context.kernel, *image);
    if (!start) return std::move(start).error();
    auto entry = prepare_linux_entry(context);
    if (!entry) return std::move(entry).error();
    auto done = place_command_line(context, default_command_line_limit);
    if (done) done = load_segments(context, *image);
    if (!done) return std::move(done).error();
    auto initrd = place_initrd(context, default_initrd_limit);
    if (!initrd) return std::move(initrd).error();

    ::setup_header header{};
    header.boot_flag = 0xaa55;
    header.header = 0x5372'6448; // "HdrS"
    header.version = 0x020c;
    header.loadflags = LOADED_HIGH;
    header.kernel_alignment = 0x100'0000;
    header.cmdline_size = static_cast<std::uint32_t>(default_command_line_limit);
    header.initrd_addr_max = static_cast<std::uint32_t>(default_initrd_limit);
    done = write_zero_page(context, header, *initrd);
    if (!done) return std::move(done).error();
    entry->rip = *start;
    return LoadedKernel{
        .entry = *entry,
        .summary = fmt::format("64-bit ELF kernel, Linux 64-bit boot protocol, entry at {:#x}", entry->rip)};
}

} // namespace plugbay::core
