#include "core/boot/load_image.hpp"

#include "core/boot/guest_layout.hpp"
#include "tests/unit/boot/test_images.hpp"

#include <asm/bootparam.h>
#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using test::Image;
using test::MemoryFile;
using test::peek;
using test::peek_text;
using ::testing::HasSubstr;
using Mode = CpuEntry::Mode;

constexpr std::uint64_t memory_size = 4 << 20;

class LoadImage : public ::testing::Test {
  protected:
    Result<LoadedImage> load(const Image& image, BootOptions options = {}) {
        kernel_ = std::make_unique<MemoryFile>(image);
        options.kernel = kernel_->path();
        return load_image(*memory_, options);
    }

    bool same(std::uint64_t address, const Image& image, std::size_t offset, std::size_t length) {
        const auto bytes = memory_->map(address, length);
        return std::memcmp(bytes.data(), image.data() + offset, length) == 0;
    }

    std::unique_ptr<GuestMemory> memory_ = test::make_memory(memory_size);
    std::unique_ptr<MemoryFile> kernel_;
};

Image pattern(std::size_t size) {
    Image image(size);
    for (std::size_t i = 0; i < size; ++i)
        image[i] = static_cast<std::uint8_t>(i * 11 + 5);
    return image;
}

TEST_F(LoadImage, BzImage) {
    const auto image = test::bzimage();
    const auto initrd = pattern(5000);
    const MemoryFile initrd_file(initrd);
    const auto loaded = load(image, {.kernel = {},
                                     .initrd = initrd_file.path(),
                                     .command_line = "console=ttyS0 quiet",
                                     .rsdp_address = 0xe0000});
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->protocol, BootProtocol::linux64);
    EXPECT_EQ(loaded->summary, "Linux 6.1.0-test bzImage, boot protocol 2.15, at 0x100000");
    EXPECT_EQ(loaded->entry.mode, Mode::long_64);
    EXPECT_EQ(loaded->entry.rip, 0x100200U);
    EXPECT_EQ(loaded->entry.rsi, layout::zero_page);
    EXPECT_TRUE(same(0x100000, image, test::bzimage_payload, test::bzimage_payload_size));

    const auto zero_page = peek<boot_params>(*memory_, layout::zero_page);
    EXPECT_EQ(zero_page.sentinel, 0);
    EXPECT_EQ(zero_page.hdr.type_of_loader, 0xff);
    EXPECT_EQ(std::uint16_t{zero_page.hdr.version}, 0x20f);
    EXPECT_EQ(std::uint64_t{zero_page.acpi_rsdp_addr}, 0xe0000U);
    EXPECT_EQ(peek_text(*memory_, zero_page.hdr.cmd_line_ptr), "console=ttyS0 quiet");
    EXPECT_EQ(std::uint32_t{zero_page.hdr.ramdisk_size}, 5000U);
    EXPECT_EQ(std::uint32_t{zero_page.hdr.ramdisk_image}, 0x3fe000U); // as high as it fits
    EXPECT_TRUE(same(0x3fe000, initrd, 0, initrd.size()));
    ASSERT_EQ(zero_page.e820_entries, 4);
    EXPECT_EQ(std::uint64_t{zero_page.e820_table[3].addr}, 0x100000U);
    EXPECT_EQ(std::uint64_t{zero_page.e820_table[3].size}, 0x300000U);
    EXPECT_EQ(std::uint32_t{zero_page.e820_table[2].type}, 2U);
}

TEST_F(LoadImage, LongModeTablesMapFourGibibytesToThemselves) {
    const auto loaded = load(test::bzimage());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(peek<std::uint64_t>(*memory_, loaded->entry.gdt_address + 0x10), 0x00af9b000000ffffU);
    EXPECT_EQ(peek<std::uint64_t>(*memory_, loaded->entry.gdt_address + 0x18), 0x00cf93000000ffffU);
    EXPECT_EQ(loaded->entry.gdt_limit, 31);
    for (const std::uint64_t address :
         {std::uint64_t{0}, std::uint64_t{0x100200}, std::uint64_t{0xfffff000}}) {
        constexpr std::uint64_t frame = 0x000f'ffff'ffff'f000;
        auto table = loaded->entry.page_table;
        for (const unsigned shift : {39U, 30U}) {
            const auto entry = peek<std::uint64_t>(*memory_, table + (address >> shift & 511) * 8);
            ASSERT_EQ(entry & 0x83, 3U);
            table = entry & frame;
        }
        const auto page = peek<std::uint64_t>(*memory_, table + (address >> 21 & 511) * 8);
        EXPECT_EQ(page & 0x83, 0x83U);
        EXPECT_EQ(page & frame, address & ~std::uint64_t{0x1fffff});
    }
}

