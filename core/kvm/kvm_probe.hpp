// What this machine's KVM is good for, found out by running tiny guests on it. Used by `plugbay doctor`.
#pragma once

#include "core/kvm/kvm_capability.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

enum class KvmVerdict {
    none,    // no guest runs here
    partial, // small guests run, an unmodified Linux will not
    full,    // everything Linux needs worked
};

// One thing that real guests need, tried in a guest of its own.
struct KvmProbeFeature {
    std::string name;
    std::string purpose = {}; // what of Linux needs it
    bool works = false;
    std::string detail = {}; // why not; empty when it works
};

struct KvmProbeReport {
    KvmVerdict verdict = KvmVerdict::none;
    std::vector<std::string> reasons = {}; // why not full; empty when it is
    std::string hint = {};                 // what to do when /dev/kvm could not be opened
    std::vector<KvmCapabilityInfo> missing_required = {};
    std::vector<KvmCapabilityInfo> missing_optional = {};
    std::vector<KvmProbeFeature> features = {};

    // Medians of one exit to user space and back, in nanoseconds; empty when not measured.
    std::optional<double> port_exit_nanoseconds = {};
    std::optional<double> mmio_exit_nanoseconds = {};
    // Instructions a second of a two-instruction loop, in ring 3 and in ring 0, 64-bit mode, paging on.
    std::optional<double> user_instructions_per_second = {};
    std::optional<double> kernel_instructions_per_second = {};
};

struct KvmProbeOptions {
    std::string device = "/dev/kvm";
    // For each guest. A guest that does not end in time is forced out, and given up if even that fails.
    std::chrono::milliseconds time_limit = std::chrono::milliseconds(3000);
};

// Takes about a second. Never hangs: each guest has a thread and a time limit of its own.
[[nodiscard]] KvmProbeReport probe_kvm(const KvmProbeOptions& options = {});

[[nodiscard]] const char* verdict_name(KvmVerdict verdict);

} // namespace plugbay::core
