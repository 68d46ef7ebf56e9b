// The signal that forces a vCPU thread out of KVM_RUN. See KvmVcpu::request_exit().
#pragma once

namespace plugbay::core {

// Installs the empty handler for the process, once. Called by KvmVcpu::create(). Thread: any.
void install_kick_signal();

// Lets the calling thread receive the signal, whatever mask it inherited.
void unblock_kick_signal();

// The kernel's id of the calling thread; cheap after the thread's first call.
[[nodiscard]] int kernel_thread_id();

// Sends the signal to a thread of this process. Async-signal-safe. A thread that has ended is no error, and
// one that took over its id only sees a spurious signal.
void kick_thread(int kernel_thread_id);

} // namespace plugbay::core
