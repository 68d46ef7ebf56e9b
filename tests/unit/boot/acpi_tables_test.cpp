#include "core/boot/acpi_tables.hpp"

#include "core/boot/acpi_table.hpp"
#include "core/boot/aml.hpp"
#include "core/boot/guest_layout.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/unit/boot/test_images.hpp"

#include <cstdlib>
#include <gmock/gmock.h>
#include <map>

namespace plugbay::core {
namespace {

using test::peek;
using ::testing::HasSubstr;

AcpiOptions everything() {
    return {.cpu_count = 16,
            .fixed_hardware = AcpiFixedHardware{.owner = "pm",
                                                .pm1a_event_port = 0x600,
                                                .pm1a_control_port = 0x604,
                                                .pm_timer_port = 0x608,
                                                .gpe0_port = 0x620,
                                                .gpe0_length = 4,
                                                .sci_irq = 9,
                                                .reset_port = 0xcf9,
                                                .reset_value = 6},
            .pci_root = AcpiPciRoot{.first_bus = 0,
                                    .last_bus = 255,
                                    .io = {{0x0, 0xcf7}, {0xd00, 0xffff}},
                                    .memory_32 = {{0xc0000000, 0xfebfffff}},
                                    .memory_64 = {{0x800000000, 0xfffffffff}}},
            .legacy_devices = {{"com1", "PNP0501", {{0x3f8, 8}}, 4},
                               {"com2", "PNP0501", {{0x2f8, 8}}, 3},
                               {"com3", "PNP0501", {{0x3e8, 8}}, 4},
                               {"keyboard", "PNP0303", {{0x60, 1}, {0x64, 1}}, 1},
                               {"rtc", "PNP0B00", {{0x70, 2}}, 8},
                               {"panic", "QEMU0001", {{0x505, 1}}, {}}}};
}

// A table a device might bring.
Bytes device_table(std::string_view signature = "HPET", std::size_t body = 20) {
    return make_acpi_table(signature, 1, Bytes(body));
}

class AcpiTablesTest : public ::testing::Test {
  protected:
    AcpiTables build(const AcpiOptions& options) {
        auto tables = build_acpi_tables(*memory_, options);
        if (!tables) {
            ADD_FAILURE() << tables.error().text();
            return {};
        }
        return *tables;
    }

    std::string refusal(const AcpiOptions& options) {
        const auto tables = build_acpi_tables(*memory_, options);
        return tables ? "accepted" : tables.error().text();
    }

    Bytes table(const AcpiTables& tables, const std::string& signature) {
        for (const auto& placed : tables.tables) {
            if (placed.signature != signature) continue;
            Bytes bytes(placed.length);
            EXPECT_TRUE(memory_->read(placed.address, bytes));
            return bytes;
        }
        return {};
    }

