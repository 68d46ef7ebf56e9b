#include "core/plugin/elf_image.hpp"

#include "core/plugin/elf_detail.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace plugbay::core {

namespace {

constexpr std::uint32_t most_program_headers = 128;
constexpr std::uint64_t most_searched = 64 << 20; // bytes, for texts

// A character of a text, and no part of a number or a table that happens to lie before one.
bool is_graphic(char byte) {
    return byte > ' ' && byte < '\x7f';
}

std::string machine_name(std::uint16_t machine, unsigned char elf_class) {
    switch (machine) {
    case EM_386:
        return "i386 (32-bit x86)";
    case EM_X86_64:
        return elf_class == ELFCLASS32 ? "x32 (x86-64 with 32-bit pointers)" : "x86-64";
    case EM_AARCH64:
        return "aarch64 (64-bit ARM)";
    case EM_ARM:
        return "32-bit ARM";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "64-bit PowerPC";
    case EM_S390:
        return "s390";
    default:
        return "machine number " + std::to_string(machine);
    }
}

Error truncated(const std::string& what, std::uint64_t end, std::uint64_t size) {
    return Error{"is truncated: " + what + " reaches to byte " + std::to_string(end) +
                     ", but the file ends at byte " + std::to_string(size),
                 "copy or build the plugin again"};
}

// Machine and kind of object, from the first bytes that all ELF files share.
Result<void> check_identity(const std::array<unsigned char, 20>& start) {
    const unsigned char elf_class = start[EI_CLASS];
    const bool big_endian = start[EI_DATA] == ELFDATA2MSB;
    const auto half = [&](std::size_t at) {
        const unsigned low = start[big_endian ? at + 1 : at];
        const unsigned high = start[big_endian ? at : at + 1];
        return static_cast<std::uint16_t>(high << 8 | low);
    };
    if (half(18) != EM_X86_64 || elf_class == ELFCLASS32 || big_endian) {
        return Error{"was built for " + machine_name(half(18), elf_class) +
                         (big_endian ? ", big-endian" : "") + "; this plugbay needs x86-64",
                     "build the plugin for x86-64"};
    }
    if (elf_class != ELFCLASS64 || start[EI_DATA] != ELFDATA2LSB || start[EI_VERSION] != EV_CURRENT) {
        return elf::malformed("its class, byte order and version are " + std::to_string(elf_class) + ", " +
                              std::to_string(start[EI_DATA]) + " and " + std::to_string(start[EI_VERSION]) +
                              ", not 2, 1 and 1");
    }
    if (half(16) != ET_DYN) {
        const char* kind = half(16) == ET_REL    ? "an object file"
                           : half(16) == ET_EXEC ? "a program"
                           : half(16) == ET_CORE ? "a core dump"
                                                 : "of an unknown kind";
        return Error{std::string("is ") + kind + ", not a shared object", "link the plugin with -shared"};
    }
    return {};
}

} // namespace

Result<ElfImage> ElfImage::open(const std::filesystem::path& file) {
    auto bytes = FileBytes::open(file);
    if (!bytes) return std::move(bytes).error();
    ElfImage image(*std::move(bytes));
    std::uint64_t dynamic_address = 0;
    std::uint64_t dynamic_size = 0;
    if (auto done = image.read_headers(dynamic_address, dynamic_size); !done) return std::move(done).error();
    const auto dynamic = image.read_dynamic(dynamic_address, dynamic_size);
    if (!dynamic) return dynamic.error();
    image.symbol_table_ = dynamic->symbols;
    image.symbol_names_ = dynamic->strings;
    image.is_never_unloaded_ = (dynamic->flags & DF_1_NODELETE) != 0;
    image.has_text_relocations_ = dynamic->text_relocations;
    if (auto done = image.read_needed(*dynamic); !done) return std::move(done).error();
    if (auto done = image.read_exports(*dynamic); !done) return std::move(done).error();
    if (auto done = image.read_packed_relocations(*dynamic); !done) return std::move(done).error();
    if (auto done = image.read_relocations(*dynamic); !done) return std::move(done).error();
    const auto by_address = [](const Relocation& a, const Relocation& b) { return a.address < b.address; };
    if (!std::is_sorted(image.relocations_.begin(), image.relocations_.end(), by_address)) {
        std::stable_sort(image.relocations_.begin(), image.relocations_.end(), by_address);
    }
    return image;
}

