// What opening says when there is no KVM to open.
#include "core/kvm/kvm_probe.hpp"
#include "core/kvm/kvm_system.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

TEST(KvmSystem, AMissingDeviceHasAHint) {
    const auto system = KvmSystem::open("/nonexistent/kvm");
    ASSERT_FALSE(system);
    EXPECT_NE(system.error().message.find("/nonexistent/kvm"), std::string::npos);
    EXPECT_NE(system.error().hint.find("modprobe"), std::string::npos);
}

TEST(KvmSystem, AnotherDeviceIsNotTakenForKvm) {
    const auto system = KvmSystem::open("/dev/null");
    ASSERT_FALSE(system);
    EXPECT_NE(system.error().message.find("not a KVM device"), std::string::npos);
}

TEST(KvmCapabilities, AllAreNamed) {
    for (const auto& info : kvm_capabilities()) {
        EXPECT_NE(info.name[0], '\0');
        EXPECT_NE(info.purpose[0], '\0');
    }
}

TEST(KvmProbe, WithoutADeviceTheVerdictIsNone) {
    KvmProbeOptions options;
    options.device = "/nonexistent/kvm";
    const auto report = probe_kvm(options);
    EXPECT_EQ(report.verdict, KvmVerdict::none);
    EXPECT_EQ(report.reasons.size(), 1U);
    EXPECT_FALSE(report.hint.empty());
    EXPECT_FALSE(report.port_exit_nanoseconds);
}

} // namespace
} // namespace plugbay::core
