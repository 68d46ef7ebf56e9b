// Damaged and absurd images: each must be refused with an error that names the file and the fault.
#include "core/boot/load_image.hpp"

#include "tests/temporary_folder.hpp"
#include "tests/unit/boot/test_images.hpp"

#include <functional>
#include <gmock/gmock.h>
#include <sys/stat.h>

namespace plugbay::core {
namespace {

using test::Image;
using test::MemoryFile;
using test::put;
using ::testing::HasSubstr;

constexpr std::uint64_t memory_size = 4 << 20;

struct Case {
    std::string name;
    Image image;
    std::string expected; // part of the message
    BootOptions options = {};
};

void PrintTo(const Case& value, std::ostream* stream) {
    *stream << value.name;
}

Image with(Image image, const std::function<void(Image&)>& change) {
    change(image);
    return image;
}

template <typename T>
Image with(Image image, std::size_t offset, T value) {
    put(image, offset, value);
    return image;
}

Image cut(Image image, std::size_t size) {
    image.resize(size);
    return image;
}

// Offsets of fields in the first program header of test::elf_64 and of its file header.
constexpr std::size_t phdr = sizeof(Elf64_Ehdr);
constexpr std::size_t second_phdr = phdr + sizeof(Elf64_Phdr);
constexpr std::size_t type_field = offsetof(Elf64_Phdr, p_type);
constexpr std::size_t offset_field = offsetof(Elf64_Phdr, p_offset);
constexpr std::size_t file_size_field = offsetof(Elf64_Phdr, p_filesz);
constexpr std::size_t memory_size_field = offsetof(Elf64_Phdr, p_memsz);
constexpr std::size_t physical_field = offsetof(Elf64_Phdr, p_paddr);
constexpr std::size_t virtual_field = offsetof(Elf64_Phdr, p_vaddr);
constexpr std::uint64_t all_ones = ~std::uint64_t{0};
constexpr std::size_t notes = test::elf_content + test::elf_content_size;

std::vector<Case> bzimage_cases() {
    const auto image = test::bzimage();
    const BootOptions linux64{.kernel = {}, .protocol = BootProtocol::linux64};
    return {
        {"cut_in_the_magic", cut(image, 0x204), "neither a Linux bzImage", linux64},
        {"cut_after_the_magic", cut(image, 0x206), "truncated: the bzImage setup header"},
        {"cut_in_init_size", cut(image, 0x262), "truncated: the bzImage setup header"},
        {"cut_before_the_payload", cut(image, 0x400), "truncated: the kernel proper starts at 0x400"},
        {"cut_before_the_entry", cut(image, 0x600), "truncated: the kernel proper starts at 0x400"},
        {"cut_in_the_payload", cut(image, image.size() - 16), "truncated: the setup header states 2048"},
        {"setup_sectors_past_the_end", with<std::uint8_t>(image, 0x1f1, 255), "starts at 0x20000"},
        {"setup_sectors_zero_means_four", with<std::uint8_t>(image, 0x1f1, 0), "starts at 0xa00"},
        {"size_absurd", with<std::uint32_t>(image, 0x1f4, 0xffffffff), "states 68719476720 bytes"},
        {"boot_flag", with<std::uint16_t>(image, 0x1fe, 0), "boot flag is 0x0000"},
        {"header_too_short", with<std::uint8_t>(image, 0x201, 0x20), "setup header ends at 0x222"},
        {"protocol_old", with<std::uint16_t>(image, 0x206, 0x20b), "boot protocol 2.11 is too old"},
        {"no_64_bit_entry", with<std::uint16_t>(image, 0x236, 0), "XLF_KERNEL_64"},
        {"not_loaded_high", with<std::uint8_t>(image, 0x211, 0), "zImage"},
        {"alignment_zero", with<std::uint32_t>(image, 0x230, 0), "alignment 0x0"},
        {"alignment_odd", with<std::uint32_t>(image, 0x230, 0x3000), "no power of two"},
        {"preferred_below_1m_fixed", with(with<std::uint64_t>(image, 0x258, 0x9000), 0x234, std::uint8_t{0}),
         "needs 0x4000 free bytes"},
        {"preferred_past_memory", with<std::uint64_t>(image, 0x258, memory_size),
         "low memory ends at 0x400000"},
        {"preferred_overflows", with<std::uint64_t>(image, 0x258, all_ones), "low memory ends at 0x400000"},
        {"preferred_plus_size_overflows", with<std::uint64_t>(image, 0x258, all_ones - 0x3fff),
         "low memory ends"},
        {"init_size_absurd", with<std::uint32_t>(image, 0x260, 0xffffffff), "needs 0xffffffff free bytes"},
        {"command_line_too_long",
         image,
         "300 bytes, but",
         {.kernel = {}, .command_line = std::string(300, 'x')}},
        {"command_line_with_nul", image, "NUL", {.kernel = {}, .command_line = std::string("a\0b", 3)}},
    };
}

std::vector<Case> elf_cases() {
    const auto image = test::elf_64();
    const auto pvh = test::elf_64({.pvh_note = true});
    const BootOptions want_pvh{.kernel = {}, .protocol = BootProtocol::pvh};
    const BootOptions linux64{.kernel = {}, .protocol = BootProtocol::linux64};
    return {
        {"only_the_magic", cut(image, 4), "truncated: the ELF identification"},
        {"cut_in_the_header", cut(image, 0x3f), "truncated: the ELF header"},
        {"cut_in_the_program_headers", cut(image, phdr + 0x37), "truncated: the ELF program headers"},
        {"cut_in_the_segment", cut(image, image.size() - 1), "truncated: ELF segment 0"},
        {"class_unknown", with<std::uint8_t>(image, EI_CLASS, 3), "ELF class is 3"},
        {"big_endian", with<std::uint8_t>(image, EI_DATA, ELFDATA2MSB), "not little-endian"},
        {"object_file", with<std::uint16_t>(image, offsetof(Elf64_Ehdr, e_type), ET_REL),
         "not an executable"},
        {"arm", with<std::uint16_t>(image, offsetof(Elf64_Ehdr, e_machine), EM_AARCH64), "not x86"},
        {"program_header_size", with<std::uint16_t>(image, offsetof(Elf64_Ehdr, e_phentsize), 32),
         "has 32 bytes"},
        {"no_program_headers", with<std::uint16_t>(image, offsetof(Elf64_Ehdr, e_phnum), 0), "states 0"},
        {"many_program_headers", with<std::uint16_t>(image, offsetof(Elf64_Ehdr, e_phnum), 0xffff),
         "states 65535"},
        {"program_headers_past_the_end", with<std::uint64_t>(image, offsetof(Elf64_Ehdr, e_phoff), 0x10000),
         "truncated: the ELF program headers"},
        {"program_headers_overflow", with<std::uint64_t>(image, offsetof(Elf64_Ehdr, e_phoff), all_ones - 8),
         "truncated: the ELF program headers"},
        {"nothing_to_load", with<std::uint32_t>(image, phdr + type_field, PT_NULL), "no segment to load"},
        {"offset_past_the_end", with<std::uint64_t>(image, phdr + offset_field, 0x10000),
         "truncated: ELF segment 0"},
        {"offset_overflows", with<std::uint64_t>(image, phdr + offset_field, all_ones),
         "truncated: ELF segment 0"},
        {"file_size_overflows", with<std::uint64_t>(image, phdr + file_size_field, all_ones - 0x1ff),
         "truncated: ELF segment 0"},
        {"more_in_file_than_in_memory", with<std::uint64_t>(image, phdr + memory_size_field, 0x80),
         "0x100 bytes in the file, but 0x80 in memory"},
        {"memory_size_absurd", with<std::uint64_t>(image, phdr + memory_size_field, std::uint64_t{1} << 40),
         "needs 0x10000000000 bytes"},
        {"memory_size_overflows", with<std::uint64_t>(image, phdr + memory_size_field, all_ones),
         "passes the end of memory"},
        {"physical_overflows", with<std::uint64_t>(image, phdr + physical_field, all_ones - 0x10),
         "passes the end of memory"},
        {"virtual_overflows", with<std::uint64_t>(image, phdr + virtual_field, all_ones - 0x10),
         "passes the end of memory"},
        {"past_memory", test::elf_64({.entry = 0x500010, .address = 0x500000}),
         "low memory ends at 0x400000"},
        {"on_the_zero_page", test::elf_64({.entry = 0x6f80, .address = 0x6f80}), "overlaps the zero page"},
        {"on_the_page_tables", test::elf_64({.entry = 0xe000, .address = 0xe000}),
         "overlaps the page tables"},
        {"on_the_command_line", test::elf_64({.entry = 0x20000, .address = 0x20000}),
         "overlaps the command line"},
        {"on_the_acpi_tables", test::elf_64({.entry = 0xe0000, .address = 0xe0000}), "firmware and ACPI"},
        {"entry_outside", test::elf_64({.entry = 0x100800}), "entry 0x100800 is in no loaded segment"},
        {"linux64_of_32_bits", test::elf_32(), "is a 32-bit ELF file", linux64},
        {"segments_overlap",
         with(pvh, [](Image& bytes) { std::memcpy(&bytes[second_phdr], &bytes[phdr], sizeof(Elf64_Phdr)); }),
         "overlaps an ELF segment", linux64},
        {"pvh_without_note", image, "has no PVH entry", want_pvh},
        {"pvh_not_elf", test::bzimage(), "is no ELF file", want_pvh},
        {"note_cut", cut(pvh, pvh.size() - 1), "truncated: ELF segment 1"},
        {"note_description_too_long", with<std::uint32_t>(pvh, notes + 20 + 4, 0xfffffffc), "passes the end"},
        {"note_name_too_long", with<std::uint32_t>(pvh, notes, 0xffffffff), "passes the end"},
        {"note_description_size", with<std::uint32_t>(pvh, notes + 20 + 4, 3), "note has 3 bytes"},
        {"pvh_entry_outside", with<std::uint32_t>(pvh, notes + 36, 0x100800), "PVH entry 0x100800 is in no"},
        {"notes_absurd",
         with(pvh,
              [](Image& bytes) {
                  put<std::uint64_t>(bytes, second_phdr + file_size_field, 0x200000);
                  bytes.resize(0x300000);
              }),
         "is absurd"},
    };
}

std::vector<Case> multiboot_cases() {
    const auto image = test::multiboot_flat();
    const BootOptions multiboot{.kernel = {}, .protocol = BootProtocol::multiboot};
    const auto field = [&image](std::size_t index, std::uint32_t value) {
        return with(image, test::multiboot_header_offset + 12 + index * 4, value);
    };
    return {
        {"checksum_wrong", with<std::uint32_t>(image, test::multiboot_header_offset + 8, 0),
         "no multiboot header", multiboot},
        {"header_unaligned", with(image, [](Image& bytes) { bytes.insert(bytes.begin(), 2, 0); }),
         "no multiboot header", multiboot},
        {"header_too_late", with(image, [](Image& bytes) { bytes.insert(bytes.begin(), 8192 - 0x48, 0); }),
         "no multiboot header", multiboot},
        {"cut_in_the_header", cut(image, test::multiboot_header_offset + 11), "no multiboot header",
         multiboot},
        {"cut_in_the_fields", cut(image, test::multiboot_header_offset + 31),
         "truncated: the multiboot address"},
        {"load_above_header", field(1, 0x100041), "cannot be at 0x100040"},
        {"load_before_the_file", field(1, 0xfffff), "cannot be at 0x100040"},
        {"load_end_before_load", field(2, 0x100020), "do not fit"},
        {"load_end_past_the_file", field(2, 0x100301), "do not fit"},
        {"load_end_absurd", field(2, 0xffffffff), "do not fit"},
        {"bss_end_inside", field(3, 0x1001ff), "bss ends at 0x1001ff"},
        {"bss_end_absurd", field(3, 0xffffffff), "low memory ends"},
        {"entry_below", field(4, 0x10001f), "entry 0x10001f is outside"},
        {"entry_above", field(4, 0x101000), "entry 0x101000 is outside"},
        {"no_elf_no_fields",
         with(Image(0x100),
              [](Image& bytes) {
                  put<std::uint32_t>(bytes, 0, 0x1badb002);
                  put<std::uint32_t>(bytes, 4, 3);
                  put<std::uint32_t>(bytes, 8, 0U - 0x1badb005U);
              }),
         "no ELF file and its header has no address fields"},
        {"wants_video", test::elf_32({.multiboot_header = true, .multiboot_flags = 7}),
         "asks for a video mode"},
        {"wants_the_unknown", test::elf_32({.multiboot_header = true, .multiboot_flags = 0x103}),
         "of which 0x100"},
        {"on_the_memory_map", test::elf_32({.entry = 0x800, .address = 0x400, .multiboot_header = true}),
         "overlaps the GDT"},
    };
}

std::vector<Case> other_cases() {
    const BootOptions flat{.kernel = {}, .protocol = BootProtocol::flat};
    const auto flat_at = [](std::uint64_t address, FlatMode mode) {
        return BootOptions{
            .kernel = {}, .protocol = BootProtocol::flat, .flat_address = address, .flat_mode = mode};
    };
    const Image code(0x1000, 0x90);
    return {
        {"empty", {}, "is empty"},
        {"one_byte", {0x7f}, "starts with 7f"},
        {"text", Image(9000, 'x'), "protocol \"flat\""},
        {"elf_32_without_anything", test::elf_32(), "is no kernel known here"},
        {"flat_past_memory", code, "low memory ends", flat_at(memory_size - 0xfff, FlatMode::protected_32)},
        {"flat_overflows", code, "low memory ends", flat_at(all_ones, FlatMode::long_64)},
        {"flat_too_high_for_16_bits", code, "16-bit", flat_at(0x10000, FlatMode::real_16)},
        {"flat_on_the_gdt", code, "overlaps the GDT", flat_at(0, FlatMode::protected_32)},
        {"flat_on_the_page_tables", code, "overlaps the page tables", flat_at(0x8800, FlatMode::long_64)},
        {"flat_into_the_hole", Image(0xa0000 - 0x7c00, 0x90), "firmware and ACPI", flat},
        {"flat_with_command_line",
         code,
         "no command line",
         {.kernel = {}, .command_line = "x", .protocol = BootProtocol::flat}},
    };
}

class MalformedImage : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedImage, IsRefusedWithAReason) {
    const auto memory = test::make_memory(memory_size);
    const MemoryFile file(GetParam().image);
    auto options = GetParam().options;
    options.kernel = file.path();
    const auto loaded = load_image(*memory, options);
    ASSERT_FALSE(loaded) << loaded->summary;
    EXPECT_THAT(loaded.error().text(), HasSubstr(GetParam().expected));
    EXPECT_FALSE(loaded.error().hint.empty()) << loaded.error().message;
    if (GetParam().expected != "NUL") {
        EXPECT_THAT(loaded.error().message, HasSubstr(file.path()));
    }
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(BzImage, MalformedImage, ::testing::ValuesIn(bzimage_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Elf, MalformedImage, ::testing::ValuesIn(elf_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Multiboot, MalformedImage, ::testing::ValuesIn(multiboot_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Other, MalformedImage, ::testing::ValuesIn(other_cases()), case_name);

// No prefix of a valid image is accepted, nor does any make trouble.
TEST(TruncatedImage, EveryPrefixIsRefused) {
    const auto memory = test::make_memory(memory_size);
    for (const auto& image : {test::bzimage(), test::elf_64(), test::elf_64({.pvh_note = true}),
                              test::elf_32({.multiboot_header = true})}) {
        MemoryFile file(image);
        ASSERT_TRUE(load_image(*memory, {.kernel = file.path()}));
        for (std::size_t size = 0; size < image.size(); ++size) {
            file.write(cut(image, size));
            ASSERT_FALSE(load_image(*memory, {.kernel = file.path()})) << size << " of " << image.size();
        }
    }
}

class NamedFile : public ::testing::Test {
  protected:
    std::string refusal(BootOptions options) {
        const auto loaded = load_image(*memory_, options);
        return loaded ? "accepted" : loaded.error().text();
    }

    std::unique_ptr<GuestMemory> memory_ = test::make_memory(memory_size);
};

TEST_F(NamedFile, MissingDirectoryAndPipeAreDistinct) {
    EXPECT_THAT(refusal({.kernel = ""}), HasSubstr("no kernel file is named"));
    EXPECT_THAT(refusal({.kernel = "/nonexistent/vmlinuz"}),
                HasSubstr("cannot open kernel /nonexistent/vmlinuz: No such file"));
    EXPECT_THAT(refusal({.kernel = "/tmp"}), HasSubstr("kernel /tmp is a directory"));
    EXPECT_THAT(refusal({.kernel = "/dev/null"}), HasSubstr("not a regular file"));
    const TemporaryFolder folder;
    const std::string pipe = folder.path("fifo");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_THAT(refusal({.kernel = pipe}), HasSubstr("kernel " + pipe + " is a device, pipe or socket"));
}

TEST_F(NamedFile, InitrdsThatCannotBeLoaded) {
    const MemoryFile kernel(test::bzimage());
    const MemoryFile empty({});
    const MemoryFile large(Image(memory_size - 0x104000 + 1));
    const MemoryFile fitting(Image(memory_size - 0x104000));
    EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = "/nonexistent/initrd"}),
                HasSubstr("cannot open initrd /nonexistent/initrd"));
    EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = empty.path()}), HasSubstr("is empty"));
    EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = large.path()}), HasSubstr("smaller initrd"));
    EXPECT_EQ(refusal({.kernel = kernel.path(), .initrd = fitting.path()}), "accepted");
    auto image = test::bzimage();
    put<std::uint32_t>(image, 0x22c, 0x1fffff);
    const MemoryFile low(image);
    EXPECT_THAT(refusal({.kernel = low.path(), .initrd = fitting.path()}), HasSubstr("and 0x200000"));
}

} // namespace
} // namespace plugbay::core
