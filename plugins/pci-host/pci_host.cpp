// pci-host: a PCI host bridge with configuration mechanism #1 (PCI Local Bus 3.0, section 3.2.2.3.2) and one
// bus. It gives every BAR an address at power-on, as a PC's firmware would.
#include "assign.hpp"

#include <plugbay/pci/function.hpp>
#include <plugbay/plugin.hpp>

#include <atomic>
#include <string>
#include <vector>

class PciHost {
  public:
    static constexpr plugbay::Type type{
        .name = "pci-host", .help = "A PCI host bridge with one bus.", .concurrent = true};
    struct Options {
        std::uint64_t memory32_window = 0xc0000000;
        plugbay::Size memory32_window_size{0x3ec00000};
        std::uint64_t memory64_window = 0x4000000000; // below what processors with 39 bits of address reach
        plugbay::Size memory64_window_size{std::uint64_t{64} << 30};
        std::uint16_t port_window = 0xc000;
        std::uint16_t port_window_size = 0x1000;
        std::uint16_t hotplug_port = 0xae00;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("memory32_window", &Options::memory32_window,
                                  "first address for BARs below 4 GiB")
                    .range(0x100000, 0xfffff000),
                plugbay::property("memory32_window_size", &Options::memory32_window_size,
                                  "bytes of that window"),
                plugbay::property("memory64_window", &Options::memory64_window,
                                  "first address for 64-bit BARs that do not fit below 4 GiB")
                    .range(std::uint64_t{1} << 32, std::uint64_t{1} << 52),
                plugbay::property("memory64_window_size", &Options::memory64_window_size,
                                  "bytes of that window; 0: none")
                    .range(0, std::uint64_t{1} << 52),
                plugbay::property("port_window", &Options::port_window, "first port for BARs"),
                plugbay::property("port_window_size", &Options::port_window_size, "ports in that window"),
                plugbay::property("hotplug_port", &Options::hotplug_port,
                                  "first of sixteen ports of the hot-plug registers; 0: no hot plug")
                    .range(0, 0xfff0));
        }
    };

    PciHost(plugbay::Host host, const Options& options)
        : host_(host), bus_host_(host.extension<plugbay_pci_bus_host>(PLUGBAY_PCI_BUS)),
          windows_{{"port_window", options.port_window, options.port_window_size},
                   {"memory32_window", options.memory32_window, options.memory32_window_size.bytes},
                   {"memory64_window", options.memory64_window, options.memory64_window_size.bytes}} {
        check_windows();
        ports_ = host.map_ports(address_port, 8);
        if (options.hotplug_port != 0)
            hotplug_ports_ = host.map_ports(options.hotplug_port, 16, hotplug_token);
        plugbay_pci_bus bus{};
        bus.size = sizeof bus;
        for (std::uint32_t i = 0; i < 4; ++i)
            bus.lines[i] = first_line + i;
        bus.port_window = options.port_window;
        bus.port_window_size = options.port_window_size;
        bus.memory32_window = windows_.memory32.first;
        bus.memory32_window_size = windows_.memory32.length;
        bus.memory64_window = windows_.memory64.first;
        bus.memory64_window_size = windows_.memory64.length;
        bus.hotplug_port = options.hotplug_port;
        bus.hotplug_event = hotplug_event;
        plugbay::check(bus_host_.add_bus(host.raw(), &bus, &bus_));
        // The bridge itself. Operating systems believe in mechanism #1 only when they find one on bus 0.
        bridge_ = plugbay::pci::Function(host, plugbay::pci::Description(vendor_id, device_id)
                                                   .at({host.device_id(), 0})
                                                   .class_code(host_bridge_class));
    }

    void start() { assign(); }
    void reset() {
        address_ = 0;
        changed_ = 0;
        detach_requested_ = 0;
        assign();
    }

    void on_slot_changed(std::uint32_t slot) {
        detach_requested_.fetch_and(~(1u << slot)); // that was about the function before
        changed_.fetch_or(1u << slot);
    }
    void on_slot_detach_requested(std::uint32_t slot) { detach_requested_.fetch_or(1u << slot); }

    std::uint64_t read(plugbay::Access access) {
        if (access.token == hotplug_token) return read_hotplug(access);
        if (access.offset < 4)
            return access.offset == 0 && access.width == 4 ? address_.load() : ~std::uint64_t{0};
        const Target target(address_, access);
        if (!target.ours) return ~std::uint64_t{0};
        return bus_host_.config_read(host_.raw(), bus_, target.slot, target.offset, access.width);
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.token == hotplug_token) return write_hotplug(access, static_cast<std::uint32_t>(value));
        if (access.offset < 4) {
            // Only a whole doubleword is the address register; narrower writes are for other ports there.
            if (access.offset == 0 && access.width == 4) {
                address_ = static_cast<std::uint32_t>(value) & writable_bits;
            } else if (access.offset <= reset_port && access.offset + access.width > reset_port) {
                write_reset_control(static_cast<std::uint8_t>(value >> (8 * (reset_port - access.offset))));
            }
            return;
        }
        const Target target(address_, access);
        if (target.ours)
            bus_host_.config_write(host_.raw(), bus_, target.slot, target.offset, access.width,
                                   static_cast<std::uint32_t>(value));
    }

    void state(auto& fields) {
        std::uint32_t address = address_;
        std::uint32_t changed = changed_;
        std::uint32_t detach_requested = detach_requested_;
        fields("address", address);
        fields("slots_changed", changed);
        fields("slots_detach_requested", detach_requested);
        address_ = address & writable_bits;
        changed_ = changed;
        detach_requested_ = detach_requested;
    }

  private:
    // Intel's id of a virtual host bridge, which guests know as one without quirks.
    static constexpr std::uint16_t vendor_id = 0x8086;
    static constexpr std::uint16_t device_id = 0x0d57;
    static constexpr std::uint32_t host_bridge_class = 0x060000;
    static constexpr std::uint32_t address_port = 0xcf8;
    static constexpr std::uint32_t reset_port = 1; // 0xcf9, as an offset
    static constexpr std::uint32_t first_line = 16;
    static constexpr std::uint64_t interrupt_controllers = 0xfec00000; // I/O APIC, local APICs
    static constexpr std::uint64_t interrupt_controllers_end = 0xfef00000;
    static constexpr std::uint64_t hotplug_token = 1;
    static constexpr std::uint32_t hotplug_event = 1; // of ACPI's general-purpose events
    static constexpr std::uint64_t changed_register = 0;
    static constexpr std::uint64_t detach_register = 4;
    static constexpr std::uint64_t eject_register = 8;
    static constexpr std::uint32_t enable = 0x80000000;
    static constexpr std::uint32_t writable_bits = 0x80fffffc;

    // What an access to the data port means at the moment.
    struct Target {
        Target(std::uint32_t address, const plugbay::Access& access)
            : slot((address >> 11) & 31),
              offset((address & 0xfc) + static_cast<std::uint32_t>(access.offset - 4)) {
            const bool bus_0 = ((address >> 16) & 0xff) == 0;
            const bool function_0 = ((address >> 8) & 7) == 0;
            ours = (address & enable) != 0 && bus_0 && function_0 && access.width <= 4;
        }
        std::uint32_t slot;
        std::uint32_t offset;
        bool ours;
    };

    // The registers that abi/pci_bus.h describes. Whole doublewords only.
    std::uint64_t read_hotplug(const plugbay::Access& access) {
        if (access.width != 4) return ~std::uint64_t{0};
        if (access.offset == changed_register) return changed_.exchange(0);
        if (access.offset == detach_register) return detach_requested_.exchange(0);
        return 0;
    }
    void write_hotplug(const plugbay::Access& access, std::uint32_t slots) {
        if (access.width == 4 && access.offset == eject_register)
            plugbay::check(bus_host_.ejected(host_.raw(), bus_, slots));
    }

    // The reset control register of PC chipsets shares the address register's doubleword, so nobody else can
    // have it: setting bit 2 resets the machine.
    void write_reset_control(std::uint8_t value) {
        if ((value & 4) != 0) host_.request(PLUGBAY_REQUEST_RESET);
    }

    void check_windows() const {
        const auto& low = windows_.memory32;
        if (low.length > (std::uint64_t{1} << 32) - low.first)
            throw plugbay::Failure("\"memory32_window\" does not end below 4 GiB", PLUGBAY_INVALID);
        if (low.first < interrupt_controllers_end && low.first + low.length > interrupt_controllers)
            throw plugbay::Failure("\"memory32_window\" has the interrupt controllers' addresses "
                                   "0xfec00000-0xfeefffff: make it smaller",
                                   PLUGBAY_INVALID);
        if (windows_.ports.first + windows_.ports.length > 0x10000)
            throw plugbay::Failure("\"port_window\" does not end below port 0x10000", PLUGBAY_INVALID);
        const auto machine = host_.machine_facts();
        check_ram(machine.memory_below_4gb, low);
        if (machine.memory_size > machine.memory_below_4gb && windows_.memory64.length != 0)
            check_ram((std::uint64_t{1} << 32) + (machine.memory_size - machine.memory_below_4gb),
                      windows_.memory64);
    }

    static void check_ram(std::uint64_t end, const Window& window) {
        if (end <= window.first) return;
        throw plugbay::Failure("the machine's RAM reaches up to " + std::to_string(end) + ", into \"" +
                                   window.name + "\" at " + std::to_string(window.first) +
                                   ": let the window begin later, or give the machine less memory",
                               PLUGBAY_INVALID);
    }

    void assign() {
        std::vector<plugbay_pci_bar_slot> bars(bus_host_.bars(host_.raw(), bus_, nullptr, 0));
        bus_host_.bars(host_.raw(), bus_, bars.data(), static_cast<std::uint32_t>(bars.size()));
        assign_bars(bars, windows_);
        for (const plugbay_pci_bar_slot& bar : bars) {
            if (bar.address != 0)
                plugbay::check(bus_host_.assign(host_.raw(), bus_, bar.slot, bar.bar, bar.address));
        }
    }

    plugbay::Host host_;
    const plugbay_pci_bus_host& bus_host_;
    Windows windows_;
    plugbay::Region ports_;
    plugbay::Region hotplug_ports_;
    plugbay_handle bus_ = PLUGBAY_NO_HANDLE;
    plugbay::pci::Function bridge_;
    std::atomic<std::uint32_t> address_{0};
    std::atomic<std::uint32_t> changed_{0};          // slots, for the guest to look at
    std::atomic<std::uint32_t> detach_requested_{0}; // slots, for the guest to let go of
};

PLUGBAY_PLUGIN("pci-host", "1.0.0", PciHost)
