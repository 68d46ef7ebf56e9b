// What makes a plain class a device type. There is no base class: the glue finds by name what the class has.
//
//     static constexpr plugbay::Type type{...}                 required
//     struct Options { ...; properties() }                     see property.hpp
//     static constexpr auto ports() { return std::array{...}; }    see link.hpp
//     Device(plugbay::Host)  or  Device(plugbay::Host, const Options&)     throws Failure
//     void start();  void reset();
//     plugbay_status quiesce();  void resume();                see abi/plugin.h
//     std::uint64_t read(plugbay::Access);  void write(plugbay::Access, std::uint64_t value);
//     void on_doorbell(std::uint64_t token);
//     void on_timer(std::uint64_t token);
//     void on_fd(std::uint64_t token, int fd, std::uint32_t events);
//     void on_connect(std::uint64_t port, plugbay::Link);  void on_disconnect(std::uint64_t port);
//     void state(auto& fields);  void loaded();                see state.hpp
//     std::uint32_t config_read(plugbay::ConfigAccess);
//     void config_write(plugbay::ConfigAccess, std::uint32_t value);
//     void on_slot_changed(std::uint32_t slot);  void on_slot_detach_requested(std::uint32_t slot);    PCI bridges
//     void on_acpi_event(std::uint32_t event);                 the provider of ACPI's fixed hardware
//     char/1 frontends: std::uint32_t on_receive(port, bytes);  void on_write_ready(port);
//                       void on_char_event(port, event);
//     char/1 backends:  std::uint32_t on_write(port, bytes);  void on_receive_ready(port);
//     blk/1 frontends:  void on_complete(port, completions);  void on_changed(port);
//     blk/1 backends:   plugbay_blk_facts facts(port);  void on_submit(port, requests);
//     static const void* extension(std::string_view id)        anything else: your own C tables
//
// Threads and states are those of the ABI function behind each (sdk/include/plugbay/abi/). A callback that
// throws is caught: creating, loading and the like fail with the exception's text; any other logs it, and a
// guest access reads all ones. The requests of an on_submit that throws are completed with PLUGBAY_FAILED: a
// backend throws before it has taken or completed the first of them, or not at all.
#pragma once

#include <plugbay/abi/firmware.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/host.hpp>
#include <plugbay/link.hpp>
#include <plugbay/state.hpp>

#include <concepts>
#include <cstdint>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace plugbay {

struct Type {
    const char* name;
    const char* help;
    bool concurrent = false;         // callbacks may run on several threads at once
    std::uint32_t state_version = 1; // raise when state() changes its meaning
    std::uint32_t state_version_oldest = 1;
};

// An access to hooked bytes of a PCI capability; see abi/pci.h.
struct ConfigAccess {
    std::uint32_t capability;
    std::uint32_t offset;
    std::uint32_t width;
};

namespace detail {

template <typename Device>
class Glue {
    struct Instance {
        Host host;
        Device device;
        BlkFrontend blk_frontend{}; // of blk/1 backends: who hears of requests that on_submit threw away
    };

    static Instance& self(void* instance) { return *static_cast<Instance*>(instance); }

