// One client's conversation in GDB's remote serial protocol (GDB manual, appendix E), without its framing. Threads of
// the protocol are vCPUs, numbered from 1. Thread: [control].
#pragma once

#include "core/debug/debug_target.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

class GdbSession {
  public:
    // `send` takes the content of a packet for the client. Stops the target, as the protocol starts so.
    GdbSession(DebugTarget& target, std::function<void(std::string)> send);

    // Answers a packet, now, or when the target stops. Any content is survived.
    void packet(std::string_view content);
    void interrupt();
    // From the target.
    void stopped(const DebugStop& stop);
    // The machine is no more; nothing follows.
    void machine_ended();
    // False after the client took its leave: the target is detached.
    [[nodiscard]] bool attached() const { return attached_; }

  private:
    [[nodiscard]] std::optional<std::string> answer(std::string_view content);
    [[nodiscard]] std::optional<std::string> answer_v(std::string_view content);
    [[nodiscard]] std::string answer_query(std::string_view content);
    [[nodiscard]] std::string supported(std::string_view features);
    [[nodiscard]] std::string thread_list() const;
    [[nodiscard]] std::string select_thread(std::string_view content);
    [[nodiscard]] std::string read_registers();
    [[nodiscard]] std::string write_registers(std::string_view digits);
    [[nodiscard]] std::string read_register(std::string_view content);
    [[nodiscard]] std::string write_register(std::string_view content);
    [[nodiscard]] std::string read_memory(std::string_view content);
    [[nodiscard]] std::string write_memory(std::string_view content, bool binary);
    [[nodiscard]] std::string change_breakpoint(std::string_view content, bool insert);
    [[nodiscard]] std::optional<std::string> resume_one_way(std::string_view content, bool step, bool signal);
    [[nodiscard]] std::optional<std::string> resume_each(std::string_view content);
    [[nodiscard]] std::optional<std::string> resume(std::vector<ResumeAction> actions);
    [[nodiscard]] std::string stop_text() const;
    [[nodiscard]] std::optional<std::uint32_t> vcpu_of_thread(std::uint64_t thread) const;

    DebugTarget& target_;
    const std::function<void(std::string)> send_;
    DebugStop last_stop_;
    std::uint32_t selected_ = 0;                // vCPU of registers and memory
    std::optional<std::uint32_t> resumed_only_; // vCPU of `c` and `s`; nothing: all
    bool running_ = false;                      // the client waits for a stop
    bool attached_ = true;
    bool tells_software_ = false; // the client knows these reasons to stop
    bool tells_hardware_ = false;
};

} // namespace plugbay::core