TEST_F(LoadImage, ARelocatableBzImageEvadesTakenMemoryUpwards) {
    auto image = test::bzimage();
    test::put<std::uint64_t>(image, 0x258, layout::conventional_end - 0x1000); // pref_address
    const auto loaded = load(image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->entry.rip, 0x100200U);
}

TEST_F(LoadImage, Vmlinux) {
    // The entry is virtual here, as some kernels have it.
    const auto image = test::elf_64(
        {.virtual_base = 0xffffffff80000000, .entry = 0xffffffff80100010, .memory_size = 0x2000});
    std::memset(memory_->map(0x100000, 0x2000).data(), 0xee, 0x2000);
    const auto loaded = load(image, {.kernel = {}, .command_line = "x"});
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->protocol, BootProtocol::linux64);
    EXPECT_EQ(loaded->entry.rip, 0x100010U);
    EXPECT_EQ(loaded->entry.mode, Mode::long_64);
    EXPECT_TRUE(same(0x100000, image, test::elf_content, test::elf_content_size));
    EXPECT_EQ(peek<std::uint64_t>(*memory_, 0x100100), 0U) << "memory past the file part is cleared";
    EXPECT_EQ(peek<std::uint64_t>(*memory_, 0x101ff8), 0U);
    const auto zero_page = peek<boot_params>(*memory_, layout::zero_page);
    EXPECT_EQ(std::uint32_t{zero_page.hdr.header}, 0x53726448U);
    EXPECT_EQ(peek_text(*memory_, zero_page.hdr.cmd_line_ptr), "x");
}

TEST_F(LoadImage, Pvh) {
    const MemoryFile initrd(pattern(100));
    for (const auto& image : {test::elf_64({.pvh_note = true}), test::elf_32({.pvh_note = true})}) {
        const auto loaded = load(
            image, {.kernel = {}, .initrd = initrd.path(), .command_line = "a b", .rsdp_address = 0xe0000});
        ASSERT_TRUE(loaded) << loaded.error().text();
        EXPECT_EQ(loaded->protocol, BootProtocol::pvh);
        EXPECT_EQ(loaded->entry.mode, Mode::protected_32);
        EXPECT_EQ(loaded->entry.rip, 0x100020U);
        const auto info = loaded->entry.rbx;
        EXPECT_EQ(peek<std::uint32_t>(*memory_, info), 0x336ec578U);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, info + 4), 1U);
        ASSERT_EQ(peek<std::uint32_t>(*memory_, info + 12), 1U);
        const auto module = peek<std::uint64_t>(*memory_, info + 16);
        EXPECT_EQ(peek<std::uint64_t>(*memory_, module), memory_size - 0x1000);
        EXPECT_EQ(peek<std::uint64_t>(*memory_, module + 8), 100U);
        EXPECT_EQ(peek_text(*memory_, peek<std::uint64_t>(*memory_, info + 24)), "a b");
        EXPECT_EQ(peek<std::uint64_t>(*memory_, info + 32), 0xe0000U);
        const auto map = peek<std::uint64_t>(*memory_, info + 40);
        ASSERT_EQ(peek<std::uint32_t>(*memory_, info + 48), 4U);
        EXPECT_EQ(peek<std::uint64_t>(*memory_, map + 3 * 24), 0x100000U);
        EXPECT_EQ(peek<std::uint64_t>(*memory_, map + 3 * 24 + 8), memory_size - 0x100000);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, map + 3 * 24 + 16), 1U);
    }
}