Result<void> ElfImage::read_headers(std::uint64_t& dynamic_address, std::uint64_t& dynamic_size) {
    const std::uint64_t size = file_.size();
    if (size == 0) return Error{"is not an ELF file: it is empty"};
    std::array<unsigned char, 20> start{};
    const auto magic_size = static_cast<std::size_t>(std::min<std::uint64_t>(size, SELFMAG));
    if (!file_.read(0, start.data(), magic_size)) return Error{"cannot be read"};
    if (std::memcmp(start.data(), ELFMAG, magic_size) != 0) {
        return Error{"is not an ELF file: it does not start with the bytes 7f 45 4c 46",
                     "a plugin is a shared object, linked with -shared"};
    }
    if (size < sizeof(Elf64_Ehdr)) return truncated("the ELF header", sizeof(Elf64_Ehdr), size);
    if (!file_.read(0, start.data(), start.size())) return Error{"cannot be read"};
    if (auto done = check_identity(start); !done) return done;

    Elf64_Ehdr header{};
    if (!file_.read(0, &header, sizeof header)) return Error{"cannot be read"};
    if (auto done = read_program_headers(header, dynamic_address, dynamic_size); !done) return done;

    // Not needed for loading, but the last thing in the file: its absence shows that the end is missing.
    const std::uint64_t sections_size = std::uint64_t{header.e_shnum} * header.e_shentsize;
    if (header.e_shoff != 0 && (header.e_shoff > size || sections_size > size - header.e_shoff)) {
        return truncated("the section header table", std::max(header.e_shoff, header.e_shoff + sections_size),
                         size);
    }
    return {};
}

Result<void> ElfImage::read_program_headers(const Elf64_Ehdr& header, std::uint64_t& dynamic_address,
                                            std::uint64_t& dynamic_size) {
    const std::uint64_t size = file_.size();
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
        header.e_phnum > most_program_headers) {
        return elf::malformed("it has " + std::to_string(header.e_phnum) + " program headers of " +
                              std::to_string(header.e_phentsize) + " bytes");
    }
    const std::uint64_t table_size = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
    if (header.e_phoff > size || table_size > size - header.e_phoff) {
        return truncated("the program header table", std::max(header.e_phoff, header.e_phoff + table_size),
                         size);
    }
    std::vector<Elf64_Phdr> table(header.e_phnum);
    if (!file_.read(header.e_phoff, table.data(), table_size)) return Error{"cannot be read"};
    bool dynamic = false;
    for (std::size_t index = 0; index < table.size(); ++index) {
        const Elf64_Phdr& entry = table[index];
        if (entry.p_type == PT_DYNAMIC) {
            dynamic = true;
            dynamic_address = entry.p_vaddr;
            dynamic_size = entry.p_memsz;
        }
        if (entry.p_type == PT_TLS) has_thread_locals_ = entry.p_memsz != 0;
        if (entry.p_type == PT_GNU_STACK) has_executable_stack_ = (entry.p_flags & PF_X) != 0;
        if (entry.p_type == PT_NOTE) read_note(entry.p_offset, entry.p_filesz);
        if (entry.p_type != PT_LOAD) continue;
        const std::string name = "segment " + std::to_string(index);
        const std::uint64_t file_end = entry.p_offset + entry.p_filesz;
        const std::uint64_t memory_end = entry.p_vaddr + entry.p_memsz;
        if (file_end < entry.p_offset || memory_end < entry.p_vaddr || entry.p_filesz > entry.p_memsz) {
            return elf::malformed("the sizes of " + name + " make no sense");
        }
        if (file_end > size) return truncated(name, file_end, size);
        segments_.push_back({entry.p_vaddr, entry.p_memsz, entry.p_offset, entry.p_filesz});
    }
    if (!dynamic || segments_.empty()) {
        return Error{"is not a shared object: it has nothing for the dynamic loader",
                     "link the plugin with -shared, and do not strip its program headers"};
    }
    return {};
}

// The build id is one of the notes that linkers write. What cannot be read is no reason to refuse the file: nobody
// loads by it.
void ElfImage::read_note(std::uint64_t offset, std::uint64_t size) {
    constexpr std::uint64_t most = 4096;
    constexpr std::size_t longest_id = 64;
    const auto padded = [](std::uint64_t length) { return (length + 3) / 4 * 4; };
    size = std::min(size, most);
    for (std::uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
        Elf64_Nhdr note{};
        if (!file_.read(offset + at, &note, sizeof note)) return;
        at += sizeof note;
        std::array<char, sizeof ELF_NOTE_GNU> owner{};
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == owner.size() && note.n_descsz <= longest_id &&
            file_.read(offset + at, owner.data(), owner.size()) &&
            std::memcmp(owner.data(), ELF_NOTE_GNU, owner.size()) == 0) {
            std::vector<unsigned char> id(note.n_descsz);
            if (!file_.read(offset + at + padded(note.n_namesz), id.data(), id.size())) return;
            note_id_.clear();
            for (const unsigned char byte : id) {
                constexpr std::string_view digits = "0123456789abcdef";
                note_id_ += digits[byte >> 4];
                note_id_ += digits[byte & 15];
            }
        }
        at += padded(note.n_namesz) + padded(note.n_descsz);
    }
}

