#include "core/boot/load_image.hpp"

#include "core/boot/elf_executable.hpp"
#include "core/boot/guest_layout.hpp"
#include "core/boot/loaders.hpp"
#include "core/boot/memory_map.hpp"

#include <algorithm>
#include <array>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

std::string first_bytes(const ImageFile& file) {
    std::array<std::byte, 4> bytes{};
    const auto length = std::min<std::uint64_t>(bytes.size(), file.size());
    if (!file.read(0, std::span{bytes}.first(length), "first bytes")) return "nothing";
    std::string text;
    for (std::size_t i = 0; i < length; ++i) {
        text += fmt::format("{}{:02x}", i == 0 ? "" : " ", std::to_integer<unsigned>(bytes[i]));
    }
    return text;
}

Error unknown_image(const ImageFile& file) {
    return file.refuse(
        fmt::format(
            "is no kernel known here: neither a Linux bzImage (\"HdrS\" at 0x202), nor a 64-bit ELF "
            "file, nor one with a PVH note, nor a multiboot image (magic 0x1badb002 in the first 8192 "
            "bytes); it starts with {}",
            first_bytes(file)),
        "choose protocol \"flat\" if this is raw code to be run as it is");
}

Result<BootProtocol> choose_protocol(const ImageFile& file) {
    if (is_bzimage(file)) return BootProtocol::linux64;
    bool is_64 = false;
    if (is_elf(file)) {
        auto image = parse_elf(file);
        if (!image) return std::move(image).error();
        auto pvh = find_pvh_entry(file, *image);
        if (!pvh) return std::move(pvh).error();
        if (*pvh) return BootProtocol::pvh;
        is_64 = image->is_64;
    }
    if (has_multiboot_header(file)) return BootProtocol::multiboot;
    if (is_64) return BootProtocol::linux64;
    return unknown_image(file);
}

Result<LoadedKernel> load_by(BootProtocol protocol, BootContext& context) {
    switch (protocol) {
    case BootProtocol::linux64:
        if (is_bzimage(context.kernel)) return load_bzimage(context);
        if (is_elf(context.kernel)) return load_vmlinux(context);
        return context.kernel.refuse(
            fmt::format("is neither a Linux bzImage (\"HdrS\" at 0x202) nor an ELF file; it starts with {}",
                        first_bytes(context.kernel)),
            "give a bzImage or vmlinux, or choose another protocol");
    case BootProtocol::pvh:
        if (is_elf(context.kernel)) return load_pvh(context);
        return context.kernel.refuse(
            fmt::format("is no ELF file, which protocol pvh needs; it starts with {}",
                        first_bytes(context.kernel)),
            "give an uncompressed vmlinux, or choose protocol automatic");
    case BootProtocol::multiboot:
        return load_multiboot(context);
    case BootProtocol::flat:
        return load_flat(context);
    case BootProtocol::automatic:
        break;
    }
    return Error{"no boot protocol was chosen"};
}

} // namespace

Result<LoadedImage> load_image(const GuestMemory& memory, const BootOptions& options) {
    auto kernel = ImageFile::open(options.kernel, "kernel");
    if (!kernel) return std::move(kernel).error();
    auto map = make_memory_map(memory);
    auto protocol = options.protocol;
    if (protocol == BootProtocol::automatic) {
        auto chosen = choose_protocol(*kernel);
        if (!chosen) return std::move(chosen).error();
        protocol = *chosen;
    }

    BootContext context{.memory = memory,
                        .options = options,
                        .kernel = *kernel,
                        .memory_map = map,
                        .space = GuestSpace(memory)};
    context.space.block(layout::conventional_end, layout::high_memory - layout::conventional_end,
                        "the area of firmware and ACPI tables");
    auto loaded = load_by(protocol, context);
    if (!loaded) return std::move(loaded).error();
    return LoadedImage{.entry = loaded->entry,
                       .protocol = protocol,
                       .summary = std::move(loaded->summary),
                       .memory_map = std::move(map),
                       .used = context.space.claimed()};
}

} // namespace plugbay::core
