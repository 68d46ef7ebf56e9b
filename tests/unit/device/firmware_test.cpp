// plugbay.firmware/1: what cannot be in the tables is refused when a device asks for it, not when they are made.
#include "core/base/machine_limits.hpp"
#include "core/boot/acpi_table.hpp"
#include "tests/unit/device/device_fixture.hpp"

#include <gmock/gmock.h>
#include <plugbay/abi/firmware.h>

#include <cstring>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FirmwareTest : public DeviceTest {
  protected:
    using Ask = std::function<plugbay_status(const plugbay_firmware_host&, const plugbay_host*)>;

    static Bytes table(const char* signature, std::size_t body = 20) {
        return make_acpi_table(signature, 1, Bytes(body));
    }
    static Ask add(Bytes bytes) {
        return [bytes = std::move(bytes)](const auto& firmware, const plugbay_host* host) {
            return firmware.add_acpi_table(host, bytes.data(), bytes.size());
        };
    }
    static Ask legacy(const char* id, std::uint16_t port_count = 8) {
        return [id, port_count](const auto& firmware, const plugbay_host* host) {
            plugbay_acpi_legacy_device device{};
            device.size = sizeof device;
            device.line = 4;
            std::memcpy(device.hardware_id, id, strnlen(id, sizeof device.hardware_id));
            device.first_port = 0x3f8;
            device.port_count = port_count;
            return firmware.add_acpi_legacy_device(host, &device);
        };
    }
    static Ask fixed_hardware(std::uint16_t control_port) {
        return [control_port](const auto& firmware, const plugbay_host* host) {
            plugbay_acpi_fixed_hardware hardware{};
            hardware.size = sizeof hardware;
            hardware.pm1_event_port = 0x600;
            hardware.pm1_control_port = control_port;
            hardware.sci_line = 9;
            return firmware.set_acpi_fixed_hardware(host, &hardware);
        };
    }
    struct Made {
        Script script;
        plugbay_status status = PLUGBAY_OK;
        std::unique_ptr<Device> device;
        std::string error;
    };
    // A device that asks for it while it is created.
    std::unique_ptr<Made> made(const std::string& id, const Ask& ask) {
        auto result = std::make_unique<Made>();
        result->script.create = [&, raw = result.get()](const plugbay_host* host) {
            return raw->status =
                       ask(raw->script.template table<plugbay_firmware_host>(PLUGBAY_FIRMWARE), host);
        };
        result->device = make(id);
        if (auto created = create(*result->device, result->script); !created)
            result->error = created.error().text();
        return result;
    }
    std::vector<std::string> tables() const {
        AcpiOptions options;
        firmware.add_to(options);
        std::vector<std::string> signatures;
        for (const auto& each : options.tables)
            signatures.push_back(acpi_signature(each.bytes));
        return signatures;
    }
};

TEST_F(FirmwareTest, RecordsAreListedAndGoWithTheirDevice) {
    const auto lists = [](const Made& made) {
        std::vector<std::string> held;
        made.device->resources().each([&](const Resource& each) { held.push_back(each.describe()); });
        return held;
    };
    {
        const auto hpet = made("hpet", add(table("HPET")));
        const auto port = made("com1", legacy("PNP0501"));
        const auto power = made("power", fixed_hardware(0x604));
        EXPECT_THAT(lists(*hpet), ElementsAre("ACPI table HPET"));
        EXPECT_THAT(lists(*port), ElementsAre("ACPI device PNP0501"));
        EXPECT_THAT(lists(*power), ElementsAre("ACPI fixed hardware"));
        EXPECT_THAT(tables(), ElementsAre("HPET"));
        EXPECT_EQ(firmware.fixed_hardware_owner(), "power");
    }
    AcpiOptions options;
    firmware.add_to(options);
    EXPECT_THAT(options.tables, IsEmpty());
    EXPECT_THAT(options.legacy_devices, IsEmpty());
    EXPECT_FALSE(options.fixed_hardware);
    EXPECT_EQ(firmware.fixed_hardware_owner(), "");
}