const ElfImage::Segment* ElfImage::segment(std::uint64_t address) const {
    for (const Segment& candidate : segments_) {
        if (address >= candidate.address && address - candidate.address < candidate.memory_size) {
            return &candidate;
        }
    }
    return nullptr;
}

bool ElfImage::contains(std::uint64_t address, std::uint64_t length) const {
    const Segment* found = segment(address);
    return found != nullptr && length <= found->memory_size - (address - found->address);
}

bool ElfImage::read(std::uint64_t address, void* target, std::size_t length) {
    const Segment* found = segment(address);
    if (found == nullptr) return false;
    const std::uint64_t start = address - found->address;
    if (length > found->memory_size - start) return false;
    const std::uint64_t in_file = start < found->file_size ? found->file_size - start : 0;
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(length, in_file));
    if (part > 0 && !file_.read(found->offset + start, target, part)) return false;
    std::memset(static_cast<std::byte*>(target) + part, 0, length - part);
    return true;
}

ElfImage::Text ElfImage::text(std::uint64_t address, std::size_t limit, std::string& result) {
    result.clear();
    const Segment* found = segment(address);
    if (found == nullptr) return Text::outside;
    std::uint64_t left = found->memory_size - (address - found->address);
    std::array<char, 128> part{};
    while (left > 0) {
        const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(left, part.size()));
        if (!read(address, part.data(), length)) return Text::outside;
        const void* end = std::memchr(part.data(), 0, length);
        const std::size_t used =
            end == nullptr ? length : static_cast<std::size_t>(static_cast<const char*>(end) - part.data());
        if (used > limit - result.size()) return Text::too_long;
        result.append(part.data(), used);
        if (end != nullptr) return Text::good;
        address += length;
        left -= length;
    }
    return Text::outside;
}

std::vector<std::string> ElfImage::texts_with_prefix(std::string_view prefix, std::size_t longest) {
    std::vector<std::string> found;
    std::vector<char> part(65536);
    std::uint64_t searched = 0;
    for (const Segment& each : segments_) {
        // Parts overlap by a text's length, so that none is cut.
        for (std::uint64_t at = 0; at < each.file_size && searched < most_searched;
             at += part.size() - longest - 1) {
            searched += part.size();
            const auto length =
                static_cast<std::size_t>(std::min<std::uint64_t>(each.file_size - at, part.size()));
            if (!file_.read(each.offset + at, part.data(), length)) break;
            const std::string_view bytes(part.data(), length);
            for (std::size_t begin = bytes.find(prefix); begin != std::string_view::npos;
                 begin = bytes.find(prefix, begin + 1)) {
                const std::size_t end = bytes.find('\0', begin);
                const bool whole = begin == 0 ? at == 0 : !is_graphic(bytes[begin - 1]);
                if (whole && end != std::string_view::npos && end - begin <= longest)
                    found.emplace_back(bytes.substr(begin, end - begin));
            }
        }
    }
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

bool ElfImage::pointer(std::uint64_t address, ImagePointer& result) {
    result = {};
    std::uint64_t stored = 0;
    if (!read(address, &stored, sizeof stored)) return false;
    const auto after = std::upper_bound(
        relocations_.begin(), relocations_.end(), address,
        [](std::uint64_t wanted, const Relocation& candidate) { return wanted < candidate.address; });
    if (after == relocations_.begin() || std::prev(after)->address != address) {
        if (stored != 0) result = {ImagePointer::Kind::absolute, stored};
        return true;
    }
    const Relocation& relocation = *std::prev(after);
    result.kind = ImagePointer::Kind::outside;
    if (relocation.type == elf::packed_relative) {
        result = {ImagePointer::Kind::inside, stored};
    } else if (relocation.type == R_X86_64_RELATIVE) {
        result = {ImagePointer::Kind::inside, relocation.addend};
    } else if (relocation.type == R_X86_64_64) {
        Elf64_Sym symbol{};
        if (!read(symbol_table_ + std::uint64_t{relocation.symbol} * sizeof symbol, &symbol, sizeof symbol)) {
            return false;
        }
        if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS &&
            ELF64_ST_TYPE(symbol.st_info) != STT_GNU_IFUNC && ELF64_ST_TYPE(symbol.st_info) != STT_TLS) {
            result = {ImagePointer::Kind::inside, symbol.st_value + relocation.addend};
        }
    }
    return true;
}

} // namespace plugbay::core