    std::unique_ptr<GuestMemory> memory_ = test::make_memory(1 << 20);
};

template <typename T>
T field(const Bytes& bytes, std::size_t offset) {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

TEST_F(AcpiTablesTest, TheRsdpLeadsToEveryTable) {
    auto options = everything();
    options.tables = {{"hpet", device_table()}, {"code", device_table("SSDT")}};
    const auto tables = build(options);
    EXPECT_EQ(tables.rsdp_address, 0xe0000U);
    Bytes rsdp(36);
    ASSERT_TRUE(memory_->read(tables.rsdp_address, rsdp));
    EXPECT_EQ(std::memcmp(rsdp.data(), "RSD PTR ", 8), 0);
    EXPECT_EQ(acpi_sum(std::span{rsdp}.first(20)), 0);
    EXPECT_EQ(acpi_sum(rsdp), 0);
    EXPECT_EQ(rsdp[15], std::byte{2});

    const auto xsdt = table(tables, "XSDT");
    ASSERT_EQ(xsdt.size(), acpi_header_size + 4 * 8);
    std::string order;
    for (std::size_t at = acpi_header_size; at < xsdt.size(); at += 8) {
        const auto signature = peek<std::array<char, 4>>(*memory_, field<std::uint64_t>(xsdt, at));
        order += std::string(signature.data(), 4) + " ";
    }
    EXPECT_EQ(order, "FACP APIC HPET SSDT ");

    std::uint64_t end = tables.rsdp_address + 36;
    for (const auto& placed : tables.tables) {
        EXPECT_GE(placed.address, end) << placed.signature;
        EXPECT_EQ(placed.address % 16, 0U) << placed.signature;
        end = placed.address + placed.length;
        const auto bytes = table(tables, placed.signature);
        EXPECT_EQ(field<std::uint32_t>(bytes, 4), placed.length) << placed.signature;
        if (placed.signature != "FACS") {
            EXPECT_EQ(acpi_sum(bytes), 0) << placed.signature;
        } else {
            EXPECT_EQ(placed.address % 64, 0U);
        }
    }
    EXPECT_EQ(end, tables.end);
}

TEST_F(AcpiTablesTest, FadtWithFixedHardware) {
    const auto tables = build(everything());
    const auto fadt = table(tables, "FACP");
    ASSERT_EQ(fadt.size(), 276U);
    EXPECT_EQ(fadt[8], std::byte{6});
    EXPECT_EQ(field<std::uint16_t>(fadt, 46), 9);      // SCI_INT
    EXPECT_EQ(field<std::uint32_t>(fadt, 56), 0x600U); // PM1a_EVT_BLK
    EXPECT_EQ(field<std::uint32_t>(fadt, 64), 0x604U); // PM1a_CNT_BLK
    EXPECT_EQ(field<std::uint32_t>(fadt, 76), 0x608U); // PM_TMR_BLK
    EXPECT_EQ(field<std::uint32_t>(fadt, 80), 0x620U); // GPE0_BLK
    EXPECT_EQ(field<std::uint8_t>(fadt, 88), 4);       // PM1_EVT_LEN
    EXPECT_EQ(field<std::uint8_t>(fadt, 89), 2);       // PM1_CNT_LEN
    EXPECT_EQ(field<std::uint8_t>(fadt, 91), 4);       // PM_TMR_LEN
    EXPECT_EQ(field<std::uint8_t>(fadt, 92), 4);       // GPE0_BLK_LEN
    EXPECT_EQ(field<std::uint8_t>(fadt, 108), 0x32);   // CENTURY
    EXPECT_EQ(field<std::uint16_t>(fadt, 109), 7);     // legacy devices, 8042, no VGA
    EXPECT_EQ(field<std::uint32_t>(fadt, 112), 0x465U);
    EXPECT_EQ(field<std::uint64_t>(fadt, 120), 0xcf9U);                         // RESET_REG address
    EXPECT_EQ(field<std::uint8_t>(fadt, 128), 6);                               // RESET_VALUE
    EXPECT_EQ(field<std::uint64_t>(fadt, 140), field<std::uint32_t>(fadt, 40)); // X_DSDT
    EXPECT_EQ(field<std::uint32_t>(fadt, 148), 0x02002001U);                    // X_PM1a_EVT_BLK
    EXPECT_EQ(field<std::uint64_t>(fadt, 152), 0x600U);
    EXPECT_EQ(field<std::uint64_t>(fadt, 176), 0x604U); // X_PM1a_CNT_BLK address
    EXPECT_EQ(field<std::uint64_t>(fadt, 212), 0x608U); // X_PM_TMR_BLK address
    EXPECT_EQ(field<std::uint64_t>(fadt, 224), 0x620U); // X_GPE0_BLK address
    EXPECT_EQ(peek<std::uint32_t>(*memory_, field<std::uint32_t>(fadt, 36)), 0x53434146U); // FACS
}

TEST_F(AcpiTablesTest, FadtWithoutFixedHardwareIsReduced) {
    const auto fadt = table(build({}), "FACP");
    ASSERT_EQ(fadt.size(), 276U);
    EXPECT_EQ(field<std::uint32_t>(fadt, 112) & (1U << 20), 1U << 20);
    EXPECT_EQ(field<std::uint16_t>(fadt, 109), 0x24); // no VGA, no CMOS clock
    for (std::size_t at = 48; at < 93; ++at)
        EXPECT_EQ(fadt[at], std::byte{0}) << at;
    for (std::size_t at = 148; at < 276; ++at)
        EXPECT_EQ(fadt[at], std::byte{0}) << at;
}

TEST_F(AcpiTablesTest, MadtListsEveryInterruptController) {
    for (const unsigned cpus : {1U, 16U}) {
        auto options = everything();
        options.cpu_count = cpus;
        const auto madt = table(build(options), "APIC");
        EXPECT_EQ(field<std::uint32_t>(madt, 36), 0xfee00000U);
        std::map<unsigned, std::vector<Bytes>> entries;
        for (std::size_t at = 44; at < madt.size();) {
            const auto length = field<std::uint8_t>(madt, at + 1);
            ASSERT_GE(length, 2);
            ASSERT_LE(at + length, madt.size());
            entries[field<std::uint8_t>(madt, at)].emplace_back(&madt[at], &madt[at] + length);
            at += length;
        }
        ASSERT_EQ(entries[0].size(), cpus);
        EXPECT_EQ(field<std::uint8_t>(entries[0].back(), 2), cpus - 1);
        EXPECT_EQ(field<std::uint8_t>(entries[0].back(), 3), cpus - 1);
        ASSERT_EQ(entries[1].size(), 1U);
        EXPECT_EQ(field<std::uint32_t>(entries[1][0], 4), 0xfec00000U);
        ASSERT_EQ(entries[2].size(), 2U);
        EXPECT_EQ(field<std::uint8_t>(entries[2][0], 3), 0);
        EXPECT_EQ(field<std::uint32_t>(entries[2][0], 4), 2U);
        EXPECT_EQ(field<std::uint32_t>(entries[2][1], 4), 9U);
        EXPECT_EQ(field<std::uint16_t>(entries[2][1], 8), 0x0d);
        ASSERT_EQ(entries[4].size(), 1U);
    }
}

TEST_F(AcpiTablesTest, ImpossibleOptionsAreRefused) {
    const auto refused = [this](const std::function<void(AcpiOptions&)>& change) {
        auto options = everything();
        change(options);
        return refusal(options);
    };
    EXPECT_THAT(refused([](auto& o) { o.cpu_count = 0; }), HasSubstr("for 0 CPUs"));
    EXPECT_THAT(refused([](auto& o) { o.cpu_count = 17; }), HasSubstr("choose 1 to 16"));
    EXPECT_THAT(refused([](auto& o) { o.fixed_hardware->pm1a_control_port = 0; }), HasSubstr("PM1a"));
    EXPECT_THAT(refused([](auto& o) { o.fixed_hardware->gpe0_length = 3; }), HasSubstr("GPE0"));
    EXPECT_THAT(refused([](auto& o) { o.fixed_hardware->gpe0_length = 0; }), HasSubstr("GPE0"));
    EXPECT_THAT(refused([](auto& o) { o.fixed_hardware->gpe0_length = 0x104; }),
                HasSubstr("260 bytes of GPE0 registers at port 0x620 of pm"));
    EXPECT_THAT(refused([](auto& o) { o.fixed_hardware->sci_irq = 24; }), HasSubstr("SCI of pm"));
    EXPECT_THAT(refused([](auto& o) { o.fixed_hardware->sci_irq = 0x109; }), HasSubstr("interrupt 265"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->first_bus = 1, o.pci_root->last_bus = 0; }),
                HasSubstr("buses 1-0"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->io = {{0, 0xffff}}; }), HasSubstr("configuration ports"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->io = {{0x1000, 0x10000}}; }), HasSubstr("port window"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->memory_32 = {{2, 1}}; }), HasSubstr("0x2-0x1"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->memory_32 = {{0, 0x100000000}}; }), HasSubstr("32-bit"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->memory_32 = {{0, 0xffffffff}}; }), HasSubstr("32-bit"));
    EXPECT_THAT(refused([](auto& o) { o.pci_root->memory_64 = {{0, ~0ULL}}; }), HasSubstr("64-bit"));
    EXPECT_THAT(refused([](auto& o) { o.legacy_devices.resize(257); }), HasSubstr("at most 256"));
    EXPECT_THAT(refused([](auto& o) { o.legacy_devices[0].irq = 24; }), HasSubstr("interrupt 24"));
    EXPECT_THAT(refused([](auto& o) { o.legacy_devices[0].irq = 0x104; }), HasSubstr("com1 cannot use"));
    EXPECT_THAT(refused([](auto& o) { o.legacy_devices[0].hardware_id = "pnp0501"; }),
                HasSubstr("plug-and-play"));
    EXPECT_THAT(refused([](auto& o) { o.legacy_devices[0].hardware_id = "QEMU000x"; }),
                HasSubstr("plug-and-play"));
    EXPECT_THAT(refused([](auto& o) {
                    o.legacy_devices[0].ports[0] = {0xffff, 2};
                }),
                HasSubstr("do not exist"));
}

