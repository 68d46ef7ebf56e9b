// What makes a plain class a device type. There is no base class: the glue finds by name what the class has.
//
//     static constexpr plugbay::Type type{...}                 required
//     struct Options { ...; properties() }                     see property.hpp
//     static constexpr auto registers() { return plugbay::registers(...); }    see registers.hpp
//     static constexpr auto ports() { return std::array{...}; }    see link.hpp
//     Device(plugbay::Host)  or  Device(plugbay::Host, const Options&)     throws Failure
//     void start();  void reset();
//     plugbay_status quiesce();  void resume();                see abi/plugin.h
//     std::uint64_t read(plugbay::Access);  void write(plugbay::Access, std::uint64_t value);
//     std::optional<std::uint64_t> msr_read(plugbay::MsrAccess);      nothing: the guest faults
//     bool msr_write(plugbay::MsrAccess, std::uint64_t value);         false: the guest faults
//     void hypercall(std::uint64_t token, plugbay_hypercall_registers&);
//     void work(std::uint64_t token);  void on_done(std::uint64_t token);    work: see abi/worker.h
//     void on_host_event(std::uint64_t token, const plugbay_host_event&);
//     void on_change(const Options&);                            properties declared live() have new values; throw to
//                                                                refuse them
//     void on_doorbell(std::uint64_t token);
//     void on_timer(std::uint64_t token);
//     void on_fd(std::uint64_t token, int fd, std::uint32_t events);
//     void on_connect(std::uint64_t port, plugbay::Link);  void on_disconnect(std::uint64_t port);
//     void state(auto& fields);  void loaded();                see state.hpp
//     static constexpr std::array renamed{plugbay::Renamed{...}};  static void convert(plugbay::OldState&);
//                                                                states of older builds, see there
//     void statistics(auto& numbers);                          see statistics.hpp
//     std::uint32_t config_read(plugbay::ConfigAccess);
//     void config_write(plugbay::ConfigAccess, std::uint32_t value);
//     void on_slot_changed(std::uint32_t slot);  void on_slot_detach_requested(std::uint32_t slot);    PCI bridges
//     void on_acpi_event(std::uint32_t event);                 the provider of ACPI's fixed hardware
//     char/1 frontends: std::uint32_t on_receive(port, bytes);  void on_write_ready(port);
//                       void on_char_event(port, event);
//     char/1 backends:  std::uint32_t on_write(port, bytes);  void on_receive_ready(port);
//     blk/1 frontends:  void on_complete(port, completions);  void on_changed(port);
//     blk/1 backends:   plugbay_blk_facts facts(port);  void on_submit(port, requests);
//     net/1 frontends:  void on_transmitted(port, completions);  void on_transmit_ready(port);
//                       std::uint32_t on_receive(port, frames);  void on_changed(port);
//     net/1 backends:   plugbay_net_facts net_facts(port);  void on_configure(port, receiver);
//                       std::uint32_t on_transmit(port, frames);  void on_receive_ready(port);
//     console/1 frontends: plugbay_console_facts console_facts(port);  void on_refresh(port, bool all);
//                       std::uint32_t on_input(port, events);
//     console/1 backends: plugbay_status on_mode(port, mode);  void on_cells(port, areas);
//                       void on_pixels(port, areas);  void on_cursor(port, cursor);  void on_shown(port);
//                       void on_input_ready(port);
//     static const void* extension(std::string_view id)        anything else: your own C tables
//
// Threads and states are those of the ABI function behind each (sdk/include/plugbay/abi/). A callback that
// throws is caught: creating, loading and the like fail with the exception's text; any other logs it, and a
// guest access reads all ones. The requests of an on_submit that throws are completed with PLUGBAY_FAILED: a
// backend throws before it has taken or completed the first of them, or not at all.
#pragma once