TEST_F(LoadImage, MultibootElf) {
    const MemoryFile initrd(pattern(100));
    for (const auto& image :
         {test::elf_32({.multiboot_header = true}), test::elf_64({.multiboot_header = true})}) {
        const auto loaded =
            load(image, {.kernel = {}, .initrd = initrd.path(), .command_line = "kernel arguments"});
        ASSERT_TRUE(loaded) << loaded.error().text();
        EXPECT_EQ(loaded->protocol, BootProtocol::multiboot);
        EXPECT_EQ(loaded->entry.mode, Mode::protected_32);
        EXPECT_EQ(loaded->entry.rip, 0x100010U);
        EXPECT_EQ(loaded->entry.rax, 0x2badb002U);
        EXPECT_EQ(peek<std::uint64_t>(*memory_, loaded->entry.gdt_address + 0x10), 0x00cf9b000000ffffU);
        const auto info = loaded->entry.rbx;
        EXPECT_EQ(peek<std::uint32_t>(*memory_, info), 0x24dU);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, info + 4), 639U);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, info + 8), (memory_size - 0x100000) / 1024);
        EXPECT_EQ(peek_text(*memory_, peek<std::uint32_t>(*memory_, info + 16)), "kernel arguments");
        ASSERT_EQ(peek<std::uint32_t>(*memory_, info + 20), 1U);
        const auto module = peek<std::uint32_t>(*memory_, info + 24);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, module), memory_size - 0x1000);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, module + 4), memory_size - 0x1000 + 100);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, info + 44), 4 * 24U);
        const auto map = peek<std::uint32_t>(*memory_, info + 48);
        EXPECT_EQ(peek<std::uint32_t>(*memory_, map), 20U);
        EXPECT_EQ(peek<std::uint64_t>(*memory_, map + 12), 0x9fc00U);
        EXPECT_EQ(peek_text(*memory_, peek<std::uint32_t>(*memory_, info + 64)), "Plugbay");
    }
}

TEST_F(LoadImage, MultibootByAddresses) {
    const auto image = test::multiboot_flat();
    std::memset(memory_->map(0x100000, 0x2000).data(), 0xee, 0x2000);
    const auto loaded = load(image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->protocol, BootProtocol::multiboot);
    EXPECT_EQ(loaded->entry.rip, 0x100080U);
    EXPECT_TRUE(same(0x100020, image, 0x20, 0x1e0));
    EXPECT_EQ(peek<std::uint8_t>(*memory_, 0x10001f), 0xee);
    EXPECT_EQ(peek<std::uint8_t>(*memory_, 0x100200), 0);
    EXPECT_EQ(peek<std::uint8_t>(*memory_, 0x100fff), 0);
    EXPECT_EQ(peek<std::uint8_t>(*memory_, 0x101000), 0xee);
}

TEST_F(LoadImage, FlatInEveryMode) {
    const auto image = pattern(512);
    auto loaded = load(image, {.kernel = {}, .protocol = BootProtocol::flat});
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->entry.mode, Mode::real_16);
    EXPECT_EQ(loaded->entry.rip, 0x7c00U);
    EXPECT_TRUE(same(0x7c00, image, 0, image.size()));
    EXPECT_EQ(loaded->used.size(), 1U) << "16-bit code finds nothing but itself";

    loaded = load(image, {.kernel = {},
                          .protocol = BootProtocol::flat,
                          .flat_address = 0x100000,
                          .flat_mode = FlatMode::protected_32});
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->entry.mode, Mode::protected_32);
    EXPECT_EQ(loaded->entry.gdt_address, layout::gdt);

    loaded = load(image, {.kernel = {},
                          .protocol = BootProtocol::flat,
                          .flat_address = 0x200000,
                          .flat_mode = FlatMode::long_64});
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->entry.mode, Mode::long_64);
    EXPECT_EQ(loaded->entry.rip, 0x200000U);
    EXPECT_EQ(loaded->entry.page_table, layout::page_tables);
}

TEST_F(LoadImage, NamesOfProtocolsAndModes) {
    for (const auto protocol : {BootProtocol::automatic, BootProtocol::linux64, BootProtocol::pvh,
                                BootProtocol::multiboot, BootProtocol::flat}) {
        const auto parsed = parse_boot_protocol(name_of(protocol));
        ASSERT_TRUE(parsed);
        EXPECT_EQ(*parsed, protocol);
    }
    const auto mode = parse_flat_mode("long_64");
    ASSERT_TRUE(mode);
    EXPECT_EQ(*mode, FlatMode::long_64);
    const auto wrong = parse_boot_protocol("efi");
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().text(), HasSubstr("automatic, linux64, pvh, multiboot, flat"));
}

} // namespace
} // namespace plugbay::core
