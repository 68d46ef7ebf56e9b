// What the tests of small guests share: opening KVM or skipping, and running a guest until it reports.
#pragma once

#include "core/kvm/tiny_guest.hpp"
#include "core/kvm/vcpu_dump.hpp"

#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>

// Tells `run` below that the program is done, and with what: a register of 1, 2 or 4 bytes.
asm(R"(
.macro report register
    movl $0xf4, %edx
    out \register, %dx
.endm
)");

namespace plugbay::core {

inline constexpr std::uint16_t report_port = 0xF4; // a guest that writes here is done
inline constexpr std::chrono::milliseconds guest_limit{10'000};

class GuestTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto opened = KvmSystem::open();
        if (!opened) GTEST_SKIP() << "no KVM here: " << opened.error().text();
        system_ = std::make_unique<KvmSystem>(*std::move(opened));
        const auto missing = system_->missing_required();
        if (!missing.empty()) GTEST_SKIP() << "this KVM has no " << missing.front().name;
    }

    // Null, with a failure recorded, when it cannot be made.
    std::shared_ptr<TinyGuest> make(GuestProgram program, TinyGuest::Options options) {
        auto guest = TinyGuest::create(*system_, program, options);
        if (guest) return *guest;
        ADD_FAILURE() << guest.error().text();
        return nullptr;
    }
    std::shared_ptr<TinyGuest> make(GuestProgram program) { return make(program, TinyGuest::Options{}); }

    // Runs until the guest writes to report_port and returns what it wrote (up to 32 bits). Other exits go to
    // `step`. Sets unsupported_ when this KVM cannot emulate an instruction; other ends are failures.
    std::optional<std::uint32_t> run(const std::shared_ptr<TinyGuest>& guest, const ExitStep& step = {}) {
        std::optional<std::uint32_t> report;
        std::vector<std::string> dump;
        const auto end = run_guarded(
            guest, 0,
            [&](VcpuExit& exit) {
                if (exit.kind == VcpuExit::Kind::port_out && exit.port.port == report_port) {
                    report = 0;
                    std::memcpy(&*report, exit.port.data, exit.port.size);
                    return false;
                }
                const bool known = exit.kind <= VcpuExit::Kind::mmio_write ||
                                   exit.kind == VcpuExit::Kind::read_msr ||
                                   exit.kind == VcpuExit::Kind::write_msr;
                if (known && step) return step(exit);
                if (exit.kind == VcpuExit::Kind::internal_error) unsupported_ = describe_exit(exit);
                dump = dump_vcpu(guest->vcpu(), guest->memory());
                dump.insert(dump.begin(), describe_exit(exit));
                return false;
            },
            guest_limit);
        if (!unsupported_.empty()) return report;
        EXPECT_EQ(end, GuardedEnd::finished) << "the guest did not end";
        EXPECT_THAT(dump, ::testing::IsEmpty());
        return report;
    }

    std::unique_ptr<KvmSystem> system_;
    std::string unsupported_;
};

#define SKIP_IF_UNSUPPORTED()                                                                                \
    if (!unsupported_.empty()) GTEST_SKIP() << "not with this KVM: " << unsupported_

// An eventfd and what was signalled on it.
class TestEvent {
  public:
    TestEvent() : file_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    [[nodiscard]] int file() const { return file_.get(); }
    void signal() const {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(file_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    }
    // Signals since the last call; 0 for none.
    [[nodiscard]] std::uint64_t take() const {
        std::uint64_t count = 0;
        return ::read(file_.get(), &count, sizeof count) == sizeof count ? count : 0;
    }

  private:
    UniqueFd file_;
};

} // namespace plugbay::core
