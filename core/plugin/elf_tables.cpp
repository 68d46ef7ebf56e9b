// The dynamic segment's tables: symbols and relocations.
#include "core/plugin/elf_detail.hpp"

#include <algorithm>
#include <array>

namespace plugbay::core {

namespace {

constexpr std::uint64_t most_dynamic_entries = 1024;
constexpr std::uint64_t most_symbols = 1 << 16;
constexpr std::uint64_t most_relocations = 1 << 20;
constexpr std::size_t longest_symbol = 256; // for notes; longer ones are cut
constexpr std::size_t longest_library = 4096;
constexpr std::uint16_t hidden_version = 0x8000;

} // namespace

Result<ElfImage::Dynamic> ElfImage::read_dynamic(std::uint64_t address, std::uint64_t size) {
    Dynamic dynamic;
    std::uint64_t symbol_size = sizeof(Elf64_Sym);
    std::uint64_t relocation_size = sizeof(Elf64_Rela);
    std::uint64_t packed_size = sizeof(std::uint64_t);
    const std::uint64_t count = std::min(size / sizeof(Elf64_Dyn), most_dynamic_entries);
    for (std::uint64_t index = 0; index < count; ++index) {
        Elf64_Dyn entry{};
        if (!read(address + index * sizeof entry, &entry, sizeof entry)) {
            return elf::malformed("its dynamic segment is outside of its loaded segments");
        }
        const std::uint64_t value = entry.d_un.d_val;
        if (entry.d_tag == DT_NULL) break;
        if (entry.d_tag == DT_SYMTAB) dynamic.symbols = value;
        if (entry.d_tag == DT_SYMENT) symbol_size = value;
        if (entry.d_tag == DT_STRTAB) dynamic.strings = value;
        if (entry.d_tag == DT_STRSZ) dynamic.strings_size = value;
        if (entry.d_tag == DT_HASH) dynamic.hash = value;
        if (entry.d_tag == DT_GNU_HASH) dynamic.gnu_hash = value;
        if (entry.d_tag == DT_RELA) dynamic.relocations = value;
        if (entry.d_tag == DT_RELASZ) dynamic.relocations_size = value;
        if (entry.d_tag == DT_RELAENT) relocation_size = value;
        if (entry.d_tag == DT_RELR) dynamic.packed = value;
        if (entry.d_tag == DT_RELRSZ) dynamic.packed_size = value;
        if (entry.d_tag == DT_RELRENT) packed_size = value;
        if (entry.d_tag == DT_FLAGS_1) dynamic.flags = value;
        if (entry.d_tag == DT_VERSYM) dynamic.versions = value;
        if (entry.d_tag == DT_NEEDED) dynamic.needed.push_back(value);
        if (entry.d_tag == DT_TEXTREL || (entry.d_tag == DT_FLAGS && (value & DF_TEXTREL) != 0))
            dynamic.text_relocations = true;
    }
    if (symbol_size != sizeof(Elf64_Sym) || relocation_size != sizeof(Elf64_Rela) ||
        packed_size != sizeof(std::uint64_t)) {
        return elf::malformed("entries of its dynamic tables have sizes that x86-64 does not use");
    }
    if (dynamic.symbols == 0 || dynamic.strings == 0) return elf::malformed("it has no dynamic symbol table");
    if (!contains(dynamic.strings, dynamic.strings_size)) {
        return elf::malformed("its table of symbol names is outside of its loaded segments");
    }
    return dynamic;
}

Result<std::uint64_t> ElfImage::count_symbols(const Dynamic& dynamic) {
    if (dynamic.gnu_hash != 0) return count_gnu_hash(dynamic.gnu_hash);
    std::array<std::uint32_t, 2> header{}; // buckets, chains
    if (dynamic.hash == 0 || !read(dynamic.hash, header.data(), sizeof header)) {
        return elf::malformed("it has no hash table of its symbols");
    }
    return std::uint64_t{header[1]};
}

// The table does not say how many symbols there are: the last one is where the chain of the last bucket ends.
Result<std::uint64_t> ElfImage::count_gnu_hash(std::uint64_t address) {
    std::array<std::uint32_t, 4> header{}; // buckets, first hashed symbol, filter words, shift
    if (!read(address, header.data(), sizeof header) || header[0] > most_symbols) {
        return elf::malformed("the hash table of its symbols cannot be read");
    }
    const std::uint64_t buckets = address + sizeof header + std::uint64_t{header[2]} * sizeof(std::uint64_t);
    const std::uint64_t chains = buckets + std::uint64_t{header[0]} * sizeof(std::uint32_t);
    std::vector<std::uint32_t> first(header[0]);
    if (!first.empty() && !read(buckets, first.data(), first.size() * sizeof(std::uint32_t))) {
        return elf::malformed("the hash table of its symbols is outside of its loaded segments");
    }
    std::uint64_t last = first.empty() ? 0 : *std::max_element(first.begin(), first.end());
    if (last < header[1]) return std::uint64_t{header[1]};
    for (; last < most_symbols; ++last) {
        std::uint32_t hash = 0;
        if (!read(chains + (last - header[1]) * sizeof hash, &hash, sizeof hash)) {
            return elf::malformed("the hash table of its symbols does not end");
        }
        if ((hash & 1) != 0) break;
    }
    return last + 1;
}

Result<void> ElfImage::read_exports(const Dynamic& dynamic) {
    const auto count = count_symbols(dynamic);
    if (!count) return count.error();
    if (*count > most_symbols) {
        return elf::malformed("it has more than " + std::to_string(most_symbols) + " dynamic symbols");
    }
    std::vector<Elf64_Sym> symbols(*count);
    if (!symbols.empty() && !read(dynamic.symbols, symbols.data(), symbols.size() * sizeof symbols[0])) {
        return elf::malformed("its symbol table is outside of its loaded segments");
    }
    for (std::size_t index = 0; index < symbols.size(); ++index) {
        const Elf64_Sym& symbol = symbols[index];
        const unsigned char binding = ELF64_ST_BIND(symbol.st_info);
        const unsigned char type = ELF64_ST_TYPE(symbol.st_info);
        const unsigned char visibility = ELF64_ST_VISIBILITY(symbol.st_other);
        const bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS;
        const bool visible = visibility == STV_DEFAULT || visibility == STV_PROTECTED;
        if (symbol.st_shndx == SHN_UNDEF && binding != STB_LOCAL) {
            // 0 and 1: local and global, of no version.
            std::uint16_t version = 0;
            const bool versioned = dynamic.versions != 0 &&
                                   read(dynamic.versions + index * sizeof version, &version, sizeof version);
            imports_.push_back({.name = symbol.st_name,
                                .is_weak = binding == STB_WEAK,
                                .has_version = versioned && (version & ~hidden_version) > VER_NDX_GLOBAL});
        }
        if (!defined || !visible || binding == STB_LOCAL) continue;
        if (symbol.st_name >= dynamic.strings_size) {
            return elf::malformed("the name of a symbol is outside of its table of names");
        }
        exports_.push_back({.address = symbol.st_value,
                            .name = symbol.st_name,
                            .is_data = type == STT_OBJECT || type == STT_NOTYPE,
                            .is_unique = binding == STB_GNU_UNIQUE});
    }
    return {};
}

bool ElfImage::has_name(std::uint32_t symbol_name, std::string_view name) {
    std::string found(name.size() + 1, '\0');
    return read(symbol_names_ + symbol_name, found.data(), found.size()) && found.back() == '\0' &&
           found.compare(0, name.size(), name) == 0;
}

const ExportedSymbol* ElfImage::find_export(std::string_view name) {
    for (const ExportedSymbol& symbol : exports_) {
        if (has_name(symbol.name, name)) return &symbol;
    }
    return nullptr;
}

bool ElfImage::imports(std::string_view name) {
    return std::any_of(imports_.begin(), imports_.end(),
                       [&](const ImportedSymbol& symbol) { return has_name(symbol.name, name); });
}

std::string ElfImage::symbol_name(std::uint32_t name) {
    std::string result;
    if (text(symbol_names_ + name, longest_symbol, result) == Text::outside) result.clear();
    return result;
}

Result<void> ElfImage::read_needed(const Dynamic& dynamic) {
    for (const std::uint64_t name : dynamic.needed) {
        std::string library;
        if (name >= dynamic.strings_size ||
            text(dynamic.strings + name, longest_library, library) != Text::good)
            return elf::malformed("the name of a library that it needs is outside of its table of names");
        needed_.push_back(std::move(library));
    }
    return {};
}

Result<void> ElfImage::read_relocations(const Dynamic& dynamic) {
    const std::uint64_t count = dynamic.relocations_size / sizeof(Elf64_Rela);
    if (dynamic.relocations == 0 || count == 0) return {};
    if (count > most_relocations || !contains(dynamic.relocations, dynamic.relocations_size)) {
        return elf::malformed("its " + std::to_string(count) +
                              " relocations are outside of its loaded segments");
    }
    std::vector<Elf64_Rela> table(count);
    if (!read(dynamic.relocations, table.data(), table.size() * sizeof table[0])) {
        return elf::malformed("its relocations cannot be read");
    }
    relocations_.reserve(relocations_.size() + count);
    for (const Elf64_Rela& entry : table) {
        relocations_.push_back({.address = entry.r_offset,
                                .addend = static_cast<std::uint64_t>(entry.r_addend),
                                .type = static_cast<std::uint32_t>(ELF64_R_TYPE(entry.r_info)),
                                .symbol = static_cast<std::uint32_t>(ELF64_R_SYM(entry.r_info))});
    }
    return {};
}

// DT_RELR: an even word is an address; an odd one is a bitmap of the 63 words that follow the last address.
Result<void> ElfImage::read_packed_relocations(const Dynamic& dynamic) {
    const std::uint64_t count = dynamic.packed_size / sizeof(std::uint64_t);
    if (dynamic.packed == 0 || count == 0) return {};
    if (!contains(dynamic.packed, dynamic.packed_size)) {
        return elf::malformed("its packed relocations are outside of its loaded segments");
    }
    std::uint64_t next = 0;
    const auto add = [this](std::uint64_t address) {
        relocations_.push_back({.address = address, .addend = 0, .type = elf::packed_relative, .symbol = 0});
    };
    for (std::uint64_t index = 0; index < count; ++index) {
        std::uint64_t word = 0;
        if (!read(dynamic.packed + index * sizeof word, &word, sizeof word)) {
            return elf::malformed("its packed relocations cannot be read");
        }
        if (relocations_.size() + 63 > most_relocations) {
            return elf::malformed("it has more than " + std::to_string(most_relocations) + " relocations");
        }
        if ((word & 1) == 0) {
            add(word);
            next = word + sizeof word;
            continue;
        }
        for (unsigned bit = 0; bit < 63; ++bit) {
            if ((word >> (bit + 1) & 1) != 0) add(next + bit * sizeof word);
        }
        next += 63 * sizeof word;
    }
    return {};
}

} // namespace plugbay::core
