// A guest write that KVM turns into an eventfd signal without leaving the kernel. KVM API 4.59.
#pragma once

#include <cstdint>
#include <optional>

namespace plugbay::core {

struct IoeventfdRequest {
    enum class Space : std::uint8_t { port, mmio };

    Space space = Space::mmio;
    std::uint64_t address = 0;
    std::uint32_t size = 0;                  // bytes: 1, 2, 4, 8, or 0 for any
    std::optional<std::uint64_t> match = {}; // signal only for this value; not with size 0
    int eventfd = -1;                        // borrowed; must outlive the handle
};

// Owns one assignment; deassigns when destroyed. Must not outlive its KvmVm. Thread: any, one at a time.
class Ioeventfd {
  public:
    Ioeventfd() = default;
    Ioeventfd(Ioeventfd&& other) noexcept;
    Ioeventfd& operator=(Ioeventfd&& other) noexcept;
    Ioeventfd(const Ioeventfd&) = delete;
    Ioeventfd& operator=(const Ioeventfd&) = delete;
    ~Ioeventfd() { reset(); }

    [[nodiscard]] explicit operator bool() const { return vm_file_ >= 0; }
    [[nodiscard]] const IoeventfdRequest& request() const { return request_; }

    // Deassigns now. Costs up to 8 ms (an RCU grace period of KVM) just after another assignment.
    void reset();

  private:
    friend class KvmVm;
    Ioeventfd(int vm_file, const IoeventfdRequest& request) : vm_file_(vm_file), request_(request) {}

    int vm_file_ = -1;
    IoeventfdRequest request_;
};

} // namespace plugbay::core
