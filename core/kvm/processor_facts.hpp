// What a guest has seen of its processors and goes on relying on: a machine that is restored has to show the same.
#pragma once

#include "core/base/result.hpp"
#include "core/kvm/cpuid.hpp"

#include <plugbay/state_image.hpp>

#include <cstdint>
#include <vector>

namespace plugbay::core {

class KvmVcpu;

struct ProcessorFacts {
    CpuidTable cpuid = {};            // before topology: the same for all vCPUs
    std::uint32_t time_stamp_khz = 0; // 0: this KVM does not say
    // Leaves of `cpuid` that are not as KVM supports them, because devices or the machine changed something. Empty: not known.
    std::vector<std::uint32_t> edited = {};

    // `cpuid`: what KVM supports with all edits of devices.
    [[nodiscard]] static ProcessorFacts of(const KvmVcpu& vcpu, CpuidTable cpuid);

    [[nodiscard]] Result<StateImage> save() const;
    [[nodiscard]] static Result<ProcessorFacts> load(const StateImage& image);
};

// What a guest that was saved with `saved` would miss or find changed on a host whose KVM supports `supported`, as far as that can
// be told before there are devices: the leaves that nobody edited. No error where those are not known.
[[nodiscard]] Result<void> check_processor(const ProcessorFacts& saved, const CpuidTable& supported);

// Makes `vcpu` count time as `saved` did, if this KVM has another frequency and can; an error names what a guest that was
// saved with `saved` would miss or find changed here, where `now` is.
[[nodiscard]] Result<void> accept_processor(const ProcessorFacts& saved, const ProcessorFacts& now,
                                            const KvmVcpu& vcpu);

} // namespace plugbay::core
