// probe-pci: a PCI function with every kind of BAR, MSI-X, a pin and a hooked capability. probe-bridge: a PCI
// host bridge that assigns addresses and offers configuration space through two ports. C tables, as ABI users
// see them.
#pragma once

#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/plugin.hpp>

#include <array>
#include <string>
#include <vector>

class ProbePci {
  public:
    static constexpr plugbay::Type type{.name = "probe-pci",
                                        .help = "A PCI function that does nothing useful."};
    struct Options {
        std::int32_t slot = -1;
        std::string_view bus = "";
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("slot", &Options::slot, "of the bus").range(-2, 40),
                                       plugbay::property("bus", &Options::bus, "id of the bridge"));
        }
    };

    ProbePci(plugbay::Host host, const Options& options)
        : host_(host), table_(host.extension<plugbay_pci_host>(PLUGBAY_PCI)) {
        const std::string bus(options.bus);
        const std::uint8_t body[6] = {1, 2, 3, 4, 5, 6};
        const std::uint8_t writable[6] = {0xff, 0, 0, 0, 0, 0};
        const plugbay_pci_capability capability{0x09, 6, 2, 4, 0, body, writable};
        plugbay_pci_function function{};
        function.size = sizeof function;
        function.class_code = 0x010203;
        function.bus = bus.empty() ? nullptr : bus.c_str();
        function.slot = options.slot;
        function.vendor_id = 0x1234;
        function.device_id = 0x5678;
        function.subsystem_vendor_id = 0x9abc;
        function.subsystem_id = 0xdef0;
        function.revision = 0x42;
        function.interrupt_pin = 1;
        function.msix_vectors = 3;
        function.capability_count = 1;
        function.capabilities = &capability;
        function.bars[0] = {PLUGBAY_BAR_PORTS, 0, 32, 10};
        function.bars[1] = {PLUGBAY_BAR_MEMORY32, 0, 8192, 11};
        function.bars[2] = {PLUGBAY_BAR_MEMORY64 | PLUGBAY_BAR_PREFETCHABLE, 0, std::uint64_t{1} << 33, 12};
        function.bars[4] = {PLUGBAY_BAR_MSIX, 0, 0, 0};
        plugbay::check(table_.add_function(host.raw(), &function, &function_));
        plugbay_handle region{};
        plugbay::check(table_.bar_region(host.raw(), function_, 1, &region));
        doorbell_ = host.doorbell(region, 0x100, 4, 9);
    }
    ProbePci(ProbePci&&) = delete;
    ~ProbePci() {
        doorbell_.release();
        table_.remove_function(host_.raw(), function_);
    }

    std::uint64_t read(plugbay::Access access) { return access.token; }
    // A write notifies the vector or, beyond 100, drives the pin.
    void write(plugbay::Access, std::uint64_t value) {
        if (value > 101 || (value > 2 && value < 100)) return;
        if (value >= 100) {
            table_.set_pin(host_.raw(), function_, static_cast<std::uint32_t>(value - 100));
        } else if (table_.notify(host_.raw(), function_, static_cast<std::uint32_t>(value)) ==
                   PLUGBAY_UNSUPPORTED) {
            host_.info("no MSI-X");
        }
    }
    void on_doorbell(std::uint64_t token) { host_.info("rung " + std::to_string(token)); }
    std::uint32_t config_read(plugbay::ConfigAccess access) {
        return access.capability << 16 | access.offset << 8 | access.width;
    }
    void config_write(plugbay::ConfigAccess access, std::uint32_t value) {
        host_.info("config " + std::to_string(access.offset) + " " + std::to_string(access.width) + " " +
                   std::to_string(value));
    }
    void reset() {}
    void state(auto&) {}

  private:
    plugbay::Host host_;
    const plugbay_pci_host& table_;
    plugbay_handle function_ = PLUGBAY_NO_HANDLE;
    plugbay::Doorbell doorbell_;
};

class ProbeBridge {
  public:
    static constexpr plugbay::Type type{.name = "probe-bridge", .help = "A PCI host bridge of two ports."};
    struct Options {
        std::uint64_t low = 0x80000000;
        std::uint64_t low_size = 0x1000000;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("low", &Options::low, "first address of the 32-bit window"),
                plugbay::property("low_size", &Options::low_size, "bytes of the 32-bit window"));
        }
    };

    ProbeBridge(plugbay::Host host, const Options& options)
        : host_(host), table_(host.extension<plugbay_pci_bus_host>(PLUGBAY_PCI_BUS)),
          ports_(host.map_ports(0xcf8, 8)) {
        const plugbay_pci_bus bus{
            sizeof(plugbay_pci_bus), {8, 9, 10, 11}, 0x2000,       0x1000, 0, options.low,
            options.low_size,        0x4000000000,   0x1000000000, 0,      0};
        plugbay::check(table_.add_bus(host.raw(), &bus, &bus_));
    }

    std::uint64_t read(plugbay::Access access) {
        if (access.offset < 4) return address_;
        return table_.config_read(host_.raw(), bus_, address_ >> 11 & 31,
                                  (address_ & 0xfc) + static_cast<std::uint32_t>(access.offset - 4),
                                  access.width);
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.offset < 4)
            address_ = static_cast<std::uint32_t>(value);
        else
            table_.config_write(host_.raw(), bus_, address_ >> 11 & 31,
                                (address_ & 0xfc) + static_cast<std::uint32_t>(access.offset - 4),
                                access.width, static_cast<std::uint32_t>(value));
    }
    void start() { assign(); }
    void reset() {
        address_ = 0;
        assign();
    }
    void state(auto& fields) { fields("address", address_); }

  private:
    void assign() {
        std::vector<plugbay_pci_bar_slot> bars(table_.bars(host_.raw(), bus_, nullptr, 0));
        table_.bars(host_.raw(), bus_, bars.data(), static_cast<std::uint32_t>(bars.size()));
        std::uint64_t port = 0x2000, low = 0x80000000, high = 0x4000000000;
        for (const auto& bar : bars) {
            const auto kind = bar.kind & ~PLUGBAY_BAR_PREFETCHABLE;
            std::uint64_t& next = kind == PLUGBAY_BAR_PORTS      ? port
                                  : kind == PLUGBAY_BAR_MEMORY64 ? high
                                                                 : low;
            next = (next + bar.length - 1) & ~(bar.length - 1);
            plugbay::check(table_.assign(host_.raw(), bus_, bar.slot, bar.bar, next));
            next += bar.length;
        }
    }

    plugbay::Host host_;
    const plugbay_pci_bus_host& table_;
    plugbay::Region ports_;
    plugbay_handle bus_ = PLUGBAY_NO_HANDLE;
    std::uint32_t address_ = 0;
};
