// Which of KVM's ways to stop a guest work, by trying: some KVMs take the call and do nothing, above all emulated ones.
#pragma once

namespace plugbay::core {

class KvmSystem;

// An int3 in the guest is an exit.
[[nodiscard]] bool int3_works(const KvmSystem& system);
// A breakpoint register stops the guest, at an instruction and after a write.
[[nodiscard]] bool breakpoint_registers_work(const KvmSystem& system);

} // namespace plugbay::core
