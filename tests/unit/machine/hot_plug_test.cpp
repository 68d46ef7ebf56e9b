// Requests to the guest to let go of a device: they end with the device.
#include "core/machine/hot_plug.hpp"

#include "tests/unit/machine/manager_fixture.hpp"

#include <plugbay/pci/function.hpp>

#include <gmock/gmock.h>
#include <optional>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A bridge with hot plug that also raises the machine's ACPI events.
class Chipset : public Crew {
  public:
    static constexpr plugbay::Type type{.name = "chipset", .help = "A PCI bus with hot plug."};
    Chipset(plugbay::Host host, const Options& options)
        : Crew(host, options), bus_host_(host.extension<plugbay_pci_bus_host>(PLUGBAY_PCI_BUS)) {
        plugbay_pci_bus bus{};
        bus.size = sizeof bus;
        bus.hotplug_port = 0xae00;
        plugbay::check(bus_host_.add_bus(host.raw(), &bus, &bus_));
        plugbay_acpi_fixed_hardware hardware{};
        hardware.size = sizeof hardware;
        hardware.pm1_event_port = 0x600;
        hardware.pm1_control_port = 0x604;
        hardware.sci_line = 9;
        host.set_acpi_fixed_hardware(hardware);
    }
    void write(plugbay::Access, std::uint64_t slot) {
        plugbay::check(bus_host_.ejected(host_.raw(), bus_, std::uint32_t{1} << (slot % 32)));
    }
    void on_slot_changed(std::uint32_t slot) { journal.note("changed " + std::to_string(slot)); }
    void on_slot_detach_requested(std::uint32_t slot) { journal.note("asked " + std::to_string(slot)); }
    void on_acpi_event(std::uint32_t) { journal.note("event"); }

  private:
    const plugbay_pci_bus_host& bus_host_;
    plugbay_handle bus_{};
};

// A frontend on the bus.
class Card : public Desk {
  public:
    static constexpr plugbay::Type type{.name = "card", .help = "A PCI function."};
    Card(plugbay::Host host, const Options& options)
        : Desk(host, options), function_(host, plugbay::pci::Description(0x1234, 1)) {}

  private:
    plugbay::pci::Function function_;
};

constexpr std::uint16_t eject_port = 0x80;

class HotPlugTest : public ManagerTest {
  protected:
    HotPlugTest() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("test")));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) {
                if (name == "chipset")
                    return Result(LoadedType{nullptr, &plugbay::detail::Glue<Chipset>::type});
                if (name == "card") return Result(LoadedType{nullptr, &plugbay::detail::Glue<Card>::type});
                return load_type(name);
            },
            std::move(loops));
        hot_plug.emplace(*manager, services);
        EXPECT_TRUE(add({device("pci0", "chipset", eject_port)}));
        plug("vda");
    }
    // As the machine does, and the guest hears of it.
    void plug(const std::string& id) {
        const auto before = hot_plug->occupied();
        ASSERT_TRUE(add({device(id, "card"), linked(device(id + "-disk", "needy-clerk"), id)}));
        hot_plug->announce_changes(before);
    }
    void tear_out(const std::string& id) {
        const auto before = hot_plug->occupied();
        ASSERT_TRUE(manager->remove(id, true));
        hot_plug->announce_changes(before);
    }

    std::optional<HotPlug> hot_plug;
};

TEST_F(HotPlugTest, TheGuestIsAskedAndLetsGo) {
    static_cast<void>(journal.take());
    ASSERT_TRUE(hot_plug->request("vda", true));
    EXPECT_THAT(journal.take(), ElementsAre("asked 1", "event"));
    EXPECT_THAT(hot_plug->requested(), ElementsAre("vda"));
    ASSERT_TRUE(hot_plug->process());
    EXPECT_THAT(ids(), ElementsAre("pci0", "vda", "vda-disk")) << "it has not let go yet";
    out(eject_port, 1);
    EXPECT_EQ(attentions, 1);
    ASSERT_TRUE(hot_plug->process());
    EXPECT_THAT(ids(), ElementsAre("pci0"));
    EXPECT_THAT(hot_plug->requested(), IsEmpty());
}

TEST_F(HotPlugTest, AResetLetsGoOfWhatWasAskedFor) {
    plug("vdb");
    ASSERT_TRUE(hot_plug->request("vda", true));
    ASSERT_TRUE(hot_plug->finish_requests());
    EXPECT_THAT(ids(), ElementsAre("pci0", "vdb", "vdb-disk"));
    EXPECT_THAT(hot_plug->requested(), IsEmpty());
}

TEST_F(HotPlugTest, ARequestIsNotAboutTheNextDeviceOfThatName) {
    ASSERT_TRUE(hot_plug->request("vda", true));
    tear_out("vda");
    EXPECT_THAT(hot_plug->requested(), IsEmpty());
    plug("vda");
    ASSERT_TRUE(hot_plug->finish_requests());
    EXPECT_THAT(ids(), ElementsAre("pci0", "vda", "vda-disk"));
}

TEST_F(HotPlugTest, NorIfTheDeviceWentWithItsBridge) {
    ASSERT_TRUE(hot_plug->request("vda", true));
    tear_out("pci0");
    EXPECT_THAT(hot_plug->requested(), IsEmpty());
    ASSERT_TRUE(add({device("pci0", "chipset", eject_port)}));
    plug("vda");
    ASSERT_TRUE(hot_plug->finish_requests());
    EXPECT_THAT(ids(), ElementsAre("pci0", "vda", "vda-disk"));
}

} // namespace
} // namespace plugbay::core
