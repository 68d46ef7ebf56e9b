#include "core/cli/doctor.hpp"

#include "core/kvm/kvm_probe.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace plugbay::core {

namespace {

constexpr const char* emulator = "qemu-system-x86_64";

// Full path of a program on PATH, or empty.
std::string find_program(std::string_view name) {
    const char* const path = std::getenv("PATH");
    std::string_view rest = path ? path : "";
    while (!rest.empty()) {
        const auto end = rest.find(':');
        const std::string_view folder = rest.substr(0, end);
        rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
        if (folder.empty()) continue;
        std::string candidate = std::string(folder) + "/" + std::string(name);
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return {};
}

std::string summary(KvmVerdict verdict) {
    switch (verdict) {
    case KvmVerdict::full:
        return "an unmodified Linux can run";
    case KvmVerdict::partial:
        return "small guests run; an unmodified Linux will not";
    case KvmVerdict::none:
        break;
    }
    return "no guest can run";
}

std::vector<std::string> next_steps(const KvmProbeReport& report, bool has_emulator) {
    std::vector<std::string> steps;
    if (report.verdict == KvmVerdict::full) return {"nothing to do: start a machine with `plugbay run`"};
    if (!report.hint.empty()) steps.push_back(report.hint);
    steps.push_back(
        "to run Linux, use a machine with its own KVM, or a virtual machine whose host gives it nested "
        "virtualization");
    steps.push_back(has_emulator
                        ? std::string("or use the lab: ") + emulator +
                              " can emulate a machine with a complete KVM, slowly"
                        : std::string("or install ") + emulator +
                              " (package qemu-system-x86) for the lab, which emulates a machine with a "
                              "complete KVM, slowly");
    return steps;
}

nlohmann::json number(const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

nlohmann::json capability_names(const std::vector<KvmCapabilityInfo>& capabilities) {
    auto names = nlohmann::json::array();
    for (const auto& info : capabilities)
        names.push_back(info.name);
    return names;
}

nlohmann::json to_json(const KvmProbeReport& report, const std::string& emulator_path) {
    auto features = nlohmann::json::array();
    for (const auto& feature : report.features) {
        features.push_back({{"name", feature.name},
                            {"purpose", feature.purpose},
                            {"works", feature.works},
                            {"detail", feature.detail}});
    }
    return {
        {"kvm", verdict_name(report.verdict)},
        {"reasons", report.reasons},
        {"missing_required", capability_names(report.missing_required)},
        {"missing_optional", capability_names(report.missing_optional)},
        {"features", features},
        {"port_exit_ns", number(report.port_exit_nanoseconds)},
        {"mmio_exit_ns", number(report.mmio_exit_nanoseconds)},
        {"user_instructions_per_second", number(report.user_instructions_per_second)},
        {"kernel_instructions_per_second", number(report.kernel_instructions_per_second)},
        {"qemu", emulator_path.empty() ? nlohmann::json(nullptr) : nlohmann::json(emulator_path)},
        {"next_steps", next_steps(report, !emulator_path.empty())},
    };
}

std::string microseconds(const std::optional<double>& value) {
    return value ? fmt::format("{:.2f} us", *value / 1000) : "not measured";
}

std::string rate(const std::optional<double>& value) {
    return value ? fmt::format("{:.1f} million instructions a second", *value / 1e6) : "not measured";
}

void print(std::ostream& out, const KvmProbeReport& report, const std::string& emulator_path) {
    out << "KVM: " << verdict_name(report.verdict) << " (" << summary(report.verdict) << ")\n";
    for (const auto& reason : report.reasons)
        out << "  - " << reason << "\n";
    if (!report.features.empty()) {
        out << "Tried in small guests:\n";
        for (const auto& feature : report.features) {
            out << "  " << (feature.works ? "ok    " : "FAILS ") << feature.name << "\n";
        }
        out << "Port exit: " << microseconds(report.port_exit_nanoseconds) << "\n";
        out << "MMIO exit: " << microseconds(report.mmio_exit_nanoseconds) << "\n";
        out << "Guest speed, user code: " << rate(report.user_instructions_per_second) << "\n";
        out << "Guest speed, kernel code: " << rate(report.kernel_instructions_per_second) << "\n";
        for (const auto& info : report.missing_optional) {
            out << "Not here (optional): " << info.name << ", " << info.purpose << "\n";
        }
    }
    out << emulator << ": " << (emulator_path.empty() ? "not found" : emulator_path) << "\n";
    out << "Next:\n";
    for (const auto& step : next_steps(report, !emulator_path.empty()))
        out << "  - " << step << "\n";
}

} // namespace

int doctor_command(std::ostream& out, bool json) {
    const KvmProbeReport report = probe_kvm();
    const std::string emulator_path = find_program(emulator);
    if (json) {
        // PATH may hold any bytes; those that are not UTF-8 are replaced.
        out << to_json(report, emulator_path).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
            << "\n";
    } else {
        print(out, report, emulator_path);
    }
    return report.verdict == KvmVerdict::full ? 0 : 1;
}

} // namespace plugbay::core
