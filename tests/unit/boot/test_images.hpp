// Minimal valid kernel images, built in memory for the tests to damage.
#pragma once

#include "core/boot/load_image.hpp"

#include <array>
#include <cstring>
#include <elf.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace plugbay::core::test {

using Image = std::vector<std::uint8_t>;

template <typename T>
void put(Image& image, std::size_t offset, T value) {
    if (image.size() < offset + sizeof(T)) image.resize(offset + sizeof(T));
    std::memcpy(image.data() + offset, &value, sizeof(T));
}

// A file without a name on disk, opened by its path below /proc.
class MemoryFile {
  public:
    explicit MemoryFile(const Image& content) : fd_(::memfd_create("image", MFD_CLOEXEC)) { write(content); }

    void write(const Image& content) {
        if (::ftruncate(fd_.get(), 0) != 0) std::abort();
        const auto count = ::pwrite(fd_.get(), content.data(), content.size(), 0);
        if (count != static_cast<ssize_t>(content.size())) std::abort();
    }
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

  private:
    UniqueFd fd_;
};

inline constexpr std::uint32_t bzimage_address = 0x100000;
inline constexpr std::size_t bzimage_payload = 0x400; // offset in the file: one setup sector
inline constexpr std::size_t bzimage_payload_size = 0x800;

inline Image bzimage() {
    Image image(bzimage_payload + bzimage_payload_size);
    image[0x1f1] = 1;                                            // setup_sects
    put<std::uint32_t>(image, 0x1f4, bzimage_payload_size / 16); // syssize
    put<std::uint16_t>(image, 0x1fe, 0xaa55);                    // boot_flag
    put<std::uint16_t>(image, 0x200, 0x6aeb);                    // jump: header ends at 0x26c
    put<std::uint32_t>(image, 0x202, 0x53726448);                // "HdrS"
    put<std::uint16_t>(image, 0x206, 0x020f);                    // version
    put<std::uint16_t>(image, 0x20e, 0x100);                     // kernel_version at 0x300
    image[0x211] = 1;                                            // LOADED_HIGH
    put<std::uint32_t>(image, 0x22c, 0x7fffffff);                // initrd_addr_max
    put<std::uint32_t>(image, 0x230, 0x1000);                    // kernel_alignment
    image[0x234] = 1;                                            // relocatable_kernel
    put<std::uint16_t>(image, 0x236, 1);                         // XLF_KERNEL_64
    put<std::uint32_t>(image, 0x238, 255);                       // cmdline_size
    put<std::uint64_t>(image, 0x258, bzimage_address);           // pref_address
    put<std::uint32_t>(image, 0x260, 0x4000);                    // init_size
    std::memcpy(image.data() + 0x300, "6.1.0-test (a@b) #1", 20);
    for (std::size_t i = bzimage_payload; i < image.size(); ++i)
        image[i] = static_cast<std::uint8_t>(i * 7);
    return image;
}

struct ElfOptions {
    std::uint64_t virtual_base = 0;
    std::uint64_t entry = 0x100010;
    std::uint64_t address = 0x100000;
    std::uint64_t memory_size = 0x800;
    bool pvh_note = false;
    bool multiboot_header = false;
    std::uint32_t multiboot_flags = 3;
};

inline constexpr std::size_t elf_content = 0x200; // offset of the segment in the file
inline constexpr std::size_t elf_content_size = 0x100;

template <typename FileHeader, typename ProgramHeader>
Image make_elf(const ElfOptions& options) {
    constexpr bool is_64 = sizeof(FileHeader) == sizeof(Elf64_Ehdr);
    Image image(elf_content + elf_content_size);
    FileHeader header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = is_64 ? ELFCLASS64 : ELFCLASS32;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = is_64 ? EM_X86_64 : EM_386;
    header.e_version = EV_CURRENT;
    header.e_entry = static_cast<decltype(header.e_entry)>(options.entry);
    header.e_phoff = sizeof(FileHeader);
    header.e_ehsize = sizeof(FileHeader);
    header.e_phentsize = sizeof(ProgramHeader);
    header.e_phnum = options.pvh_note ? 2 : 1;
    put(image, 0, header);

    ProgramHeader load{};
    load.p_type = PT_LOAD;
    load.p_offset = elf_content;
    load.p_filesz = elf_content_size;
    load.p_memsz = static_cast<decltype(load.p_memsz)>(options.memory_size);
    load.p_paddr = static_cast<decltype(load.p_paddr)>(options.address);
    load.p_vaddr = static_cast<decltype(load.p_vaddr)>(options.virtual_base + options.address);
    put(image, sizeof(FileHeader), load);
    for (std::size_t i = 0; i < elf_content_size; ++i) {
        image[elf_content + i] = static_cast<std::uint8_t>(i + 1);
    }
    if (options.pvh_note) {
        const std::size_t at = elf_content + elf_content_size;
        const std::array<std::uint32_t, 10> notes{4, 4, 1, 0x554e47, 0, 4, 4, 18, 0x6e6558, 0x100020};
        put(image, at, notes);
        ProgramHeader note{};
        note.p_type = PT_NOTE;
        note.p_offset = at;
        note.p_filesz = sizeof(notes);
        note.p_align = 4;
        put(image, sizeof(FileHeader) + sizeof(ProgramHeader), note);
    }
    if (options.multiboot_header) {
        put<std::uint32_t>(image, elf_content, 0x1badb002);
        put<std::uint32_t>(image, elf_content + 4, options.multiboot_flags);
        put<std::uint32_t>(image, elf_content + 8, 0U - 0x1badb002U - options.multiboot_flags);
    }
    return image;
}

inline Image elf_64(const ElfOptions& options = {}) {
    return make_elf<Elf64_Ehdr, Elf64_Phdr>(options);
}

inline Image elf_32(const ElfOptions& options = {}) {
    return make_elf<Elf32_Ehdr, Elf32_Phdr>(options);
}

inline constexpr std::size_t multiboot_header_offset = 0x40;

// The form with address fields: header at file offset 0x40, image from file offset 0x20 on at 0x100020.
inline Image multiboot_flat() {
    constexpr std::uint32_t flags = 0x10003;
    Image image(0x300);
    for (std::size_t i = 0; i < image.size(); ++i)
        image[i] = static_cast<std::uint8_t>(i * 3 + 1);
    const std::array<std::uint32_t, 8> header{
        0x1badb002, flags, 0U - 0x1badb002U - flags, 0x100040, 0x100020, 0x100200, 0x101000, 0x100080};
    put(image, multiboot_header_offset, header);
    return image;
}

inline std::unique_ptr<GuestMemory> make_memory(std::uint64_t size) {
    auto memory = GuestMemory::create(size);
    if (!memory) std::abort();
    return std::move(*memory);
}

template <typename T>
T peek(const GuestMemory& memory, std::uint64_t address) {
    T value{};
    if (!memory.read(address, std::as_writable_bytes(std::span{&value, 1}))) std::abort();
    return value;
}

inline std::string peek_text(const GuestMemory& memory, std::uint64_t address) {
    std::string text;
    while (const char c = peek<char>(memory, address + text.size()))
        text += c;
    return text;
}

} // namespace plugbay::core::test