TEST_F(FirmwareTest, WhatNoTablesCanHaveIsRefused) {
    auto wrong = table("HPET");
    wrong[40] = std::byte{1};
    const std::pair<Ask, const char*> mistakes[] = {
        {add(wrong), "wrong checksum"},          {add(Bytes(35)), "has 35 bytes"},
        {add(Bytes(70000)), "64 KiB"},           {legacy("PNP0501", 256), "256 ports"},
        {legacy("printer"), "plug-and-play id"}, {fixed_hardware(0), "PM1a event or control port"},
    };
    for (const auto& [ask, why] : mistakes) {
        const auto refused = made("late", ask);
        EXPECT_EQ(refused->status, PLUGBAY_INVALID) << why;
        EXPECT_THAT(refused->error, AllOf(HasSubstr("\"late\""), HasSubstr(why)));
    }
    EXPECT_THAT(tables(), IsEmpty());
}

TEST_F(FirmwareTest, WhatIsInAnothersWayNamesBoth) {
    const auto hpet = made("clock", add(table("HPET")));
    const auto power = made("power", fixed_hardware(0x604));
    const auto again = made("late", add(table("HPET")));
    EXPECT_EQ(again->status, PLUGBAY_TAKEN);
    EXPECT_THAT(again->error,
                AllOf(HasSubstr("device \"late\" gives a table HPET"), HasSubstr("device \"clock\"")));
    const auto second = made("late", fixed_hardware(0x704));
    EXPECT_EQ(second->status, PLUGBAY_TAKEN);
    EXPECT_THAT(second->error, HasSubstr("device \"power\""));
    EXPECT_EQ(made("late", add(table("FACP")))->status, PLUGBAY_INVALID) << "the machine's own";
    EXPECT_EQ(made("code", add(table("SSDT")))->status, PLUGBAY_OK);
}

TEST_F(FirmwareTest, TablesThatHaveNoRoomTogetherAreRefused) {
    const auto large = made("large", add(table("SSDT", 60000)));
    const auto late = made("late", add(table("SSDT", 60000)));
    EXPECT_EQ(late->status, PLUGBAY_TAKEN);
    EXPECT_THAT(late->error, HasSubstr("room for 98304"));
    EXPECT_EQ(made("small", add(table("SSDT", 30000)))->status, PLUGBAY_OK);
}

// The limits of what devices add are such that the tables can always be made: a reset of the machine never fails for them.
TEST_F(FirmwareTest, WhateverIsAcceptedFits) {
    std::vector<std::unique_ptr<Made>> all;
    all.push_back(made("power", fixed_hardware(0x604)));
    while (all.back()->status == PLUGBAY_OK)
        all.push_back(made("legacy", [](const auto& host_table, const plugbay_host* host) {
            plugbay_acpi_legacy_device device{};
            device.size = sizeof device;
            device.line = 4;
            std::memcpy(device.hardware_id, "QEMU0001", 8);
            device.first_port = 0x1000;
            device.second_port = 0x2000;
            device.port_count = device.second_port_count = 255;
            return host_table.add_acpi_legacy_device(host, &device);
        }));
    for (const std::size_t size : {60000U, 38000U, 200U, 50U, 1U})
        all.push_back(made("table", add(table("SSDT", size))));
    AcpiOptions options;
    options.cpu_count = max_vcpu_count;
    firmware.add_to(options);
    options.pci_root = AcpiPciRoot{.last_bus = 255,
                                   .io = {{0x1000, 0xffff}},
                                   .memory_32 = {{0xc000'0000, 0xcfff'ffff}},
                                   .memory_64 = {{0x1'0000'0000, 0x1'ffff'ffff}},
                                   .hot_plug = AcpiHotPlug{.port = 0xae00, .event = 1}};
    EXPECT_EQ(options.legacy_devices.size(), 256U);
    EXPECT_GE(options.tables.size(), 2U);
    const auto built = build_acpi_tables(*memory, options);
    EXPECT_TRUE(built) << built.error().text();
}

} // namespace
} // namespace plugbay::core