#include <plugbay/abi/firmware.h>
#include <plugbay/abi/live.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/entry.hpp>
#include <plugbay/host.hpp>
#include <plugbay/interface_glue.hpp>
#include <plugbay/link.hpp>
#include <plugbay/old_state.hpp>
#include <plugbay/register_glue.hpp>
#include <plugbay/state.hpp>
#include <plugbay/statistics.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace plugbay {

struct Type {
    const char* name;
    const char* help;
    bool concurrent = false;                // callbacks may run on several threads at once
    std::uint32_t state_version = 1;        // raise when older builds cannot load what state() saves
    std::uint32_t state_version_oldest = 1; // that this build loads
};

// An access to hooked bytes of a PCI capability; see abi/pci.h.
struct ConfigAccess {
    std::uint32_t capability;
    std::uint32_t offset;
    std::uint32_t width;
};

namespace detail {

template <typename Device>
class Glue : Entry<Device> {
    using Instance = typename Entry<Device>::Instance;
    using Entry<Device>::self;
    using Entry<Device>::guarded;
    using Entry<Device>::contained;

    static constexpr bool has_options = requires { typename Device::Options; };
    static constexpr bool has_ports = requires { Device::ports(); };
    static constexpr bool has_own_access = requires(Device & d, Access a) {
        d.read(a);
        d.write(a, std::uint64_t{});
    };
    static constexpr bool has_map = has_registers<Device>;
    static constexpr bool has_stored_registers = [] {
        if constexpr (has_map)
            return RegisterGlue<Device>::is_stored;
        else
            return false;
    }();
    static constexpr bool has_own_state = requires(Device & d, StateSaver& s) { d.state(s); };
    static constexpr bool has_state = has_own_state || has_stored_registers;
    static constexpr bool has_convert = requires(OldState & old) { Device::convert(old); };
    static_assert(!has_convert || Device::type.state_version_oldest < Device::type.state_version,
                  "convert() is never called: state_version_oldest is state_version");

    static constexpr bool has_live = [] {
        if constexpr (has_options) return requires(Device & d, const typename Device::Options& o) {
                d.on_change(o);
            };
        else
            return false;
    }();

    // --- life cycle

    static plugbay_status create(const plugbay_host* host, const plugbay_value* values, std::uint32_t count,
                                 void** instance) noexcept {
        return guarded(host, [&] {
            if constexpr (has_options) {
                using Table = PropertyTable<typename Device::Options>;
                if (count != Table::count)
                    throw Failure("the host passed " + std::to_string(count) +
                                      " property values, the type has " + std::to_string(Table::count) +
                                      ": host and plugin read its table differently",
                                  PLUGBAY_INVALID);
                const auto options = Table::parse(values);
                *instance = new Instance{Host(host), Device(Host(host), options)};
            } else {
                static_cast<void>(values);
                static_cast<void>(count);
                *instance = new Instance{Host(host), Device(Host(host))};
            }
        });
    }
    static void destroy(void* instance) noexcept { delete &self(instance); }
    static plugbay_status start(void* instance) noexcept {
        return guarded(self(instance).host.raw(), [&] {
            if constexpr (requires(Device & d) { d.start(); }) self(instance).device.start();
        });
    }
    static plugbay_status quiesce(void* instance) noexcept {
        return guarded(self(instance).host.raw(), [&]() -> plugbay_status {
            if constexpr (requires(Device & d) { d.quiesce(); }) return self(instance).device.quiesce();
            return PLUGBAY_OK;
        });
    }
    static void resume(void* instance) noexcept {
        contained(instance, [&] {
            if constexpr (requires(Device & d) { d.resume(); }) self(instance).device.resume();
        });
    }
    static void reset(void* instance) noexcept {
        contained(instance, [&] {
            if constexpr (requires(Device & d) { d.reset(); })
                self(instance).device.reset();
            else if constexpr (has_stored_registers)
                RegisterGlue<Device>::reset(self(instance).device);
        });
    }

    // --- callback tables

