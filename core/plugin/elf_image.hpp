// An x86-64 ELF shared object as it would look in memory at address 0, read from its file and never loaded.
// Trusts nothing in the file: every address is looked up in the checked list of loadable segments.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/file_bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <elf.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// What a pointer in the image will hold once the object is loaded.
struct ImagePointer {
    enum class Kind {
        null,
        inside,   // `address` in this image
        outside,  // of another object: an imported symbol, or one computed by running code
        absolute, // a number that no relocation turns into an address
    };
    Kind kind = Kind::null;
    std::uint64_t address = 0;
};

// A symbol that other objects could link with.
struct ExportedSymbol {
    std::uint64_t address = 0;
    std::uint32_t name = 0; // for ElfImage::name()
    bool is_data = false;
    bool is_unique = false; // STB_GNU_UNIQUE: keeps the library from ever being unloaded
};

// A symbol that it wants from other objects.
struct ImportedSymbol {
    std::uint32_t name = 0;   // for ElfImage::name()
    bool is_weak = false;     // may stay without a definition
    bool has_version = false; // found in a library with versions when it was linked
};

class ElfImage {
  public:
    enum class Text { good, outside, too_long };

    // Checks the headers and collects symbols and relocations. Error messages continue "<file> ".
    [[nodiscard]] static Result<ElfImage> open(const std::filesystem::path& file);

    [[nodiscard]] const std::vector<ExportedSymbol>& exports() const { return exports_; }
    [[nodiscard]] const ExportedSymbol* find_export(std::string_view name);
    // Cut if it is very long; empty if it cannot be read.
    [[nodiscard]] std::string name(const ExportedSymbol& symbol) { return symbol_name(symbol.name); }
    [[nodiscard]] const std::vector<ImportedSymbol>& imported() const { return imports_; }
    [[nodiscard]] std::string name(const ImportedSymbol& symbol) { return symbol_name(symbol.name); }
    // Whether it wants a symbol of that name from other objects.
    [[nodiscard]] bool imports(std::string_view name);
    // The libraries that are loaded with it (DT_NEEDED), as it names them.
    [[nodiscard]] const std::vector<std::string>& needed() const { return needed_; }
    // Linked so that it is never unloaded (-z nodelete).
    [[nodiscard]] bool is_never_unloaded() const { return is_never_unloaded_; }
    // Has variables of its own for each thread (PT_TLS).
    [[nodiscard]] bool has_thread_locals() const { return has_thread_locals_; }
    // Wants stacks that can run code (PT_GNU_STACK): the dynamic loader makes all of the process's so.
    [[nodiscard]] bool has_executable_stack() const { return has_executable_stack_; }
    // Is written in its code when it is loaded (DT_TEXTREL).
    [[nodiscard]] bool has_text_relocations() const { return has_text_relocations_; }
    // The linker's build id in hexadecimal; empty: none.
    [[nodiscard]] const std::string& note_id() const { return note_id_; }
    // Of the file, in bytes.
    [[nodiscard]] std::uint64_t file_size() const { return file_.size(); }
    // NUL-terminated texts of at most `longest` bytes in what is loaded that begin with `prefix`; sorted, each once.
    [[nodiscard]] std::vector<std::string> texts_with_prefix(std::string_view prefix, std::size_t longest);

    // True when `length` bytes at `address` are in one segment.
    [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length) const;

    // False unless contains(). Pointers come out as they are in the file: use pointer() for those.
    [[nodiscard]] bool read(std::uint64_t address, void* target, std::size_t length);
    [[nodiscard]] bool pointer(std::uint64_t address, ImagePointer& result);

    // The NUL-terminated text at `address`, if it has at most `limit` bytes.
    [[nodiscard]] Text text(std::uint64_t address, std::size_t limit, std::string& result);

  private:
    struct Segment {
        std::uint64_t address, memory_size, offset, file_size;
    };
    struct Relocation {
        std::uint64_t address;
        std::uint64_t addend;
        std::uint32_t type;
        std::uint32_t symbol;
    };
    struct Dynamic;

    explicit ElfImage(FileBytes file) : file_(std::move(file)) {}
    [[nodiscard]] std::string symbol_name(std::uint32_t name);
    [[nodiscard]] bool has_name(std::uint32_t symbol_name, std::string_view name);
    const Segment* segment(std::uint64_t address) const;
    void read_note(std::uint64_t offset, std::uint64_t size);
    Result<void> read_needed(const Dynamic& dynamic);
    Result<void> read_headers(std::uint64_t& dynamic_address, std::uint64_t& dynamic_size);
    Result<void> read_program_headers(const Elf64_Ehdr& header, std::uint64_t& dynamic_address,
                                      std::uint64_t& dynamic_size);
    Result<Dynamic> read_dynamic(std::uint64_t address, std::uint64_t size);
    Result<std::uint64_t> count_symbols(const Dynamic& dynamic);
    Result<std::uint64_t> count_gnu_hash(std::uint64_t address);
    Result<void> read_exports(const Dynamic& dynamic);
    Result<void> read_relocations(const Dynamic& dynamic);
    Result<void> read_packed_relocations(const Dynamic& dynamic);

    FileBytes file_;
    std::vector<Segment> segments_;
    std::vector<ExportedSymbol> exports_;
    std::vector<ImportedSymbol> imports_;
    std::vector<std::string> needed_;
    std::vector<Relocation> relocations_; // by address; of equal ones the last counts
    std::uint64_t symbol_table_ = 0;
    std::uint64_t symbol_names_ = 0;
    std::string note_id_;
    bool is_never_unloaded_ = false;
    bool has_thread_locals_ = false;
    bool has_executable_stack_ = true; // unless it says otherwise
    bool has_text_relocations_ = false;
};

} // namespace plugbay::core
