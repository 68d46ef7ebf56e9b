// A PCI function that does not expect all that a guest may write into a capability.
#include <plugbay/pci/function.hpp>
#include <plugbay/plugin.hpp>

#include <cstdlib>

class PciSpecimen {
  public:
    static constexpr plugbay::Type type{.name = "pci-specimen", .help = "A device to try a validator on."};

    explicit PciSpecimen(plugbay::Host host) : function_(host, description()) {}

    std::uint64_t read(plugbay::Access) { return 0; }
    void write(plugbay::Access, std::uint64_t) {}
    std::uint32_t config_read(plugbay::ConfigAccess) { return 0; }
    void config_write(plugbay::ConfigAccess, std::uint32_t value) {
        if ((value & 0xf) == 0xe) std::abort();
    }
    void reset() {}
    void state(auto&) {}

  private:
    static plugbay::pci::Description description() {
        plugbay::pci::Description result(0x1234, 0x0001);
        plugbay::pci::Capability hooked;
        hooked.id = 0x09; // a vendor's own
        hooked.body.resize(6);
        hooked.hook_offset = 2;
        hooked.hook_length = 4;
        result.class_code(0xff0000).bar(0, PLUGBAY_BAR_MEMORY32, 4096).capability(std::move(hooked));
        return result;
    }

    plugbay::pci::Function function_;
};

PLUGBAY_PLUGIN("pci-specimen", "1.0.0", PciSpecimen)