    // Runs `body`; what it throws becomes a status, explained to the host.
    template <typename Body>
    static plugbay_status guarded(const plugbay_host* host, Body body) noexcept {
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
                body();
                return PLUGBAY_OK;
            } else {
                return body();
            }
        } catch (const Failure& failure) {
            if (*failure.what() != '\0') host->set_error(host, failure.what());
            return failure.status() < 0 ? failure.status() : PLUGBAY_FAILED;
        } catch (const std::bad_alloc&) {
            host->set_error(host, "out of memory");
            return PLUGBAY_NO_MEMORY;
        } catch (const std::exception& error) {
            host->set_error(host, error.what());
            return PLUGBAY_FAILED;
        } catch (...) {
            host->set_error(host, "the device threw something that is not a std::exception");
            return PLUGBAY_FAILED;
        }
    }

    static void report(void* instance, const char* text) {
        const plugbay_host* const host = self(instance).host.raw();
        host->log(host, PLUGBAY_LOG_ERROR, text);
    }
    // For a host call that failed in a callback through which the host does not say why.
    static const char* refusal(plugbay_status status) {
        switch (status) {
        case PLUGBAY_INVALID:
            return "the host refused a call: an argument makes no sense (PLUGBAY_INVALID)";
        case PLUGBAY_TAKEN:
            return "the host refused a call: somebody else has it (PLUGBAY_TAKEN)";
        case PLUGBAY_NOT_FOUND:
            return "the host refused a call: there is no such thing (PLUGBAY_NOT_FOUND)";
        case PLUGBAY_STALE:
            return "the host refused a call: the handle's object is gone (PLUGBAY_STALE)";
        case PLUGBAY_NO_MEMORY:
            return "the host refused a call: it has nothing left to give (PLUGBAY_NO_MEMORY)";
        case PLUGBAY_FORBIDDEN:
            return "the host refused a call: not in this state or from this thread (PLUGBAY_FORBIDDEN)";
        case PLUGBAY_UNSUPPORTED:
            return "the host refused a call: it cannot do that (PLUGBAY_UNSUPPORTED)";
        default:
            return "the host refused a call (PLUGBAY_FAILED)";
        }
    }

    // The same for callbacks without a status: the exception is logged and `otherwise` returned.
    template <typename Result, typename Body>
    static Result contained(void* instance, Result otherwise, Body body) noexcept {
        try {
            return body();
        } catch (const Failure& failure) {
            report(instance, *failure.what() != '\0' ? failure.what() : refusal(failure.status()));
        } catch (const std::exception& error) {
            report(instance, error.what());
        } catch (...) {
            report(instance, "the device threw something that is not a std::exception");
        }
        return otherwise;
    }
    template <typename Body>
    static void contained(void* instance, Body body) noexcept {
        contained(instance, 0, [&] {
            body();
            return 0;
        });
    }

    static constexpr bool has_options = requires { typename Device::Options; };
    static constexpr bool has_ports = requires { Device::ports(); };
    static constexpr bool has_state = requires(Device & d, StateSaver& s) { d.state(s); };

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
            if constexpr (requires(Device & d) { d.reset(); }) self(instance).device.reset();
        });
    }

    // --- callback tables

    static constexpr plugbay_access_callbacks make_access() {
        plugbay_access_callbacks table{sizeof(plugbay_access_callbacks), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, Access a) {
                          d.read(a);
                          d.write(a, std::uint64_t{});
                      }) {
            table.read = [](void* i, std::uint64_t token, std::uint64_t offset,
                            std::uint32_t width) noexcept {
                return contained(i, ~std::uint64_t{0}, [&]() -> std::uint64_t {
                    return self(i).device.read(Access{token, offset, width});
                });
            };
            table.write = [](void* i, std::uint64_t token, std::uint64_t offset, std::uint32_t width,
                             std::uint64_t value) noexcept {
                contained(i, [&] { self(i).device.write(Access{token, offset, width}, value); });
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
                    self(i).device.state(saver);
                });
            };
            table.load = [](void* i, const plugbay_state_reader* reader) noexcept {
                return guarded(self(i).host.raw(), [&] {
                    StateLoader checker(reader, false);
                    self(i).device.state(checker);
                    StateLoader loader(reader, true);
                    self(i).device.state(loader);
                    if constexpr (requires(Device & d) { d.loaded(); }) self(i).device.loaded();
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
    static constexpr plugbay_char_backend make_char_backend() {
        plugbay_char_backend table{sizeof(plugbay_char_backend), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const std::uint8_t> b) {
                          d.on_write(std::uint64_t{}, b);
                      }) {
            table.write = [](void* i, std::uint64_t port, const std::uint8_t* bytes,
                             std::uint32_t length) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_write(port, std::span(bytes, length));
                });
            };
            table.receive_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_receive_ready(port); });
            };
        }
        return table;
    }
    static constexpr plugbay_char_frontend make_char_frontend() {
        plugbay_char_frontend table{sizeof(plugbay_char_frontend), 0, nullptr, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const std::uint8_t> b) {
                          d.on_receive(std::uint64_t{}, b);
                      }) {
            table.receive = [](void* i, std::uint64_t port, const std::uint8_t* bytes,
                               std::uint32_t length) noexcept {
                return contained(i, std::uint32_t{0}, [&]() -> std::uint32_t {
                    return self(i).device.on_receive(port, std::span(bytes, length));
                });
            };
            table.write_ready = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] { self(i).device.on_write_ready(port); });
            };
            table.event = [](void* i, std::uint64_t port, std::uint32_t event) noexcept {
                contained(i, [&] {
                    if constexpr (requires(Device & d) { d.on_char_event(port, event); }) {
                        self(i).device.on_char_event(port, event);
                    }
                });
            };
        }
        return table;
    }
    static void fail_requests(BlkFrontend frontend, std::span<const plugbay_blk_request> requests) noexcept {
        for (const plugbay_blk_request& request : requests) {
            const plugbay_blk_completion failed{request.tag, PLUGBAY_FAILED, 0};
            frontend.complete(std::span(&failed, 1));
        }
    }
    static constexpr plugbay_blk_backend make_blk_backend() {
        plugbay_blk_backend table{sizeof(plugbay_blk_backend), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const plugbay_blk_request> r) {
                          d.on_submit(std::uint64_t{}, r);
                      }) {
            table.facts = [](void* i, std::uint64_t port, plugbay_blk_facts* facts) noexcept {
                contained(i, [&] {
                    plugbay_blk_facts all = self(i).device.facts(port);
                    copy_sized(facts, all);
                });
            };
            table.submit = [](void* i, std::uint64_t port, const plugbay_blk_request* requests,
                              std::uint32_t count) noexcept {
                const bool taken = contained(i, false, [&] {
                    self(i).device.on_submit(port, std::span(requests, count));
                    return true;
                });
                if (!taken) fail_requests(self(i).blk_frontend, std::span(requests, count));
            };
        }
        return table;
    }
    static constexpr plugbay_blk_frontend make_blk_frontend() {
        plugbay_blk_frontend table{sizeof(plugbay_blk_frontend), 0, nullptr, nullptr};
        if constexpr (requires(Device & d, std::span<const plugbay_blk_completion> c) {
                          d.on_complete(std::uint64_t{}, c);
                      }) {
            table.complete = [](void* i, std::uint64_t port, const plugbay_blk_completion* completions,
                                std::uint32_t count) noexcept {
                contained(i, [&] { self(i).device.on_complete(port, std::span(completions, count)); });
            };
            table.changed = [](void* i, std::uint64_t port) noexcept {
                contained(i, [&] {
                    if constexpr (requires(Device & d) { d.on_changed(port); })
                        self(i).device.on_changed(port);
                });
            };
        }
        return table;
    }

    // Fills a caller's struct as far as the caller knows it.
    template <typename Struct>
    static void copy_sized(Struct* target, Struct& source) {
        const std::uint32_t size = target->size < sizeof(Struct) ? target->size : sizeof(Struct);
        source.size = size;
        __builtin_memcpy(target, &source, size);
    }

    static constexpr auto access = make_access();
    static constexpr auto doorbell = make_doorbell();
    static constexpr auto timer = make_timer();
    static constexpr auto fd = make_fd();
    static constexpr auto link = make_link();
    static constexpr auto state = make_state();
    static constexpr auto pci = make_pci();
    static constexpr auto pci_bus = make_pci_bus();
    static constexpr auto firmware = make_firmware();
    static constexpr auto char_backend = make_char_backend();
    static constexpr auto char_frontend = make_char_frontend();
    static constexpr auto blk_backend = make_blk_backend();
    static constexpr auto blk_frontend = make_blk_frontend();

    static const void* extension(const char* raw_id) noexcept {
        const std::string_view id(raw_id);
        const auto when = [&](std::string_view name, bool present, const void* table) {
            return present && id == name ? table : nullptr;
        };
        const void* const found[] = {
            when(PLUGBAY_ACCESS, access.read != nullptr, &access),
            when(PLUGBAY_DOORBELL, doorbell.rung != nullptr, &doorbell),
            when(PLUGBAY_TIMER, timer.expired != nullptr, &timer),
            when(PLUGBAY_FD, fd.ready != nullptr, &fd),
            when(PLUGBAY_LINK, link.connected != nullptr, &link),
            when(PLUGBAY_STATE, state.save != nullptr, &state),
            when(PLUGBAY_PCI, pci.config_read != nullptr, &pci),
            when(PLUGBAY_PCI_BUS, pci_bus.changed != nullptr, &pci_bus),
            when(PLUGBAY_FIRMWARE, firmware.raise_event != nullptr, &firmware),
            when(PLUGBAY_CHAR ".backend", char_backend.write != nullptr, &char_backend),
            when(PLUGBAY_CHAR ".frontend", char_frontend.receive != nullptr, &char_frontend),
            when(PLUGBAY_BLK ".backend", blk_backend.submit != nullptr, &blk_backend),
            when(PLUGBAY_BLK ".frontend", blk_frontend.complete != nullptr, &blk_frontend),
        };
        for (const void* table : found) {
            if (table != nullptr) return table;
        }
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