    static constexpr plugbay_access_callbacks make_access() {
        plugbay_access_callbacks table{sizeof(plugbay_access_callbacks), 0, nullptr, nullptr};
        if constexpr (has_own_access || has_map) {
            table.read = [](void* i, std::uint64_t token, std::uint64_t offset,
                            std::uint32_t width) noexcept {
                return contained(i, ~std::uint64_t{0}, [&]() -> std::uint64_t {
                    if constexpr (has_own_access)
                        return self(i).device.read(Access{token, offset, width});
                    else
                        return read_register(self(i).device, Access{token, offset, width});
                });
            };
            table.write = [](void* i, std::uint64_t token, std::uint64_t offset, std::uint32_t width,
                             std::uint64_t value) noexcept {
                contained(i, [&] {
                    if constexpr (has_own_access)
                        self(i).device.write(Access{token, offset, width}, value);
                    else
                        write_register(self(i).device, Access{token, offset, width}, value);
                });
            };
        }
        return table;
    }
    static constexpr plugbay_msr_callbacks make_msr() {
        plugbay_msr_callbacks table{sizeof(plugbay_msr_callbacks), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, MsrAccess a) {
                          d.msr_read(a);
                          d.msr_write(a, std::uint64_t{});
                      }) {
            table.read = [](void* i, std::uint64_t token, std::uint32_t index,
                            std::uint64_t* value) noexcept {
                return contained(i, plugbay_status{PLUGBAY_FAILED}, [&]() -> plugbay_status {
                    const std::optional<std::uint64_t> read =
                        self(i).device.msr_read(MsrAccess{token, index});
                    *value = read.value_or(0);
                    return read ? PLUGBAY_OK : PLUGBAY_INVALID;
                });
            };
            table.write = [](void* i, std::uint64_t token, std::uint32_t index,
                             std::uint64_t value) noexcept {
                return contained(i, plugbay_status{PLUGBAY_FAILED}, [&]() -> plugbay_status {
                    return self(i).device.msr_write(MsrAccess{token, index}, value) ? PLUGBAY_OK
                                                                                    : PLUGBAY_INVALID;
                });
            };
        }
        return table;
    }
    static constexpr plugbay_hypercall_callbacks make_hypercall() {
        plugbay_hypercall_callbacks table{sizeof(plugbay_hypercall_callbacks), 0, nullptr};
        if constexpr (requires(Device & d, plugbay_hypercall_registers & r) {
                          d.hypercall(std::uint64_t{}, r);
                      }) {
            table.call = [](void* i, std::uint64_t token, plugbay_hypercall_registers* registers) noexcept {
                const bool done = contained(i, false, [&] {
                    self(i).device.hypercall(token, *registers);
                    return true;
                });
                if (!done) registers->rax = PLUGBAY_HYPERCALL_FAILED;
            };
        }
        return table;
    }
    static constexpr plugbay_worker_callbacks make_worker() {
        plugbay_worker_callbacks table{sizeof(plugbay_worker_callbacks), 0, nullptr, nullptr};
        if constexpr (requires(Device & d) {
                          d.work(std::uint64_t{});
                          d.on_done(std::uint64_t{});
                      }) {
            table.work = [](void* i, std::uint64_t token) noexcept {
                contained(i, [&] { self(i).device.work(token); });
            };
            table.done = [](void* i, std::uint64_t token) noexcept {
                contained(i, [&] { self(i).device.on_done(token); });
            };
        }
        return table;
    }
    static constexpr plugbay_host_event_callbacks make_host_event() {
        plugbay_host_event_callbacks table{sizeof(plugbay_host_event_callbacks), 0, nullptr};
        if constexpr (requires(Device & d, const plugbay_host_event& e) {
                          d.on_host_event(std::uint64_t{}, e);
                      }) {
            table.event = [](void* i, std::uint64_t token, const plugbay_host_event* event) noexcept {
                contained(i, [&] { self(i).device.on_host_event(token, *event); });
            };
        }
        return table;
    }
    static constexpr plugbay_doorbell_callbacks make_doorbell() {
        plugbay_doorbell_callbacks table{sizeof(plugbay_doorbell_callbacks), 0, nullptr};
        if constexpr (requires(Device & d) { d.on_doorbell(std::uint64_t{}); }) {
            table.rung = [](void* i, std::uint64_t token) noexcept {
                contained(i, [&] { self(i).device.on_doorbell(token); });
            };
        }
        return table;
    }
    static constexpr plugbay_timer_callbacks make_timer() {
        plugbay_timer_callbacks table{sizeof(plugbay_timer_callbacks), 0, nullptr};
        if constexpr (requires(Device & d) { d.on_timer(std::uint64_t{}); }) {
            table.expired = [](void* i, std::uint64_t token) noexcept {
                contained(i, [&] { self(i).device.on_timer(token); });
            };
        }
        return table;
    }
    static constexpr plugbay_fd_callbacks make_fd() {
        plugbay_fd_callbacks table{sizeof(plugbay_fd_callbacks), 0, nullptr};
        if constexpr (requires(Device & d) { d.on_fd(std::uint64_t{}, 0, std::uint32_t{}); }) {
            table.ready = [](void* i, std::uint64_t token, int fd, std::uint32_t events) noexcept {
                contained(i, [&] { self(i).device.on_fd(token, fd, events); });
            };
        }
        return table;
    }
    static bool is_blk_backend(std::uint64_t port) {
        const auto& raw = Ports::declared[port].raw;
        return raw.role == PLUGBAY_PORT_BACKEND && std::string_view(raw.interface) == PLUGBAY_BLK;
    }
    static constexpr plugbay_link_callbacks make_link() {
        plugbay_link_callbacks table{sizeof(plugbay_link_callbacks), 0, nullptr, nullptr};
        if constexpr (has_ports) {
            table.connected = [](void* i, std::uint64_t port, const plugbay_link* link,
                                 const plugbay_value* options, std::uint32_t) noexcept {
                return guarded(self(i).host.raw(), [&] {
                    self(i).device.on_connect(port, Link(link, options));
                    if (is_blk_backend(port)) self(i).blk_frontend = BlkFrontend(Link(link, options));
                });
            };
            table.disconnected = [](void* i, std::uint64_t port) noexcept {
                if (is_blk_backend(port)) self(i).blk_frontend = {};
                contained(i, [&] { self(i).device.on_disconnect(port); });
            };
        }
        return table;
    }
    static constexpr plugbay_state_callbacks make_state() {
        plugbay_state_callbacks table{sizeof(plugbay_state_callbacks), 0, nullptr, nullptr};
        if constexpr (has_state) {
            table.save = [](void* i, const plugbay_state_writer* writer) noexcept {
                return guarded(self(i).host.raw(), [&] {
                    StateSaver saver(writer);
                    all_fields(saver, self(i).device);
                });
            };
            table.load = [](void* i, const plugbay_state_reader* reader) noexcept {
                return guarded(self(i).host.raw(), [&] { load(self(i).device, reader); });
            };
        }
        return table;
    }
    static void all_fields(auto& fields, Device& device) {
        if constexpr (has_own_state)
            fields.all_of(device);
        else
            fields.all_of(device, [](auto& each, Device& whole) { state_of_registers(each, whole); });
    }
    static void load(Device& device, const plugbay_state_reader* reader) {
        OldState saved(reader);
        if constexpr (has_convert) {
            if (saved.version() < Device::type.state_version) Device::convert(saved);
        }
        StateLoader checking(saved.reader(), StateLoader::Pass::check);
        all_fields(checking, device);
        saved.refuse_unread();
        StateLoader storing(saved.reader(), StateLoader::Pass::store);
        all_fields(storing, device);
        if constexpr (has_stored_registers) RegisterGlue<Device>::drop_other_bits(device);
        if constexpr (requires { device.loaded(); }) device.loaded();
    }
    static constexpr plugbay_statistics_callbacks make_statistics() {
        plugbay_statistics_callbacks table{sizeof(plugbay_statistics_callbacks), 0, nullptr};
        if constexpr (requires(Device & d, StatisticsSaver & s) { d.statistics(s); }) {
            table.read = [](void* i, const plugbay_statistics_writer* writer) noexcept {
                contained(i, [&] {
                    StatisticsSaver saver(writer);
                    self(i).device.statistics(saver);
                });
            };
        }
        return table;
    }
    static constexpr plugbay_live_callbacks make_live() {
        plugbay_live_callbacks table{sizeof(plugbay_live_callbacks), 0, nullptr};
        if constexpr (has_live) {
            table.change = [](void* i, const plugbay_value* values, std::uint32_t count) noexcept {
                return guarded(self(i).host.raw(), [&] {
                    using Table = PropertyTable<typename Device::Options>;
                    if (count != Table::count)
                        throw Failure("the host passed another number of property values than for create",
                                      PLUGBAY_INVALID);
                    self(i).device.on_change(Table::parse(values));
                });
            };
        }
        return table;
    }
    static constexpr plugbay_pci_callbacks make_pci() {
        plugbay_pci_callbacks table{sizeof(plugbay_pci_callbacks), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, ConfigAccess a) {
                          d.config_read(a);
                          d.config_write(a, std::uint32_t{});
                      }) {
            table.config_read = [](void* i, std::uint32_t capability, std::uint32_t offset,
                                   std::uint32_t width) noexcept {
                return contained(i, ~std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.config_read(ConfigAccess{capability, offset, width});
                });
            };
            table.config_write = [](void* i, std::uint32_t capability, std::uint32_t offset,
                                    std::uint32_t width, std::uint32_t value) noexcept {
                contained(i, [&] {
                    self(i).device.config_write(ConfigAccess{capability, offset, width}, value);
                });
            };
        }
        return table;
    }
    static constexpr plugbay_pci_bus_callbacks make_pci_bus() {
        plugbay_pci_bus_callbacks table{sizeof(plugbay_pci_bus_callbacks), 0, nullptr, nullptr};
        if constexpr (requires(Device & d) {
                          d.on_slot_changed(std::uint32_t{});
                          d.on_slot_detach_requested(std::uint32_t{});
                      }) {
            table.changed = [](void* i, std::uint32_t slot) noexcept {
                contained(i, [&] { self(i).device.on_slot_changed(slot); });
            };
            table.detach_requested = [](void* i, std::uint32_t slot) noexcept {
                contained(i, [&] { self(i).device.on_slot_detach_requested(slot); });
            };
        }
        return table;
    }
    static constexpr plugbay_firmware_callbacks make_firmware() {
        plugbay_firmware_callbacks table{sizeof(plugbay_firmware_callbacks), 0, nullptr};
        if constexpr (requires(Device & d) { d.on_acpi_event(std::uint32_t{}); }) {
            table.raise_event = [](void* i, std::uint32_t event) noexcept {
                contained(i, [&] { self(i).device.on_acpi_event(event); });
            };
        }
        return table;
    }
    static constexpr auto access = make_access();
    static constexpr auto msr = make_msr();
    static constexpr auto hypercall = make_hypercall();
    static constexpr auto worker = make_worker();
    static constexpr auto host_event = make_host_event();
    static constexpr auto doorbell = make_doorbell();
    static constexpr auto timer = make_timer();
    static constexpr auto fd = make_fd();
    static constexpr auto link = make_link();
    static constexpr auto state = make_state();
    static constexpr auto statistics = make_statistics();
    static constexpr auto live = make_live();
    static constexpr auto pci = make_pci();
    static constexpr auto pci_bus = make_pci_bus();
    static constexpr auto firmware = make_firmware();

    static const void* extension(const char* raw_id) noexcept {
        const std::string_view id(raw_id);
        const auto when = [&](std::string_view name, bool present, const void* table) {
            return present && id == name ? table : nullptr;
        };
        const void* const found[] = {
            when(PLUGBAY_ACCESS, access.read != nullptr, &access),
            when(PLUGBAY_MSR, msr.read != nullptr, &msr),
            when(PLUGBAY_HYPERCALL, hypercall.call != nullptr, &hypercall),
            when(PLUGBAY_WORKER, worker.work != nullptr, &worker),
            when(PLUGBAY_HOST_EVENT, host_event.event != nullptr, &host_event),
            when(PLUGBAY_DOORBELL, doorbell.rung != nullptr, &doorbell),
            when(PLUGBAY_TIMER, timer.expired != nullptr, &timer),
            when(PLUGBAY_FD, fd.ready != nullptr, &fd),
            when(PLUGBAY_LINK, link.connected != nullptr, &link),
            when(PLUGBAY_STATE, state.save != nullptr, &state),
            when(PLUGBAY_STATISTICS, statistics.read != nullptr, &statistics),
            when(PLUGBAY_LIVE, live.change != nullptr, &live),
            when(PLUGBAY_PCI, pci.config_read != nullptr, &pci),
            when(PLUGBAY_PCI_BUS, pci_bus.changed != nullptr, &pci_bus),
            when(PLUGBAY_FIRMWARE, firmware.raise_event != nullptr, &firmware),
        };
        for (const void* table : found) {
            if (table != nullptr) return table;
        }
        if (const void* table = InterfaceGlue<Device>::find(id)) return table;
        if constexpr (requires { Device::extension(id); }) return Device::extension(id);
        return nullptr;
    }

    // --- description

    struct NoPorts {
        static constexpr std::span<const plugbay_port* const> pointers{};
    };
    struct Ports {
        static constexpr auto declared = [] {
            if constexpr (has_ports)
                return Device::ports();
            else
                return 0;
        }();
        static constexpr auto make_pointers() {
            std::array<const plugbay_port*, declared.size()> result{};
            for (std::size_t i = 0; i < result.size(); ++i)
                result[i] = &declared[i].raw;
            return result;
        }
        static constexpr auto table = make_pointers();
        static constexpr std::span<const plugbay_port* const> pointers{table};
    };
    using PortTable = std::conditional_t<has_ports, Ports, NoPorts>;

    static constexpr plugbay_device_type describe() {
        plugbay_device_type result{};
        result.size = sizeof(plugbay_device_type);
        result.flags = Device::type.concurrent ? PLUGBAY_DEVICE_CONCURRENT : 0;
        result.name = Device::type.name;
        result.help = Device::type.help;
        if constexpr (has_state) {
            result.state_version = Device::type.state_version;
            result.state_version_oldest = Device::type.state_version_oldest;
        }
        if constexpr (has_options) {
            result.property_count = PropertyTable<typename Device::Options>::count;
            result.properties = PropertyTable<typename Device::Options>::pointers;
        }
        result.port_count = static_cast<std::uint32_t>(PortTable::pointers.size());
        result.ports = PortTable::pointers.data();
        result.create = &create;
        result.destroy = &destroy;
        result.start = &start;
        result.quiesce = &quiesce;
        result.resume = &resume;
        result.reset = &reset;
        result.extension = &extension;
        if constexpr (has_map) {
            result.declaration_count = 1;
            result.declarations = &RegisterGlue<Device>::declaration;
        }
        return result;
    }

  public:
    static constexpr plugbay_device_type type = describe();
};

template <typename... Devices>
struct TypeList {
    static constexpr std::array<const plugbay_device_type*, sizeof...(Devices)> pointers{
        &Glue<Devices>::type...};
};

} // namespace detail
} // namespace plugbay
