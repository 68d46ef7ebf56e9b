#include "core/boot/guest_layout.hpp"
#include "core/boot/loaders.hpp"
#include "core/boot/zero_page.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::uint32_t header_magic = 0x5372'6448; // "HdrS"
constexpr std::uint16_t oldest_protocol = 0x020c;   // the first with xloadflags
constexpr std::uint64_t header_start = 0x1f1;
constexpr std::uint64_t magic_offset = 0x202;
constexpr std::uint64_t length_base = 0x202; // the header ends here plus the byte at 0x201
constexpr std::uint64_t sector = 512;
constexpr std::uint64_t entry_64_offset = 0x200;
constexpr std::uint64_t shortest_payload = entry_64_offset + 1;

struct Header {
    ::setup_header fields{};
    std::uint64_t payload_offset = 0; // of the protected-mode part in the file
    std::uint64_t payload_size = 0;
};

Result<::setup_header> read_header(const ImageFile& file) {
    auto jump = file.read_value<std::array<std::uint8_t, 2>>(0x200, "bzImage setup header");
    if (!jump) return std::move(jump).error();
    const std::uint64_t end = length_base + (*jump)[1];
    constexpr std::uint64_t needed = header_start + offsetof(::setup_header, init_size) + 4;
    if (end < needed) {
        return file.refuse(fmt::format("the bzImage setup header ends at {:#x}, before init_size at {:#x}",
                                       end, needed - 4));
    }
    ::setup_header header{};
    const auto bytes = std::as_writable_bytes(std::span{&header, 1});
    auto done =
        file.read(header_start, bytes.first(std::min<std::uint64_t>(end - header_start, bytes.size())),
                  "bzImage setup header");
    if (!done) return std::move(done).error();
    return header;
}

Result<void> check_header(const ImageFile& file, const ::setup_header& header) {
    const std::string rebuild = "use a 64-bit x86 kernel of version 3.8 or later";
    const unsigned version = header.version;
    if (header.boot_flag != 0xaa55) {
        return file.refuse(
            fmt::format("the bzImage boot flag is {:#06x}, not 0xaa55", unsigned{header.boot_flag}));
    }
    if (version < oldest_protocol) {
        return file.refuse(
            fmt::format("boot protocol {}.{:02} is too old, 2.12 is needed", version >> 8, version & 0xff),
            rebuild);
    }
    if ((header.xloadflags & XLF_KERNEL_64) == 0) {
        return file.refuse("the kernel has no 64-bit entry point (XLF_KERNEL_64 is not set)", rebuild);
    }
    if ((header.loadflags & LOADED_HIGH) == 0) {
        return file.refuse("this is a zImage, loaded below 1 MiB; only bzImage is known", rebuild);
    }
    if (!std::has_single_bit(std::uint32_t{header.kernel_alignment})) {
        return file.refuse(fmt::format("the kernel alignment {:#x} in the setup header is no power of two",
                                       std::uint32_t{header.kernel_alignment}));
    }
    return {};
}

Result<Header> parse(const ImageFile& file) {
    auto fields = read_header(file);
    if (!fields) return std::move(fields).error();
    auto valid = check_header(file, *fields);
    if (!valid) return std::move(valid).error();

    const std::uint64_t sectors = fields->setup_sects == 0 ? 4 : fields->setup_sects;
    Header header{.fields = *fields, .payload_offset = (sectors + 1) * sector, .payload_size = 0};
    if (!file.contains(header.payload_offset, shortest_payload)) {
        return file.refuse(
            fmt::format("truncated: the kernel proper starts at {:#x}, but the file has {} bytes",
                        header.payload_offset, file.size()));
    }
    header.payload_size = file.size() - header.payload_offset;
    // syssize counts 16-byte paragraphs, to which the kernel's build pads the file. Signatures may follow.
    const std::uint64_t stated = std::uint64_t{fields->syssize} * 16;
    if (stated > header.payload_size) {
        return file.refuse(
            fmt::format("truncated: the setup header states {} bytes of kernel, the file has {}", stated,
                        header.payload_size));
    }
    return header;
}

// Linux decompresses itself to pref_address even when it was loaded below, so that is the lowest address
// at which init_size bytes are of any use.
Result<std::uint64_t> choose_address(const BootContext& context, const Header& header, std::uint64_t needed) {
    const std::uint64_t preferred = header.fields.pref_address;
    const auto& space = context.space;
    auto address = space.find_lowest(needed, 1, preferred, space.end());
    if (address && *address == preferred) return preferred;
    if (header.fields.relocatable_kernel != 0) {
        address = space.find_lowest(needed, header.fields.kernel_alignment,
                                    std::max(preferred, layout::high_memory), space.end());
        if (address) return *address;
    }
    return context.kernel.refuse(
        fmt::format(
            "the kernel needs {:#x} free bytes of guest memory at {:#x}{}, but low memory ends at {:#x}",
            needed, preferred, header.fields.relocatable_kernel != 0 ? " or above" : "", space.end()),
        "give the VM more memory");
}

// What `file` calls itself: offset from 0x200 of a NUL-terminated text. Hostile as everything in the file, so
// only the first word of printable characters is used.
std::string version_text(const ImageFile& file, const Header& header) {
    if (header.fields.kernel_version == 0) return "";
    const std::uint64_t offset = std::uint64_t{header.fields.kernel_version} + 0x200;
    if (offset >= header.payload_offset) return "";
    std::array<char, 64> text{};
    const auto length = std::min<std::uint64_t>(text.size(), header.payload_offset - offset);
    if (!file.read(offset, std::as_writable_bytes(std::span{text}).first(length), "version")) return "";
    std::string word;
    for (const char c : text) {
        if (c <= ' ' || c > '~') break;
        word += c;
    }
    return word.empty() ? word : word + " ";
}

} // namespace

bool is_bzimage(const ImageFile& file) {
    if (!file.contains(magic_offset, sizeof(header_magic))) return false;
    const auto magic = file.read_value<std::uint32_t>(magic_offset, "bzImage magic");
    return magic && *magic == header_magic;
}

Result<LoadedKernel> load_bzimage(BootContext& context) {
    const ImageFile& file = context.kernel;
    auto header = parse(file);
    if (!header) return std::move(header).error();
    auto entry = prepare_linux_entry(context);
    if (!entry) return std::move(entry).error();

    const auto needed = std::max<std::uint64_t>(header->fields.init_size, header->payload_size);
    auto address = choose_address(context, *header, needed);
    if (!address) return std::move(address).error();
    auto target = context.space.claim(*address, needed, "the kernel");
    if (!target) return with_context(file.path(), std::move(target).error());
    auto done = file.read(header->payload_offset, target->first(header->payload_size), "kernel proper");
    if (done) done = place_command_line(context, header->fields.cmdline_size);
    if (!done) return std::move(done).error();
    auto initrd = place_initrd(context, header->fields.initrd_addr_max);
    if (!initrd) return std::move(initrd).error();
    done = write_zero_page(context, header->fields, *initrd);
    if (!done) return std::move(done).error();

    entry->rip = *address + entry_64_offset;
    const unsigned version = header->fields.version;
    return LoadedKernel{.entry = *entry,
                        .summary =
                            fmt::format("Linux {}bzImage, boot protocol {}.{:02}, at {:#x}",
                                        version_text(file, *header), version >> 8, version & 0xff, *address)};
}

} // namespace plugbay::core
