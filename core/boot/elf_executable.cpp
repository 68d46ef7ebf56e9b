#include "core/boot/elf_executable.hpp"

#include <algorithm>
#include <array>
#include <elf.h>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::uint64_t segment_limit = 128;
constexpr std::uint64_t notes_limit = 1 << 20; // bytes
constexpr std::uint32_t phys32_entry_note = 18;

bool wraps(std::uint64_t start, std::uint64_t length) {
    return start > ~std::uint64_t{0} - length;
}

template <typename FileHeader, typename ProgramHeader>
Result<ElfExecutable> parse_class(const ImageFile& file, bool is_64) {
    auto header = file.read_value<FileHeader>(0, "ELF header");
    if (!header) return std::move(header).error();
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN) {
        return file.refuse(fmt::format("the ELF type is {}, not an executable", header->e_type),
                           "give the linked kernel, not an object file or a core dump");
    }
    if (header->e_machine != EM_386 && header->e_machine != EM_X86_64) {
        return file.refuse(fmt::format("the ELF machine is {}, not x86", header->e_machine),
                           "build the kernel for x86");
    }
    if (header->e_phentsize != sizeof(ProgramHeader)) {
        return file.refuse(fmt::format("an ELF program header has {} bytes, {} are expected",
                                       header->e_phentsize, sizeof(ProgramHeader)));
    }
    if (header->e_phnum == 0 || header->e_phnum > segment_limit) {
        return file.refuse(fmt::format("the ELF header states {} program headers, 1 to {} are possible",
                                       header->e_phnum, segment_limit));
    }
    std::array<ProgramHeader, segment_limit> headers{};
    const auto segments = std::span{headers}.first(header->e_phnum);
    auto done = file.read(header->e_phoff, std::as_writable_bytes(segments), "ELF program headers");
    if (!done) return std::move(done).error();

    ElfExecutable image{.is_64 = is_64, .entry = header->e_entry, .loads = {}, .notes = {}};
    std::size_t index = 0;
    for (const auto& segment : segments) {
        const std::size_t number = index++;
        if (segment.p_type != PT_LOAD && segment.p_type != PT_NOTE) continue;
        if (!file.contains(segment.p_offset, segment.p_filesz)) {
            return file.refuse(fmt::format(
                "truncated: ELF segment {} takes {:#x} bytes from offset {:#x}, the file has {:#x}", number,
                segment.p_filesz, segment.p_offset, file.size()));
        }
        const ElfSegment found{.file_offset = segment.p_offset,
                               .file_size = segment.p_filesz,
                               .virtual_address = segment.p_vaddr,
                               .physical_address = segment.p_paddr,
                               .memory_size = segment.p_memsz,
                               .alignment = segment.p_align};
        if (segment.p_type == PT_NOTE) {
            image.notes.push_back(found);
            continue;
        }
        if (found.file_size > found.memory_size) {
            return file.refuse(fmt::format("ELF segment {} has {:#x} bytes in the file, but {:#x} in memory",
                                           number, found.file_size, found.memory_size));
        }
        if (wraps(found.physical_address, found.memory_size) ||
            wraps(found.virtual_address, found.memory_size)) {
            return file.refuse(fmt::format("ELF segment {} of {:#x} bytes at {:#x} passes the end of memory",
                                           number, found.memory_size, found.physical_address));
        }
        if (found.memory_size != 0) image.loads.push_back(found);
    }
    if (image.loads.empty()) return file.refuse("the ELF file has no segment to load");
    return image;
}

