// dma-reverse: a PCI function that copies a buffer in guest memory and reverses its bytes on the way.
//
// The driver puts a descriptor into memory, its address into DESCRIPTOR, and rings DOORBELL. The device reads the descriptor,
// copies, writes the descriptor's status and interrupts.
//
//   BAR 0 + 0x00   ID
//   BAR 0 + 0x08   DESCRIPTOR   address of the descriptor, 8 bytes
//   BAR 0 + 0x10   DOORBELL     a write of anything starts
//   BAR 0 + 0x14   CAUSE        why the pin is high; reading clears it. MSI-X has vector 0 for DONE, 1 for FAULT
#include <plugbay/pci/function.hpp>
#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

class DmaReverse {
  public:
    static constexpr plugbay::Type type{.name = "dma-reverse", .help = "Reverses bytes by DMA."};

    explicit DmaReverse(plugbay::Host host)
        : memory_(host.memory()), function_(host, description()),
          doorbell_(host.doorbell(function_.bar_region(0), 0x10, 4)) {}

    static constexpr auto registers() {
        using plugbay::bit, plugbay::reg;
        return plugbay::registers(&DmaReverse::registers_, reg<std::uint32_t>(0x0, "ID").constant(0x31564552),
                                  reg(0x8, "DESCRIPTOR", &Registers::descriptor),
                                  reg<std::uint32_t>(0x10, "DOORBELL").write(&DmaReverse::rung),
                                  reg<std::uint32_t>(0x14, "CAUSE")
                                      .read(&DmaReverse::cause)
                                      .fields(bit("DONE", 0), bit("FAULT", 1)))
            .length(bar_length);
    }

    void on_doorbell(std::uint64_t) {
        Descriptor descriptor{};
        const std::uint64_t at = registers_.descriptor;
        if (!memory_.read_object(at, descriptor)) return interrupt(fault);
        const std::uint32_t status = descriptor.length <= most && reverse(descriptor) ? done : fault;
        // The data is there before the status says so.
        if (!memory_.write_object(at + offsetof(Descriptor, status), status)) return interrupt(fault);
        interrupt(done);
    }

    void reset() {
        registers_ = {};
        interrupts_.reset(function_);
    }
    void state(auto& fields) {
        plugbay::state_of_registers(fields, *this);
        fields("interrupts", interrupts_);
    }
    void loaded() { interrupts_.loaded(function_); }

  private:
    static constexpr std::uint64_t bar_length = 4096;
    static constexpr std::uint32_t most = 1 << 20; // bytes of a buffer
    static constexpr std::uint32_t done = 1, fault = 2;

    // In guest memory. The buffers do not overlap.
    struct Descriptor {
        std::uint64_t source;
        std::uint64_t target;
        std::uint32_t length;
        std::uint32_t status; // 0 from the driver; done or fault from the device
    };
    struct Registers {
        std::uint64_t descriptor = 0;
    };

    static plugbay::pci::Description description() {
        plugbay::pci::Description result(0x1234, 0x7276); // vendor, device: of nobody
        result.class_code(0xff0000).interrupt_pin(1).bar(0, PLUGBAY_BAR_MEMORY32, bar_length).msix(2, 2);
        return result;
    }

    // From the end of the source on, in pieces. Each access checks the addresses, which are the guest's and may be anything: false
    // when a piece was not in its memory. What was copied before stays, as it would with hardware.
    [[nodiscard]] bool reverse(const Descriptor& descriptor) const {
        std::array<std::byte, 4096> buffer;
        for (std::uint32_t copied = 0; copied < descriptor.length;) {
            const auto piece = std::min<std::uint32_t>(buffer.size(), descriptor.length - copied);
            const auto bytes = std::span(buffer).first(piece);
            if (!memory_.read(descriptor.source + (descriptor.length - copied - piece), bytes)) return false;
            std::reverse(bytes.begin(), bytes.end());
            if (!memory_.write(descriptor.target + copied, bytes)) return false;
            copied += piece;
        }
        return true;
    }
    void interrupt(std::uint32_t why) {
        interrupts_.raise(function_, why == done ? 0 : 1, static_cast<std::uint8_t>(why));
    }
    std::uint32_t cause() { return interrupts_.acknowledge(function_); }
    void rung(std::uint32_t) { on_doorbell(0); } // by a host that cannot latch doorbells

    plugbay::Memory memory_;
    plugbay::pci::Function function_;
    plugbay::Doorbell doorbell_;
    Registers registers_;
    plugbay::pci::InterruptStatus interrupts_;
};

PLUGBAY_PLUGIN("dma-reverse", "1.0.0", DmaReverse)
