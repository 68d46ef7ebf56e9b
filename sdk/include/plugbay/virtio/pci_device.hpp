// Makes a plain class a virtio device on the PCI bus:
//
//     class Echo {
//       public:
//         static constexpr plugbay::Type type{.name = "echo", .help = "..."};
//         Echo(plugbay::Host, plugbay::virtio::PciTransport& transport) : transport_(transport) {
//             transport.open({.device_id = 99, .queues = 1});
//         }
//         void on_queue(unsigned index) {
//             transport_.serve(index, [&](const plugbay::virtio::Chain& chain) { ...; return bytes_written;
//             });
//         }
//       private:
//         plugbay::virtio::PciTransport& transport_;
//     };
//     PLUGBAY_PLUGIN("echo", "1.0.0", plugbay::virtio::Pci<Echo>)
//
// The class may have what every device class may have (device.hpp), its constructor then being
// (Host, PciTransport&, const Options&); Options members `bus` and `slot` place the function. In addition:
//
//     bool on_driver_reset()              the driver resets the device; see PciTransport::Hooks
//     void on_features_negotiated()       transport.features() are final
//     void on_config_write(offset, width, value)
//
// A quiesce() that returns PLUGBAY_PENDING ends with transport.quiesced(). start() and resume() run before
// the queues are looked at again.
#pragma once

#include <plugbay/virtio/pci_transport.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace plugbay::virtio {

namespace detail {

// A base, so that the transport exists before the device that gets a reference to it.
struct PciPart : private PciTransport::Hooks {
    PciPart(Host host, pci::Location location) : pci_transport(host, *this, std::move(location)) {}
    PciTransport pci_transport;

  protected:
    ~PciPart() = default;
};

} // namespace detail

template <typename Device>
class Pci : private detail::PciPart, public Device {
  public:
    explicit Pci(Host host) requires std::is_constructible_v<Device, Host, PciTransport&>
        : PciPart(host, {}), Device(host, pci_transport) {}
    template <typename Options>
    requires std::is_constructible_v<Device, Host, PciTransport&, const Options&> Pci(Host host,
                                                                                      const Options& options)
        : PciPart(host, location(options)), Device(host, pci_transport, options) {}

    void start() {
        if constexpr (requires(Device & d) { d.start(); }) Device::start();
        pci_transport.start();
    }
    plugbay_status quiesce() {
        pci_transport.begin_quiesce();
        plugbay_status status = PLUGBAY_OK;
        if constexpr (requires(Device & d) { d.quiesce(); }) status = Device::quiesce();
        if (status == PLUGBAY_OK) pci_transport.unmap_queues();
        return status;
    }
    void resume() {
        if constexpr (requires(Device & d) { d.resume(); }) Device::resume();
        pci_transport.start();
    }
    void reset() {
        if constexpr (requires(Device & d) { d.reset(); }) Device::reset();
        pci_transport.reset();
    }

    std::uint64_t read(Access access) { return pci_transport.read(access.offset, access.width); }
    void write(Access access, std::uint64_t value) {
        pci_transport.write(access.offset, access.width, value);
    }
    std::uint32_t config_read(ConfigAccess access) { return pci_transport.config_read(access); }
    void config_write(ConfigAccess access, std::uint32_t value) { pci_transport.config_write(access, value); }
    void on_doorbell(std::uint64_t token) { pci_transport.on_doorbell(token); }

    void state(auto& fields) {
        fields("virtio", pci_transport);
        if constexpr (requires(Device & d) { d.state(fields); }) Device::state(fields);
    }
    void loaded() {
        pci_transport.loaded();
        if constexpr (requires(Device & d) { d.loaded(); }) Device::loaded();
    }

  private:
    static pci::Location location(const auto& options) {
        pci::Location result;
        if constexpr (requires { options.bus; }) result.bus = std::string(options.bus);
        if constexpr (requires { options.slot; }) result.slot = options.slot;
        return result;
    }

    void queue_notified(unsigned index) override { Device::on_queue(index); }
    bool driver_reset() override {
        if constexpr (requires(Device & d) { d.on_driver_reset(); })
            return Device::on_driver_reset();
        else
            return true;
    }
    void features_negotiated() override {
        if constexpr (requires(Device & d) { d.on_features_negotiated(); }) Device::on_features_negotiated();
    }
    void config_written(std::uint32_t offset, std::uint32_t width, std::uint64_t value) override {
        if constexpr (requires(Device & d) { d.on_config_write(offset, width, value); })
            Device::on_config_write(offset, width, value);
    }
};

} // namespace plugbay::virtio
