// Breakpoints that are an instruction patched into the guest's memory. They are kept by guest-physical address, so that
// they are found again whatever the page tables say by then. Thread: [control], while no vCPU runs.
#pragma once

#include "core/base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace plugbay::core {

class GuestMemory;

class SoftwareBreakpoints {
  public:
    static constexpr std::size_t most = 1000;
    static constexpr std::size_t longest_trap = 2;

    // `trap` is the instruction, of 1 or 2 bytes. `memory` outlives the object.
    SoftwareBreakpoints(const GuestMemory& memory, std::span<const std::byte> trap)
        : memory_(memory), trap_(trap.begin(), trap.end()) {}

    using Translate = std::function<std::optional<std::uint64_t>(std::uint64_t linear)>;
    [[nodiscard]] Result<void> insert(std::uint64_t linear, const Translate& translate);
    // What the guest has written over since stays.
    void remove(std::uint64_t linear);
    void remove_all();
    // After a reset: the memory is another.
    void forget_all() { patches_.clear(); }
    [[nodiscard]] bool empty() const { return patches_.empty(); }

    // The linear address under which the one that begins here was inserted.
    [[nodiscard]] std::optional<std::uint64_t> at(std::uint64_t physical) const;
    // The guest's own instruction in its place, until put_back().
    void lift(std::uint64_t physical);
    // Those that the guest has not written over.
    void lift_all();
    void put_back();

    // `bytes` were read at `physical`: as the guest has them.
    void hide(std::uint64_t physical, std::span<std::byte> bytes) const;
    // Writes, without taking a breakpoint out. False: not RAM.
    [[nodiscard]] bool write(std::uint64_t physical, std::span<const std::byte> bytes);

  private:
    struct Patch {
        std::uint64_t linear = 0;
        std::array<std::uint64_t, longest_trap> physical{};
        std::array<std::byte, longest_trap> original{};
        bool lifted = false;
    };
    // What the memory has at a byte of a patch.
    [[nodiscard]] bool stands(const Patch& patch, std::size_t index) const;
    void restore(const Patch& patch) const;
    void plant(const Patch& patch) const;

    const GuestMemory& memory_;
    const std::vector<std::byte> trap_;
    std::vector<Patch> patches_;
};

} // namespace plugbay::core