TEST_F(AcpiTablesTest, TablesOfDevicesAreChecked) {
    const auto refused = [this](const Bytes& bytes) { return refusal({.tables = {{"the device", bytes}}}); };
    EXPECT_EQ(refused(device_table()), "accepted");
    EXPECT_THAT(refused({}), HasSubstr("the device has 0 bytes"));
    EXPECT_THAT(refused(Bytes(35)), HasSubstr("has 35 bytes"));
    auto longer = device_table();
    longer.push_back(std::byte{0});
    EXPECT_THAT(refused(longer), HasSubstr("states a length of 56 bytes, but has 57"));
    auto wrong = device_table();
    wrong[40] = std::byte{1};
    EXPECT_THAT(refused(wrong), HasSubstr("wrong checksum: its bytes add up to 0x01"));
    EXPECT_THAT(refused(device_table("hpet")), HasSubstr("signature"));
    EXPECT_THAT(refused(device_table("FACP")), HasSubstr("a table FACP, which the VM has already"));
    EXPECT_THAT(refusal({.tables = {{"a", device_table()}, {"b", device_table()}}}),
                HasSubstr("b gives a table HPET"));
    EXPECT_EQ(refusal({.tables = {{"a", device_table("SSDT")}, {"b", device_table("SSDT")}}}), "accepted");
}