// One PT_NOTE: Elf64_Nhdr and Elf32_Nhdr are the same.
Result<std::optional<std::uint32_t>> search_notes(const ImageFile& file, const ElfSegment& segment) {
    if (segment.file_size > notes_limit) {
        return file.refuse(fmt::format("the ELF notes have {:#x} bytes, more than {:#x} is absurd",
                                       segment.file_size, notes_limit));
    }
    std::vector<std::byte> notes(segment.file_size);
    auto done = file.read(segment.file_offset, notes, "ELF notes");
    if (!done) return std::move(done).error();

    const std::uint64_t unit = segment.alignment == 8 ? 8 : 4;
    const auto padded = [unit](std::uint64_t size) { return (size + unit - 1) / unit * unit; };
    std::uint64_t at = 0;
    while (notes.size() - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note{};
        std::memcpy(&note, notes.data() + at, sizeof(note));
        const std::uint64_t name = at + sizeof(note);
        const std::uint64_t content = at + padded(sizeof(note) + std::uint64_t{note.n_namesz});
        if (content > notes.size() || note.n_descsz > notes.size() - content) {
            return file.refuse(fmt::format("the ELF note at offset {:#x} passes the end of its segment",
                                           segment.file_offset + at));
        }
        if (note.n_type == phys32_entry_note && note.n_namesz == 4 &&
            std::memcmp(notes.data() + name, "Xen", 4) == 0) {
            std::uint64_t entry = 0;
            if (note.n_descsz != 4 && note.n_descsz != 8) {
                return file.refuse(
                    fmt::format("the PVH entry note has {} bytes, 4 or 8 are possible", note.n_descsz));
            }
            std::memcpy(&entry, notes.data() + content, note.n_descsz);
            if (entry > 0xffff'ffff) {
                return file.refuse(fmt::format("the PVH entry {:#x} is no 32-bit address", entry));
            }
            return std::optional{static_cast<std::uint32_t>(entry)};
        }
        const std::uint64_t next = content + padded(note.n_descsz);
        if (next >= notes.size()) break;
        at = next;
    }
    return std::optional<std::uint32_t>{};
}

} // namespace

bool is_elf(const ImageFile& file) {
    if (!file.contains(0, SELFMAG)) return false;
    const auto magic = file.read_value<std::array<char, SELFMAG>>(0, "ELF magic");
    return magic && std::memcmp(magic->data(), ELFMAG, SELFMAG) == 0;
}

Result<ElfExecutable> parse_elf(const ImageFile& file) {
    auto identity = file.read_value<std::array<unsigned char, EI_NIDENT>>(0, "ELF identification");
    if (!identity) return std::move(identity).error();
    if (std::memcmp(identity->data(), ELFMAG, SELFMAG) != 0) return file.refuse("is not an ELF file");
    if ((*identity)[EI_DATA] != ELFDATA2LSB) {
        return file.refuse("the ELF file is not little-endian", "build the kernel for x86");
    }
    switch ((*identity)[EI_CLASS]) {
    case ELFCLASS64:
        return parse_class<Elf64_Ehdr, Elf64_Phdr>(file, true);
    case ELFCLASS32:
        return parse_class<Elf32_Ehdr, Elf32_Phdr>(file, false);
    default:
        return file.refuse(fmt::format("the ELF class is {}, 1 or 2 is expected", (*identity)[EI_CLASS]));
    }
}

Result<std::optional<std::uint32_t>> find_pvh_entry(const ImageFile& file, const ElfExecutable& image) {
    for (const auto& segment : image.notes) {
        auto entry = search_notes(file, segment);
        if (!entry || *entry) return entry;
    }
    return std::optional<std::uint32_t>{};
}

Result<void> load_segments(BootContext& context, const ElfExecutable& image) {
    for (const auto& segment : image.loads) {
        auto target = context.space.claim(segment.physical_address, segment.memory_size, "an ELF segment");
        if (!target) return with_context(context.kernel.path(), std::move(target).error());
        auto done = context.kernel.read(segment.file_offset, target->first(segment.file_size), "ELF segment");
        if (!done) return done;
        std::ranges::fill(target->subspan(segment.file_size), std::byte{0});
    }
    return {};
}

bool in_segments(const ElfExecutable& image, std::uint64_t physical_address) {
    return std::ranges::any_of(image.loads, [physical_address](const ElfSegment& segment) {
        return physical_address >= segment.physical_address &&
               physical_address - segment.physical_address < segment.memory_size;
    });
}

Result<std::uint64_t> physical_entry(const ImageFile& file, const ElfExecutable& image) {
    if (in_segments(image, image.entry)) return image.entry;
    for (const auto& segment : image.loads) {
        if (image.entry >= segment.virtual_address &&
            image.entry - segment.virtual_address < segment.memory_size) {
            return segment.physical_address + (image.entry - segment.virtual_address);
        }
    }
    return file.refuse(fmt::format("the ELF entry {:#x} is in no loaded segment", image.entry));
}

} // namespace plugbay::core
