// What the places of a device are called, for people: the one room that turns a token and an offset into a name.
#pragma once

#include "core/device/access_place.hpp"
#include "core/plugin/register_description.hpp"
#include "core/trace/access_record.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace plugbay::core {

class Device;

// Of one build of a device, taken at one time: what it maps later is called by its token. Constant.
class AccessNames {
  public:
    explicit AccessNames(std::vector<AccessPlace> places,
                         std::vector<RegisterBlockDescription> registers = {})
        : places_(std::move(places)), registers_(std::move(registers)) {}
    // [control]
    [[nodiscard]] static AccessNames of(const Device& device);

    // The place that a read or a write reached. Several with one token are one to the device: the first that the access fits
    // into. Null: none.
    [[nodiscard]] const AccessPlace* place_of(const AccessRecord& record) const;
    // "ports 0x3f8", "memory 0xfed00000", "BAR 0"; of MSRs and calls "MSR", "hypercall"; of inputs what they are.
    [[nodiscard]] std::string region_name(const AccessRecord& record) const;
    // "LCR", "RBR or DLL": what a read or a write reached by the type's register map; empty: that has nothing there.
    [[nodiscard]] std::string register_of(const AccessRecord& record) const;
    // "ports 0x3f8 + 0x3 LCR", "MSR 0xc0010015", "hypercall 0x100", "a doorbell".
    [[nodiscard]] std::string access_name(const AccessRecord& record) const;
    // "WLS=8 bits, DLAB=1": the fields of a value that the access wrote or might have been answered with; empty: it reached
    // no single whole register.
    [[nodiscard]] std::string fields(const AccessRecord& record, std::uint64_t value) const;
    // What was written or answered, as this was: "0x83", by the register map "0x83 (WLS=8 bits, DLAB=1)".
    [[nodiscard]] std::string value_name(const AccessRecord& record, std::uint64_t value) const;

  private:
    std::vector<AccessPlace> places_;
    std::vector<RegisterBlockDescription> registers_;
};

// "read", "write", "rdmsr", "wrmsr", "call", "event".
[[nodiscard]] const char* kind_name(AccessRecord::Kind kind);
// Whether the guest asked for it.
[[nodiscard]] inline bool is_access(AccessRecord::Kind kind) {
    return kind < AccessRecord::Kind::timer;
}
// As many digits as the access had: "0x41", "0x00c0".
[[nodiscard]] std::string value_text(std::uint64_t value, std::uint8_t width);

} // namespace plugbay::core
