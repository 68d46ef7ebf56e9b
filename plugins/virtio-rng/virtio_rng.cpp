// virtio-rng: an entropy source (virtio 1.2, section 5.4). Each buffer the guest queues is filled from the
// host's getrandom(2).
#include <plugbay/plugin.hpp>
#include <plugbay/virtio/pci_device.hpp>

#include <sys/random.h>

#include <algorithm>
#include <array>

class VirtioRng {
  public:
    static constexpr plugbay::Type type{.name = "virtio-rng",
                                        .help = "A virtio entropy source fed by the host's getrandom."};
    struct Options {
        std::string_view bus = "";
        std::int8_t slot = -1;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("bus", &Options::bus, "id of the PCI bus's device; empty: the first bus"),
                plugbay::property("slot", &Options::slot, "PCI device number; -1: the next free one")
                    .range(-1, 31));
        }
    };

    VirtioRng(plugbay::Host, plugbay::virtio::PciTransport& transport, const Options&)
        : transport_(transport) {
        transport.open({.device_id = 4, .queues = 1, .queue_size = 64});
    }

    void on_queue(unsigned index) {
        transport_.serve(index, [&](const plugbay::virtio::Chain& chain) { return fill(chain); });
    }

  private:
    // A device may write less than there is room for (section 5.4.6.1), so that one request costs a bounded
    // time. Up to 256 bytes getrandom neither blocks, once the host has booted, nor stops halfway.
    std::uint32_t fill(const plugbay::virtio::Chain& chain) {
        std::array<std::byte, 256> bytes{};
        const auto wanted = std::min<std::uint64_t>(bytes.size(), chain.writable_length());
        const ssize_t got = getrandom(bytes.data(), static_cast<std::size_t>(wanted), GRND_NONBLOCK);
        if (got <= 0) return 0;
        const auto filled = std::span(bytes).first(static_cast<std::size_t>(got));
        return chain.write(transport_.memory(), 0, filled) ? static_cast<std::uint32_t>(got) : 0;
    }

    plugbay::virtio::PciTransport& transport_;
};

PLUGBAY_PLUGIN("virtio-rng", "1.0.0", plugbay::virtio::Pci<VirtioRng>)
