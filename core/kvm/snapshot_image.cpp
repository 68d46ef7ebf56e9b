// Snapshots as images. General and special registers have their names in them; what is a structure of the processor's own
// (extended state, the local APIC) or of KVM's interface, which never changes, is kept as its bytes. What a KVM does not
// have is empty.
#include "core/base/own_state.hpp"
#include "core/kvm/snapshot_state.hpp"

#include <cstring>
#include <span>
#include <string>

namespace plugbay::core {

namespace {

constexpr const char* vcpu_type = "kvm-vcpu";
constexpr const char* chips_type = "kvm-chips";
constexpr const char* clock_type = "kvm-clock";
constexpr std::uint32_t version = 1;
constexpr std::uint32_t version_with_nested =
    2; // of a vCPU: a build that does not know the field must not leave it out
constexpr std::uint64_t most_bytes = 1 << 16; // of one structure
constexpr std::uint64_t most_msrs = 4096;

using Bytes = std::vector<std::uint8_t>;

template <typename Part>
Bytes bytes_of(const Part& part) {
    Bytes bytes(sizeof part);
    std::memcpy(bytes.data(), &part, sizeof part);
    return bytes;
}
template <typename Part>
Bytes bytes_of(const std::optional<Part>& part) {
    return part ? bytes_of(*part) : Bytes{};
}

// False: the image has another size.
template <typename Part>
bool fill(const Bytes& bytes, Part& part) {
    if (bytes.size() != sizeof part) return false;
    std::memcpy(&part, bytes.data(), sizeof part);
    return true;
}
template <typename Part>
bool fill(const Bytes& bytes, std::optional<Part>& part) {
    return bytes.empty() || fill(bytes, part.emplace());
}

Error malformed(const char* type, const char* what) {
    return Error{"the state of a " + std::string(type) + " cannot be loaded: its " + what +
                 " has another size"};
}

// Intel SDM volume 3, 3.4.3: as KVM has it.
struct Segment {
    kvm_segment& whole;
    void state(auto& fields) {
        fields("base", whole.base);
        fields("limit", whole.limit);
        fields("selector", whole.selector);
        fields("type", whole.type);
        fields("present", whole.present);
        fields("dpl", whole.dpl);
        fields("db", whole.db);
        fields("s", whole.s);
        fields("l", whole.l);
        fields("g", whole.g);
        fields("avl", whole.avl);
        fields("unusable", whole.unusable);
    }
};

struct DescriptorTable {
    kvm_dtable& whole;
    void state(auto& fields) {
        fields("base", whole.base);
        fields("limit", whole.limit);
    }
};

struct VcpuImage {
    kvm_regs general{};
    kvm_sregs special{};
    std::uint32_t run_state = 0;
    std::uint64_t time_stamp = 0;
    std::vector<std::uint32_t> msr_numbers = {};
    std::vector<std::uint64_t> msr_values = {};
    Bytes fpu = {}, extended = {}, control = {}, debug = {}, events = {}, apic = {}, nested = {};

