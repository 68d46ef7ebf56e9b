// A virtio device that keeps all rules, and, with FAULT, breaks one.
#include <plugbay/plugin.hpp>
#include <plugbay/virtio/pci_device.hpp>

#include <array>
#include <cstdlib>

enum Fault { none, trust_length, trust_configuration };

class Specimen {
  public:
    static constexpr plugbay::Type type{.name = "virtio-specimen", .help = "A device to try a validator on."};

    Specimen(plugbay::Host, plugbay::virtio::PciTransport& transport) : transport_(transport) {
        transport.open({.device_id = 60, .queues = 1, .queue_size = 64});
    }
    void on_queue(unsigned index) {
        transport_.serve(index, [&](const plugbay::virtio::Chain& chain) -> std::uint32_t {
            if (FAULT == trust_length && chain.writable_length() > 4096) std::abort();
            const std::array<std::byte, 64> zeros{};
            return chain.write(transport_.memory(), 0, zeros) ? 64 : 0;
        });
    }

  private:
    plugbay::virtio::PciTransport& transport_;
};

PLUGBAY_PLUGIN("virtio-specimen", "1.0.0", plugbay::virtio::Pci<Specimen>)
