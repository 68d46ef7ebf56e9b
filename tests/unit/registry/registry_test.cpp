#include "core/registry/registry.hpp"

#include "tests/unit/device/device_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

constexpr plugbay_port port(std::uint32_t role, const char* interface, const char* name = nullptr) {
    return {sizeof(plugbay_port), role, 0, 0, interface, name, nullptr};
}
constexpr plugbay_port char_frontend = port(PLUGBAY_PORT_FRONTEND, "char/1");
constexpr plugbay_port control_frontend = port(PLUGBAY_PORT_FRONTEND, "char/1", "control");
constexpr plugbay_port blk_frontend = port(PLUGBAY_PORT_FRONTEND, "blk/1");
constexpr plugbay_port char_backend = port(PLUGBAY_PORT_BACKEND, "char/1");
constexpr const plugbay_port* serial_ports[] = {&char_frontend, &control_frontend};
constexpr const plugbay_port* disk_ports[] = {&blk_frontend};
constexpr const plugbay_port* console_ports[] = {&char_backend};

plugbay_device_type with_ports(const plugbay_port* const* ports, std::uint32_t count) {
    plugbay_device_type type = scripted::make_type();
    type.ports = ports;
    type.port_count = count;
    return type;
}
const plugbay_device_type serial_type = with_ports(serial_ports, 2);
const plugbay_device_type disk_type = with_ports(disk_ports, 1);
const plugbay_device_type console_type = with_ports(console_ports, 1);

class RegistryTest : public DeviceTest {
  protected:
    // A device that remembers its peer.
    struct End {
        Script script;
        const plugbay_link* link = nullptr;
        int disconnected = 0;
        bool table_gone = false; // when it was told
        std::unique_ptr<Device> device;
    };
    std::unique_ptr<End> end(const std::string& id, const plugbay_device_type& type) {
        auto made = std::make_unique<End>();
        made->script.connected = [raw = made.get()](std::uint64_t, const plugbay_link* link) {
            raw->link = link;
            return PLUGBAY_OK;
        };
        made->script.disconnected = [raw = made.get()](std::uint64_t) {
            ++raw->disconnected;
            raw->table_gone = raw->link->table == nullptr;
            raw->link = nullptr;
        };
        made->device = make(id, type);
        EXPECT_TRUE(create(*made->device, made->script));
        return made;
    }
    std::unique_ptr<End> serial = end("com1", serial_type);
    std::unique_ptr<End> disk = end("vda", disk_type);
    std::unique_ptr<End> console = end("con", console_type);
    Registry registry;
};

TEST_F(RegistryTest, JoinsPortsByName) {
    EXPECT_EQ(port_name(*serial->device, 0), "com1");
    EXPECT_EQ(port_name(*serial->device, 1), "com1.control");
    ASSERT_TRUE(registry.offer(*serial->device));
    ASSERT_TRUE(registry.connect(*console->device, 0, "com1.control", {}));
    ASSERT_EQ(registry.links().size(), 1U);
    ASSERT_NE(serial->link, nullptr);
    EXPECT_EQ(serial->link->instance, &console->script);
    EXPECT_EQ(serial->link->port, 0U);
    EXPECT_EQ(console->link->instance, &serial->script);
    EXPECT_EQ(console->link->port, 1U);
    EXPECT_NE(console->link->table, nullptr);
}

TEST_F(RegistryTest, RefusalsTellWhy) {
    EXPECT_THAT(registry.connect(*console->device, 0, "com1", {}).error().text(),
                HasSubstr("no device offers this interface"));
    ASSERT_TRUE(registry.offer(*serial->device));
    ASSERT_TRUE(registry.offer(*disk->device));
    const auto missing = registry.connect(*console->device, 0, "com2", {});
    EXPECT_THAT(missing.error().text(), HasSubstr("\"com2\", which does not exist"));
    EXPECT_THAT(missing.error().text(), HasSubstr("there are: com1, com1.control"));
    EXPECT_THAT(registry.connect(*console->device, 0, "vda", {}).error().text(),
                HasSubstr("\"vda\" is a blk/1 frontend"));
    ASSERT_TRUE(registry.connect(*console->device, 0, "com1", {}));
    const auto late = end("late", console_type);
    EXPECT_THAT(registry.connect(*late->device, 0, "com1", {}).error().text(),
                HasSubstr("connected to device \"con\""));
    EXPECT_EQ(late->link, nullptr);
    EXPECT_EQ(registry.links().size(), 1U);
}

TEST_F(RegistryTest, DuplicateOffersNothing) {
    ASSERT_TRUE(registry.offer(*serial->device));
    const auto twin = end("com1", serial_type);
    const auto refused = registry.offer(*twin->device);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("\"com1\""));
    ASSERT_TRUE(registry.connect(*console->device, 0, "com1.control", {}));
    EXPECT_NE(serial->link, nullptr) << "the first keeps its names";
    const auto same_name_elsewhere = end("com1", disk_type);
    EXPECT_TRUE(registry.offer(*same_name_elsewhere->device)) << "names are per interface";
    registry.withdraw(*same_name_elsewhere->device);
    registry.withdraw(*serial->device);
}

TEST_F(RegistryTest, RefusalOfEitherEndLeavesNothingConnected) {
    ASSERT_TRUE(registry.offer(*serial->device));
    for (End* refuser : {serial.get(), console.get()}) {
        SCOPED_TRACE(refuser->device->id());
        const auto accepts = refuser->script.connected;
        refuser->script.connected = [refuser](std::uint64_t, const plugbay_link*) -> plugbay_status {
            refuser->script.host->set_error(refuser->script.host, "not with that one");
            return PLUGBAY_INVALID;
        };
        serial->disconnected = console->disconnected = 0;
        const auto refused = registry.connect(*console->device, 0, "com1", {});
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), HasSubstr("not with that one"));
        EXPECT_TRUE(registry.links().empty());
        EXPECT_EQ(serial->link, nullptr);
        EXPECT_EQ(console->link, nullptr);
        EXPECT_EQ(serial->disconnected, refuser == console.get() ? 1 : 0) << "only who was told";
        EXPECT_EQ(console->disconnected, 0);
        refuser->script.connected = accepts;
    }
    EXPECT_TRUE(registry.connect(*console->device, 0, "com1", {})) << "it is still free";
}

TEST_F(RegistryTest, WithdrawDisconnectsBothEnds) {
    for (const bool frontend_goes : {true, false}) {
        Registry other;
        ASSERT_TRUE(other.offer(*serial->device));
        ASSERT_TRUE(other.connect(*console->device, 0, "com1", {}));
        serial->disconnected = console->disconnected = 0;
        other.withdraw(frontend_goes ? *serial->device : *console->device);
        EXPECT_TRUE(other.links().empty());
        for (const End* each : {serial.get(), console.get()}) {
            EXPECT_EQ(each->disconnected, 1);
            EXPECT_TRUE(each->table_gone);
        }
        EXPECT_EQ(static_cast<bool>(other.connect(*console->device, 0, "com1", {})), !frontend_goes);
    }
}

} // namespace
} // namespace plugbay::core
