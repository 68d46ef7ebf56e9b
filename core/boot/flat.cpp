#include "core/boot/loaders.hpp"

#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::uint64_t real_mode_limit = 0x10000; // what a 16-bit rip reaches with cs base 0

Result<CpuEntry> prepare(BootContext& context) {
    CpuEntry entry{.rip = context.options.flat_address, .rsp = context.options.flat_address};
    switch (context.options.flat_mode) {
    case FlatMode::real_16:
        entry.mode = CpuEntry::Mode::real_16;
        if (entry.rip >= real_mode_limit) {
            return context.kernel.refuse(
                fmt::format("a flat image at {:#x} cannot be entered in 16-bit mode, which ends at {:#x}",
                            entry.rip, real_mode_limit),
                "choose a lower address or the mode protected_32 or long_64");
        }
        return entry;
    case FlatMode::protected_32: {
        entry.mode = CpuEntry::Mode::protected_32;
        auto done = place_gdt(context, entry);
        if (!done) return std::move(done).error();
        return entry;
    }
    case FlatMode::long_64: {
        entry.mode = CpuEntry::Mode::long_64;
        auto done = place_gdt(context, entry);
        if (done) done = place_page_tables(context, entry);
        if (!done) return std::move(done).error();
        return entry;
    }
    }
    return Error{"unknown mode for a flat image"};
}

} // namespace

Result<LoadedKernel> load_flat(BootContext& context) {
    if (!context.options.initrd.empty() || !context.options.command_line.empty()) {
        return context.kernel.refuse("protocol flat passes no initrd and no command line to the image",
                                     "leave them out or choose another protocol");
    }
    auto entry = prepare(context);
    if (!entry) return std::move(entry).error();
    auto target = context.space.claim(context.options.flat_address, context.kernel.size(), "the flat image");
    if (!target) return with_context(context.kernel.path(), std::move(target).error());
    auto done = context.kernel.read(0, *target, "flat image");
    if (!done) return std::move(done).error();
    return LoadedKernel{.entry = *entry,
                        .summary =
                            fmt::format("flat image, {} bytes at {:#x}, mode {}", context.kernel.size(),
                                        entry->rip, name_of(context.options.flat_mode))};
}

} // namespace plugbay::core
