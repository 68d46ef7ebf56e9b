// A function's MSI-X vectors: the table and pending bits that the guest sees in a BAR, and the interrupts
// behind them. PCI Local Bus Specification 3.0, section 6.8.2.
#pragma once

#include "core/base/counter.hpp"
#include "core/base/log.hpp"
#include "core/bus/region.hpp"
#include "core/device/platform.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace plugbay::core {

// Thread: any. Vectors get an interrupt of the platform when the guest first unmasks them.
class MsixTable : public AccessHandler {
  public:
    static constexpr std::uint32_t max_vectors = 2048;

    // `owner` names the device in messages; `sent` counts the interrupts.
    MsixTable(Platform& platform, std::uint32_t vectors, std::string owner,
              std::shared_ptr<SharedCounter> sent);

    // The BAR: table first, pending bits from the middle.
    [[nodiscard]] std::uint64_t bar_length() const { return bar_length_; }
    [[nodiscard]] std::uint32_t pending_offset() const { return static_cast<std::uint32_t>(bar_length_ / 2); }
    [[nodiscard]] std::uint32_t vectors() const { return static_cast<std::uint32_t>(entries_.size()); }

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, std::uint32_t width) override;
    void write(std::uint64_t offset, std::uint32_t width, std::uint64_t value) override;

    // From the capability's message control register.
    void set_control(bool enabled, bool function_masked);
    // False: MSI-X is off. A masked vector becomes pending.
    [[nodiscard]] bool notify(std::uint32_t vector);
    // As after power-on.
    void reset();

    // The table and the pending bits, for a checkpoint; four words a vector. set_control() has to follow the loading,
    // which is refused when there are other vectors.
    struct Saved {
        std::vector<std::uint32_t> words = {};
        std::vector<std::uint8_t> pending = {};
    };
    [[nodiscard]] Saved save();
    [[nodiscard]] bool load(const Saved& saved);

  private:
    struct Entry {
        std::uint32_t words[4] = {0, 0, 0, 1}; // address low, high, data, control (bit 0: masked)
        bool pending = false;
        bool routed = false; // the interrupt carries the words' message
        std::unique_ptr<MsiVector> interrupt;
    };
    [[nodiscard]] std::uint32_t read_word(std::uint64_t offset) const;
    void write_word(std::uint64_t offset, std::uint32_t value);
    void update(Entry& entry);
    void send(Entry& entry);

    Platform& platform_;
    const std::string owner_;
    const std::shared_ptr<SharedCounter> sent_;
    const std::uint64_t bar_length_;
    LimitedLog log_{Subsystem::pci};
    std::mutex mutex_; // for what follows
    std::vector<Entry> entries_;
    bool enabled_ = false;
    bool function_masked_ = false;
};

} // namespace plugbay::core