    void state(auto& fields) {
        fields("rax", general.rax);
        fields("rbx", general.rbx);
        fields("rcx", general.rcx);
        fields("rdx", general.rdx);
        fields("rsi", general.rsi);
        fields("rdi", general.rdi);
        fields("rsp", general.rsp);
        fields("rbp", general.rbp);
        fields("r8", general.r8);
        fields("r9", general.r9);
        fields("r10", general.r10);
        fields("r11", general.r11);
        fields("r12", general.r12);
        fields("r13", general.r13);
        fields("r14", general.r14);
        fields("r15", general.r15);
        fields("rip", general.rip);
        fields("rflags", general.rflags);
        const auto segment = [&](const char* name, kvm_segment& one) {
            Segment named{one};
            fields(name, named);
        };
        segment("cs", special.cs);
        segment("ds", special.ds);
        segment("es", special.es);
        segment("fs", special.fs);
        segment("gs", special.gs);
        segment("ss", special.ss);
        segment("tr", special.tr);
        segment("ldt", special.ldt);
        DescriptorTable gdt{special.gdt}, idt{special.idt};
        fields("gdt", gdt);
        fields("idt", idt);
        fields("cr0", special.cr0);
        fields("cr2", special.cr2);
        fields("cr3", special.cr3);
        fields("cr4", special.cr4);
        fields("cr8", special.cr8);
        fields("efer", special.efer);
        fields("apic_base", special.apic_base);
        fields.elements("interrupt_bitmap", PLUGBAY_FIELD_U64, special.interrupt_bitmap,
                        std::size(special.interrupt_bitmap));
        fields("run_state", run_state);
        fields("time_stamp", time_stamp);
        fields("msr.number", msr_numbers, most_msrs);
        fields("msr.value", msr_values, most_msrs);
        fields("fpu", fpu, most_bytes);
        fields("extended_state", extended, most_bytes);
        fields("extended_control", control, most_bytes);
        fields("debug_registers", debug, most_bytes);
        fields("events", events, most_bytes);
        fields("local_apic", apic, most_bytes);
        fields.optional("nested", nested, {}, most_bytes);
    }
};

struct ChipsImage {
    Bytes first_pic = {}, second_pic = {}, io_apic = {}, pit = {};
    void state(auto& fields) {
        fields("first_pic", first_pic, most_bytes);
        fields("second_pic", second_pic, most_bytes);
        fields("io_apic", io_apic, most_bytes);
        fields("pit", pit, most_bytes);
    }
};

struct ClockImage {
    bool kvm_clock = false;
    std::uint64_t nanoseconds = 0;
    Bytes pit = {};
    void state(auto& fields) {
        fields("kvm_clock", kvm_clock);
        fields("nanoseconds", nanoseconds);
        fields("pit", pit, most_bytes);
    }
};

} // namespace

Result<StateImage> VcpuSnapshot::save() const {
    const State& from = *state_;
    VcpuImage image{.general = from.registers,
                    .special = from.special,
                    .run_state = from.run_state.mp_state,
                    .time_stamp = from.time_stamp,
                    .fpu = bytes_of(from.fpu),
                    .extended = bytes_of(from.extended),
                    .control = bytes_of(from.control),
                    .debug = bytes_of(from.debug),
                    .events = bytes_of(from.events),
                    .apic = bytes_of(from.apic),
                    .nested = from.nested};
    for (const kvm_msr_entry& entry : from.msrs) {
        image.msr_numbers.push_back(entry.index);
        image.msr_values.push_back(entry.data);
    }
    return save_own_state(vcpu_type, from.nested.empty() ? version : version_with_nested, image);
}

Result<VcpuSnapshot> VcpuSnapshot::load(const StateImage& from) {
    VcpuImage image;
    if (auto loaded = load_own_state(from, vcpu_type, version_with_nested, image); !loaded)
        return std::move(loaded).error();
    auto state = std::make_unique<State>();
    state->registers = image.general;
    state->special = image.special;
    state->run_state.mp_state = image.run_state;
    state->time_stamp = image.time_stamp;
    if (!fill(image.fpu, state->fpu)) return malformed(vcpu_type, "fpu");
    if (!fill(image.extended, state->extended)) return malformed(vcpu_type, "extended_state");
    if (!fill(image.control, state->control)) return malformed(vcpu_type, "extended_control");
    if (!fill(image.debug, state->debug)) return malformed(vcpu_type, "debug_registers");
    if (!fill(image.events, state->events)) return malformed(vcpu_type, "events");
    if (!fill(image.apic, state->apic)) return malformed(vcpu_type, "local_apic");
    state->nested = std::move(image.nested);
    if (image.msr_numbers.size() != image.msr_values.size()) return malformed(vcpu_type, "msr.value");
    for (std::size_t i = 0; i < image.msr_numbers.size(); ++i)
        state->msrs.push_back({.index = image.msr_numbers[i], .reserved = 0, .data = image.msr_values[i]});
    return VcpuSnapshot(std::move(state));
}

Result<StateImage> ChipSnapshot::save() const {
    ChipsImage image{.first_pic = bytes_of(state_->chips[0]),
                     .second_pic = bytes_of(state_->chips[1]),
                     .io_apic = bytes_of(state_->chips[2]),
                     .pit = bytes_of(state_->pit)};
    return save_own_state(chips_type, version, image);
}

Result<ChipSnapshot> ChipSnapshot::load(const StateImage& from) {
    ChipsImage image;
    if (auto loaded = load_own_state(from, chips_type, version, image); !loaded)
        return std::move(loaded).error();
    auto state = std::make_unique<State>();
    const std::array<const Bytes*, 3> chips{&image.first_pic, &image.second_pic, &image.io_apic};
    for (std::uint32_t id = 0; id < chips.size(); ++id) {
        if (!fill(*chips[id], state->chips[id])) return malformed(chips_type, "interrupt controllers");
        state->chips[id].chip_id = id;
    }
    if (!fill(image.pit, state->pit)) return malformed(chips_type, "pit");
    return ChipSnapshot(std::move(state));
}

Result<StateImage> ClockSnapshot::save() const {
    ClockImage image{.kvm_clock = state_->clock.has_value(),
                     .nanoseconds = state_->clock ? state_->clock->clock : 0,
                     .pit = bytes_of(state_->pit)};
    return save_own_state(clock_type, version, image);
}

Result<ClockSnapshot> ClockSnapshot::load(const StateImage& from) {
    ClockImage image;
    if (auto loaded = load_own_state(from, clock_type, version, image); !loaded)
        return std::move(loaded).error();
    auto state = std::make_unique<State>();
    if (image.kvm_clock) state->clock.emplace().clock = image.nanoseconds;
    if (!fill(image.pit, state->pit)) return malformed(clock_type, "pit");
    return ClockSnapshot(std::move(state));
}

} // namespace plugbay::core
