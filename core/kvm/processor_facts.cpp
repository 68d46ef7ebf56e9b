#include "core/kvm/processor_facts.hpp"

#include "core/base/own_state.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vcpu.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace plugbay::core {

namespace {

constexpr const char* type = "processor";
constexpr std::uint32_t version = 1;
constexpr std::uint64_t most_entries = 4096;
constexpr std::size_t words_of_an_entry = 7;

struct Image {
    std::vector<std::uint32_t> cpuid = {}; // leaf, subleaf, whether that matters, eax, ebx, ecx, edx
    std::uint32_t time_stamp_khz = 0;
    std::vector<std::uint32_t> edited = {};
    void state(auto& fields) {
        fields("cpuid", cpuid, most_entries * words_of_an_entry);
        fields("time_stamp_khz", time_stamp_khz);
        fields.optional("edited", edited, {}, most_entries);
    }
};

// Bits that tell which processor the question was asked on, or what is turned on at the moment (Intel SDM volume 2,
// CPUID; AMD's 0x8000001E).
CpuidEntry without_moments(CpuidEntry entry) {
    constexpr std::uint32_t operating_system_bits = 1U << 27; // OSXSAVE
    switch (entry.leaf) {
    case 1:
        entry.ebx = 0;
        entry.ecx &= ~operating_system_bits;
        break;
    case 0xb:
    case 0x1f:
        entry.edx = 0;
        break;
    case 0xd:
        if (entry.subleaf < 2) entry.ebx = 0;
        break;
    case 0x8000'001e:
        entry.eax = entry.ebx = entry.ecx = 0;
        break;
    default:
        break;
    }
    return entry;
}

Error other_processor(std::string what) {
    return Error{"the guest was saved on another processor, as this host shows it: " + std::move(what),
                 "restore on a host with the same processor, kernel and KVM options, or say "
                 "--accept-other-processor if the guest can live with that"};
}

// Of one entry that the guest knows.
Result<void> compare(const CpuidEntry& saved, const CpuidTable& now) {
    const CpuidEntry* const found = now.find(saved.leaf, saved.subleaf);
    const auto place = fmt::format("CPUID leaf {:#x}, subleaf {:#x}", saved.leaf, saved.subleaf);
    if (found == nullptr) return other_processor(place + " is missing");
    const CpuidEntry one = without_moments(saved), other = without_moments(*found);
    const auto differs = [&](const char* name, std::uint32_t before, std::uint32_t here) {
        return other_processor(fmt::format("{} has {} {:#010x}, not {:#010x}", place, name, here, before));
    };
    if (one.eax != other.eax) return differs("eax", one.eax, other.eax);
    if (one.ebx != other.ebx) return differs("ebx", one.ebx, other.ebx);
    if (one.ecx != other.ecx) return differs("ecx", one.ecx, other.ecx);
    if (one.edx != other.edx) return differs("edx", one.edx, other.edx);
    return {};
}

Result<void> compare(const ProcessorFacts& saved, const ProcessorFacts& now) {
    for (const CpuidEntry& each : saved.cpuid.entries()) {
        if (auto same = compare(each, now.cpuid); !same) return same;
    }
    if (saved.cpuid.entries().size() != now.cpuid.entries().size())
        return other_processor(fmt::format("CPUID has {} entries, not {}", now.cpuid.entries().size(),
                                           saved.cpuid.entries().size()));
    return {};
}

Result<void> keep_frequency(const ProcessorFacts& saved, const ProcessorFacts& now, const KvmVcpu& vcpu) {
    if (saved.time_stamp_khz == 0 || now.time_stamp_khz == 0) return {};
    // What a kernel's own clock adjustment takes for the same; the host measured it anew since it was started.
    constexpr std::uint32_t parts = 4000; // 250 in a million
    const std::uint32_t difference = std::max(saved.time_stamp_khz, now.time_stamp_khz) -
                                     std::min(saved.time_stamp_khz, now.time_stamp_khz);
    if (difference <= saved.time_stamp_khz / parts) return {};
    if (abi::call(vcpu.file(), KVM_SET_TSC_KHZ, static_cast<long>(saved.time_stamp_khz)) == 0) return {};
    return other_processor(fmt::format("its time stamp counter runs at {} kHz, not {}, and cannot be scaled",
                                       now.time_stamp_khz, saved.time_stamp_khz));
}

} // namespace

ProcessorFacts ProcessorFacts::of(const KvmVcpu& vcpu, CpuidTable cpuid) {
    const int khz = vcpu.has(KvmCapability::tsc_frequency) ? abi::call(vcpu.file(), KVM_GET_TSC_KHZ, 0) : 0;
    return {.cpuid = std::move(cpuid), .time_stamp_khz = khz > 0 ? static_cast<std::uint32_t>(khz) : 0};
}

Result<StateImage> ProcessorFacts::save() const {
    Image image{.time_stamp_khz = time_stamp_khz, .edited = edited};
    for (const CpuidEntry& each : cpuid.entries()) {
        for (const std::uint32_t word : {each.leaf, each.subleaf, each.subleaf_significant ? 1U : 0U,
                                         each.eax, each.ebx, each.ecx, each.edx})
            image.cpuid.push_back(word);
    }
    return save_own_state(type, version, image);
}

Result<ProcessorFacts> ProcessorFacts::load(const StateImage& from) {
    Image image;
    if (auto loaded = load_own_state(from, type, version, image); !loaded) return std::move(loaded).error();
    if (image.cpuid.size() % words_of_an_entry != 0)
        return Error{"the state of a processor cannot be loaded: its cpuid is cut"};
    std::vector<CpuidEntry> entries;
    for (std::size_t at = 0; at < image.cpuid.size(); at += words_of_an_entry) {
        const auto word = [&](std::size_t number) { return image.cpuid[at + number]; };
        entries.push_back({.leaf = word(0),
                           .subleaf = word(1),
                           .subleaf_significant = word(2) != 0,
                           .eax = word(3),
                           .ebx = word(4),
                           .ecx = word(5),
                           .edx = word(6)});
    }
    return ProcessorFacts{.cpuid = CpuidTable(std::move(entries)),
                          .time_stamp_khz = image.time_stamp_khz,
                          .edited = std::move(image.edited)};
}

Result<void> check_processor(const ProcessorFacts& saved, const CpuidTable& supported) {
    if (saved.edited.empty()) return {};
    for (const CpuidEntry& each : saved.cpuid.entries()) {
        if (std::ranges::find(saved.edited, each.leaf) != saved.edited.end()) continue;
        if (auto same = compare(each, supported); !same) return same;
    }
    return {};
}

Result<void> accept_processor(const ProcessorFacts& saved, const ProcessorFacts& now, const KvmVcpu& vcpu) {
    // The frequency whatever else differs: whoever goes on with another processor's features still wants its time.
    auto kept = keep_frequency(saved, now, vcpu);
    if (auto same = compare(saved, now); !same) return same;
    return kept;
}

} // namespace plugbay::core
