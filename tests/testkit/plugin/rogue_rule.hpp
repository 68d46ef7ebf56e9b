// The rules that probe-rogue breaks, each when its number is written to port 0x600.
#pragma once

#include <cstdint>

enum RogueRule : std::uint64_t {
    stale_handle,
    foreign_handle, // the handle in the upper bits
    firmware_after_create,
    null_log,
    quiesced_unasked,
    claim_from_thread,
    set_from_thread, // allowed
    level_two,
    unmap_never_mapped,
    bad_exit_status,
    log_newline,
    touch_memory_on_save,
    throw_on_refusal,
    number_twice, // from then on, when its statistics are read
};