TEST_F(AcpiTablesTest, AFullAreaIsRefusedAndNothingIsWritten) {
    const auto area = memory_->map(layout::acpi_start, layout::acpi_end - layout::acpi_start);
    std::ranges::fill(area, std::byte{0x5a});
    EXPECT_THAT(refusal({.tables = {{"a", device_table("HPET", 0x1ff00)}}}), HasSubstr("only 131072 fit"));
    EXPECT_TRUE(std::ranges::all_of(area, [](std::byte byte) { return byte == std::byte{0x5a}; }));
    EXPECT_EQ(refusal({.tables = {{"a", device_table("HPET", 0x1f800)}}}), "accepted");
}

// The reference: ACPICA's compiler must understand every table, and compile its own text of it back.
class Iasl : public AcpiTablesTest, public ::testing::WithParamInterface<const char*> {
  protected:
    void SetUp() override {
        if (std::system("command -v iasl >/dev/null 2>&1") != 0) {
            GTEST_SKIP() << "iasl is not installed (Debian: acpica-tools)";
        }
    }

    // iasl's exit status, its words appended to log.
    int iasl(const std::string& arguments) {
        return std::system(
            ("cd " + folder_.path().string() + " && iasl " + arguments + " >>log 2>&1").c_str());
    }

    std::string log() { return folder_.read("log"); }

    TemporaryFolder folder_;
};

AcpiOptions named_options(std::string_view name) {
    if (name == "minimal") return {};
    auto options = everything();
    if (name == "reduced_with_pci") options.fixed_hardware.reset();
    if (name == "everything") {
        using Trigger = aml::ResourceTemplate::Trigger;
        const auto resources = aml::ResourceTemplate().interrupt(20, Trigger::level_high).code();
        const auto device = aml::device(
            "DEV0", aml::join({aml::name("_HID", aml::string("PBAY0001")), aml::name("_CRS", resources),
                               aml::method("_STA", 0, aml::return_value(aml::integer(15)))}));
        options.tables = {{"waet", device_table("WAET", 4)},
                          {"a device", make_acpi_table("SSDT", 2, aml::scope("\\_SB", device))}};
    }
    return options;
}

TEST_P(Iasl, DisassemblesAndRecompilesEveryTable) {
    const auto tables = build(named_options(GetParam()));
    for (const auto& placed : tables.tables) {
        const auto bytes = table(tables, placed.signature);
        const auto& name = placed.signature;
        folder_.write(name + ".dat", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        ASSERT_EQ(iasl("-d " + name + ".dat"), 0) << log();
        ASSERT_EQ(iasl("-we -vs -on -p " + name + "-again " + name + ".dsl"), 0) << log();
        const std::string again = folder_.read(name + "-again.aml");
        ASSERT_EQ(again.size(), bytes.size()) << name;
        EXPECT_EQ(std::memcmp(again.data() + acpi_header_size, bytes.data() + acpi_header_size,
                              bytes.size() - acpi_header_size),
                  0)
            << name << " is not encoded as iasl would; its text is\n"
            << folder_.read(name + ".dsl");
    }
    EXPECT_EQ(log().find("Invalid"), std::string::npos) << log();
    EXPECT_EQ(log().find("Incorrect"), std::string::npos) << log();
}

INSTANTIATE_TEST_SUITE_P(Options, Iasl, ::testing::Values("minimal", "reduced_with_pci", "everything"),
                         [](const auto& tested) { return std::string(tested.param); });

} // namespace
} // namespace plugbay::core
