// The guest's RAM into a checkpoint.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/memory/guest_memory.hpp"

#include <cstdint>
#include <span>

namespace plugbay::core {

// All of it, as the first thing that a sink gets: pages that were never touched are zeros already, and stay untouched.
[[nodiscard]] Result<void> save_memory(const GuestMemory& memory, CheckpointSink& sink);

// The pages whose bits are set, as GuestMemory::take_dirty_pages() has them; bits past the last page are ignored.
[[nodiscard]] Result<void> save_pages(const GuestMemory& memory, std::span<const std::uint64_t> pages,
                                      CheckpointSink& sink);

} // namespace plugbay::core
